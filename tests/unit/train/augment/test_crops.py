"""Perturbations of crops."""

import numpy as np

from train.augment.crops import random_background


def test_a_person_keeps_its_pixels_before_another_background() -> None:
    person, other_person = np.zeros((2, 32, 32), bool)
    person[8:, 12:20], other_person[:, 20:] = True, True
    rgb, other = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 20, np.uint8)
    other[:, 40:] = 255
    results = [random_background(rgb, person, other, other_person, np.random.default_rng(seed)) for seed in range(20)]
    changed = [result for result in results if result is not rgb]
    assert len(changed) > 5, "half of the draws look at the right side, which has no background"
    for result in changed:
        assert (result[40:60, 30:34] == 200).all()
        assert (result[:, :12] == 20).all() and (result[:, 52:] == 20).all(), "nothing of the other person"


def test_a_picture_without_free_side_changes_nothing() -> None:
    rgb, person = np.full((64, 64, 3), 200, np.uint8), np.ones((32, 32), bool)
    assert random_background(rgb, person, rgb, person, np.random.default_rng(0)) is rgb
