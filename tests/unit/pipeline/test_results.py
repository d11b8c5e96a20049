import numpy as np
import pytest

from reenact.errors import StoppedError
from reenact.pipeline.progress import stop_checker
from reenact.pipeline.results import SideBySide, frame_ranges


def test_pictures_are_scaled_to_the_height_of_the_last() -> None:
    beside = SideBySide((200, 100), (50, 50), (60, 40))
    assert beside.size == (80 + 40 + 60, 40)
    red = np.zeros((100, 200, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    last = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    shown = beside(red, np.zeros((50, 50, 3), np.uint8), last)
    assert shown.shape == (40, 180, 3)
    assert (shown[:, :80] == (255, 0, 0)).all()
    assert np.array_equal(shown[:, 120:], last)


def test_a_changed_picture_is_scaled_anew() -> None:
    beside = SideBySide((20, 20), (10, 10))
    white = np.full((20, 20, 3), 255, np.uint8)
    last = np.zeros((10, 10, 3), np.uint8)
    assert beside(white, last)[0, 0, 0] == 255
    assert beside(np.zeros_like(white), last)[0, 0, 0] == 0


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([3, 4, 5, 9], "3 to 5, 9"),
        (list(range(0, 20, 2)), "0, 2, 4, 6, 8, 10 and 4 more ranges"),
    ],
)
def test_frame_ranges(frames: list[int], text: str) -> None:
    assert frame_ranges(frames) == text


def test_a_run_is_stopped_when_asked() -> None:
    answers = iter([False, True])
    check = stop_checker(lambda: next(answers))
    check()
    with pytest.raises(StoppedError, match="nothing was written"):
        check()
