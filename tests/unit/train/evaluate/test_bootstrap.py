"""Intervals on values whose spread is known."""

import numpy as np
import pytest

from train.evaluate.bootstrap import bootstrap_mean


def test_independent_values_have_the_normal_interval(rng: np.random.Generator) -> None:
    values = rng.normal(5, 2, 400)
    estimate = bootstrap_mean(values, np.arange(400), draws=4000)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.mean == pytest.approx(values.mean())
    half = 1.96 * values.std(ddof=1) / 20
    assert estimate.mean - estimate.low == pytest.approx(half, rel=0.1)
    assert estimate.high - estimate.mean == pytest.approx(half, rel=0.1)
    assert estimate.count == 400


def test_frames_of_one_person_count_as_one(rng: np.random.Generator) -> None:
    people = rng.normal(0, 1, 30)
    once = bootstrap_mean(people, np.arange(30), draws=3000)
    often = bootstrap_mean(np.repeat(people, 40), np.repeat(np.arange(30), 40), draws=3000)
    assert (often.mean, often.low, often.high) == pytest.approx((once.mean, once.low, once.high))
    assert often.count == 1200


def test_equal_values_and_a_single_person() -> None:
    equal = bootstrap_mean(np.full(9, 0.25), np.arange(9) % 3, draws=50)
    assert (equal.mean, equal.low, equal.high) == (0.25, 0.25, 0.25)
    single = bootstrap_mean(np.array([1.0, 2.0, 6.0]), np.array([4, 4, 4]), draws=50)
    assert (single.mean, single.low, single.high, single.count) == (3.0, None, None, 3)


def test_people_with_more_pictures_have_more_weight() -> None:
    values, people = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0, 0, 0, 1])
    estimate = bootstrap_mean(values, people, draws=2000)
    assert (estimate.mean, estimate.low, estimate.high) == (0.25, 0.0, 1.0)
    assert bootstrap_mean(values, people, draws=2000) == estimate  # the seed is fixed
