"""The source: its face is found, cut out and encoded once, for any number of uses."""

import collections
import dataclasses
import hashlib
import itertools
import math
import pathlib
import threading
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from reenact.errors import ConfigError, NoFaceFoundError, Note
from reenact.media import Picture, read_image
from reenact.media.frame import Frame
from reenact.perception.crop import LARGEST_PX, SMALLEST_PX, cut_face, placed_square
from reenact.perception.crop_box import CropBox
from reenact.perception.tracking import Tracker
from reenact.pipeline.hidden import hidden_notes
from reenact.pipeline.progress import Progress, no_progress
from reenact.pipeline.results import size_of, to_frames
from reenact.systems.base import Reenactor
from reenact.types import FaceGeometry, FaceImage, head_angles_rad

LEVEL_RAD = math.radians(25)
"""Roll left by the quarter turns from which on the crop is rotated: networks draw rolled heads worse than resampled
ones. Below, the crop copies the picture's pixels."""

_LARGEST_ENLARGED_PX = 4096

PictureLike = UInt8[np.ndarray, "_ _ 3"] | Picture | str | pathlib.Path
"""A decoded picture, or the name of a file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A source, ready to be driven."""

    frame: Frame
    """The picture, turned by quarters until the head's roll is at most 45 degrees."""
    image: FaceImage
    """The crop at its own size, on the system's device."""
    geometry: FaceGeometry
    """Of the face, f = 1, frame pixels."""
    face: FaceGeometry
    """The same in the crop's pixels."""
    identity: Any
    """The system's encoding."""
    warnings: tuple[str, ...]
    """One line each, for the user."""
    quarters: int = 0
    """Counter-clockwise quarter turns from the given picture to `frame`."""

    @property
    def crop_px(self) -> int:
        """Side of the crop, and of every result drawn from it."""
        return self.image.rgb.shape[-1]

    def turned_back(self, picture: Frame) -> UInt8[np.ndarray, "_ _ 3"]:
        """A result, rotated to lie as the given picture does."""
        return np.ascontiguousarray(np.rot90(picture, -self.quarters)) if self.quarters else picture

    def face_square(self) -> tuple[int, int, int]:
        """Left, top and side of the square around the face, in the given picture."""
        left, top, side = placed_square(self.image.crop_from_frame[0].cpu(), self.crop_px)
        width, height = size_of(self.frame)
        for _ in range(self.quarters % 4):  # a quarter turn back is clockwise
            left, top = height - (top + side), left
            width, height = height, width
        return left, top, side

    def still(self, *, paste_back: bool) -> Frame:
        """The source with the framing of the results: the whole picture, or the crop."""
        return self.turned_back(self.frame if paste_back else to_frames(self.image.rgb)[0])


def prepare_source(
    frame: Frame,
    *,
    system: Reenactor[Any, Any, Any],
    tracker: Tracker,
    face: int | None = None,
    min_score: float = 0.5,
    smallest_px: int = SMALLEST_PX,
    largest_px: int = LARGEST_PX,
    hidden: nn.Module | None = None,
    crop: CropBox | None = None,
    tune_steps: int = 0,
    progress: Progress = no_progress,
    name: str = "the source",
) -> Source:
    """Find the face, cut it out at its own size, and encode it.

    Args:
        frame: the picture.
        system: encodes the face.
        tracker: finds the face.
        face: number of the face, 1 is the largest; the largest if None.
        min_score: certainty, 0 to 1, from which on a detection counts as a face.
        smallest_px: see `cut_face`.
        largest_px: see `cut_face`.
        hidden: see `Engine.hidden`.
        crop: another square around the face than the system's.
        tune_steps: steps in which the system is optimised for this face; 0 leaves it as it is.
        progress: of these steps, stage "tuning".
        name: of the picture, for errors and warnings.

    Raises:
        NoFaceFoundError: no usable face.
    """
    try:
        found = tracker.report(frame, face=face, min_score=min_score)
    except NoFaceFoundError as error:
        raise error.about(name) from error
    quarters = upright_quarters(found.geometry)
    frame, whole = turn_quarters(frame, found.geometry, quarters)
    roll_rad = roll_of(whole) if abs(roll_of(whole)) > LEVEL_RAD else 0.0
    warnings = found.warnings
    if quarters or roll_rad:
        warnings += (Note("The head does not stand upright; it is redrawn as it lies, angles count from upright."),)
    limits: dict[str, Any] = {"smallest_px": smallest_px, "largest_px": largest_px}
    image, geometry = cut_face(frame, whole, system.crop, native=True, roll_rad=roll_rad, box=crop, **limits)
    device = next(system.parameters()).device
    image = FaceImage(rgb=image.rgb.to(device), crop_from_frame=image.crop_from_frame)
    with torch.inference_mode():
        on_device = to_device(geometry, device)
        identity = system.encode_identity(image, on_device)
        if tune_steps:
            identity = system.tune(identity, tune_steps, progress)
        warnings += system.source_notes(identity, on_device)
        warnings += () if hidden is None else hidden_notes(hidden, image.rgb, on_device.mesh_px, source=True)
    return Source(
        frame=frame,
        image=image,
        geometry=whole,
        face=geometry,
        identity=identity,
        warnings=tuple(warning.about(name) for warning in warnings),
        quarters=quarters,
    )


def roll_of(geometry: FaceGeometry) -> float:
    """Roll of one head, radians, counter-clockwise as seen."""
    return float(head_angles_rad(geometry.rotation)[0, 2])


def upright_quarters(geometry: FaceGeometry) -> int:
    """Quarter turns (counter-clockwise, -1 to 2) that bring the head's roll to at most 45 degrees."""
    quarters = -round(roll_of(geometry) / (math.pi / 2))
    return 2 if quarters == -2 else quarters


def turn_quarters(
    frame: Frame, geometry: FaceGeometry, quarters: int
) -> tuple[UInt8[np.ndarray, "_ _ 3"], FaceGeometry]:
    """A picture turned counter-clockwise, and a face in it."""
    return np.ascontiguousarray(np.rot90(frame, quarters)), turn_geometry(geometry, quarters, size_of(frame))


def turn_geometry(geometry: FaceGeometry, quarters: int, size: tuple[int, int]) -> FaceGeometry:
    """A face in a picture of this width and height, after the picture is turned counter-clockwise."""
    for _ in range(quarters % 4):
        geometry = geometry.moved_by(torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, size[0]], [0.0, 0.0, 1.0]]))
        size = size[1], size[0]
    return geometry


def upright_driver(
    frame: Frame, geometry: FaceGeometry, name: object
) -> tuple[UInt8[np.ndarray, "_ _ 3"], FaceGeometry, tuple[Note, ...]]:
    """A driving picture turned by quarters until its head stands upright, with a note if it was turned."""
    quarters = upright_quarters(geometry)
    return *turn_quarters(frame, geometry, quarters), (turned_note(name),) if quarters else ()


def turned_note(name: object) -> Note:
    """That a driver was turned."""
    return Note(f"{name}: The head does not stand upright; the picture is turned before its motion is read.")


class _Kept(NamedTuple):
    source: Source
    nbytes: int
    made_by: tuple[Any, Any]
    """System and tracker: while they are kept, no others have their ids, which are part of the key."""


class SourceCache:
    """The sources used last, by their content. Threads may share it."""

    def __init__(self, capacity_bytes: int = 2**29) -> None:
        """An empty cache.

        Args:
            capacity_bytes: memory of all sources; the last one is kept even if it is larger.
        """
        self._capacity_bytes = capacity_bytes
        self._sources: collections.OrderedDict[tuple[Any, ...], _Kept] = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, frame: Frame, **options: Any) -> Source:
        """The result of `prepare_source` with these arguments, prepared now or before."""
        system, tracker = options["system"], options["tracker"]
        others = tuple(
            sorted((key, value) for key, value in options.items() if key not in ("system", "tracker", "progress"))
        )
        content = hashlib.blake2b(np.ascontiguousarray(frame).data, digest_size=16).digest()
        key = (content, frame.shape, id(system), id(tracker), others)
        with self._lock:
            if key in self._sources:
                self._sources.move_to_end(key)
                return self._sources[key].source
        source = prepare_source(frame, **options)
        with self._lock:
            self._sources[key] = _Kept(source, bytes_of(source), (system, tracker))
            while len(self._sources) > 1 and sum(each.nbytes for each in self._sources.values()) > self._capacity_bytes:
                self._sources.popitem(last=False)
        return source


def bytes_of(value: object) -> int:
    """Memory of all arrays and tensors in dataclasses, networks, lists, tuples and dicts; each is counted once."""
    seen: set[int] = set()

    def count(part: object) -> int:
        if id(part) in seen:
            return 0
        seen.add(id(part))
        if isinstance(part, (np.ndarray, torch.Tensor)):
            return part.nbytes
        if isinstance(part, torch.nn.Module):  # a generator that was tuned to the source
            return sum(map(count, itertools.chain(part.parameters(), part.buffers())))
        if dataclasses.is_dataclass(part):
            return sum(count(getattr(part, field.name)) for field in dataclasses.fields(part))
        if isinstance(part, dict):
            return sum(count(each) for each in cast(dict[object, object], part).values())
        return sum(count(each) for each in cast(list[object], part)) if isinstance(part, (list, tuple)) else 0

    return count(value)


def open_picture(picture: PictureLike, what: str) -> tuple[Picture, str]:
    """The pixels, and a name for messages: that of the file, or "the <what> picture"."""
    if isinstance(picture, Picture):
        return picture, f"the {what} picture"
    if isinstance(picture, (str, pathlib.Path)):
        return read_image(picture), str(picture)
    return Picture(rgb=picture, alpha=None), f"the {what} picture"


def enlarged(picture: Picture, factor: int) -> Picture:
    """A picture at 1 or 2 times its size.

    Raises:
        ConfigError: another factor, or a picture that is large enough.
    """
    if factor not in (1, 2):
        raise ConfigError(f"The source cannot be enlarged {factor} times; choose 1 or 2.")
    if factor == 1:
        return picture
    size = tuple(factor * side for side in size_of(picture.rgb))
    if max(size) > _LARGEST_ENLARGED_PX:
        raise ConfigError(
            f"The source would have {size[0]} x {size[1]} pixels; pictures of up to {_LARGEST_ENLARGED_PX // 2} are "
            "enlarged."
        )
    alpha = None if picture.alpha is None else cv2.resize(picture.alpha, size, interpolation=cv2.INTER_LINEAR)
    rgb = cv2.resize(picture.rgb, size, interpolation=cv2.INTER_CUBIC)
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)


def to_device(geometry: FaceGeometry, device: torch.device) -> FaceGeometry:
    """The geometry on a device."""
    fields = dataclasses.fields(geometry)
    return FaceGeometry(**{field.name: getattr(geometry, field.name).to(device) for field in fields})
