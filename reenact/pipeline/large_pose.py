"""Whether a source and its driver call for the system of large poses: a face turned far, in a picture or in a clip."""

import dataclasses
import pathlib
from collections.abc import Iterator
from fractions import Fraction

from reenact.errors import NoFaceFoundError
from reenact.media.picked_frames import PickedFrames
from reenact.perception.tracking import Tracker
from reenact.perception.video import VideoTracker
from reenact.pipeline.progress import ShouldStop, checkpoint, never
from reenact.pipeline.source import PictureLike, open_picture
from reenact.pipeline.turn import wants_large_pose
from reenact.types import FaceGeometry, head_angles_rad

_LOOKS_PER_S = 4
"""Frames of a clip that are tracked; a head takes longer than a quarter of a second to a profile and back."""
_MOST_LOOKS = 240
"""Of a long clip; about three seconds of work."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FarTurn:
    """A face that is turned beyond `reenact.pipeline.turn.LARGE_POSE_DEG`."""

    yaw_deg: float
    at_s: float | None
    """When in the clip; None in a picture."""


def far_turn_in_picture(
    picture: PictureLike, *, tracker: Tracker, face: int | None = None, min_face_score: float = 0.5
) -> FarTurn | None:
    """The face of a picture, if it is turned far; None too if there is no usable face.

    Args:
        picture: it, or the name of its file.
        tracker: finds the face.
        face: which of several, from the largest, 1; the largest if None.
        min_face_score: certainty from which on something is a face.

    Raises:
        UnsupportedInputError: it cannot be read.
    """
    frame = open_picture(picture, "given")[0].rgb
    try:
        found = tracker.track(frame, face=face, min_score=min_face_score)
    except NoFaceFoundError:
        return None
    return _far(found, None)


def far_turn_in_clip(
    clip: str | pathlib.Path,
    *,
    tracker: Tracker,
    face: int | None = None,
    min_face_score: float = 0.5,
    should_stop: ShouldStop = never,
) -> FarTurn | None:
    """The first far turn of the face in a clip, looked for in frames spread evenly over all of it.

    Args:
        clip: name of its file.
        tracker: finds the face.
        face: which of several in the first frame with one.
        min_face_score: certainty from which on something is a face.
        should_stop: asked before every frame that is looked at; True ends the work with `StoppedError`.

    Raises:
        UnsupportedInputError: it cannot be read.
    """
    check = checkpoint(should_stop)
    for time_s, found in _faces(clip, tracker, face=face, min_face_score=min_face_score):
        check()
        turn = None if found is None else _far(found, time_s)
        if turn is not None:
            return turn
    return None


def _faces(
    clip: str | pathlib.Path, tracker: Tracker, *, face: int | None, min_face_score: float
) -> Iterator[tuple[float, FaceGeometry | None]]:
    frames = PickedFrames(pathlib.Path(clip), Fraction(_LOOKS_PER_S))
    if frames.duration_s * _LOOKS_PER_S > _MOST_LOOKS:
        rate = Fraction(_MOST_LOOKS / frames.duration_s).limit_denominator(10_000)
        frames = PickedFrames(pathlib.Path(clip), rate)
    following = VideoTracker(tracker, float(frames.fps), smoothing=False, face=face, min_score=min_face_score)
    for picked in frames:
        yield float(picked.slot / frames.fps), following.update(picked.rgb)


def _far(found: FaceGeometry, at_s: float | None) -> FarTurn | None:
    if not wants_large_pose(found):
        return None
    return FarTurn(yaw_deg=float(head_angles_rad(found.rotation)[0, 1].rad2deg()), at_s=at_s)
