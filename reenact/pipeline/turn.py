"""The head in a photo, turned by hand: one pose, or a clip from profile to profile.

source ── tracked and encoded once ──▶ TurnSession ── HeadTurn ──▶ head turned on its neck ──▶ crop ──▶ whole picture
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import torch

from reenact.errors import ConfigError
from reenact.hub.loading import TrackerKind
from reenact.media import Picture, check_output
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.pipeline.controls.settings import ANGLES, checked_angle
from reenact.pipeline.crop import LARGEST_PX
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress
from reenact.pipeline.results import ImageResult, VideoResult
from reenact.pipeline.session import FaceSession, Shown, check_timing, count_frames, open_face, write_drawn
from reenact.pipeline.source import PictureLike, Source
from reenact.systems.base import PoseControls
from reenact.systems.dual_generator.reenactor import DrivenHead, DualGeneratorIdentity, DualGeneratorReenactor
from reenact.types import Frame

LARGEST_DEG = {"yaw": 90.0, "pitch": 45.0, "roll": 45.0}
"""How far a head may be turned to either side."""

_SAME_DEG = 0.06
"""Angles this near to the source's own are its own, rounded for display to 0.1."""

_FAR_SIDE_DEG = 50.0
"""Yaw of a source from which on one half of the face is hardly seen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadTurn:
    """How a head shall stand; an angle that is None stays as the source has it.

    Raises:
        ConfigError: an angle out of its range.
    """

    yaw_deg: float | None = None
    """To the person's left, -90 to 90."""
    pitch_deg: float | None = None
    """Down, -45 to 45."""
    roll_deg: float | None = None
    """Towards the person's right shoulder, -45 to 45."""

    def __post_init__(self) -> None:
        for angle in LARGEST_DEG:
            value = getattr(self, f"{angle}_deg")
            if value is not None:
                object.__setattr__(self, f"{angle}_deg", checked_angle(angle, value))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadReading:
    """How a head stands in its picture, degrees; the source's own angles may lie beyond those of a `HeadTurn`."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    def turned(self, turn: HeadTurn) -> "HeadReading":
        """How it stands after a turn."""
        wanted: dict[str, float] = {}
        for angle in ANGLES:
            own, value = getattr(self, f"{angle}_deg"), getattr(turn, f"{angle}_deg")
            wanted[f"{angle}_deg"] = own if value is None or abs(value - own) < _SAME_DEG else value
        return HeadReading(**wanted)


class TurnSession(FaceSession):
    """One head, ready to be turned any number of times. Made by `open_turn`."""

    def __init__(self, source: Source, picture: Picture, *, system: DualGeneratorReenactor, paste_back: bool) -> None:
        """See `FaceSession`."""
        super().__init__(source, picture, system=system, paste_back=paste_back)
        self._system = system
        pitch, yaw, roll = torch.rad2deg(source.identity.angles_rad[0].double()).tolist()
        self.reading = HeadReading(yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
        """How the source's head stands; turns are absolute."""
        self.warnings += _source_warnings(self.reading)

    def render(self, turn: HeadTurn, *, preview: bool = False) -> ImageResult:
        """The turned head.

        A turn to where the head stands gives the source, bit for bit.

        Args:
            turn: how it shall stand.
            preview: the crop alone at the network's side, fast.
        """
        shown = self._draw(self.reading.turned(turn), preview=preview)
        return ImageResult(
            rgb=shown.rgb, alpha=self._alpha(preview), source=self._still(preview), warnings=self.warnings
        )

    def turntable(
        self,
        out: str | pathlib.Path,
        *,
        seconds: float = 3.0,
        fps: int = 25,
        from_yaw_deg: float = -90.0,
        to_yaw_deg: float = 90.0,
        turn: HeadTurn | None = None,
        overwrite: bool = False,
        progress: Progress = no_progress,
        should_stop: ShouldStop = never,
    ) -> VideoResult:
        """A clip in which the head turns evenly from one yaw to another.

        Args:
            out: .mp4, .mov, .mkv or .gif; it appears complete or not at all.
            seconds: length of the clip.
            fps: frames a second.
            from_yaw_deg: at the beginning, -90 to 90.
            to_yaw_deg: at the end.
            turn: pitch and roll held meanwhile; the source's own if None.
            overwrite: whether an existing file may be replaced.
            progress: told of every frame.
            should_stop: asked before every frame; True ends the work with `StoppedError`, and nothing is left behind.

        Raises:
            ReenactError: one of its children, with a text for the user.
        """
        out = pathlib.Path(out)
        check_output(out, overwrite=overwrite, suffixes=VIDEO_SUFFIXES)
        check_timing(seconds, fps)
        first, last = (checked_angle("yaw", value) for value in (from_yaw_deg, to_yaw_deg))
        held, count = turn or HeadTurn(), count_frames(seconds, fps)

        def frames() -> Iterator[Frame]:
            for index in range(count):
                yaw = first + (last - first) * index / (count - 1)
                yield self._draw(self.reading.turned(dataclasses.replace(held, yaw_deg=yaw))).rgb

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

    def _draw(self, wanted: HeadReading, *, preview: bool = False) -> Shown:
        if wanted == self.reading:
            return Shown(rgb=self._still(preview), changed=None)
        angles = torch.deg2rad(torch.tensor([[wanted.pitch_deg, wanted.yaw_deg, wanted.roll_deg]]))

        def drive(identity: DualGeneratorIdentity) -> DrivenHead:
            units = self._system.read_controls(identity).action_units
            return self._system.pose(identity, PoseControls(action_units=units, angles_rad=angles.to(units)))

        return self._redraw(drive, preview=preview)


def open_turn(
    source: PictureLike,
    *,
    engine: Engine,
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    paste_back: bool = True,
) -> TurnSession:
    """Find a face and get its head ready to be turned; a source opened before is not encoded again.

    Args:
        source: the picture.
        engine: of a system that turns heads: dual_generator.
        face: which of several faces, from the largest, 1; the largest if None.
        min_face_score: certainty from which on something is a face.
        max_crop_px: larger faces are redrawn at this side, to save time and memory.
        paste_back: results are whole source pictures; else only the square around the face.

    Raises:
        ConfigError: the engine's system cannot turn heads by hand.
        ReenactError: others of its children, with a text for the user.
    """
    system = engine.system
    if not isinstance(system, DualGeneratorReenactor):
        raise ConfigError(f"The system {system.system!r} does not turn heads far; turn them with dual_generator.")
    prepared, picture = open_face(
        source,
        engine=engine,
        face=face,
        min_face_score=min_face_score,
        max_crop_px=max_crop_px,
        paste_back=paste_back,
    )
    return TurnSession(prepared, picture, system=system, paste_back=paste_back)


def turn_image(
    source: PictureLike,
    turn: HeadTurn,
    *,
    system: str | Engine = "dual_generator",
    paste_back: bool = True,
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    tracker: TrackerKind = "own",
    device: str = "auto",
) -> ImageResult:
    """Turn the head in a picture once; for several turns of one picture see `open_turn`.

    Args:
        source: the picture.
        turn: how the head shall stand.
        system: a system's id, or an engine loaded before (then `tracker` and `device` are the engine's).
        paste_back: see `open_turn`.
        face: see `open_turn`.
        min_face_score: see `open_turn`.
        max_crop_px: see `open_turn`.
        tracker: "own", "fan" or "mediapipe".
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    engine = system if isinstance(system, Engine) else load_engine(system, tracker=tracker, device=device)
    session = open_turn(
        source,
        engine=engine,
        face=face,
        min_face_score=min_face_score,
        max_crop_px=max_crop_px,
        paste_back=paste_back,
    )
    return session.render(turn)


def _source_warnings(reading: HeadReading) -> tuple[str, ...]:
    if abs(reading.yaw_deg) < _FAR_SIDE_DEG:
        return ()
    side = "left" if reading.yaw_deg > 0 else "right"
    turned = f"The face is turned by {abs(reading.yaw_deg):.0f} degrees"
    return (f"{turned}: its {side} side is hardly in the picture and is drawn as the other's mirror image.",)
