"""``reenact motion``."""

import dataclasses
import pathlib
from typing import Annotated

from tyro.conf import Positional, arg

from reenact.cli.options import Part, TrackerOptions
from reenact.cli.output import Bar, report
from reenact.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Motion(Part, TrackerOptions):
    """Write the motion of a clip, without its pictures, as a template that drives like the clip; or list those here."""

    clip: Annotated[Positional[pathlib.Path | None], arg(metavar="CLIP")] = None
    """Clip whose motion is written."""
    out: Annotated[pathlib.Path | None, arg(aliases=["-o"])] = None
    """Output file, .safetensors."""
    small: bool = False
    """Round meshes to a thousandth of the face's size, for a file of about a tenth of the size."""
    smoothing: bool = True
    """Filter the tracker's jitter."""
    list: bool = False
    """List the project's own templates; `reenact video` takes them by name."""

    def check(self) -> None:
        """Refuse settings, an output or a clip that cannot work."""
        from reenact.media import VideoReader
        from reenact.media.output import check_output
        from reenact.pipeline.motions.library import SUFFIX

        super().check()
        if self.list:
            if (self.clip, self.out, self.begin, self.end) != (None,) * 4:
                raise ConfigError("--list only lists templates; leave everything else out, or leave --list out.")
            return
        if self.clip is None or self.out is None:
            raise ConfigError("reenact motion needs CLIP and --out FILE.safetensors, or --list.")
        check_output(self.out, overwrite=self.overwrite, suffixes=(SUFFIX,), inputs={"clip": self.clip})
        VideoReader(self.clip, trim=self.trim()).close()

    def run(self) -> None:
        """Write the template, or list those of the library."""
        self.check()
        if self.clip is None or self.out is None:
            from reenact.pipeline.motions.playing import describe_library

            print("\n".join(describe_library()))
            return
        from reenact.pipeline.motions.record import record_motion
        from reenact.pipeline.motions.template import write_template

        with Bar() as bar:
            template, warnings = record_motion(
                self.clip,
                tracker=self.tracker,
                device=self.device,
                smoothing=self.smoothing,
                face=self.face,
                min_face_score=self.min_face_score,
                trim=self.trim(),
                progress=bar.show,
            )
        write_template(template, self.out, small=self.small, overwrite=self.overwrite)
        size = self.out.stat().st_size / 1000
        seconds = float(template.frame_count / template.fps)
        report(f"{self.out}: {template.frame_count} frames ({seconds:.1f} s), {size:.0f} kB, no pictures", warnings)
