"""A visible label in the lower right corner."""

import functools

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_SHARE = 28
"""The letters are as high as the picture's shorter side divided by this."""
_SMALLEST_PX = 9
_SHADE = 0.55
"""How much of the picture the box behind the letters hides."""


def add_label(
    rgb: UInt8[np.ndarray, "height width 3"], text: str, alpha: UInt8[np.ndarray, "height width"] | None = None
) -> tuple[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"] | None]:
    """Copies of a picture and its transparency with the label, which is opaque."""
    height, width, _ = rgb.shape
    letters = _letters(text, height, width)
    rows, columns = letters.shape
    labelled = rgb.copy()
    corner = labelled[height - rows :, width - columns :]
    share = letters[..., None] / np.float32(255)
    corner[:] = (corner * (1 - _SHADE) * (1 - share) + 255 * share + 0.5).astype(np.uint8)
    if alpha is not None:
        alpha = alpha.copy()
        alpha[height - rows :, width - columns :] = 255
    return labelled, alpha


@functools.lru_cache(8)
def _letters(text: str, height: int, width: int) -> UInt8[np.ndarray, "rows columns"]:
    """The label's letters in grey, for a picture of this size; smaller where they would not fit."""
    size = max(min(height, width) / _SHARE, _SMALLEST_PX)
    left, top, right, bottom = ImageFont.load_default(size).getbbox(text)
    size *= min(1.0, 0.9 * width / max(right - left + size, 1), 0.9 * height / max(bottom - top + size, 1))
    font = ImageFont.load_default(max(size, 1.0))
    left, top, right, bottom = font.getbbox(text)
    margin = size / 2
    box = min(round(right - left + 2 * margin), width), min(round(bottom - top + 2 * margin), height)
    drawn = Image.new("L", box)
    ImageDraw.Draw(drawn).text((margin - left, margin - top), text, fill=255, font=font)
    return np.asarray(drawn)
