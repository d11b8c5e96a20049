"""Pictures with timestamps of any spacing, placed on a grid of constant rate.

Slot k of the grid shows the time ``start + k / fps``. A picture may be shown three quarters of a slot before its time,
or a whole slot after it, so that rounded or jittering timestamps neither double nor drop pictures. A later picture
leaves slots that its predecessor fills, an earlier one is dropped. Sound therefore never drifts by more than a frame.

Timestamps and declared durations may be wrong or forged, so the decoded pictures bound the number of slots.
"""

import dataclasses
from fractions import Fraction

LATE, EARLY = Fraction(3, 4), Fraction(1)
"""How many slots a picture may be later or earlier than the next free slot, which it then takes."""

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
    early: Fraction = EARLY
    """See `EARLY`; 0 where pictures are to be left out evenly."""
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
        if free - self.early <= position <= free + LATE:
            return free
        return int((position + min(self.early, Fraction(1, 2))) // 1)


def add_range(ranges: list[tuple[int, int]], first: int, end: int) -> None:
    """Appends first..end-1 to ascending half-open ranges, joined with the last one where they touch."""
    if end <= first:
        return
    if ranges and first <= ranges[-1][1]:
        ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
    else:
        ranges.append((first, end))
