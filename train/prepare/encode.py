"""Crops to bytes: stills as PNG, thumbnails as JPEG. The same pictures give the same bytes."""

import io

import cv2
import numpy as np
from PIL import Image

_PNG_LEVEL = 6


def encode_still(rgb: np.ndarray) -> bytes:
    """PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "PNG", compress_level=_PNG_LEVEL)
    return file.getvalue()


def encode_strip(pictures: list[np.ndarray], side_px: int) -> bytes:
    """Pictures side by side, small, as JPEG."""
    small = [cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA) for picture in pictures]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(small, axis=1)).save(file, "JPEG", quality=80)
    return file.getvalue()
