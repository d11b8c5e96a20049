"""Puts a redrawn crop back into the picture that it was cut from, without a visible seam."""

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.media.frame import Frame
from reenact.perception.crop import centred, placed_square
from reenact.pipeline.source import Source

_UNTOUCHED, _REDRAWN = 0.02, 0.12
"""Values of `Rendered.changed`: up to the first, the source's pixels are kept; from the second on, the result's are
used."""
_GROWN = 1 / 48
"""The redrawn area is dilated by this share of the crop before its edge is blurred by as much, so that it stays fully
covered."""
_FADE = 1 / 14
"""Width, as a share of the crop, over which the result fades towards a border of the crop inside the picture."""
_FADE_ABOVE = 1 / 40
"""The same at the upper border: the top of the old head, which is near it, must not show through."""


class PasteBack:
    """Pastes any number of result crops into one source picture."""

    def __init__(self, frame: Frame, crop_from_frame: Float[torch.Tensor, "3 3"], crop_px: int) -> None:
        """Prepare for crops of one place.

        Args:
            frame: the source picture; it is not modified.
            crop_from_frame: of `cut_face`.
            crop_px: side of the result crops.
        """
        self._frame = frame
        self._rolled = float(crop_from_frame[1, 0]) != 0
        left, top, side = placed_square(crop_from_frame, crop_px)
        height, width = frame.shape[:2]
        self._side, self._fade = side, fade_to_border(side, left, top, width=width, height=height)
        if self._rolled:
            self._fade = fade_to_border(side, 1, 1, width=side + 2, height=side + 2)
            matrix = crop_from_frame.double().numpy()
            spread = float(np.abs(matrix[0, :2]).sum() / np.linalg.norm(matrix[0, :2]))
            grown = int(np.ceil(side * (spread - 1) / 2))
            left, top, side = left - grown, top - grown, side + 2 * grown
            square_from_frame = np.diag([self._side / crop_px, self._side / crop_px, 1.0]) @ matrix
            moved = np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
            self._onto = centred(np.linalg.inv(square_from_frame @ moved))[:2], (side, side)
        rows, columns = _overlap(top, side, height), _overlap(left, side, width)
        self._in_frame = rows, columns
        self._in_square = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)

    @classmethod
    def of(cls, source: Source) -> "PasteBack":
        """For crops of a source."""
        return cls(source.frame, source.image.crop_from_frame[0].cpu(), source.crop_px)

    def __call__(self, rgb: UInt8[np.ndarray, "s s 3"], changed: Float[np.ndarray, "s s"]) -> Frame:
        """A copy of the source picture with one result in it; unchanged pixels are exactly the source's.

        Args:
            rgb: the result crop.
            changed: `Rendered.changed` of it.
        """
        matte = soft_matte(changed)
        if len(rgb) != self._side:
            size, shrinks = (self._side, self._side), len(rgb) > self._side
            rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
            matte = cv2.resize(matte, size, interpolation=cv2.INTER_LINEAR)
        matte = matte * self._fade
        if self._rolled:
            rgb = cv2.warpAffine(rgb, *self._onto, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            matte = cv2.warpAffine(matte, *self._onto, flags=cv2.INTER_LINEAR)
        result = self._frame.copy()
        here = result[self._in_frame]
        alpha = matte[self._in_square][..., None]
        below = here.astype(np.float32)
        here[:] = np.rint(below + alpha * (rgb[self._in_square].astype(np.float32) - below)).astype(np.uint8)
        return result

    def levelled(self, changed: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
        """`Rendered.changed` in the square of `placed_square`, which has no roll."""
        if not self._rolled:
            return changed
        turn = self._onto[0].copy()
        turn[:, 2] = (len(changed) - 1) / 2 * (1 - turn[:, :2].sum(1))
        return cv2.warpAffine(changed, turn, (len(changed), len(changed)), flags=cv2.INTER_LINEAR)


def soft_matte(changed: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    """Share of the result in each pixel: 1 in the whole redrawn area, smoothly falling to 0 around it."""
    reach = max(round(len(changed) * _GROWN), 1)
    hard = np.clip((changed.astype(np.float32) - _UNTOUCHED) / (_REDRAWN - _UNTOUCHED), 0, 1)
    grown = cv2.dilate(hard, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return cv2.blur(grown, (2 * reach + 1, 2 * reach + 1), borderType=cv2.BORDER_REPLICATE)


def fade_to_border(side: int, left: int, top: int, *, width: int, height: int) -> Float[np.ndarray, "{side} {side}"]:
    """1 inside the square, smoothly falling to 0 at those of its borders that lie inside the picture."""
    ramps = [np.clip(np.arange(side, dtype=np.float32) / max(side * fade, 1.0), 0, 1) for fade in (_FADE, _FADE_ABOVE)]
    ramp, above = (each * each * (3 - 2 * each) for each in ramps)
    ones = np.ones(side, np.float32)
    along_x = (ramp if left > 0 else ones) * (ramp[::-1] if left + side < width else ones)
    along_y = (above if top > 0 else ones) * (ramp[::-1] if top + side < height else ones)
    return along_y[:, None] * along_x


def _overlap(start: int, side: int, length: int) -> slice:
    """The part of start .. start + side that lies in 0 .. length."""
    return slice(max(start, 0), min(start + side, length))
