"""A visible label in the lower right corner."""

import functools

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_SHARE = 28
"""The letters are as high as the picture's shorter side divided by this."""
_SMALLEST_PX = 9.0
_SHADE = 0.55
"""How much of the picture the box behind the letters hides."""
_LEADING = 5
"""Letters are this many times as high as the space between lines."""


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
    """The label's letters in grey, for a picture of this size: in lines, and smaller, where they would not fit."""
    size = max(min(height, width) / _SHARE, _SMALLEST_PX)
    text = _wrapped(text, size, 0.9 * width - size)
    left, top, right, bottom = _box(text, size)
    size *= min(1.0, 0.9 * width / max(right - left + size, 1), 0.6 * height / max(bottom - top + size, 1))
    size = max(size, 1.0)
    left, top, right, bottom = _box(text, size)
    margin = size / 2
    box = min(round(right - left + 2 * margin), width), min(round(bottom - top + 2 * margin), height)
    drawn = Image.new("L", box)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(drawn).text((margin - left, margin - top), text, fill=255, font=font, spacing=size / _LEADING)
    return np.asarray(drawn)


def _box(text: str, size: float) -> tuple[float, ...]:
    """Left, top, right and bottom of lines of text."""
    font = ImageFont.load_default(size)
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font, spacing=size / _LEADING)
    return tuple(float(side) for side in box)


def _wrapped(text: str, size: float, widest: float) -> str:
    """The text in lines of whole words."""
    font, lines = ImageFont.load_default(size), list[str]()
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= widest:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
