"""Clips: any common container to upright RGB frames at a constant rate, one at a time."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.container
from av.codec.context import ThreadType
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from reenact.errors import UnsupportedInputError
from reenact.media.decode import Decoded, decode
from reenact.media.frame import Frame
from reenact.media.probe import (
    BROKEN_PICTURE_ERRORS,
    existing_file,
    open_container,
    open_picture,
    start_time_s,
    unknown_format,
)
from reenact.media.timeline import Timeline, add_range, choose_rate
from reenact.media.upright import UprightReader


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

    Variable rates are resampled by their timestamps to the stream's average rate. Pictures that cannot be decoded are
    replaced by the last good one, so that the clip stays in sync with its sound; `damaged` lists them.
    """

    def __init__(self, path: str | Path, *, max_pixels: int = 8192 * 8192) -> None:
        """Opens the clip and decodes its first picture.

        Args:
            path: A file of any common container and codec.
            max_pixels: Larger frames are refused.

        Raises:
            UnsupportedInputError: Missing, empty, damaged at its beginning, without pictures, or too large.
        """
        self.path = existing_file(path)
        self.damaged: list[tuple[int, int]] = []
        """Half-open frame ranges that could not be decoded; filled while reading. A range that begins at the number
        of frames read means that the file stops early."""
        self._max_pixels = max_pixels
        self._open: list[av.container.InputContainer] = []
        container, stream = self._open_stream()
        try:
            self._refuse_large(stream.width, stream.height)
            first = next(decode(container, stream)).frame
            if first is None:
                raise UnsupportedInputError(
                    f"{self.path} holds a video stream but not one frame of it can be decoded; export it again."
                )
            self._upright = UprightReader(first, stream.sample_aspect_ratio)
            self._refuse_large(*self._upright.size)
            self.info = _read_info(container, stream, size=self._upright.size, packet_count=self._count_gif())
        finally:
            self._close(container)

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
        self.damaged = []
        container, stream = self._open_stream()
        try:
            yield from self._frames(container, stream)
        finally:
            self._close(container)

    def _frames(self, container: av.container.InputContainer, stream: VideoStream) -> Iterator[Frame]:
        """Repeat and drop pictures so that each slot of the timeline is yielded once."""
        info = self.info
        declared = round(info.frame_count * 1.1 + 10 * info.fps) if info.frame_count else None
        timeline = Timeline(fps=info.fps, start_s=start_time_s(stream), declared_slots=declared)
        held: Frame | None = None
        end_s: Fraction | None = None
        step = Decoded(frame=None, time_s=None, lost_since_s=None)
        for step in decode(container, stream):
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
                end_s = step.time_s + _duration_s(step.frame, info.fps)
        if held is None:
            return
        first_free = timeline.next_slot
        end = _end_slot(timeline, step, end_s)
        for _ in range(first_free, end):
            yield held
        if step.lost_since_s is not None:
            add_range(self.damaged, max(first_free, timeline.slot_at(step.lost_since_s)), end)
        tolerance = 2 if stream.frames else info.fps / 2  # containers without a frame count are less exact
        if end + tolerance < info.frame_count and _stream_duration_s(stream) is not None:
            add_range(self.damaged, end, info.frame_count)

    def _open_stream(self) -> tuple[av.container.InputContainer, VideoStream]:
        try:
            container = open_container(self.path)
        except av.FFmpegError as error:
            raise UnsupportedInputError(_no_container(self.path)) from error
        self._open.append(container)
        cover = Disposition.attached_pic
        streams = [stream for stream in container.streams.video if not stream.disposition & cover]
        if not streams:
            sound = bool(container.streams.audio)
            self._close(container)
            raise UnsupportedInputError(
                f"{self.path} holds only sound; a video is needed here." if sound else _no_container(self.path)
            )
        stream = streams[0]
        if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            self._close(container)
            raise UnsupportedInputError(f"{self.path} uses a video codec that is not known here; convert it to H.264.")
        stream.thread_type = ThreadType.AUTO
        return container, stream

    def _count_gif(self) -> int | None:
        """Number of pictures in a GIF, whose header does not give it; other containers are not scanned."""
        with open_container(self.path) as container:
            if container.format.name != "gif":
                return None
            try:
                return sum(bool(packet.size) for packet in container.demux(video=0))
            except av.FFmpegError:
                return None

    def _close(self, container: av.container.InputContainer) -> None:
        if container in self._open:
            self._open.remove(container)
        container.close()

    def _refuse_large(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise UnsupportedInputError(
                f"{self.path} has frames of {width} x {height} pixels, more than the {self._max_pixels / 1e6:.0f} "
                "million that are read; scale it down first."
            )


def _read_info(
    container: av.container.InputContainer, stream: VideoStream, *, size: tuple[int, int], packet_count: int | None
) -> VideoInfo:
    duration_s = _stream_duration_s(stream)
    average = stream.average_rate
    if packet_count and duration_s:
        average = packet_count / duration_s  # the container's own is measured on the first pictures alone
    fps = choose_rate(average, stream.guessed_rate)
    if duration_s is None and container.duration is not None:
        duration_s = Fraction(container.duration, av.time_base)
    if duration_s is None:
        duration_s = stream.frames / fps
    return VideoInfo(
        width=size[0],
        height=size[1],
        fps=fps,
        frame_count=round(duration_s * fps),
        duration_s=float(duration_s),
        has_audio=bool(container.streams.audio),
    )


def _stream_duration_s(stream: Stream) -> Fraction | None:
    """Length of this stream alone, if the container gives it."""
    if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
        return stream.duration * stream.time_base
    clock = stream.metadata.get("DURATION", "").split(":")  # Matroska: 00:00:02.002000000
    try:
        hours, minutes, seconds = (Fraction(part.strip("\0")) for part in clock)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds or None


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


def _no_container(path: Path) -> str:
    """Why a file does not open as a video."""
    try:
        with open_picture(path) as image:
            return f"{path} is a picture ({image.format}); a video is needed here."
    except (Image.DecompressionBombError, *BROKEN_PICTURE_ERRORS):
        pass
    with path.open("rb") as file:
        if file.read(8)[4:] == b"ftyp":
            return f"{path} begins like a video but its index is missing or damaged (truncated?); copy it again."
    return unknown_format(path, "a video")
