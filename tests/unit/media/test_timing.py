"""The rate of a clip, from the times of its pictures."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reenact.media.timing import choose_rate, usual_rate

MS = Fraction(1, 1000)
NTSC = Fraction(30000, 1001)


def rate_of(stamps: list[int], base: Fraction = MS) -> Fraction:
    return choose_rate(*usual_rate(stamps, base), average=None, guessed=None)


@pytest.mark.parametrize(
    "rate", [Fraction(25), NTSC, Fraction(60000, 1001), Fraction(50), Fraction(120), Fraction(240)]
)
def test_rounded_stamps_give_the_exact_rate(rate: Fraction):
    assert rate_of([round(1000 * k / rate) for k in range(300)]) == rate


def test_rates_beyond_the_standard_ones_are_kept():
    assert rate_of([k * 96 for k in range(50)], Fraction(1, 48000)) == 500
    assert rate_of([k * 7 for k in range(50)], Fraction(1, 91)) == 13


@pytest.mark.parametrize(
    ("stamps", "rate"),
    [
        ([0, 15, 30, 45, 60, 75, *range(90, 120)], 30),  # 3 s of 2 a second, then of 30
        ([*range(30), *range(30, 600, 10)], 30),  # more long intervals than short ones
        ([*range(0, 300, 3), *range(300, 306)], 30),  # few short ones, whose pictures would be lost
        ([0, 1, 2, 12, 13], 30),
    ],
)
def test_a_changing_rate_is_that_of_the_usual_interval_which_loses_nothing(stamps: list[int], rate: int):
    assert rate_of(stamps, Fraction(1, 30)) == rate


def test_a_stray_stamp_does_not_multiply_the_rate():
    assert rate_of(sorted([*range(0, 10000, 40), 5004])) == 25


@given(jitter=st.lists(st.integers(-6, 6), min_size=50, max_size=200))
def test_jitter_keeps_the_rate(jitter: list[int]):
    rate = rate_of([round(1000 * k / 30) + shift for k, shift in enumerate(jitter)])
    assert 28 <= rate <= 34


@pytest.mark.parametrize(
    ("average", "guessed", "chosen"),
    [
        (NTSC, None, NTSC),
        (Fraction(2997, 100), None, NTSC),
        (Fraction(30), NTSC, Fraction(30)),
        (Fraction(19001, 634), None, NTSC),
        (Fraction(40, 3), Fraction(25), Fraction(40, 3)),
        (None, Fraction(24), Fraction(24)),
        (Fraction(90000), Fraction(50), Fraction(50)),
        (Fraction(0), None, Fraction(25)),
        (Fraction(1, 18000), Fraction(24), Fraction(24)),
    ],
)
def test_without_times_the_header_counts(average: Fraction | None, guessed: Fraction | None, chosen: Fraction):
    assert choose_rate(None, Fraction(0), average, guessed) == chosen


def test_a_short_measurement_does_not_overrule_the_header():
    measured, precision = usual_rate([round(1000 * k / NTSC) for k in range(8)], MS)
    assert choose_rate(measured, precision, NTSC, Fraction(30)) == NTSC
    assert choose_rate(measured, precision, Fraction(30), Fraction(30)) == 30


def test_two_fields_are_one_picture():
    assert choose_rate(Fraction(50), Fraction(0), Fraction(25), Fraction(25)) == 25
