"""Uncompressed YCbCr TIFF, which Pillow opens but cannot decode (TIFF 6.0, section 21)."""

from typing import Any

import numpy as np
from PIL import Image

_COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _STRIP_BYTES, _SUBSAMPLING = 259, 262, 273, 279, 530
_UNCOMPRESSED, _YCBCR = 1, 6


def is_raw_ycbcr(image: Image.Image) -> bool:
    """Whether an open picture is such a file."""
    tags: Any = getattr(image, "tag_v2", {})
    return image.format == "TIFF" and (tags.get(_COMPRESSION, 1), tags.get(_PHOTOMETRIC)) == (_UNCOMPRESSED, _YCBCR)


def decode_raw_ycbcr(image: Image.Image) -> Image.Image:
    """The pixels, as RGB.

    Raises:
        ValueError: the file is truncated or its strips do not fit together.
    """
    tags: Any = getattr(image, "tag_v2", {})
    file: Any = getattr(image, "fp", None)
    content = b""
    for offset, length in zip(tags[_STRIP_OFFSETS], tags[_STRIP_BYTES], strict=True):
        file.seek(offset)
        content += file.read(length)
    across, down = tags.get(_SUBSAMPLING, (2, 2))
    # a unit is a block of luma with one pair of colour samples
    rows, columns = -(-image.height // down), -(-image.width // across)
    size = rows * columns * (across * down + 2)
    if len(content) < size:
        raise ValueError("the strips are truncated")
    units = np.frombuffer(content[:size], np.uint8).reshape(rows, columns, -1)
    luma = units[..., :-2].reshape(rows, columns, down, across).swapaxes(1, 2).reshape(rows * down, columns * across)
    colour = units[..., -2:].repeat(down, 0).repeat(across, 1)
    pixels = np.dstack([luma, colour])[: image.height, : image.width]
    return Image.fromarray(np.ascontiguousarray(pixels), "YCbCr").convert("RGB")
