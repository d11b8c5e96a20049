"""Clips: any common container to upright RGB frames at a constant rate, one at a time."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from av.video.frame import VideoFrame

from reenact.errors import UnsupportedInputError
from reenact.media.clip import Clip, open_clip
from reenact.media.decode import Decoded
from reenact.media.frame import Frame
from reenact.media.timeline import EARLY, Timeline, add_range
from reenact.media.trim import Trim
from reenact.media.upright import UprightReader

_MOST_BEFORE_GLANCE = 60
"""Most pictures that are decoded to reach a frame from its key frame."""
_MOST_HELD, _MOST_HELD_BYTES = 64, 2**27
"""Most frames, and most memory, that reading backwards holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known of a clip from its header and first picture."""

    width: int
    """Upright, in square pixels."""
    height: int
    fps: Fraction
    """Exact constant rate at which the reader yields frames."""
    frame_count: int
    """Estimate; 0 if unknown."""
    duration_s: float
    """Estimate; 0 if unknown."""
    has_audio: bool


class VideoReader:
    """Frames of a clip, streamed: memory does not grow with its length. It can be iterated several times.

    Variable rates are resampled by their timestamps to the rate of the usual interval. Pictures that cannot be decoded
    are replaced by the last good one, so that the clip stays in sync with its sound; `damaged` lists them.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_pixels: int = 8192 * 8192,
        fps: Fraction | None = None,
        trim: Trim | None = None,
    ) -> None:
        """Opens the clip and decodes its first picture.

        Args:
            path: A file of any common container and codec, or an animated GIF, PNG, WebP or AVIF.
            max_pixels: Larger frames are refused.
            fps: Rate at which frames are yielded; the clip's own if None.
            trim: Part of the clip that is read; all of it if None. Its frames are numbered from 0.

        Raises:
            UnsupportedInputError: Missing, empty, damaged at its beginning, without pictures, or too large.
            ConfigError: The part to read lies behind the clip's end.
        """
        self.path = Path(path)
        self.damaged: list[tuple[int, int]] = []
        """Half-open ranges of frames that could not be decoded; filled while reading."""
        self.cut_short_s: tuple[float, float] | None = None
        """If the file stops early: seconds that it holds, and that it should hold; known after reading."""
        self._max_pixels, self._read = max_pixels, 0
        self._open: list[Clip] = []
        with self._opened() as clip:
            self._refuse_large(*clip.size)
            first = next(clip.decode()).frame
            if first is None:
                raise UnsupportedInputError(
                    f"{self.path} holds a video stream but not one frame of it can be decoded; export it again."
                )
            self._upright = UprightReader(first, clip.pixel_aspect)
            self._refuse_large(*self._upright.size)
        with self._opened() as clip:
            timing = clip.measure()
            self._own_fps = timing.fps
            self._timing = timing if fps is None else dataclasses.replace(timing, fps=fps)
            self._trim = trim or Trim()
            duration_s = self._trim.length_s(timing.duration_s, self.path)
            width, height = self._upright.size
            self.info = VideoInfo(
                width=width,
                height=height,
                fps=self._timing.fps,
                frame_count=round(duration_s * self._timing.fps),
                duration_s=float(duration_s),
                has_audio=clip.has_audio,
            )

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every iteration in progress."""
        while self._open:
            self._open.pop().close()

    def __iter__(self) -> Iterator[Frame]:
        """Starts from the beginning and clears `damaged`."""
        self.damaged, self.cut_short_s, self._read = [], None, 0
        with self._opened() as clip:
            for frame in itertools.islice(self._frames(clip), *self._slots):
                self._read += 1
                yield frame

    @property
    def _slots(self) -> tuple[int, int | None]:
        """Numbers of the first frame, and of the one after the last, in the whole clip."""
        fps, trim = self.info.fps, self._trim
        return round(trim.begin_s * fps), None if trim.end_s is None else max(round(trim.end_s * fps), 1)

    def backwards(self) -> Iterator[Frame]:
        """The frames of the last iteration from the last to the first.

        Parts of the clip are read one after the other, each from the key frame before it.
        """
        size = max(min(_MOST_HELD_BYTES // (self.info.width * self.info.height * 3), _MOST_HELD), 1)
        first = self._slots[0]
        for end in range(first + self._read, first, -size):
            yield from reversed(self._part(max(end - size, first), end))

    def _part(self, begin: int, end: int) -> list[Frame]:
        """The frames from one to another, which is left out."""
        start_s, fps = self._timing.start_s, self.info.fps
        for time_s in (start_s + begin / fps, None):
            frames: list[Frame] = []
            with self._opened() as clip:
                if begin and time_s is not None:
                    clip.seek(time_s)
                held: VideoFrame | None = None
                slot = -1
                for step in clip.decode():
                    if step.frame is None:
                        break
                    slot = slot + 1 if step.time_s is None else round((step.time_s - start_s) * fps)
                    if held is None and slot > begin and begin and time_s is not None:
                        break  # the file was entered too late: read it from its beginning
                    picture = held or step.frame
                    frames.extend([self._upright.rgb(picture)] * (min(slot, end) - begin - len(frames)))
                    held = step.frame
                    if slot >= end:
                        break
            if held is not None:
                return frames + [self._upright.rgb(held)] * (end - begin - len(frames))
        return []

    def glances(self, count: int) -> Iterator[Frame]:
        """Frames spread evenly from the beginning to the end; short clips have fewer.

        Each is reached from the key frame before it, so that a long clip is not decoded as a whole.
        """
        count = min(count, self.info.frame_count or count)
        for index in range(count):
            length_s = Fraction(self.info.duration_s).limit_denominator(1_000_000)
            time_s = self._timing.start_s + self._trim.begin_s + length_s * index / count
            with self._opened() as clip:
                if index or self._trim.begin_s:
                    clip.seek(time_s)
                frame = None
                for step in itertools.islice(clip.decode(), _MOST_BEFORE_GLANCE):
                    if step.frame is None:
                        break
                    frame = step.frame
                    if step.time_s is None or step.time_s >= time_s:
                        break
                if frame is not None:
                    yield self._upright.rgb(frame)

    def _frames(self, clip: Clip) -> Iterator[Frame]:
        """Repeat and drop pictures so that each slot of the timeline is yielded once."""
        info, timing = self.info, self._timing
        count = round(timing.duration_s * info.fps)
        declared = round(count * 1.1 + 10 * info.fps) if count else None
        early = Fraction(0) if info.fps < self._own_fps else EARLY
        timeline = Timeline(fps=info.fps, start_s=timing.start_s, declared_slots=declared, early=early)
        held: Frame | None = None
        end_s: Fraction | None = None
        step = Decoded(frame=None, time_s=None, lost_since_s=None)
        for step in clip.decode():
            first_free = timeline.next_slot
            if step.frame is None:
                break
            slot = timeline.place(step.time_s)
            if slot is None:
                continue
            if step.lost_since_s is not None:
                add_range(self.damaged, max(first_free, timeline.slot_at(step.lost_since_s, free=first_free)), slot)
            picture = self._upright.rgb(step.frame)
            for _ in range(first_free, slot):
                yield picture if held is None else held  # before the first good picture there is none to hold
            yield picture
            held = picture
            if step.time_s is not None:
                end_s = step.time_s + min(_duration_s(step.frame, info.fps), timing.most_tail_s)
        if held is None:
            return
        first_free = timeline.next_slot
        end = _end_slot(timeline, step, end_s)
        for _ in range(first_free, end):
            yield held
        if step.lost_since_s is not None:
            add_range(self.damaged, max(first_free, timeline.slot_at(step.lost_since_s)), end)
        if timing.is_exact and end + max(info.fps / 2, 2) < count:
            self.cut_short_s = float(end / info.fps), float(timing.duration_s)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Clip]:
        clip = open_clip(self.path)
        self._open.append(clip)
        try:
            yield clip
        finally:
            if clip in self._open:
                self._open.remove(clip)
            clip.close()

    def _refuse_large(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise UnsupportedInputError(
                f"{self.path} has frames of {width} x {height} pixels, more than the {self._max_pixels / 1e6:.0f} "
                "million that are read; scale it down first."
            )


def _duration_s(frame: VideoFrame, fps: Fraction) -> Fraction:
    """How long the last picture is shown, by the file; else one slot."""
    if frame.duration and frame.time_base is not None:
        return frame.duration * frame.time_base
    return 1 / fps


def _end_slot(timeline: Timeline, end: Decoded, end_s: Fraction | None) -> int:
    """The slot after the last one, with the duration of the last picture and lost pictures at the end."""
    slots = [timeline.next_slot]
    if end_s is not None:
        slots.append(timeline.slot_at(end_s))
    if end.lost_since_s is not None and end.time_s is not None:
        slots.append(timeline.slot_at(end.time_s) + 1)
    return max(timeline.next_slot, min(max(slots), timeline.slot_limit))
