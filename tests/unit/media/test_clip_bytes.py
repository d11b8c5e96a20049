"""Clips in memory: bytes that depend on the frames alone, colours that survive."""

import pathlib
from fractions import Fraction

import cv2
import numpy as np

from reenact.media.clip_bytes import ClipEncoder


def pictures(count: int) -> list[np.ndarray]:
    """Colours that run into each other, moving."""
    ramp = np.linspace(20, 235, 64 + 20, dtype=np.float32)
    return [
        np.stack(
            np.broadcast_arrays(ramp[None, i : i + 64], ramp[64:0:-1, None], 128 + 60 * np.sin(ramp[None, :64] / 30)),
            -1,
        ).astype(np.uint8)
        for i in range(count)
    ]


def encode(frames: list[np.ndarray]) -> bytes:
    encoder = ClipEncoder(side_px=64, fps=Fraction(25, 2))
    for frame in frames:
        encoder.add(frame)
    assert encoder.frame_count == len(frames)
    return encoder.finish()


def test_opencv_decodes_them_in_their_colours(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.mp4").write_bytes(encode(pictures(9)))
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == 12.5
    for original in pictures(9):
        ok, bgr = capture.read()
        assert ok
        difference = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(float) - original
        assert np.abs(difference.mean((0, 1))).max() < 2  # other coefficients would be 4 off
        assert np.abs(difference).mean() < 3
    assert not capture.read()[0]


def test_the_same_frames_are_the_same_bytes() -> None:
    assert encode(pictures(5)) == encode(pictures(5))
    assert encode(pictures(5)) != encode(pictures(6)[1:])
