"""Another background behind the person, or transparency."""

from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.hub.loading import face_parser
from reenact.media.frame import Frame
from reenact.perception.crop import copy_square
from reenact.perception.person import Square, own_colours, person_matte, square_matte
from reenact.pipeline.paste import soft_matte
from reenact.pipeline.source import PictureLike, open_picture

Background = PictureLike | Literal["none"] | None
"""None: the source's own. "none": transparent. A picture: scaled until it covers the source, then cropped around its
centre."""

_REACH = 1 / 64
"""Width of the person's edge whose colours are cleaned, as a share of the face's square."""


class Cutout:
    """The person in pictures of one source: found in the source once, and again where the head was redrawn."""

    def __init__(self, still: Frame, square: Square, device: torch.device, *, quarters: int = 0) -> None:
        """Find the person.

        Args:
            still: the source.
            square: around its face, in the pixels of `still` turned upright.
            device: of the face parser.
            quarters: counter-clockwise quarter turns that bring the person upright.
        """
        self._square, self._parser, self._quarters = square, face_parser(device), quarters
        self._height, self._width = still.shape[:2]
        self.matte = person_matte(_turned(still, quarters), square, self._parser)
        """Share of the person in the upright source, 0 to 1."""
        self.matte.flags.writeable = False

    def background(self, chosen: Background) -> Frame | None:
        """The background at the source's size; None for "none".

        Raises:
            UnsupportedInputError: the file cannot be read.
        """
        if chosen is None or (isinstance(chosen, str) and chosen == "none"):
            return None
        return cover(open_picture(chosen, "background")[0].rgb, self._width, self._height)

    def replace(
        self, rgb: Frame, changed: Float[np.ndarray, "s s"] | None, behind: Frame | None
    ) -> tuple[Frame, UInt8[np.ndarray, "height width"]]:
        """The person in front of another background and the person's matte; without a background, with cleaned edges.

        Args:
            rgb: the source with its head redrawn.
            changed: `Rendered.changed` of the face's square; None if nothing was redrawn.
            behind: of `background`.
        """
        rgb = _turned(rgb, self._quarters)
        matte = self.matte if changed is None else self._redrawn_matte(rgb, changed)
        front = own_colours(rgb, matte, max(round(self._square[2] * _REACH), 1))
        front, matte = _turned(front, -self._quarters), _turned(matte, -self._quarters)
        if behind is not None:
            front = behind + matte[..., None] * (front - behind)
        return np.rint(front.clip(0, 255)).astype(np.uint8), np.rint(matte * 255).astype(np.uint8)

    def _redrawn_matte(self, rgb: Frame, changed: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "height width"]:
        left, top, side = self._square
        matte = self.matte.copy()
        here = matte[max(top, 0) : top + side, max(left, 0) : left + side]
        above, beside = max(-top, 0), max(-left, 0)  # of the square, outside the picture
        inside = slice(above, above + here.shape[0]), slice(beside, beside + here.shape[1])
        found = square_matte(copy_square(rgb, left, top, side), self._parser)[inside]
        share = cv2.resize(soft_matte(changed), (side, side), interpolation=cv2.INTER_LINEAR)[inside]
        here += share * (found - here)
        return matte


def _turned(picture: np.ndarray, quarters: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(picture, quarters))


def cover(picture: UInt8[np.ndarray, "_ _ 3"], width: int, height: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """The picture, scaled until it covers `width` x `height` and cropped around its centre."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = max(round(picture.shape[1] * scale), width), max(round(picture.shape[0] * scale), height)
    if size != (picture.shape[1], picture.shape[0]):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])
