"""A clip at a lower, constant rate: frames picked by their timestamps, one at a time.

    slot      0         1         2         3            slot k shows the time start + k / fps
    frames  | .   .   . | .   .   . | .   .   . |        of its frames the one nearest to that time is picked

Only picked frames are converted to RGB. Two readers of one clip yield the same slots.
"""

import contextlib
import dataclasses
import functools
import math
import pathlib
from collections.abc import Iterator
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from reenact.errors import UnsupportedInputError
from reenact.media.clip import Clip, open_clip
from reenact.media.frame import Frame
from reenact.media.upright import UprightReader
from reenact.media.video_reader import VideoReader

MOST_HELD = 2
"""Longest run of slots that repeat the frame before; a longer run is a gap."""

MAX_PIXELS = 8192 * 8192
"""Larger frames are refused."""


class Picture:
    """A decoded frame, converted on first use."""

    def __init__(self, frame: VideoFrame, upright: UprightReader) -> None:
        self._frame, self._upright = frame, upright

    @functools.cached_property
    def rgb(self) -> Frame:
        """Upright."""
        return self._upright.rgb(self._frame)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picked:
    """What one slot shows."""

    slot: int
    """Its time is slot / fps after the clip's first frame."""
    after_gap: bool
    """Slots without frames, or damaged ones, come before this one."""
    picture: Picture

    @property
    def rgb(self) -> Frame:
        return self.picture.rgb


class PickedFrames:
    """Can be iterated several times; closes the file at the end of each."""

    def __init__(self, path: pathlib.Path, fps: Fraction, *, max_s: float | None = None) -> None:
        """Open the clip and look at its first frame.

        Args:
            path: any clip that `VideoReader` reads.
            fps: rate of the slots; a slower clip keeps its own.
            max_s: stop after this time.

        Raises:
            UnsupportedInputError: it cannot be read, or holds no pictures.
        """
        with VideoReader(path, max_pixels=MAX_PIXELS) as reader:
            info = reader.info
        self.path = path
        self.size = (info.width, info.height)
        self.fps = min(fps, info.fps)
        self.source_fps = info.fps
        self.duration_s = info.duration_s if max_s is None else min(info.duration_s, max_s)
        """Estimate; 0 where the file does not say."""
        self._max_s = None if max_s is None else Fraction(max_s).limit_denominator(1000)

    def __iter__(self) -> Iterator[Picked]:
        """Starts from the beginning.

        Raises:
            UnsupportedInputError: the file cannot be opened any more, or its decoder gives up.
        """
        try:
            # one thread: many clips are prepared side by side
            with contextlib.closing(open_clip(self.path, threads=False)) as clip:
                yield from self._picked(clip)
        except av.FFmpegError as error:
            raise UnsupportedInputError(
                f"{self.path} cannot be read to its end ({error.strerror}); copy or export it again."
            ) from error

    def _picked(self, clip: Clip) -> Iterator[Picked]:
        upright: UprightReader | None = None
        clock = _Clock(fps=self.fps, source_fps=self.source_fps)
        shown = -1  # the last slot yielded
        best: tuple[int, Fraction, Picture, bool] | None = None  # slot, distance from its time, frame, damage before it
        for step in clip.decode():
            if step.frame is None:
                break
            if upright is None:
                upright = UprightReader(step.frame, clip.pixel_aspect)
            slot, distance = clock.place(step.time_s)
            if self._max_s is not None and slot / self.fps >= self._max_s:
                break
            damaged = step.lost_since_s is not None
            if best is not None and slot == best[0]:
                if distance < best[1]:
                    best = (slot, distance, Picture(step.frame, upright), best[3] or damaged)
                continue
            if best is not None:
                yield Picked(slot=best[0], after_gap=best[3] or (shown >= 0 and best[0] > shown + 1), picture=best[2])
                shown = best[0]
                hole = range(shown + 1, slot)
                if len(hole) <= MOST_HELD and not damaged:
                    for held in hole:
                        yield Picked(slot=held, after_gap=False, picture=best[2])
                        shown = held
            best = (slot, distance, Picture(step.frame, upright), damaged)
        if best is not None:
            yield Picked(slot=best[0], after_gap=best[3] or (shown >= 0 and best[0] > shown + 1), picture=best[2])


@dataclasses.dataclass(kw_only=True)
class _Clock:
    """Timestamps to slots. Slots never go back: if timestamps do, counting continues at the next slot."""

    fps: Fraction
    source_fps: Fraction
    start_s: Fraction | None = None
    last_slot: int = 0
    count: int = 0

    def place(self, time_s: Fraction | None) -> tuple[int, Fraction]:
        """The slot of the next frame, and how far from the slot's time it is, in slots."""
        if time_s is None:
            time_s = (self.start_s or Fraction(0)) + self.count / self.source_fps
        self.count += 1
        if self.start_s is None:
            self.start_s = time_s
        position = (time_s - self.start_s) * self.fps
        if position < self.last_slot - 1:
            self.start_s = time_s - (self.last_slot + 1) / self.fps
            position = Fraction(self.last_slot + 1)
        slot = max(math.ceil(position - Fraction(1, 2)), self.last_slot)  # halfway belongs to the slot before
        self.last_slot = slot
        return slot, abs(position - slot)
