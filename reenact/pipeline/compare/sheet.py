"""Pictures in a grid, each with a caption below it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from reenact.pipeline.results import fitted, size_of

_COLUMNS = 3
_CAPTION_PX, _FONT_PX = 30, 17
_SMALLEST_PX, LARGEST_PX = 256, 512
PAPER, _INK = (250, 250, 250), (30, 30, 30)


class Sheet:
    """Cells of one size, up to three in a row; pictures of another shape are centred in theirs."""

    def __init__(self, captions: Sequence[str], size: tuple[int, int]) -> None:
        """Lay out.

        Args:
            captions: one for each picture, row by row.
            size: width and height of the pictures; cells have this shape and a longer side of 256 to 512 pixels.
        """
        scale = min(max(_SMALLEST_PX, max(size)), LARGEST_PX) / max(size)
        self._cell = tuple(max(2 * round(side * scale / 2), 2) for side in size)
        columns = min(len(captions), _COLUMNS)
        width, height = self._cell[0], self._cell[1] + _CAPTION_PX
        self._corners = [(i % columns * width, i // columns * height) for i in range(len(captions))]
        whole = Image.new("RGB", (columns * width, -(-len(captions) // columns) * height), PAPER)
        pen, font = ImageDraw.Draw(whole), ImageFont.load_default(_FONT_PX)
        for (left, top), caption in zip(self._corners, captions, strict=True):
            pen.text((left + width / 2, top + self._cell[1] + _CAPTION_PX / 2), caption, _INK, font, anchor="mm")
        self._empty = np.asarray(whole)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        return size_of(self._empty)

    def __call__(self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "_ _ 3"]:
        """The pictures above their captions."""
        whole = Image.fromarray(self._empty)
        for (left, top), picture in zip(self._corners, pictures, strict=True):
            # shrunk exactly first: PIL's antialiasing of large pictures is slower
            shown = Image.fromarray(fitted(picture, 2 * LARGEST_PX))
            scale = min(self._cell[0] / shown.width, self._cell[1] / shown.height)
            shown = shown.resize((max(round(shown.width * scale), 1), max(round(shown.height * scale), 1)))
            free = self._cell[0] - shown.width, self._cell[1] - shown.height
            whole.paste(shown, (left + free[0] // 2, top + free[1] // 2))
        return np.asarray(whole)
