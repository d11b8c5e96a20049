"""Bytes that depend on the pictures alone, and pictures that survive them."""

import io
import pathlib
from fractions import Fraction

import cv2
import numpy as np
from PIL import Image

from tests.unit.train.prepare.conftest import portrait
from train.prepare.encode import ClipEncoder, encode_still, encode_strip


def crops(count: int) -> list[np.ndarray]:
    soft = cv2.GaussianBlur(portrait(), (0, 0), 2)
    return [np.ascontiguousarray(soft[i : 256 + i, 100:356]) for i in range(count)]


def encode(pictures: list[np.ndarray]) -> bytes:
    encoder = ClipEncoder(Fraction(25, 2))
    for picture in pictures:
        encoder.add(picture)
    assert encoder.frame_count == len(pictures)
    return encoder.finish()


def test_clips_are_decoded_by_opencv_in_their_colours(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.mp4").write_bytes(encode(crops(9)))
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == 12.5
    decoded = []
    while True:
        ok, bgr = capture.read()
        if not ok:
            break
        decoded.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    assert len(decoded) == 9
    for picture, original in zip(decoded, crops(9), strict=True):
        difference = picture.astype(float) - original
        assert np.abs(difference.mean((0, 1))).max() < 2  # other coefficients would be 4 off
        assert np.abs(difference).mean() < 3


def test_the_same_pictures_are_the_same_bytes() -> None:
    assert encode(crops(5)) == encode(crops(5))
    assert encode(crops(5)) != encode(crops(6)[1:])
    assert encode_still(crops(1)[0]) == encode_still(crops(1)[0])


def test_stills_are_lossless_and_strips_small() -> None:
    still = np.asarray(Image.open(io.BytesIO(encode_still(crops(1)[0]))))
    assert np.array_equal(still, crops(1)[0])
    assert Image.open(io.BytesIO(encode_strip(crops(3), 96))).size == (288, 96)
