"""Frames by their time stamps."""

import pathlib
from fractions import Fraction

import pytest

from reenact.errors import UnsupportedInputError
from reenact.media.picked_frames import PickedFrames
from tests.unit.media.conftest import make_clip, number_of


def levels(path: pathlib.Path, fps: Fraction = Fraction(25, 2), **limits: float) -> list[tuple[int, int, bool]]:
    """Slot, number of the frame, and whether a gap lies before it."""
    return [(one.slot, number_of(one.rgb), one.after_gap) for one in PickedFrames(path, fps, **limits)]


def test_every_second_frame_of_25(tmp_path: pathlib.Path) -> None:
    path = make_clip(tmp_path / "a.mp4", count=20)
    assert levels(path) == [(i, 2 * i, False) for i in range(10)]


def test_the_nearest_frame_of_30(tmp_path: pathlib.Path) -> None:
    path = make_clip(tmp_path / "a.mp4", count=30, fps=Fraction(30))
    assert [number for _, number, _ in levels(path)] == [round(i * 2.4) for i in range(13)]


def test_a_slow_clip_keeps_its_rate(tmp_path: pathlib.Path) -> None:
    path = make_clip(tmp_path / "a.mp4", count=8, fps=Fraction(5))
    assert PickedFrames(path, Fraction(25, 2)).fps == 5
    assert levels(path) == [(i, i, False) for i in range(8)]


def test_short_holes_are_held_and_long_ones_are_gaps(tmp_path: pathlib.Path) -> None:
    stamps = [*range(10), 12, 13, *range(40, 60)]
    path = make_clip(tmp_path / "a.mkv", count=len(stamps), stamps=stamps)
    picked = levels(path, Fraction(25))
    assert picked[9:14] == [(9, 9, False), (10, 9, False), (11, 9, False), (12, 10, False), (13, 11, False)]
    assert picked[14] == (40, 12, True)
    assert [one for one in picked if one[2]] == [(40, 12, True)]


def test_reading_stops_after_the_given_time_and_starts_anew(tmp_path: pathlib.Path) -> None:
    path = make_clip(tmp_path / "a.mp4", count=40)
    frames = PickedFrames(path, Fraction(25, 2), max_s=0.4)
    assert frames.duration_s == pytest.approx(0.4)
    first, again = [[(one.slot, number_of(one.rgb)) for one in frames] for _ in range(2)]
    assert first == again == [(i, 2 * i) for i in range(5)]


def test_one_frame(tmp_path: pathlib.Path) -> None:
    assert levels(make_clip(tmp_path / "a.mp4", count=1)) == [(0, 0, False)]


def test_a_broken_clip_is_read_as_far_as_it_goes(tmp_path: pathlib.Path) -> None:
    path = make_clip(tmp_path / "a.ts", count=200)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 20 < len(levels(path)) < 100


def test_no_clip_is_told_as_such(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(UnsupportedInputError, match=r"a\.mp4 is empty"):
        PickedFrames(tmp_path / "a.mp4", Fraction(25))


def test_pictures_are_turned_upright(tmp_path: pathlib.Path) -> None:
    frames = PickedFrames(make_clip(tmp_path / "a.mp4", count=4, rotation=90), Fraction(25))
    assert frames.size == (48, 64)
    assert {one.rgb.shape for one in frames} == {(64, 48, 3)}


def test_what_goes_wrong_midway_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = PickedFrames(make_clip(tmp_path / "a.mp4", count=4), Fraction(25))
    (tmp_path / "a.mp4").write_bytes(b"gone")
    with pytest.raises(UnsupportedInputError, match=r"a\.mp4 holds text, not a video"):
        list(frames)
