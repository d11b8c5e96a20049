"""Several faces in one picture or clip: which there are, and a driver for each."""

import dataclasses
import itertools
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.media import VideoReader, check_output, kind_of
from reenact.media.frame import Frame
from reenact.media.output import VIDEO_SUFFIXES
from reenact.perception.crop import copy_square
from reenact.perception.tracking import Tracker, TrackReport
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import reenact_image
from reenact.pipeline.progress import Progress, no_progress
from reenact.pipeline.results import ImageResult, VideoResult
from reenact.pipeline.source import PictureLike, open_picture
from reenact.pipeline.video import reenact_video
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.systems.catalog import DEFAULT_SYSTEM

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


def find_frame(clip: str | pathlib.Path, *, tracker: Tracker) -> Frame:
    """A clip's first frame with a face; see `find_faces`."""
    return _look_at(pathlib.Path(clip), tracker)[0]


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


def reenact_faces_video(
    source: PictureLike,
    drivers: Mapping[int, str | pathlib.Path],
    out: str | pathlib.Path,
    *,
    system: str | Engine = DEFAULT_SYSTEM,
    driving_faces: Mapping[int, int] | None = None,
    quality: int | None = None,
    longest_px: int | None = None,
    origin: Origin = SYNTHETIC,
    progress: Progress = no_progress,
    **options: Any,
) -> VideoResult:
    """Redraw several faces, each with the motion of a clip of its own, in one pass a face.

    The result has rate and sound of the first clip. It is as long as the longest one; a face whose clip has ended holds
    its last motion.

    Args:
        source: the picture or clip to redraw.
        drivers: clips or motions by the number of the face in the source, 1 is the largest.
        out: see `reenact_video`.
        system: a system's id, or a loaded engine.
        driving_faces: numbers of the faces in the clips, by the same number; the largest if missing.
        quality: of the result; passes before the last lose nothing visible.
        longest_px: results with a longer side are scaled down to this.
        origin: metadata and marks of the file; metadata alone by default.
        progress: called after every batch of each pass.
        **options: of `reenact_video`, but for the faces, `paste_back` and `side_by_side`; the results are whole
            pictures.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    if not drivers:
        raise ConfigError("No face has a driver; give a driving clip for at least one face of the source.")
    if options.get("side_by_side") or not options.get("paste_back", True):
        raise ConfigError("Several faces are drawn into the whole picture, alone; leave side by side and the crop out.")
    inputs = {"source": source} | {f"driver of face {number}": driving for number, driving in drivers.items()}
    check_output(out, overwrite=bool(options.get("overwrite")), suffixes=VIDEO_SUFFIXES, inputs=inputs)
    engine = system if isinstance(system, Engine) else load_engine(system)
    _, report = _look_at(source, engine.tracker)
    missing = max(drivers) if max(drivers) > len(report.faces) or min(drivers) < 1 else None
    if missing is not None:
        raise NoFaceFoundError(f"Face {missing} was asked for, but {len(report.faces)} were found, numbered from 1.")
    warnings = dict[str, None]()
    result: VideoResult | None = None
    with tempfile.TemporaryDirectory() as folder:
        for index, (number, driving) in enumerate(drivers.items()):
            is_last = index == len(drivers) - 1
            path = pathlib.Path(out) if is_last else pathlib.Path(folder) / f"{index}.mkv"
            face, chosen = number, dict(options)
            if result is not None:  # the clip that the pass before has written
                box = report.faces.boxes_px[number - 1] * options.get("upscale", 1)
                face = _nearest(result.path, box, engine.tracker)
                chosen |= {
                    "extend": "hold",
                    "fps": None,
                    "upscale": 1,
                    "sound": "source" if _has_sound(result.path) else "none",
                }
            result = reenact_video(
                source if result is None else result.path,
                driving,
                path,
                system=engine,
                face=face,
                driving_face=(driving_faces or {}).get(number),
                quality=quality if is_last else 100,
                longest_px=longest_px if is_last else None,
                origin=origin if is_last else SYNTHETIC,
                progress=_part_of(progress, index, len(drivers)),
                **chosen,
            )
            warnings |= dict.fromkeys(text for text in result.warnings if folder not in text)
    assert result is not None
    return dataclasses.replace(result, warnings=tuple(warnings))


def _part_of(progress: Progress, index: int, count: int) -> Progress:
    """Progress of one pass of several."""

    def show(done: int, total: int, stage: str) -> None:
        progress(index * total + done, count * total, stage)

    return show


def _nearest(clip: pathlib.Path, box_px: np.ndarray, tracker: Tracker) -> int:
    """Number of the face in a clip that is nearest to a box of the source; sizes, and so numbers, may have changed."""
    _, report = _look_at(clip, tracker)
    centres = (report.faces.boxes_px[:, :2] + report.faces.boxes_px[:, 2:]) / 2
    return int(np.linalg.norm(centres - (box_px[:2] + box_px[2:]) / 2, axis=1).argmin()) + 1


def _has_sound(clip: pathlib.Path) -> bool:
    with VideoReader(clip) as reader:
        return reader.info.has_audio


def _look_at(path: PictureLike, tracker: Tracker) -> tuple[Frame, TrackReport]:
    if not isinstance(path, (str, pathlib.Path)) or kind_of(path) == "image":
        frame = open_picture(path, "source")[0].rgb
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
