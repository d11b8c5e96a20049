"""An open file with moving pictures: FFmpeg decodes containers, Pillow animated pictures."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import av
import av.container
from av.codec.context import ThreadType
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from reenact.errors import UnsupportedInputError
from reenact.media.animation import AnimatedPicture
from reenact.media.decode import Decoded, decode
from reenact.media.probe import (
    BROKEN_PICTURE_ERRORS,
    audio_streams,
    container_kind,
    existing_file,
    is_animated,
    open_container,
    open_picture,
    picture_kind,
    unknown_format,
)
from reenact.media.timing import Timing, measure

_NO_CLIPS = (
    Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
) | Disposition.metadata
"""Cover pictures, previews, tiles, and tracks that only accompany another one, such as depth."""


@runtime_checkable
class Clip(Protocol):
    """What containers and animated pictures have in common. A clip is read once, from its beginning."""

    size: tuple[int, int]
    """Stored width and height."""
    pixel_aspect: Fraction | None
    """Width of a pixel in heights."""
    has_audio: bool

    def measure(self) -> Timing:
        """Read all times; uses the clip up."""
        ...

    def decode(self) -> Iterator[Decoded]:
        """The good pictures, then the end."""
        ...

    def seek(self, time_s: Fraction) -> None:
        """Continue with the key frame before a time, as far as the file can do that."""
        ...

    def close(self) -> None:
        """Free the file."""
        ...


def open_clip(path: str | Path, *, threads: bool = True) -> Clip:
    """Open any clip.

    Args:
        path: a file of any common container and codec, or an animated GIF, PNG, WebP or AVIF.
        threads: whether decoding may use several threads.

    Raises:
        UnsupportedInputError: missing, empty, damaged at its beginning, or without moving pictures.
    """
    path = existing_file(path)
    # Pillow first: FFmpeg opens HEIC and AVIF as clips
    try:
        image = open_picture(path)
    except (Image.DecompressionBombError, *BROKEN_PICTURE_ERRORS):
        return ContainerClip(path, threads=threads)
    if is_animated(image):
        return AnimatedPicture(image)
    with image:
        raise UnsupportedInputError(f"{path} is a picture ({picture_kind(image)}); a clip is needed here.")


class ContainerClip:
    """The pictures of a container."""

    def __init__(self, path: Path, *, threads: bool) -> None:
        """Open the file; see `open_clip`."""
        try:
            self._container = open_container(path)
        except av.FFmpegError as error:
            raise UnsupportedInputError(_no_container(path)) from error
        stream = main_video(self._container)
        if stream is None or stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            sound = bool(self._container.streams.audio)
            self._container.close()
            if stream is not None:
                raise UnsupportedInputError(f"{path} uses a video codec that is not known here; convert it to H.264.")
            raise UnsupportedInputError(
                f"{path} holds only sound; a clip is needed here." if sound else _no_container(path)
            )
        stream.thread_type = ThreadType.AUTO if threads else ThreadType.NONE
        if not threads:
            stream.codec_context.thread_count = 1
        self._stream = stream
        self.size = stream.width, stream.height
        self.pixel_aspect = stream.sample_aspect_ratio
        self.has_audio = bool(audio_streams(self._container))

    def measure(self) -> Timing:
        """See `Clip`."""
        return measure(self._container, self._stream)

    def decode(self) -> Iterator[Decoded]:
        """See `Clip`."""
        return decode(self._container, self._stream)

    def seek(self, time_s: Fraction) -> None:
        """See `Clip`."""
        self._container.seek(int(time_s / (self._stream.time_base or 1)), stream=self._stream)

    def close(self) -> None:
        """See `Clip`."""
        self._container.close()


def main_video(container: av.container.InputContainer) -> VideoStream | None:
    """The stream of a container that a player shows: the default one; of several, the largest with moving pictures."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _NO_CLIPS]

    def rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
        is_default = bool(stream.disposition & Disposition.default)
        # a stream of an unknown codec has no size
        area = getattr(stream, "width", 0) * getattr(stream, "height", 0)
        return stream.frames != 1, is_default, area, -stream.index

    return max(streams, key=rank, default=None)


def _no_container(path: Path) -> str:
    """Why a file does not open as a clip."""
    if container_kind(path) is None:
        with path.open("rb") as file:
            if file.read(8)[4:] == b"ftyp":
                return f"{path} begins like a video but its index is missing or damaged (truncated?); copy it again."
    return unknown_format(path, "a video")
