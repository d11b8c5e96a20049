"""Driving, source and result in one picture."""

import cv2
import numpy as np
from jaxtyping import UInt8

from reenact.types import Frame


class SideBySide:
    """Puts pictures beside each other, all as high as the last, its pixels unchanged."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        """Lay out.

        Args:
            *sizes: width and height of each picture, from left to right.
        """
        self._height = sizes[-1][1]
        self._widths = [max(round(width * self._height / height), 1) for width, height in sizes]
        self._kept: dict[int, tuple[Frame, Frame]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        return sum(self._widths), self._height

    def __call__(self, *pictures: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """Of the sizes promised; one that is the same array as in the last call is not scaled anew."""
        parts: list[Frame] = []
        for index, (picture, width) in enumerate(zip(pictures, self._widths, strict=True)):
            kept = self._kept.get(index)
            if kept is None or kept[0] is not picture:
                kept = self._kept[index] = picture, self._scaled(picture, width)
            parts.append(kept[1])
        return np.concatenate(parts, axis=1)

    def _scaled(self, picture: UInt8[np.ndarray, "_ _ 3"], width: int) -> UInt8[np.ndarray, "_ _ 3"]:
        if picture.shape[:2] == (self._height, width):
            return picture
        shrinks = picture.shape[0] > self._height
        return cv2.resize(picture, (width, self._height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def size_of(picture: Frame) -> tuple[int, int]:
    """Width and height."""
    return picture.shape[1], picture.shape[0]
