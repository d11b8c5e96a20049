"""The grid of constant rate: every slot once, time never off by a frame."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from reenact.media.timeline import Timeline, add_range


@given(
    gaps_ms=st.lists(st.integers(1, 400), min_size=1, max_size=60),
    fps=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(37, 3)]),
)
def test_no_placed_picture_is_a_frame_off(gaps_ms: list[int], fps: Fraction):
    timeline = Timeline(fps=fps, start_s=Fraction(0))
    time_s, last = Fraction(0), -1
    for gap in gaps_ms:
        slot = timeline.place(time_s)
        if slot is not None:
            assert slot > last
            assert -Fraction(3, 4) <= slot - time_s * fps <= 1
            last = slot
        time_s += Fraction(gap, 1000)


@given(jitter=st.lists(st.integers(-9, 9), min_size=2, max_size=200))
def test_jitter_below_half_a_frame_neither_drops_nor_doubles(jitter: list[int]):
    timeline = Timeline(fps=Fraction(30), start_s=Fraction(0))
    stamps = [Fraction(round(1000 * k / 30) + shift, 1000) for k, shift in enumerate(jitter)]
    assert [timeline.place(stamp) for stamp in stamps] == list(range(len(jitter)))


def test_a_jump_of_the_clock_restarts_at_the_next_slot():
    timeline = Timeline(fps=Fraction(25), start_s=Fraction(0), declared_slots=1000)
    assert [timeline.place(Fraction(k, 25)) for k in range(3)] == [0, 1, 2]
    assert timeline.place(Fraction(90000)) == 3
    assert timeline.place(Fraction(90000) + Fraction(2, 25)) == 5
    assert timeline.place(Fraction(1)) == 6


def test_decoded_pictures_bound_the_slots():
    timeline = Timeline(fps=Fraction(25), start_s=Fraction(0), declared_slots=25_000_000)
    assert [timeline.place(Fraction(k, 25)) for k in range(2)] == [0, 1]
    assert timeline.place(Fraction(60)) == 1500, "a minute may be held"
    assert timeline.place(Fraction(70)) == 1501
    assert timeline.slot_limit == 1550


def test_unknown_times_follow_each_other():
    timeline = Timeline(fps=Fraction(25), start_s=Fraction(0))
    assert [timeline.place(None) for _ in range(4)] == [0, 1, 2, 3]


def test_ranges_that_touch_are_one():
    ranges: list[tuple[int, int]] = []
    for first, end in [(3, 5), (5, 6), (6, 6), (9, 10)]:
        add_range(ranges, first, end)
    assert ranges == [(3, 6), (9, 10)]
