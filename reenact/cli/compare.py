"""``reenact compare``."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from reenact.cli.options import Part, SourceAndOutput, TrackerOptions, check_face_number
from reenact.cli.output import Bar, json_file, notes
from reenact.errors import ConfigError

if TYPE_CHECKING:
    from reenact.pipeline.compare.figures import SystemFigures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(Part, TrackerOptions, SourceAndOutput):
    """Draw the same source and driver by several systems, side by side, and measure the results."""

    driving: Annotated[Positional[pathlib.Path], arg(metavar="DRIVING")]
    """Picture or clip that gives pose and expression; also a motion template or the name of one. After its kind, the
    output is a picture or a clip."""
    systems: tuple[str, ...] = ()
    """Which systems. Default: all whose weights are installed."""
    paste_back: bool = False
    """Show the whole picture; otherwise the square around the face."""
    driving_face: int | None = None
    """Which of several faces in the driving picture or clip, counted from the largest, 1."""
    json: pathlib.Path | None = None
    """Write the figures to this file, too; "-" is the standard output, in place of the table."""

    def check(self) -> None:
        """Refuse settings, outputs, a picture or a clip that cannot work."""
        from reenact.media import VideoReader, kind_of, read_image
        from reenact.media.output import IMAGE_SUFFIXES, VIDEO_SUFFIXES, check_output
        from reenact.pipeline.motions.library import SUFFIX, find_motion
        from reenact.systems.catalog import find_system

        super().check()
        self.check_marking()
        trim = self.trim()
        check_face_number("--driving-face", self.driving_face)
        for system in self.systems:
            find_system(system)
        driving = find_motion(self.driving)
        is_template = driving.suffix.lower() == SUFFIX
        is_clip = not is_template and kind_of(driving) == "video"
        suffixes = VIDEO_SUFFIXES if is_clip or is_template else IMAGE_SUFFIXES
        inputs = {"source": self.source, "driver": driving}
        check_output(self.out, overwrite=self.overwrite, suffixes=suffixes, inputs=inputs)
        if self.json is not None and str(self.json) != "-":
            check_output(self.json, overwrite=self.overwrite, suffixes=(".json",), inputs=inputs)
        if trim is not None and not (is_clip or is_template):
            raise ConfigError("--from and --to are times in a clip; leave them out, or give a clip as the driver.")
        read_image(self.source)
        if is_clip:
            VideoReader(driving, trim=trim).close()
        elif not is_template:
            read_image(driving)

    def run(self) -> None:
        """Write picture or clip, and print the figures."""
        self.check()
        from reenact.pipeline.compare.run import compare

        with Bar() as bar:
            result = compare(
                self.source,
                self.driving,
                self.out,
                systems=self.systems,
                paste_back=self.paste_back,
                face=self.face,
                driving_face=self.driving_face,
                min_face_score=self.min_face_score,
                tracker=self.tracker,
                device=self.device,
                trim=self.trim(),
                overwrite=self.overwrite,
                origin=self.origin(),
                progress=bar.show,
            )
        if self.json is not None:
            to_output = str(self.json) == "-"
            with json_file(None if to_output else self.json, overwrite=self.overwrite) as file:
                file.write(result.to_json())
        if str(self.json) != "-":
            print("\n".join(table(result.figures)))
            frames = f", {result.frame_count} frames" if result.fps is not None else ""
            print(f"{result.path}: {result.width} x {result.height} pixels{frames}")
        notes(result.warnings)


def table(figures: "Sequence[SystemFigures]") -> list[str]:
    """Lines of a table in plain text."""
    head = ("system", "pose error", "identity", "s a frame", "use")
    rows = [head, *((each.system, *each.cells(), each.use) for each in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
