"""Several faces in one picture: which there are, and a driver for each."""

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.media import VideoReader, kind_of, read_image
from reenact.media.frame import Frame
from reenact.perception.crop import copy_square
from reenact.perception.tracking import Tracker, TrackReport
from reenact.pipeline.image import reenact_image
from reenact.pipeline.results import ImageResult
from reenact.pipeline.source import PictureLike

_MOST_LOOKS = 50
"""Frames of a clip that are searched for a face."""
_AROUND = 1.6
"""Side of a thumbnail over the longer side of the face's box."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundFace:
    """A face that can be chosen."""

    number: int
    """From the largest, 1: `face` and `driving_face` of a run."""
    thumbnail: UInt8[np.ndarray, "s s 3"]


def find_faces(path: str | pathlib.Path, *, tracker: Tracker, thumbnail_px: int = 160) -> list[FoundFace]:
    """The faces of a picture, or of a clip's first frame with one, as a run numbers them.

    Args:
        path: of the picture or clip.
        tracker: finds them.
        thumbnail_px: side of the thumbnails.

    Raises:
        NoFaceFoundError: there is none.
        UnsupportedInputError: the file cannot be read.
    """
    frame, report = _look_at(pathlib.Path(path), tracker)
    faces: list[FoundFace] = []
    for number, box in enumerate(report.faces.boxes_px, start=1):
        side = max(round(_AROUND * float((box[2:] - box[:2]).max())), 1)
        left, top = (round(float(centre) - side / 2) for centre in (box[:2] + box[2:]) / 2)
        square = copy_square(frame, left, top, side)
        small = cv2.resize(square, (thumbnail_px, thumbnail_px), interpolation=cv2.INTER_AREA)
        faces.append(FoundFace(number=number, thumbnail=small))
    return faces


def reenact_faces(
    source: PictureLike,
    drivers: Mapping[int, PictureLike],
    *,
    driving_faces: Mapping[int, int] | None = None,
    **options: Any,
) -> ImageResult:
    """Redraw several faces of a picture, each with a driver of its own; the others stay as they are.

    Args:
        source: the picture to redraw.
        drivers: driving pictures by the number of the face in the source, 1 is the largest.
        driving_faces: numbers of the faces in the driving pictures, by the same number; the largest if missing.
        **options: of `reenact_image`, but for the faces; the results are whole pictures.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    if not drivers:
        raise ConfigError("No face has a driver; give a driving picture for at least one face of the source.")
    results: list[ImageResult] = []
    for number, driving in drivers.items():
        chosen: dict[str, Any] = {"face": number, "driving_face": (driving_faces or {}).get(number)}
        results.append(reenact_image(source, driving, **chosen, **options))
    rgb = results[0].rgb.copy()
    for each in results[1:]:
        moved = (each.rgb != each.source).any(-1)  # what does not move is the source, bit for bit
        rgb[moved] = each.rgb[moved]
    warnings = dict.fromkeys(itertools.chain.from_iterable(each.warnings for each in results))
    return dataclasses.replace(results[0], rgb=rgb, warnings=tuple(warnings), face_px=_around(results))


def _look_at(path: pathlib.Path, tracker: Tracker) -> tuple[Frame, TrackReport]:
    if kind_of(path) == "image":
        frame = read_image(path).rgb
        return frame, tracker.report(frame)
    last: NoFaceFoundError | None = None
    with VideoReader(path) as reader:
        for frame in itertools.islice(reader, _MOST_LOOKS):
            try:
                return frame, tracker.report(frame)
            except NoFaceFoundError as error:
                last = error
    raise last or NoFaceFoundError(f"{path}: No face found.")


def _around(results: list[ImageResult]) -> tuple[int, int, int] | None:
    """The square around all faces."""
    squares = [each.face_px for each in results if each.face_px is not None]
    if not squares:
        return None
    left, top = (min(square[axis] for square in squares) for axis in (0, 1))
    right, bottom = (max(square[axis] + square[2] for square in squares) for axis in (0, 1))
    side = max(right - left, bottom - top)
    return (left + right - side) // 2, (top + bottom - side) // 2, side
