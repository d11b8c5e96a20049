"""The results of a run, and how they are laid out and described."""

import dataclasses
import pathlib
from fractions import Fraction

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.media.frame import Frame
from reenact.provenance.origin import Origin


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageResult:
    """A redrawn picture."""

    rgb: Frame
    """The whole source picture or the crop; beside other pictures if that was asked for."""
    alpha: UInt8[np.ndarray, "height width"] | None
    """The source's transparency, if it has any and the result has its size."""
    source: UInt8[np.ndarray, "_ _ 3"]
    """The source with the framing of the result, for comparison."""
    warnings: tuple[str, ...]
    """One line each, for the user."""
    system: str | None = None
    """Id of the system that drew; None where the source is unchanged."""
    face_px: tuple[int, int, int] | None = None
    """Left, top and side of the square around the face in a whole picture; it may reach beyond the border."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoResult:
    """A clip that was written."""

    path: pathlib.Path
    width: int
    height: int
    fps: Fraction
    frame_count: int
    missing: tuple[int, ...]
    """Driving frames in which no face was found."""
    warnings: tuple[str, ...]
    """One line each, for the user."""
    system: str | None = None
    """Id of the system that drew; None where the source is unchanged."""


class SideBySide:
    """Puts pictures beside each other, scaled to the height of the last one."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        """Lay out.

        Args:
            *sizes: width and height of each picture, from left to right.
        """
        self._height = sizes[-1][1]
        self._widths = [max(round(width * self._height / height), 1) for width, height in sizes]
        self._scaled_last: dict[int, tuple[Frame, Frame]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        return sum(self._widths), self._height

    def __call__(self, *pictures: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """Pictures of the promised sizes; an array that was already in the last call is not scaled again."""
        parts: list[Frame] = []
        for index, (picture, width) in enumerate(zip(pictures, self._widths, strict=True)):
            last = self._scaled_last.get(index)
            if last is None or last[0] is not picture:
                last = self._scaled_last[index] = picture, self._scale(picture, width)
            parts.append(last[1])
        return np.concatenate(parts, axis=1)

    def scale_first(self, picture: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """The first picture at the size that it is shown at, to hold it in less memory."""
        return self._scale(picture, self._widths[0]) if picture.shape[0] > self._height else picture

    def _scale(self, picture: UInt8[np.ndarray, "_ _ 3"], width: int) -> UInt8[np.ndarray, "_ _ 3"]:
        if picture.shape[:2] == (self._height, width):
            return picture
        shrinks = picture.shape[0] > self._height
        return cv2.resize(picture, (width, self._height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def origin_of(result: ImageResult, origin: Origin) -> Origin | None:
    """What the file of a result says of its origin: nothing if the result is its source, pixel for pixel."""
    return None if np.array_equal(result.rgb, result.source) else origin


def fitted(picture: Frame, longest_px: int | None) -> UInt8[np.ndarray, "_ _ 3"]:
    """A picture scaled down so that its longer side has at most this length."""
    height, width, _ = picture.shape
    scale = 1 if longest_px is None else longest_px / max(height, width)
    if scale >= 1:
        return picture
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def to_frames(rgb: Float[torch.Tensor, "f 3 h w"]) -> list[Frame]:
    """RGB in [0, 1] to uint8 pictures."""
    rounded = (rgb.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(np.ascontiguousarray(rounded.permute(0, 2, 3, 1).cpu().numpy()))


def size_of(picture: Frame) -> tuple[int, int]:
    """Width and height."""
    return picture.shape[1], picture.shape[0]


def frame_ranges(frames: list[int], *, most: int = 6) -> str:
    """Frame numbers as text: "3, 5 to 9"; ranges after the first `most` are only counted."""
    ranges: list[tuple[int, int]] = []
    for frame in frames:
        if ranges and frame == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], frame
        else:
            ranges.append((frame, frame))
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in ranges]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more ranges" if len(texts) > most else "")
