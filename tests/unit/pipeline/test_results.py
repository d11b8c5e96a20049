import numpy as np

from reenact.pipeline.results import SideBySide


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
