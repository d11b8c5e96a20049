"""Files, codecs, BGR, uint8 and Exif: nothing above this package handles them.

Pictures enter and leave the program as `Frame` arrays (height, width, 3; RGB, uint8). A file that cannot be read raises
`UnsupportedInputError`, one that cannot be written `OutputError`, each with one line of text.
"""

from reenact.media.frame import Frame
from reenact.media.image import Picture, read_image, write_image
from reenact.media.output import check_output
from reenact.media.probe import kind_of
from reenact.media.trim import Trim
from reenact.media.video_reader import VideoInfo, VideoReader
from reenact.media.video_writer import VideoWriter

__all__ = [
    "Frame",
    "Picture",
    "Trim",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "check_output",
    "kind_of",
    "read_image",
    "write_image",
]
