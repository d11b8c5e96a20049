"""Finds faces that are turned far, for which the system of large poses draws better."""

import dataclasses
import math
import pathlib
from collections.abc import Iterator
from fractions import Fraction

from reenact.errors import NoFaceFoundError
from reenact.media import Trim
from reenact.media.picked_frames import PickedFrames
from reenact.perception.tracking import Tracker
from reenact.perception.video import VideoTracker
from reenact.pipeline.motions.library import SUFFIX
from reenact.pipeline.motions.template import read_template
from reenact.pipeline.progress import ShouldStop, never, stop_checker
from reenact.pipeline.source import PictureLike, open_picture
from reenact.types import FaceGeometry, head_angles_rad

LARGE_POSE_DEG = 45.0
"""Yaw beyond which a face counts as turned far."""

_LOOKS_PER_S = 4
"""Frames of a clip that are tracked per second; a head takes longer than that to a profile and back."""
_MOST_LOOKS = 240
"""Largest number of frames tracked in a long clip; about three seconds of work."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FarTurn:
    """A face whose yaw exceeds `LARGE_POSE_DEG`."""

    yaw_deg: float
    at_s: float | None
    """Time in the clip; None in a picture."""


def far_turn_in_picture(
    picture: PictureLike, *, tracker: Tracker, face: int | None = None, min_face_score: float = 0.5
) -> FarTurn | None:
    """The face of a picture if it is turned far; None if it is not, or if there is no usable face.

    Args:
        picture: the picture, or the name of its file.
        tracker: finds the face.
        face: number of the face, 1 is the largest; the largest if None.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.

    Raises:
        UnsupportedInputError: the file cannot be read.
    """
    frame = open_picture(picture, "given")[0].rgb
    try:
        found = tracker.track(frame, face=face, min_score=min_face_score)
    except NoFaceFoundError:
        return None
    return _far_turn(found, None)


def far_turn_in_clip(
    clip: str | pathlib.Path,
    *,
    tracker: Tracker,
    face: int | None = None,
    min_face_score: float = 0.5,
    trim: Trim | None = None,
    should_stop: ShouldStop = never,
) -> FarTurn | None:
    """The first far turn of the face in a clip, among frames spread evenly over it.

    Args:
        clip: name of the file; that of a motion template is read, not tracked.
        tracker: finds the face.
        face: number of the face in the first frame of the part with one, 1 is the largest; the largest if None.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        trim: part of the clip that counts; all of it if None.
        should_stop: called before every tracked frame; True ends the work with `StoppedError`.

    Raises:
        UnsupportedInputError: the file cannot be read.
    """
    check, trim = stop_checker(should_stop), trim or Trim()
    if pathlib.Path(clip).suffix.lower() == SUFFIX:
        tracked = _recorded(clip, trim)
    else:
        tracked = _faces(clip, tracker, face=face, min_face_score=min_face_score, trim=trim)
    for time_s, found in tracked:
        check()
        turn = None if found is None else _far_turn(found, time_s)
        if turn is not None:
            return turn
    return None


def _faces(
    clip: str | pathlib.Path, tracker: Tracker, *, face: int | None, min_face_score: float, trim: Trim
) -> Iterator[tuple[float, FaceGeometry | None]]:
    max_s = None if trim.end_s is None else float(trim.end_s)
    frames = PickedFrames(pathlib.Path(clip), Fraction(_LOOKS_PER_S), max_s=max_s)
    if frames.duration_s * _LOOKS_PER_S > _MOST_LOOKS:
        frames = PickedFrames(pathlib.Path(clip), Fraction(_MOST_LOOKS, math.ceil(frames.duration_s)), max_s=max_s)
    following = VideoTracker(tracker, float(frames.fps), smoothing=False, face=face, min_score=min_face_score)
    for picked in frames:
        time_s = float(picked.slot / frames.fps)
        yield time_s, following.update(picked.rgb) if time_s >= trim.begin_s else None


def _recorded(motion: str | pathlib.Path, trim: Trim) -> Iterator[tuple[float, FaceGeometry]]:
    """The faces of a motion template."""
    template = read_template(motion)
    for row, frame in enumerate(template.frames.tolist()):
        if trim.begin_s <= frame / template.fps and (trim.end_s is None or frame / template.fps < trim.end_s):
            yield float(frame / template.fps), template.faces[slice(row, row + 1)]


def _far_turn(found: FaceGeometry, at_s: float | None) -> FarTurn | None:
    yaw_deg = math.degrees(float(head_angles_rad(found.rotation)[0, 1]))
    return FarTurn(yaw_deg=yaw_deg, at_s=at_s) if abs(yaw_deg) > LARGE_POSE_DEG else None
