"""``reenact video``."""

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from tyro.conf import UseAppendAction

from reenact.cli.options import Driven, Part
from reenact.cli.output import Bar, clip_line, report
from reenact.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reenact.pipeline.engine import Engine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Video(Part, Driven):
    """Redraw a face, in a picture or a clip, with the motion of a clip; sound is kept."""

    absolute: bool = False
    """Take the driver's pose and expression over as they are. Default for a picture; for a clip, it is --relative."""
    extend: Literal["stop", "loop", "bounce", "hold"] = "stop"
    """Where source clip and driver differ in length: stop with the shorter, or go on with it from its beginning, back
    and forth, or holding its last frame."""
    sound: Literal["driving", "source", "none"] | None = None
    """Whose sound the result has. Default: the driver's, or the source clip's if that has none."""
    neutral_frame: int | None = None
    """Number, from 0, of the driving frame with a neutral face. Default: chosen automatically."""
    on_missing_face: Literal["hold", "skip", "stop"] = "hold"
    """Driving frames without a face: hold the result before, skip them, with their sound, or stop with an error."""
    smoothing: bool = True
    """Filter the tracker's jitter."""
    smoothing_strength: float = 1.0
    """How much it is filtered: 0.5 follows faster, 2 is steadier and lags behind."""
    au: UseAppendAction[tuple[str, ...]] = ()
    """Add to an Action Unit of the driven face, FACS -5 to 5: 12=+1.5; one side as in 45L=5. Repeatable; facegan
    only."""
    fps: str | None = None
    """Frames a second of the result, such as 25, 29.97 or 30000/1001. Default: the rate of the source clip, or of the
    driving clip for a picture."""
    quality: int | None = None
    """0 to 100. Default: 85, without visible loss."""
    size: int | None = None
    """Longer side of the result in pixels; larger results are scaled down. Default: the source's size."""

    def check(self) -> None:
        """Refuse settings, an output, a picture or a clip that cannot work."""
        from reenact.media import VideoReader, kind_of, read_image
        from reenact.media.output import VIDEO_SUFFIXES, check_output
        from reenact.pipeline.motions.library import SUFFIX, find_motion, motion_text
        from reenact.systems.catalog import DEFAULT_SYSTEM, find_system, without_units

        super().check()
        system = self.system or DEFAULT_SYSTEM
        if self.units() and self.checkpoint is None and not find_system(system).moves_units:
            raise without_units(system)
        if self.neutral_frame is not None and self.neutral_frame < 0:
            raise ConfigError(f"--neutral-frame is {self.neutral_frame}; frames are numbered from 0.")
        self.rate()
        trim = self.trim()
        if not 0 <= self.smoothing_strength <= 10:
            raise ConfigError(f"--smoothing-strength is {self.smoothing_strength:g}; give a factor from 0 to 10.")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise ConfigError(f"--quality is {self.quality}; give a number from 0 to 100.")
        if self.size is not None and self.size < 16:
            raise ConfigError(f"--size is {self.size}; give a length in pixels, 16 or more.")
        driving = find_motion(self.driving)
        inputs = {"source": self.source, "driver": driving}
        check_output(self.out, overwrite=self.overwrite, suffixes=VIDEO_SUFFIXES, inputs=inputs)
        if self.absolute and self.relative:
            raise ConfigError("--absolute and --relative exclude each other; give one of them.")
        if kind_of(self.source) == "video":
            VideoReader(self.source).close()
        elif self.sound == "source" or self.extend != "stop":
            option = "--sound source" if self.sound == "source" else f"--extend {self.extend}"
            raise ConfigError(f"{option} is for source clips; {self.source} is a picture.")
        else:
            read_image(self.source)
        if driving.suffix.lower() != SUFFIX:
            VideoReader(driving, trim=trim).close()
        elif refused := [
            option
            for option, given in {
                "--side-by-side": self.side_by_side,
                "--no-smoothing": not self.smoothing,
                "--driving-face": self.driving_face is not None,
                "--sound driving": self.sound == "driving",
            }.items()
            if given
        ]:
            raise ConfigError(
                f"{motion_text(driving)} is a motion template, tracked before, without pictures or sound; "
                f"leave {' and '.join(refused)} out."
            )

    def rate(self) -> Fraction | None:
        """The rate of the result; 29.97 is 30000/1001.

        Raises:
            ConfigError: not a rate.
        """
        from reenact.media.timing import choose_rate

        if self.fps is None:
            return None
        try:
            given = Fraction(self.fps)
        except (ValueError, ZeroDivisionError):
            given = Fraction(0)
        if not 1 <= given <= 240:
            raise ConfigError(f"--fps is {self.fps}; give frames a second from 1 to 240, such as 25 or 29.97.")
        return choose_rate(None, Fraction(0), given, None)

    def units(self) -> dict[str, float]:
        """The Action Units to add.

        Raises:
            ConfigError: an unknown unit, or an intensity out of range.
        """
        from reenact.cli.edit import read_units
        from reenact.pipeline.controls.settings import FaceEdit

        return dict(FaceEdit(action_units=read_units(self.au)).action_units)

    @property
    def usual_suffix(self) -> str:
        """See `Driven`."""
        return ".mp4"

    def redraw(self, load: "Callable[[str | None], Engine]") -> None:
        """See `Driven.redraw`."""
        self.check()
        self._check_frames()
        from reenact.pipeline.video import reenact_video

        restorer = self.restorer(self._count_frames)
        with Bar() as bar:
            result = reenact_video(
                self.source,
                self.driving,
                self.out,
                system=load(self.system),
                mode="relative" if self.relative else "absolute" if self.absolute else None,
                extend=self.extend,
                sound=self.sound,
                neutral_frame=self.neutral_frame,
                paste_back=self.paste_back,
                side_by_side=self.side_by_side,
                on_missing_face=self.on_missing_face,
                smoothing=self.smoothing_strength if self.smoothing else 0.0,
                action_units=self.units(),
                options=self.options(),
                face=self.face,
                driving_face=self.driving_face,
                min_face_score=self.min_face_score,
                max_crop_px=self.max_crop,
                crop=self.crop(),
                trim=self.trim(),
                overwrite=self.overwrite,
                fps=self.rate(),
                quality=self.quality,
                longest_px=self.size,
                restore=restorer,
                upscale=self.upscale,
                origin=self.origin(),
                progress=bar.show,
            )
        is_source = result.system is None and not self.side_by_side
        report(clip_line(result), result.warnings + (self.unmarked_note() if is_source else ()))

    def _check_frames(self) -> None:
        """Refuse times and frames that a motion template does not have, before anything is loaded."""
        from reenact.media import VideoReader, kind_of
        from reenact.pipeline.motions.playing import open_driving

        fps = self.rate()
        if fps is None and kind_of(self.source) == "video":
            with VideoReader(self.source) as reader:
                fps = reader.info.fps
        with open_driving(self.driving, fps=fps, trim=self.trim()) as driving:
            driving.check_neutral(self.neutral_frame)

    def _count_frames(self) -> int:
        from reenact.pipeline.motions.playing import count_frames

        return count_frames(self.driving, fps=self.rate(), trim=self.trim())
