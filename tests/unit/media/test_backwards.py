"""Clips read from the last frame to the first."""

import pathlib
from fractions import Fraction

import numpy as np
import pytest

from reenact.media import VideoReader, VideoWriter
from reenact.media import video_reader as module


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_backwards_gives_the_same_frames(
    suffix: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(module, "_MOST_HELD", 8)
    path = tmp_path / f"clip{suffix}"
    with VideoWriter(path, width=64, height=48, fps=Fraction(25)) as writer:
        for _ in range(30):
            writer.write(np.kron(rng.integers(0, 255, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)))
    with VideoReader(path) as reader:
        forwards = list(reader)
        backwards = list(reader.backwards())
    assert len(forwards) == len(backwards) == 30
    assert all(np.array_equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
