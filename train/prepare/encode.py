"""Crops to bytes: clips as H.264, stills as PNG, thumbnails as JPEG. The same pictures give the same bytes."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image

from train.data import CROP_PX

_OPTIONS = {"crf": "15", "preset": "veryfast", "threads": "1"}
"""42 dB at 2.3 kB a frame; x264's output depends on its number of threads."""
_PNG_LEVEL = 6


class ClipEncoder:
    """Frames of one clip, one after the other, to an MP4 in memory."""

    def __init__(self, fps: Fraction) -> None:
        self.frame_count = 0
        self._file = io.BytesIO()
        # bitexact: no version of the library in the file
        self._container = av.open(self._file, mode="w", format="mp4", options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream("libx264", rate=fps, options=_OPTIONS)
        self._stream.width = self._stream.height = CROP_PX
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1
        context.time_base = 1 / fps
        context.gop_size = max(round(2 * fps), 1)
        # BT.601: what readers take small pictures for, tagged or not
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU601
        self._time_base = 1 / fps
        self._scaler = VideoReformatter()

    def add(self, rgb: np.ndarray) -> None:
        """Append a (256, 256, 3) frame."""
        frame = self._scaler.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU601,
            threads=1,
        )
        frame.pts, frame.time_base = self.frame_count, self._time_base
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self.frame_count += 1

    def finish(self) -> bytes:
        """The file."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        return self._file.getvalue()


def encode_still(rgb: np.ndarray) -> bytes:
    """PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "PNG", compress_level=_PNG_LEVEL)
    return file.getvalue()


def encode_strip(pictures: list[np.ndarray], side_px: int) -> bytes:
    """Pictures side by side, small, as JPEG."""
    small = [cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA) for picture in pictures]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(small, axis=1)).save(file, "JPEG", quality=80)
    return file.getvalue()
