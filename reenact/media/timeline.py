"""Pictures with timestamps of any spacing, placed on a grid of constant rate.

Slot k of the grid shows the time ``start + k / fps``. A picture may be up to three quarters of a slot off its time, so
that rounded or jittering timestamps neither double nor drop pictures. A later picture leaves slots that its predecessor
fills, an earlier one is dropped. Sound therefore never drifts by a full frame.

Timestamps and declared durations may be wrong or forged, so the decoded pictures bound the number of slots.
"""

import dataclasses
from fractions import Fraction

_TOLERANCE = Fraction(3, 4)
_STANDARD_RATES = tuple(Fraction(rate) for rate in (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)) + tuple(
    Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120, 240)
)
_FALLBACK_RATE = Fraction(25)
_SLOWEST_RATE, _FASTEST_RATE = Fraction(1, 60), Fraction(240)
"""Rates outside are measured on wrong timestamps."""
_SAME_RATE = Fraction(1, 5000)
"""Smaller than the step from 30 to 30000/1001, larger than what millisecond timestamps do to an average."""

_MOST_HELD_S = 60
_MOST_HELD_PER_PICTURE = 10
"""A clip may fill a minute of slots, and ten slots per decoded picture, with repeated pictures."""


@dataclasses.dataclass(kw_only=True)
class Timeline:
    """Gives each picture its slot; the caller repeats the previous picture up to there."""

    fps: Fraction
    """Slots per second."""
    start_s: Fraction
    """Time of slot 0."""
    declared_slots: int | None = None
    """Most slots by the clip's header; None if it gives no duration."""
    next_slot: int = 0
    """First slot after the last placed picture."""
    placed: int = 0
    """Number of placed pictures."""

    @property
    def slot_limit(self) -> int:
        """Timestamps beyond this slot count as a jump of the clock, which then continues at the next slot."""
        limit = round(_MOST_HELD_S * self.fps) + _MOST_HELD_PER_PICTURE * (self.placed + 1)
        return limit if self.declared_slots is None else min(limit, self.declared_slots)

    def place(self, time_s: Fraction | None) -> int | None:
        """The slot of the next picture, or None if it comes too early and is dropped.

        Args:
            time_s: time of the picture; None if unknown: right after its predecessor.
        """
        slot = self.next_slot if time_s is None else self.slot_at(time_s)
        jumped_back = slot < self.next_slot - self.fps  # by more than a second
        if time_s is not None and (jumped_back or slot > self.slot_limit):
            self.start_s = time_s - self.next_slot / self.fps
            slot = self.next_slot
        if slot < self.next_slot:
            return None
        self.next_slot = slot + 1
        self.placed += 1
        return slot

    def slot_at(self, time_s: Fraction, *, free: int | None = None) -> int:
        """The slot for a time: within the tolerance the free one, by default the next."""
        position = (time_s - self.start_s) * self.fps
        free = self.next_slot if free is None else free
        if abs(position - free) <= _TOLERANCE:
            return free
        return int((position + Fraction(1, 2)) // 1)


def choose_rate(average: Fraction | None, guessed: Fraction | None) -> Fraction:
    """The exact rate to show a stream at: its average, or the standard rate that the average is a measurement of."""
    candidates = [rate for rate in (average, guessed) if rate is not None and _SLOWEST_RATE <= rate <= _FASTEST_RATE]
    if not candidates:
        return _FALLBACK_RATE
    rate = candidates[0]
    for standard in _STANDARD_RATES:
        if abs(standard / rate - 1) <= _SAME_RATE:
            return standard
    return rate.limit_denominator(1001)


def add_range(ranges: list[tuple[int, int]], first: int, end: int) -> None:
    """Appends first..end-1 to ascending half-open ranges, joined with the last one where they touch."""
    if end <= first:
        return
    if ranges and first <= ranges[-1][1]:
        ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
    else:
        ranges.append((first, end))
