"""Deterministic encoding of stills (PNG) and of thumbnail strips (JPEG)."""

import io

import cv2
import numpy as np
from PIL import Image

_PNG_LEVEL = 6


def encode_still(rgb: np.ndarray) -> bytes:
    """A picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "PNG", compress_level=_PNG_LEVEL)
    return file.getvalue()


def encode_strip(pictures: list[np.ndarray], side_px: int) -> bytes:
    """Pictures side by side as JPEG, each resized to `side_px`."""
    small = [cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA) for picture in pictures]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(small, axis=1)).save(file, "JPEG", quality=80)
    return file.getvalue()
