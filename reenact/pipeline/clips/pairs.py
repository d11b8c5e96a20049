"""Driving and source frames beside each other, where one clip is longer than the other."""

import itertools
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Literal, TypeVar

from reenact.pipeline.clips.ahead import read_ahead
from reenact.pipeline.clips.replay import Replay
from reenact.pipeline.clips.source import SourceClip, SourceFrame
from reenact.pipeline.driving import TrackedFrame

Extend = Literal["stop", "loop", "bounce", "hold"]
"""What happens when source clip and driver differ in length. stop: the result ends with the shorter one. Otherwise it
ends with the longer one, and the shorter begins anew (loop), plays back and forth (bounce) or stands still at its last
frame (hold)."""

Item = TypeVar("Item")


def pair_frames(
    driving: Iterator[TrackedFrame], source: SourceClip, extend: Extend
) -> Generator[tuple[TrackedFrame, SourceFrame], None, None]:
    """Driving and source frames, both at the source's rate.

    Args:
        driving: all frames of the driver.
        source: the clip, started.
        extend: what happens when one ends first.

    Both are read ahead, each in a thread of its own: close this generator before the files.
    """
    with ThreadPoolExecutor(1) as thread:
        driving = read_ahead(driving, thread)
        if extend == "stop":
            yield from zip(driving, source.frames(), strict=False)
            return
        with tempfile.TemporaryFile() as file:
            yield from _extended(driving, source, extend, Replay(file))


def _extended(
    driving: Iterator[TrackedFrame], source: SourceClip, extend: Extend, replay: Replay
) -> Iterator[tuple[TrackedFrame, SourceFrame]]:
    """The pairs of clips that are repeated."""

    def drive_again(backwards: bool) -> Iterator[TrackedFrame]:
        places = range(len(replay) - 2, -1, -1) if backwards else range(int(extend == "bounce"), len(replay))
        return (replay.play(place) for place in places)

    def show_again(backwards: bool) -> Iterator[SourceFrame]:
        # the frame at which the direction changes is shown once
        return itertools.islice(source.frames(backwards=backwards), int(extend == "bounce"), None)

    driven, shown = (
        _Extended(replay.record(driving), drive_again, extend),
        _Extended(source.frames(), show_again, extend),
    )
    for pair in zip(driven, shown, strict=False):
        if driven.is_over and shown.is_over:
            return
        yield pair


class _Extended(Generic[Item]):
    """Items without end: when they are over, they are repeated."""

    def __init__(self, first: Iterator[Item], again: Callable[[bool], Iterator[Item]], extend: Extend) -> None:
        """Begin.

        Args:
            first: the items.
            again: makes the items of a repetition, backwards if True.
            extend: how they are repeated.
        """
        self._items, self._again, self._extend = first, again, extend
        self._last: Item | None = None
        self._backwards = False
        self.is_over = False
        """Whether the items of `first` have all been given."""

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        for item in self._items:
            self._last = item
            return item
        self.is_over = True
        if self._last is None:
            raise StopIteration
        if self._extend != "hold":
            self._backwards = self._extend == "bounce" and not self._backwards
            self._items = iter(self._again(self._backwards))
            self._last = next(self._items, self._last)  # a clip of one frame has none to go back to
        return self._last
