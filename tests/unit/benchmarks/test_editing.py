import math

import numpy as np
import pytest

from benchmarks.editing import LEVELS, averages, difference_outside, leakage, rank_correlation, summarise, unseen_units
from reenact.geometry.action_units import BLENDSHAPE_NAMES
from reenact.types import ACTION_UNITS

UNITS = len(ACTION_UNITS)


@pytest.mark.parametrize(
    ("read", "expected"),
    [((0, 1, 4), 1.0), ((3, 2, 1), -1.0), ((1, 3, 2), 0.5), ((0, 0, 1), math.sqrt(0.75)), ((2, 2, 2), 0.0)],
)
def test_ranks_of_set_and_read_values_are_compared(read: tuple[float, ...], expected: float) -> None:
    assert rank_correlation(LEVELS, np.array(read, float)) == pytest.approx(expected)


def test_leakage_is_what_the_other_units_move_over_what_the_unit_moves() -> None:
    first, last = np.zeros((2, UNITS)), np.zeros((2, UNITS))
    last[:, 3], last[:, 5], last[:, 7] = (4, 2), (-1.6, 1.6), (0.8, 0.8)
    share, most = leakage(first, last, 3)
    assert share == pytest.approx((1.6 + 0.8) / (UNITS - 1) / 3)
    assert most == 5


def test_leakage_of_a_unit_that_does_not_move_is_infinite() -> None:
    assert leakage(np.zeros((1, UNITS)), np.zeros((1, UNITS)), 0)[0] == math.inf


def test_units_with_a_constant_score_are_not_seen() -> None:
    scores = np.random.default_rng(0).random((200, len(BLENDSHAPE_NAMES)))
    for name in ("cheekSquintLeft", "cheekSquintRight"):
        scores[:, BLENDSHAPE_NAMES.index(name)] = 1e-6
    assert unseen_units(scores) == (6,)


def test_people_whose_face_is_lost_are_left_out_and_unseen_units_do_not_count() -> None:
    readings = np.zeros((3, UNITS, 3, UNITS))
    for unit in range(UNITS):
        readings[:, unit, :, unit] = LEVELS
    readings[0, 0, 2] = np.nan
    readings[:, 4, :, 4] = 1.0  # AU6
    units = summarise(readings, np.ones((3, UNITS)))
    assert (units["1"]["people"], units["2"]["people"]) == (2, 3)
    assert (units["1"]["rank_correlation"], units["1"]["monotonic"], units["6"]["monotonic"]) == (1.0, 1.0, 0.0)
    mean = averages(units, (6,))
    assert mean["seen"]["rank_correlation"] == 1.0
    assert mean["all"]["rank_correlation"] == pytest.approx(1 - 1 / UNITS)


def test_what_lies_in_or_near_either_head_is_no_background() -> None:
    source, shown = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    heads = np.zeros((2, 64, 64), np.float32)
    heads[0, :, 10:20], heads[1, :, 18:30] = 1, 1
    shown[:, 8:32] = 255
    assert difference_outside(source, shown, *heads) == 0
    shown[:, 40:] = 10
    assert 4 < difference_outside(source, shown, *heads) < 10
