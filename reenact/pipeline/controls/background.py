"""Another background behind the person, or none."""

from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.pipeline.crop import copy_square
from reenact.pipeline.paste import soft_matte
from reenact.pipeline.person import Square, face_square_matte, own_colours, person_matte
from reenact.pipeline.source import PictureLike, open_picture
from reenact.types import Frame

Background = PictureLike | Literal["none"] | None
"""None: the source's own. "none": transparent. A picture: scaled until it covers the source, then cut around its
centre."""

_REACH = 1 / 64
"""Width of the person's edge whose colours are cleaned, share of the face's square."""


class Cutout:
    """The person in pictures framed like one source: found in the source once, anew where the head was redrawn."""

    def __init__(self, still: Frame, square: Square, device: torch.device) -> None:
        """Find the person.

        Args:
            still: the source.
            square: around its face, in the pixels of `still`.
            device: where the parser runs.
        """
        self._square, self._device = square, device
        self._height, self._width = still.shape[:2]
        self._matte = person_matte(still, square, device)
        self._matte.flags.writeable = False

    def background(self, chosen: Background) -> Frame | None:
        """The background at the source's size; None for "none".

        Raises:
            UnsupportedInputError: it cannot be read.
        """
        if chosen is None or (isinstance(chosen, str) and chosen == "none"):
            return None
        return cover(open_picture(chosen, "background")[0].rgb, self._width, self._height)

    def replace(
        self, rgb: Frame, changed: Float[np.ndarray, "s s"] | None, behind: Frame | None
    ) -> tuple[Frame, UInt8[np.ndarray, "height width"]]:
        """The person before another background (or with cleaned colours, for none), and their matte.

        Args:
            rgb: the source with its head redrawn.
            changed: `Rendered.changed` of the face's square; None if nothing was redrawn.
            behind: of `background`.
        """
        matte = self._matte if changed is None else self._redrawn(rgb, changed)
        front = own_colours(rgb, matte, max(round(self._square[2] * _REACH), 1))
        if behind is not None:
            front = behind + matte[..., None] * (front - behind)
        return np.rint(front.clip(0, 255)).astype(np.uint8), np.rint(matte * 255).astype(np.uint8)

    def _redrawn(self, rgb: Frame, changed: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "height width"]:
        left, top, side = self._square
        matte = self._matte.copy()
        rows, columns = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
        inside = (slice(rows.start - top, None), slice(columns.start - left, None))
        here = matte[rows, columns]
        found = face_square_matte(copy_square(rgb, left, top, side), self._device)[inside][
            : here.shape[0], : here.shape[1]
        ]
        share = cv2.resize(soft_matte(changed), (side, side), interpolation=cv2.INTER_LINEAR)
        share = share[inside][: here.shape[0], : here.shape[1]]
        here += share * (found - here)
        return matte


def cover(picture: UInt8[np.ndarray, "_ _ 3"], width: int, height: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Scaled until it covers `width` x `height`, and cut around its middle."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = max(round(picture.shape[1] * scale), width), max(round(picture.shape[0] * scale), height)
    if size != (picture.shape[1], picture.shape[0]):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])
