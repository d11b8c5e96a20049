"""What a file holds, by its content and not by its name, and how it is opened safely.

Only containers and picture formats that hold pixels are opened: a playlist or a text file could otherwise make the
libraries read other files or the network, and PostScript would be run by an interpreter.
"""

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.container
import av.stream
from av.audio.stream import AudioStream
from PIL import Image, UnidentifiedImageError
from pillow_heif import register_heif_opener

from reenact.errors import UnsupportedInputError

register_heif_opener()

_VIDEO_DEMUXERS = "mov,matroska,webm,avi,gif,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,h264,hevc,m4v,ivf,wav,mp3,aac,flac"
_CONTAINER_NAMES = {"mov": "MP4", "matroska": "MKV"}
"""Names for users, where the first of FFmpeg's names is another."""
_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "ICO", "JPEG2000", "AVIF", "HEIF")
_ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")
_BOMB_PX = 100_000
"""Stands for a side of a picture that Pillow refuses for its size."""
BROKEN_PICTURE_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError),
    *(AttributeError, NotImplementedError, RuntimeError),
)
"""Errors of Pillow's decoders for broken content; undocumented, found by fuzzing."""


def kind_of(path: str | Path) -> Literal["image", "video"]:
    """Whether a file holds a picture or a clip; an animated GIF, PNG, WebP or AVIF is a clip.

    Raises:
        UnsupportedInputError: Missing, empty, or neither of the two.
    """
    path = existing_file(path)
    try:
        with open_picture(path) as image:
            return "video" if is_animated(image) else "image"
    except UnidentifiedImageError:
        pass
    except (Image.DecompressionBombError, *BROKEN_PICTURE_ERRORS):
        return "image"  # its format is known; reading it will give the reason
    if container_kind(path) is not None:
        return "video"
    raise UnsupportedInputError(unknown_format(path, "a picture or a video"))


def existing_file(path: str | Path) -> Path:
    """The path, after checking that something can be read there.

    Raises:
        UnsupportedInputError: No such file, a folder, an empty file, or no permission.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise UnsupportedInputError(f"{path} is a folder; give the name of a picture or a video file.")
        with path.open("rb") as file:
            if not file.read(1):
                raise UnsupportedInputError(f"{path} is empty (0 bytes); it was probably not copied completely.")
    except FileNotFoundError as error:
        raise UnsupportedInputError(f"There is no file {path}; check the name.") from error
    except (OSError, ValueError) as error:
        raise UnsupportedInputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return path


def open_picture(path: Path) -> Image.Image:
    """Open a picture and read its header, no pixels.

    Raises:
        PIL.UnidentifiedImageError: No known picture format.
        PIL.Image.DecompressionBombError: Far too many pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of size, which the caller checks, and of odd metadata
        return Image.open(path, formats=_PICTURE_FORMATS)


def is_animated(image: Image.Image) -> bool:
    """Whether a picture moves; a burst of photos or the pages of a document do not."""
    return frame_count(image) > 1


def frame_count(image: Image.Image) -> int:
    """Number of moments that a picture shows; 1 unless it moves."""
    if image.format not in _ANIMATED_FORMATS:
        return 1
    try:
        return int(getattr(image, "n_frames", 1)) - bool(image.info.get("default_image"))
    except BROKEN_PICTURE_ERRORS:  # it is cut short
        return 2


def picture_kind(image: Image.Image) -> str:
    """The format's name for users."""
    return {"HEIF": "HEIC", "MPO": "JPEG"}.get(image.format or "", image.format or "?")


def open_container(path: Path) -> av.container.InputContainer:
    """Open a file for demuxing, with the containers listed above only, and never the network.

    Raises:
        av.FFmpegError: Not one of them, or broken.
    """
    return av.open(
        f"file:{path.absolute()}",  # the protocol named, so that a file called "http:x" stays a file
        mode="r",
        metadata_errors="replace",
        container_options={"format_whitelist": _VIDEO_DEMUXERS, "protocol_whitelist": "file"},
    )


def audio_streams(container: av.container.InputContainer) -> list[AudioStream]:
    """The sound tracks whose codec is known; others cannot be copied either."""
    return [stream for stream in container.streams.audio if getattr(stream, "codec_context", None) is not None]


def start_time_s(stream: av.stream.Stream) -> Fraction:
    """Time of the stream's first picture or sample on the clock that all streams of the file share."""
    return Fraction(0) if stream.start_time is None else stream.start_time * (stream.time_base or Fraction(0))


def container_kind(path: Path) -> str | None:
    """What a container holds, "a clip (MP4)" or "a sound file (WAV)"; None if the file is no such container."""
    try:
        with open_container(path) as container:
            first = container.format.name.partition(",")[0]
            name = _CONTAINER_NAMES.get(first, first.upper())
            if container.streams.video:
                return f"a clip ({name})"
            return f"a sound file ({name})" if container.streams.audio else None
    except av.FFmpegError:
        return None


def pixel_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture or clip, from its header alone; 0 x 0 for what is neither."""
    try:
        with open_picture(existing_file(path)) as image:
            return image.size
    except Image.DecompressionBombError:
        return _BOMB_PX, _BOMB_PX
    except (UnidentifiedImageError, UnsupportedInputError, *BROKEN_PICTURE_ERRORS):
        pass
    try:
        with open_container(path) as container:
            video = next(iter(container.streams.video), None)
            return getattr(video, "width", 0), getattr(video, "height", 0)  # none of an unknown codec either
    except av.FFmpegError:
        return 0, 0


def unknown_format(path: Path, wanted: str) -> str:
    """The error text for an unknown format, with the reason if the first bytes show it."""
    with path.open("rb") as file:
        head = file.read(512)
    if _reads_as_text(head):
        return f"{path} holds text, not {wanted}."
    return f"{path} is not {wanted} of a known format, or its beginning is damaged."


def _reads_as_text(head: bytes) -> bool:
    try:
        text = head[:-3].decode() if len(head) == 512 else head.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
