"""RGB frames to a playable clip with the sound of another file."""

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.container

from reenact.errors import OutputError, ShapeError
from reenact.media.audio import AudioTrack
from reenact.media.frame import Frame
from reenact.media.gif import GifTrack
from reenact.media.h264 import YuvTrack
from reenact.media.output import VIDEO_SUFFIXES, PartialFile, check_output, write_error
from reenact.provenance.manifest import MIME_TYPES
from reenact.provenance.metadata import SOURCE_TYPES, add_metadata
from reenact.provenance.origin import Origin

_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".gif": "gif", ".webp": "webp"}
_CODECS = {".webm": "libvpx-vp9", ".webp": "libwebp_anim"}
_SILENT = (".gif", ".webp")


class VideoWriter:
    """Writes frames of one size at a constant rate; a context manager.

    Leaving the block normally finishes the file (`finish`), leaving it by any exception, Ctrl-C among them, removes
    what was written (`abort`).
    """

    def __init__(
        self,
        path: str | Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        audio_from: str | Path | None = None,
        audio_start_s: Fraction = Fraction(0),
        overwrite: bool = False,
        origin: Origin | None = None,
        quality: int | None = None,
    ) -> None:
        """Check the path; nothing is created before the block is entered.

        Args:
            path: .mp4, .mov and .mkv hold H.264 and sound, .webm VP9 and sound; .gif and .webp have no sound.
            width: of the frames; odd sizes are extended by a copy of the last column or row (not in GIF).
            height: of the frames.
            fps: Exact frames per second.
            audio_from: file with the sound, in sync with that file's first picture and cut to the clip's length.
                Packets are copied if the container can hold their codec, else encoded as AAC.
            audio_start_s: Time in that file's pictures at which the sound begins.
            overwrite: Whether an existing file may be replaced.
            origin: Metadata and marks about where the clip comes from.
            quality: 0 to 100; 85, without visible loss, if None. GIF has one quality.

        Raises:
            OutputError: The file exists, the ending is another one, the folder is missing or cannot be written to.
        """
        self.path = Path(path)
        check_output(self.path, overwrite=overwrite, suffixes=VIDEO_SUFFIXES)
        self.frame_count = 0
        """Frames written so far."""
        self._size = (width, height)
        self._fps = fps
        self._quality = quality
        self._audio_from = None if audio_from is None else Path(audio_from)
        self._audio_start_s = audio_start_s
        self._overwrite = overwrite
        self._origin = origin
        self._file: PartialFile | None = None
        self._container: av.container.OutputContainer | None = None
        self._audio: AudioTrack | None = None

    @property
    def written_fps(self) -> Fraction:
        """Frames a second of the file: GIF leaves out frames of faster clips."""
        return self._track.fps

    def __enter__(self) -> "VideoWriter":
        self._file = PartialFile(self.path, overwrite=self._overwrite)
        try:
            self._open(self._file.partial)
        except BaseException:
            self.abort()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abort()

    def write(self, frame: Frame) -> None:
        """Appends a frame.

        Raises:
            OutputError: the file cannot be written; it has been removed.
            ShapeError: The frame has another size than promised.
        """
        height, width, _ = frame.shape
        if (width, height) != self._size:
            raise ShapeError(f"Frame of {width} x {height} for a video of {self._size[0]} x {self._size[1]} pixels.")
        if self._container is None:
            raise OutputError(f"{self.path} is not open for writing; use the writer in a `with` block.")
        if self._origin is not None:
            frame, _ = self._origin.mark(frame)
        try:
            self._track.write(frame, self.frame_count)
            self.frame_count += 1
            if self._audio is not None:
                self._audio.advance(self.frame_count / self._fps)
        except (av.FFmpegError, OSError) as error:
            self.abort()
            raise _as_output_error(self.path, error) from error

    def finish(self) -> None:
        """Complete the file and rename it; no effect after `finish` or `abort`.

        Raises:
            OutputError: No frame was written, or the file cannot be completed; it has been removed.
            ConfigError: The origin's certificate cannot sign; likewise.
        """
        if self._container is None or self._file is None:
            return
        try:
            if not self.frame_count:
                raise OutputError(f"{self.path} was not written: there is not one frame to put into it.")
            self._track.finish()
            if self._audio is not None:
                self._audio.finish(self.frame_count / self._fps)
                self._audio.close()
            self._container.close()
            self._add_origin(self._file)
            self._file.commit()
        except (av.FFmpegError, OSError) as error:
            self.abort()
            raise _as_output_error(self.path, error) from error
        except BaseException:
            self.abort()
            raise
        self._container = self._file = self._audio = None

    def abort(self) -> None:
        """Removes what was written."""
        # the file is removed first: otherwise closing would still move the index to its front
        if self._file is not None:
            self._file.discard()
        if self._audio is not None:
            self._audio.close()
        container, self._container, self._file, self._audio = self._container, None, None, None
        if container is not None:
            # the disk is full, or the index cannot be written: the file is gone anyway
            with contextlib.suppress(av.FFmpegError, OSError):
                container.close()

    def _add_origin(self, file: PartialFile) -> None:
        """Add what the container cannot take while it is written, and sign the whole."""
        if self._origin is None:
            return
        suffix = self.path.suffix.lower()
        add_metadata(file.partial, suffix, text=self._origin.text, source_type=self._origin.source_type)
        if self._origin.signer is not None and suffix in MIME_TYPES:
            signed = PartialFile(self.path, overwrite=True)
            try:
                with file.partial.open("rb") as source, signed.partial.open("w+b") as out:
                    self._origin.signer.sign(source, out, suffix, source_type=self._origin.source_type)
                signed.partial.replace(file.partial)
            finally:
                signed.discard()

    def _open(self, partial: Path) -> None:
        suffix = self.path.suffix.lower()
        options = {"movflags": "+faststart"} if suffix in (".mp4", ".mov") else {}
        options |= {"loop": "0"} if suffix == ".webp" else {}  # without end, as in GIF
        try:
            self._container = av.open(f"file:{partial.absolute()}", mode="w", format=_MUXERS[suffix], options=options)
            if self._origin is not None and suffix not in _SILENT:
                self._container.metadata["comment"] = self._origin.text
                self._container.metadata["description"] = SOURCE_TYPES + self._origin.source_type
            width, height = self._size
            if suffix == ".gif":
                self._track = GifTrack(self._container, width=width, height=height, fps=self._fps)
            else:
                self._track = YuvTrack(
                    self._container,
                    width=width,
                    height=height,
                    fps=self._fps,
                    codec=_CODECS.get(suffix, "libx264"),
                    quality=self._quality,
                )
            if self._audio_from is not None and suffix not in _SILENT:
                self._audio = AudioTrack(self._audio_from, self._container, suffix, self._audio_start_s)
        except (av.FFmpegError, OSError) as error:
            raise _as_output_error(self.path, error) from error


def _as_output_error(path: Path, error: av.FFmpegError | OSError) -> OutputError:
    if isinstance(error, OSError):
        return write_error(path, error)
    return OutputError(f"Cannot write {path}: the encoder reports {error.strerror!r}.")
