"""``reenact track``."""

import dataclasses
import pathlib
from typing import Annotated

from tyro.conf import Positional, arg

from reenact.cli.options import TrackerOptions
from reenact.cli.output import Bar, json_file, notes, report


@dataclasses.dataclass(frozen=True, kw_only=True)
class Track(TrackerOptions):
    """Write box, score, 68 landmarks, head angles and 17 Action Units of a face as JSON."""

    file: Annotated[Positional[pathlib.Path], arg(metavar="FILE")]
    """Picture or clip."""
    json: Annotated[str, arg(metavar="FILE")]
    """Output file; "-" is the standard output."""
    smoothing: bool = True
    """Filter the jitter of a clip."""

    def check(self) -> None:
        """Refuse settings, an output or an input that cannot work."""
        from reenact.media import kind_of
        from reenact.media.output import check_output

        super().check()
        if (out := self._out()) is not None:
            check_output(out, overwrite=self.overwrite, suffixes=(".json",), inputs={"file": self.file})
        kind_of(self.file)

    def run(self) -> None:
        """Write the JSON."""
        self.check()
        from reenact.hub import load_tracker, select_device
        from reenact.pipeline.track import write_tracks

        out, tracker = self._out(), load_tracker(self.tracker, select_device(self.device))
        with Bar() as bar, json_file(out, overwrite=self.overwrite) as file:
            count, warnings = write_tracks(
                self.file,
                file,
                tracker=tracker,
                smoothing=self.smoothing,
                face=self.face,
                min_face_score=self.min_face_score,
                progress=bar.show,
            )
        if out is None:
            notes(warnings)
        else:
            report(f"{out}: {count} {'frame' if count == 1 else 'frames'}", warnings)

    def _out(self) -> pathlib.Path | None:
        return None if self.json == "-" else pathlib.Path(self.json)
