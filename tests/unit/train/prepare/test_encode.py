"""Stills and thumbnails."""

import io

import cv2
import numpy as np
from PIL import Image

from tests.unit.train.prepare.conftest import portrait
from train.prepare.encode import encode_still, encode_strip


def crops(count: int) -> list[np.ndarray]:
    soft = cv2.GaussianBlur(portrait(), (0, 0), 2)
    return [np.ascontiguousarray(soft[i : 256 + i, 100:356]) for i in range(count)]


def test_stills_are_lossless_and_strips_small() -> None:
    still = np.asarray(Image.open(io.BytesIO(encode_still(crops(1)[0]))))
    assert np.array_equal(still, crops(1)[0])
    assert encode_still(crops(1)[0]) == encode_still(crops(1)[0])
    assert Image.open(io.BytesIO(encode_strip(crops(3), 96))).size == (288, 96)
