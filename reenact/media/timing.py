"""When the pictures of a clip are shown, read from its packets without decoding them.

Headers give an average, which says little of a clip that pauses, or of one whose rate changes.
"""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import av
import av.container
from av.video.stream import VideoStream

from reenact.media.probe import start_time_s
from reenact.media.timeline import EARLY, LATE

_MOST_PACKETS = 20_000
"""Packets that are looked at, so that opening a long clip stays quick: eleven minutes at 30 a second."""
_SHARES = (0.5, 0.25, 0.1, 0.05, 0.02)
"""The usual interval is the median. Where pictures would be lost, one that this share of intervals is shorter than."""
_FEW_LOST = 0.01
"""Share of pictures that may be lost: single stray timestamps would multiply the rate."""
_MOST_TAIL_S = 10
"""Longest time that the last picture is shown without sound."""
_STANDARD_RATES = tuple(Fraction(rate) for rate in (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)) + tuple(
    Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120, 240)
)
_FALLBACK_RATE = Fraction(25)
_SLOWEST_RATE, _FASTEST_RATE = Fraction(1, 60), Fraction(1000)
"""Rates outside are measured on wrong timestamps."""
_FASTEST_DECLARED = Fraction(240)
"""Headers that declare more give the resolution of their clock."""
_SAME_RATE = Fraction(1, 5000)
"""Smaller than the step from 30 to 30000/1001, larger than what millisecond timestamps do to an average."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """The clock of a clip."""

    start_s: Fraction
    """Time of the first picture."""
    fps: Fraction
    """Rate of the usual interval between pictures."""
    duration_s: Fraction
    """From the first picture to the end of the last one; 0 if unknown."""
    most_tail_s: Fraction
    """Longest time that the last picture is shown."""
    is_exact: bool
    """Whether pictures that are missing before `duration_s` are missing from the file."""


def measure(container: av.container.InputContainer, stream: VideoStream) -> Timing:
    """Read the clock of a stream; the container has to be opened anew to read its pictures."""
    base = stream.time_base or Fraction(1, 1000)
    expected = _declared_packets(container, stream)
    read = _read_stamps(container, stream)
    fps = choose_rate(*usual_rate(read.stamps, base), stream.average_rate, stream.guessed_rate)
    start_s = start_time_s(stream)
    if read.stamps and read.are_shown_times:
        start_s = min(start_s, read.stamps[0] * base)
    last_s = read.stamps[-1] * base if read.stamps else start_s
    tail_s = max(Fraction(_MOST_TAIL_S), _end_of_sound_s(container) - last_s)
    duration_s = last_s - start_s + min(read.last_ticks * base or 1 / fps, tail_s)
    declared_s = _declared_s(stream)
    if expected is not None and read.all:
        # the header counts what an edit list hides, and in AVI only what the file holds
        missing = expected - read.count
        declared_s = max(declared_s or duration_s, duration_s + missing / fps) if missing > 0 else None
    elif read.last_ticks * base > tail_s:
        declared_s = None  # with the hours of the last picture
    elif declared_s is None and not read.all and container.duration is not None:
        duration_s = Fraction(container.duration, av.time_base)
    return Timing(
        start_s=start_s,
        fps=fps,
        duration_s=declared_s or duration_s,
        most_tail_s=tail_s,
        is_exact=declared_s is not None,
    )


def usual_rate(stamps: Sequence[int], base: Fraction) -> tuple[Fraction | None, Fraction]:
    """The rate of the usual interval, and how much the clock's resolution may have changed it, as a share of it.

    Args:
        stamps: times of the pictures, ascending.
        base: length of their unit, seconds.
    """
    gaps = sorted(after - before for before, after in pairwise(stamps))
    best: tuple[int, Fraction, Fraction] | None = None
    for share in _SHARES if gaps else ():
        usual = gaps[int((len(gaps) - 1) * share)]
        near = [gap for gap in gaps if abs(gap - usual) <= 1]
        if len(near) < share * len(gaps):  # every interval differs
            near = [gap for gap in gaps if usual / 2 < gap < usual * 1.75]
        rate, precision = len(near) / (sum(near) * base), Fraction(1, sum(near))
        lost = _lost(stamps, float(rate * base))
        if best is None or lost < best[0]:
            best = lost, rate, precision
        if lost <= _FEW_LOST * len(stamps):
            break
    return (None, Fraction(0)) if best is None else best[1:]


def choose_rate(
    measured: Fraction | None, precision: Fraction, average: Fraction | None, guessed: Fraction | None
) -> Fraction:
    """The exact rate to show a stream at: the measured one, or the declared or standard rate that it stands for.

    Args:
        measured: by `usual_rate`; None if there is only one picture.
        precision: of `measured`, as a share of it.
        average: the header's.
        guessed: what FFmpeg takes for the rate of all timestamps.
    """
    declared = [rate for rate in (average, guessed) if rate and _SLOWEST_RATE <= rate <= _FASTEST_DECLARED]
    if measured is None or not _SLOWEST_RATE <= measured <= _FASTEST_RATE:
        rate, precision = declared[0] if declared else _FALLBACK_RATE, Fraction(0)
    else:
        known = [each for each in declared if abs(each / measured - 1) <= max(precision, _SAME_RATE)]
        # both fields of an interlaced picture have a packet
        halves = [each for each in declared if average == guessed and abs(2 * each / measured - 1) <= _SAME_RATE]
        rate, precision = ([*known, *halves][0], Fraction(0)) if known or halves else (measured, precision)
    near = [each for each in _STANDARD_RATES if abs(each / rate - 1) <= max(precision, _SAME_RATE)]
    return min(near, key=lambda each: abs(each - rate), default=rate.limit_denominator(1001))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Stamps:
    """What the packets of a stream tell."""

    stamps: list[int]
    """Times of the pictures, ascending."""
    are_shown_times: bool
    """Otherwise the times of decoding."""
    last_ticks: int
    """How long the last picture is shown; 0 if unknown."""
    count: int
    """Number of packets."""
    all: bool
    """Whether the file was read to its end."""


def _read_stamps(container: av.container.InputContainer, stream: VideoStream) -> _Stamps:
    found: dict[int, int] = {}
    shown, count = True, 0
    try:
        for packet in container.demux(stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            count += 1
            if packet.size and not packet.is_discard:
                found[stamp] = packet.duration or 0
                shown = shown and packet.pts is not None
            if count == _MOST_PACKETS:
                break
    except av.FFmpegError:
        pass  # damaged: the reader of the pictures tells
    stamps, all_read = sorted(found), count < _MOST_PACKETS
    last_ticks = found[stamps[-1]] if stamps and all_read else 0
    return _Stamps(stamps=stamps, are_shown_times=shown, last_ticks=last_ticks, count=count, all=all_read)


def _declared_packets(container: av.container.InputContainer, stream: VideoStream) -> int | None:
    """Number of packets by the index or the header; None where neither has it."""
    if container.format.name.startswith("mov"):
        return len(stream.index_entries)  # without those that an edit list hides
    return stream.frames or None if container.format.name == "avi" else None


def _lost(stamps: Sequence[int], rate: float) -> int:
    """Number of pictures that a `Timeline` of this rate, in pictures a tick, has no slot for."""
    free = lost = 0
    for stamp in stamps:
        position = (stamp - stamps[0]) * rate
        if position < free - EARLY:
            lost += 1
        else:
            free = 1 + (free if position <= free + LATE else math.floor(position + 0.5))
    return lost


def _declared_s(stream: VideoStream) -> Fraction | None:
    """Length of this stream alone, if the container gives it."""
    if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
        return stream.duration * stream.time_base
    clock = stream.metadata.get("DURATION", "").split(":")  # Matroska: 00:00:02.002000000, the time of its end
    try:
        hours, minutes, seconds = (Fraction(part.strip("\0")) for part in clock)
    except ValueError:
        return None
    end_s = hours * 3600 + minutes * 60 + seconds
    return max(end_s - start_time_s(stream), Fraction(0)) or None


def _end_of_sound_s(container: av.container.InputContainer) -> Fraction:
    """When the last sound ends by the headers; 0 if unknown."""
    ends = [
        start_time_s(stream) + stream.duration * stream.time_base
        for stream in container.streams.audio
        if stream.duration and stream.time_base
    ]
    return max(ends, default=Fraction(0))
