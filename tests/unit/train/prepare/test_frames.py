"""Frames by their time stamps."""

import pathlib
from fractions import Fraction

import numpy as np
import pytest

from reenact.errors import UnsupportedInputError
from tests.unit.train.prepare.conftest import write_clip
from train.prepare.frames import PickedFrames


def level(index: int) -> np.ndarray:
    """A frame that tells its number, below 50, by its brightness."""
    return np.full((48, 64, 3), 20 + 4 * index, np.uint8)


def number_of(rgb: np.ndarray) -> int:
    return round((float(rgb.mean()) - 20) / 4)


def levels(path: pathlib.Path, fps: Fraction = Fraction(25, 2), **limits: float) -> list[tuple[int, int, bool]]:
    """Slot, number of the frame, and whether a gap lies before it."""
    return [(one.slot, number_of(one.rgb), one.after_gap) for one in PickedFrames(path, fps, **limits)]


def test_every_second_frame_of_25(clips: pathlib.Path) -> None:
    path = write_clip(clips / "a.mp4", [level(i) for i in range(20)])
    assert levels(path) == [(i, 2 * i, False) for i in range(10)]


def test_the_nearest_frame_of_30(clips: pathlib.Path) -> None:
    path = write_clip(clips / "a.mp4", [level(i) for i in range(30)], Fraction(30))
    assert [number for _, number, _ in levels(path)] == [round(i * 2.4) for i in range(13)]


def test_a_slow_clip_keeps_its_rate(clips: pathlib.Path) -> None:
    path = write_clip(clips / "a.mp4", [level(i) for i in range(8)], Fraction(5))
    assert PickedFrames(path, Fraction(25, 2)).fps == 5
    assert levels(path) == [(i, i, False) for i in range(8)]


def test_short_holes_are_held_and_long_ones_are_gaps(clips: pathlib.Path) -> None:
    times = [Fraction(i, 25) for i in [*range(10), 12, 13, *range(40, 60)]]
    path = write_clip(clips / "a.mkv", [level(i) for i in range(len(times))], times_s=times)
    picked = levels(path, Fraction(25))
    assert picked[9:14] == [(9, 9, False), (10, 9, False), (11, 9, False), (12, 10, False), (13, 11, False)]
    assert picked[14] == (40, 12, True)
    assert [one for one in picked if one[2]] == [(40, 12, True)]


def test_reading_stops_after_the_given_time_and_starts_anew(clips: pathlib.Path) -> None:
    path = write_clip(clips / "a.mp4", [level(i) for i in range(40)])
    frames = PickedFrames(path, Fraction(25, 2), max_s=0.4)
    assert frames.duration_s == pytest.approx(0.4)
    first, again = [[(one.slot, number_of(one.rgb)) for one in frames] for _ in range(2)]
    assert first == again == [(i, 2 * i) for i in range(5)]


def test_one_frame(clips: pathlib.Path) -> None:
    assert levels(write_clip(clips / "a.mp4", [level(3)])) == [(0, 3, False)]


def test_a_broken_clip_is_read_as_far_as_it_goes(clips: pathlib.Path) -> None:
    path = write_clip(clips / "a.ts", [level(i % 40) for i in range(200)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 20 < len(levels(path)) < 100


def test_no_clip_is_told_as_such(clips: pathlib.Path) -> None:
    (clips / "a.mp4").write_bytes(b"")
    with pytest.raises(UnsupportedInputError, match=r"a\.mp4 is empty"):
        PickedFrames(clips / "a.mp4", Fraction(25))
