"""A face in a photo, edited by hand: Action Units, head angles, the background.

source ── tracked and encoded once ──▶ EditSession ── FaceEdit ──▶ units, angles ── L_T, G_r, G_b ──▶ crop
                                                                                                       │
                                whole picture ◀── cut out, put before a background ◀── pasted back ◀───┘
"""

import pathlib
from collections.abc import Iterator

import torch

from reenact.errors import ConfigError
from reenact.hub.loading import TrackerKind
from reenact.media import Picture, check_output
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.pipeline.crop import LARGEST_PX, placed_square
from reenact.pipeline.edit_background import Background, Cutout
from reenact.pipeline.edit_clip import between, check_clip, eased
from reenact.pipeline.edit_presets import PRESETS
from reenact.pipeline.edit_rules import is_same, resolve
from reenact.pipeline.edit_settings import FACS_MAXIMUM, EditMode, FaceEdit, FaceReading
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import ImageResult
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress
from reenact.pipeline.session import FaceSession, Shown, count_frames, open_face, write_drawn
from reenact.pipeline.source import PictureLike, Source
from reenact.pipeline.video import VideoResult
from reenact.systems.base import PoseControls
from reenact.systems.facegan.reenactor import DrivenFace, FaceganIdentity, FaceganReenactor
from reenact.types import Frame

__all__ = [
    "PRESETS",
    "EditMode",
    "EditSession",
    "FaceEdit",
    "FaceReading",
    "edit_image",
    "open_edit",
]

_PROFILE_DEG = 50.0
"""Yaw of a source from which on half of the face is guessed."""


class EditSession(FaceSession):
    """One face, ready to be edited any number of times. Made by `open_edit`."""

    def __init__(self, source: Source, picture: Picture, *, system: FaceganReenactor, paste_back: bool) -> None:
        """See `FaceSession`."""
        super().__init__(source, picture, system=system, paste_back=paste_back)
        self._system = system
        motion = source.identity.motion
        pitch, yaw, roll = torch.rad2deg(motion.angles_rad[0].double()).tolist()
        self.reading = FaceReading(
            action_units=motion.action_units[0].cpu() * FACS_MAXIMUM, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll
        )
        """What the source does; edits start from it."""
        self.warnings += _profile_warnings(self.reading)
        self._cutouts: dict[bool, Cutout] = {}

    def render(self, edit: FaceEdit, *, background: Background = None, preview: bool = False) -> ImageResult:
        """The edited face.

        An edit that changes nothing gives the source, bit for bit.

        Args:
            edit: what to change.
            background: what stands behind the person.
            preview: the crop alone at the network's side, fast.

        Raises:
            ReenactError: the background cannot be read.
        """
        wanted = resolve(edit, self.reading)
        cutout = None if background is None else self._cutout(preview)
        behind = None if cutout is None else cutout.background(background)
        shown = self._draw(wanted, preview=preview)
        alpha = self._alpha(preview)
        rgb = shown.rgb
        if cutout is not None:
            rgb, cut_alpha = cutout.replace(shown.rgb, shown.changed, behind)
            alpha = cut_alpha if behind is None else None
        return ImageResult(rgb=rgb, alpha=alpha, source=self._still(preview), warnings=self.warnings)

    def animate(
        self,
        edit: FaceEdit,
        out: str | pathlib.Path,
        *,
        seconds: float = 2.0,
        fps: int = 25,
        background: Background = None,
        overwrite: bool = False,
        progress: Progress = no_progress,
        should_stop: ShouldStop = never,
    ) -> VideoResult:
        """A clip that eases from the source to the edit and back.

        Args:
            edit: what is reached in the middle.
            out: .mp4, .mov, .mkv or .gif; it appears complete or not at all.
            seconds: length of the clip.
            fps: frames a second.
            background: what stands behind the person; clips know no transparency.
            overwrite: whether an existing file may be replaced.
            progress: told of every frame.
            should_stop: asked before every frame; True ends the work with `StoppedError`, and nothing is left behind.

        Raises:
            ReenactError: one of its children, with a text for the user.
        """
        out = pathlib.Path(out)
        check_output(out, overwrite=overwrite, suffixes=VIDEO_SUFFIXES)
        check_clip(seconds, fps, background)
        wanted, count = resolve(edit, self.reading), count_frames(seconds, fps)
        cutout = None if background is None else self._cutout(False)
        behind = None if cutout is None else cutout.background(background)

        def frames() -> Iterator[Frame]:
            for share in eased(count):
                shown = self._draw(between(self.reading, wanted, share))
                yield shown.rgb if cutout is None else cutout.replace(shown.rgb, shown.changed, behind)[0]

        return write_drawn(
            out,
            frames(),
            still=self.still,
            count=count,
            fps=fps,
            overwrite=overwrite,
            progress=progress,
            should_stop=should_stop,
            warnings=self.warnings,
        )

    def _draw(self, wanted: FaceReading, *, preview: bool = False) -> Shown:
        if is_same(wanted, self.reading):
            return Shown(rgb=self._still(preview), changed=None)
        device = self._source.identity.rgb.device
        angles = torch.deg2rad(torch.tensor([[wanted.pitch_deg, wanted.yaw_deg, wanted.roll_deg]], device=device))
        units = (wanted.action_units / FACS_MAXIMUM)[None].to(device)

        def drive(identity: FaceganIdentity) -> DrivenFace:
            return self._system.pose(identity, PoseControls(action_units=units, angles_rad=angles))

        return self._redraw(drive, preview=preview)

    def _cutout(self, preview: bool) -> Cutout:
        """The person in the source as it is shown; found when first needed."""
        if preview not in self._cutouts:
            still = self._still(preview)
            square = (0, 0, len(still))
            if self._paste is not None and not preview:
                square = placed_square(self._source.image.crop_from_frame[0].cpu(), self._source.crop_px)
            self._cutouts[preview] = Cutout(still, square, self._source.identity.rgb.device)
        return self._cutouts[preview]


def open_edit(
    source: PictureLike,
    *,
    engine: Engine,
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    paste_back: bool = True,
) -> EditSession:
    """Find a face and get it ready for edits; a source opened before is not encoded again.

    Args:
        source: the picture to edit.
        engine: of a system that can edit: facegan.
        face: which of several faces, from the largest, 1; the largest if None.
        min_face_score: certainty from which on something is a face.
        max_crop_px: larger faces are redrawn at this side, to save time and memory.
        paste_back: results are whole source pictures; else only the square around the face.

    Raises:
        ConfigError: the engine's system cannot edit.
        ReenactError: others of its children, with a text for the user.
    """
    system = engine.system
    if not isinstance(system, FaceganReenactor):
        raise ConfigError(f"The system {system.system!r} takes its motion from a driver alone; edit with facegan.")
    prepared, picture = open_face(
        source,
        engine=engine,
        face=face,
        min_face_score=min_face_score,
        max_crop_px=max_crop_px,
        paste_back=paste_back,
    )
    return EditSession(prepared, picture, system=system, paste_back=paste_back)


def edit_image(
    source: PictureLike,
    edit: FaceEdit,
    *,
    background: Background = None,
    system: str | Engine = "facegan",
    paste_back: bool = True,
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    tracker: TrackerKind = "own",
    device: str = "auto",
) -> ImageResult:
    """Edit the face in a picture once; for several edits of one picture see `open_edit`.

    Args:
        source: the picture to edit.
        edit: what to change.
        background: what stands behind the person: None for the source's own, "none" for nothing (the result has
            alpha), or a picture.
        system: a system's id, or an engine loaded before (then `tracker` and `device` are the engine's).
        paste_back: see `open_edit`.
        face: see `open_edit`.
        min_face_score: see `open_edit`.
        max_crop_px: see `open_edit`.
        tracker: "own", "fan" or "mediapipe".
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    engine = system if isinstance(system, Engine) else load_engine(system, tracker=tracker, device=device)
    session = open_edit(
        source,
        engine=engine,
        face=face,
        min_face_score=min_face_score,
        max_crop_px=max_crop_px,
        paste_back=paste_back,
    )
    return session.render(edit, background=background)


def _profile_warnings(reading: FaceReading) -> tuple[str, ...]:
    if abs(reading.yaw_deg) < _PROFILE_DEG:
        return ()
    turned = f"The face is turned by {abs(reading.yaw_deg):.0f} degrees"
    return (f"{turned}: its far side is not in the picture and is guessed where an edit turns it into view.",)
