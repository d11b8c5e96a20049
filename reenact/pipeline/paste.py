"""The redrawn crop back into the picture it was cut from, without a seam."""

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.pipeline.crop import placed_square
from reenact.types import Frame

_UNTOUCHED, _REDRAWN = 0.02, 0.12
"""Of `Rendered.changed`: up to the first the source's own pixels stay, from the second on the result's are taken."""
_GROWN = 1 / 48
"""The redrawn area grows by this share of the crop before its edge is softened by as much: it stays fully covered."""
_FADE = 1 / 14
"""Width, as a share of the crop, over which the result fades towards a border of the crop that lies in the picture."""


class PasteBack:
    """Pastes any number of result crops into one source picture."""

    def __init__(self, frame: Frame, crop_from_frame: Float[torch.Tensor, "3 3"], crop_px: int) -> None:
        """Prepare for crops of one place.

        Args:
            frame: the source picture; it is not written to.
            crop_from_frame: of `cut_face`.
            crop_px: side of the result crops.
        """
        self._frame = frame
        self._left, self._top, self._side = placed_square(crop_from_frame, crop_px)
        height, width = frame.shape[:2]
        self._rows = slice(max(self._top, 0), min(self._top + self._side, height))
        self._columns = slice(max(self._left, 0), min(self._left + self._side, width))
        fade = fade_to_border(self._side, self._left, self._top, width=width, height=height)
        self._fade = fade[self._in_square]

    def __call__(self, rgb: UInt8[np.ndarray, "s s 3"], changed: Float[np.ndarray, "s s"]) -> Frame:
        """The source picture with one result in it; where nothing changed it is the source, bit for bit.

        Args:
            rgb: the result crop.
            changed: `Rendered.changed` of it.
        """
        matte = soft_matte(changed)
        if len(rgb) != self._side:
            shrinks = len(rgb) > self._side
            rgb = cv2.resize(
                rgb, (self._side, self._side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            )
            matte = cv2.resize(matte, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        result = self._frame.copy()
        here = result[self._rows, self._columns]
        alpha = (matte[self._in_square] * self._fade)[..., None]
        below = here.astype(np.float32)
        here[:] = np.rint(below + alpha * (rgb[self._in_square].astype(np.float32) - below)).astype(np.uint8)
        return result

    @property
    def _in_square(self) -> tuple[slice, slice]:
        """The part of the square that lies in the picture."""
        return (
            slice(self._rows.start - self._top, self._rows.stop - self._top),
            slice(self._columns.start - self._left, self._columns.stop - self._left),
        )


def soft_matte(changed: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    """How much of the result is taken: 1 all over the redrawn area, falling softly to 0 beside it."""
    reach = max(round(len(changed) * _GROWN), 1)
    hard = np.clip((changed.astype(np.float32) - _UNTOUCHED) / (_REDRAWN - _UNTOUCHED), 0, 1)
    grown = cv2.dilate(hard, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return cv2.blur(grown, (2 * reach + 1, 2 * reach + 1), borderType=cv2.BORDER_REPLICATE)


def fade_to_border(side: int, left: int, top: int, *, width: int, height: int) -> Float[np.ndarray, "{side} {side}"]:
    """1 inside the square, smoothly 0 at those of its borders that lie within the picture.

    A border outside the picture needs none: nothing beside it would show a seam.
    """
    reach = max(side * _FADE, 1.0)
    ramp = np.clip((np.arange(side, dtype=np.float32)) / reach, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    ones = np.ones(side, np.float32)
    along_x = (ramp if left > 0 else ones) * (ramp[::-1] if left + side < width else ones)
    along_y = (ramp if top > 0 else ones) * (ramp[::-1] if top + side < height else ones)
    return along_y[:, None] * along_x
