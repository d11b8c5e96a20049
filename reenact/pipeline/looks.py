"""What is said of input files before anything is drawn: a clip without a face, a picture that moves."""

import pathlib
from collections.abc import Callable

from reenact.errors import Hint, NoFaceFoundError, Note
from reenact.media import Picture, VideoReader
from reenact.perception.tracking import Tracker
from reenact.types import FaceGeometry

_LOOKS = 50


def expect_face(
    reader: VideoReader,
    *,
    tracker: Tracker,
    face: int | None = None,
    min_score: float = 0.5,
    check: Callable[[], None] = lambda: None,
) -> FaceGeometry:
    """The first face in frames from the beginning to the end of a clip.

    Args:
        reader: of the clip.
        tracker: finds the face.
        face: number of the face, 1 is the largest.
        min_score: certainty, 0 to 1, from which on a detection counts as a face.
        check: called before every look; raises to end the work.

    Raises:
        NoFaceFoundError: no look found one.
    """
    looks, reason = 0, ""
    for frame in reader.glances(_LOOKS):
        check()
        try:
            return tracker.track(frame, face=face, min_score=min_score)
        except NoFaceFoundError as error:
            looks, reason = looks + 1, str(error)
    whole = looks == reader.info.frame_count
    frames = f"any of the {looks} frames of" if whole else f"any of {looks} frames, from beginning to end, of"
    raise no_face_in(f"{frames} {reader.path}", reason)


def no_face_in(frames: str, reason: str) -> NoFaceFoundError:
    """The error for frames of a clip without a face.

    Args:
        frames: which, in words.
        reason: the tracker's, for one of them. It speaks of pictures.
    """
    reason = reason.replace("give a picture", "give a clip").replace("a larger picture", "a larger clip")
    return NoFaceFoundError(f"No face in {frames}. {reason}".strip())


def moving_note(picture: Picture, name: str | pathlib.Path) -> tuple[Note, ...]:
    """That a picture moves, and which of its frames is used."""
    if picture.frame_count == 1:
        return ()
    return (Note(f"{name} moves; the first of its {picture.frame_count} frames is used."),)


def driving_warnings(warnings: tuple[Note, ...], name: str | pathlib.Path) -> tuple[Note, ...]:
    """The tracker's warnings about the driving picture or clip."""
    return tuple(warning.about(name, hint=Hint.DRIVING_FACE) for warning in warnings)
