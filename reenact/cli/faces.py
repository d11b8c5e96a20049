"""``reenact image``, ``reenact video``, ``reenact track``."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from reenact.cli.output import Bar, clip_line, json_file, notes, picture_line, report
from reenact.errors import ConfigError

if TYPE_CHECKING:
    from reenact.pipeline import Engine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Redrawing:
    """What all commands that redraw a face have in common."""

    source: Positional[pathlib.Path]
    """Picture of the face to redraw."""
    out: Annotated[pathlib.Path, arg(aliases=["-o"])]
    """Where the result goes; its ending chooses the format."""
    system: str | None = None
    """Which system draws; "correspondence" unless the checkpoint says another."""
    checkpoint: str | None = None
    """Weights: a folder with config.json and model.safetensors, or owner/name or owner/name@revision on the Hub."""
    tracker: Literal["own", "fan", "mediapipe"] = "own"
    """Who finds and measures faces; fan and mediapipe need their own libraries."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    paste_back: bool = True
    """Give the whole source picture back; else only the square around the face."""
    face: int | None = None
    """Which of several faces of the source, from the largest, 1."""
    min_face_score: float = 0.5
    """Certainty, 0 to 1, from which on something is a face."""
    max_crop: int = 1536
    """Largest side in pixels at which a face is redrawn; larger faces are shrunk for it."""
    overwrite: bool = False
    """Replace an existing result."""

    def load(self, system: str | None) -> "Engine":
        """The networks, after the settings have been checked.

        Args:
            system: a system's id; that of the checkpoint, or the default, if None.
        """
        from reenact.pipeline import load_engine

        if not 0 <= self.min_face_score <= 1:
            raise ConfigError(f"--min-face-score is {self.min_face_score:g}; it is a certainty from 0 to 1.")
        if self.max_crop < 64:
            raise ConfigError(f"--max-crop is {self.max_crop}; it is a side in pixels, 64 or more.")
        return load_engine(system, checkpoint=self.checkpoint, tracker=self.tracker, device=self.device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loading(Redrawing):
    """What `image` and `video` have in common."""

    driving: Positional[pathlib.Path]
    """Picture or clip whose pose and expression are taken."""
    relative: bool = False
    """Add the change since the driver's neutral face to the source's own pose and expression."""
    side_by_side: bool = False
    """Show driving, source and result beside each other."""
    driving_face: int | None = None
    """Which of several faces of the driving picture or clip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image(Loading):
    """Redraw a face with the pose and expression of another picture."""

    neutral: pathlib.Path | None = None
    """With --relative: a picture of the driver at rest."""

    def run(self) -> None:
        """Do it."""
        from reenact.media import check_output, read_image, write_image
        from reenact.media.image import IMAGE_SUFFIXES
        from reenact.pipeline import reenact_image
        from reenact.pipeline.results import COMMENT

        check_output(self.out, overwrite=self.overwrite, suffixes=IMAGE_SUFFIXES)
        for path in (self.source, self.driving, self.neutral):
            if path is not None:
                read_image(path)
        result = reenact_image(
            self.source,
            self.driving,
            system=self.load(self.system),
            mode="relative" if self.relative else "absolute",
            neutral=self.neutral,
            paste_back=self.paste_back,
            side_by_side=self.side_by_side,
            face=self.face,
            driving_face=self.driving_face,
            min_face_score=self.min_face_score,
            max_crop_px=self.max_crop,
        )
        write_image(self.out, result.rgb, alpha=result.alpha, overwrite=self.overwrite, comment=COMMENT)
        report(picture_line(self.out, result), result.warnings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Video(Loading):
    """Redraw a face with the motion of a clip; the clip's sound is kept."""

    neutral_frame: int | None = None
    """Number, from 0, of the driving frame that counts as neutral; else it is chosen."""
    on_missing_face: Literal["hold", "skip", "stop"] = "hold"
    """Driving frames without a face: hold the result before, skip them (and the sound), or stop with an error."""
    smoothing: bool = True
    """Filter the tracker's jitter."""
    au: UseAppendAction[tuple[str, ...]] = ()
    """Add to an Action Unit of the driven face, FACS -5 to 5: 12=+1.5; sides as in 45L=5. Repeatable; facegan only."""
    neutralise: bool = False
    """Relative motion from a neutral face: the source's own expression is taken out. facegan only."""

    def run(self) -> None:
        """Do it."""
        from reenact.cli.edit import read_units
        from reenact.media import VideoReader, check_output, read_image
        from reenact.media.video_writer import VIDEO_SUFFIXES
        from reenact.pipeline import reenact_video

        units = read_units(self.au)
        check_output(self.out, overwrite=self.overwrite, suffixes=VIDEO_SUFFIXES)
        read_image(self.source)
        VideoReader(self.driving).close()
        with Bar() as bar:
            result = reenact_video(
                self.source,
                self.driving,
                self.out,
                system=self.load(self.system),
                mode="relative" if self.relative else "absolute",
                neutral_frame=self.neutral_frame,
                paste_back=self.paste_back,
                side_by_side=self.side_by_side,
                on_missing_face=self.on_missing_face,
                smoothing=self.smoothing,
                action_units=units,
                neutralise=self.neutralise,
                face=self.face,
                driving_face=self.driving_face,
                min_face_score=self.min_face_score,
                max_crop_px=self.max_crop,
                overwrite=self.overwrite,
                progress=bar.show,
            )
        report(clip_line(result), result.warnings)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Track:
    """Write what is seen of a face as JSON: box, score, 68 landmarks, head angles, 17 Action Units."""

    file: Positional[pathlib.Path]
    """Picture or clip."""
    json: str
    """Where to; "-" is the standard output."""
    tracker: Literal["own", "fan", "mediapipe"] = "own"
    """Who finds and measures faces; fan and mediapipe need their own libraries."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    face: int | None = None
    """Which of several faces, from the largest, 1."""
    min_face_score: float = 0.5
    """Certainty, 0 to 1, from which on something is a face."""
    smoothing: bool = True
    """Filter the jitter of a clip."""
    overwrite: bool = False
    """Replace an existing result."""

    def run(self) -> None:
        """Do it."""
        from reenact.hub import load_tracker, select_device
        from reenact.media import check_output, kind_of
        from reenact.pipeline import write_tracks

        out = None if self.json == "-" else pathlib.Path(self.json)
        if out is not None:
            check_output(out, overwrite=self.overwrite, suffixes=(".json",))
        kind_of(self.file)
        tracker = load_tracker(self.tracker, select_device(self.device))
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
