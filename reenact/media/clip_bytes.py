"""Small square clips in memory, for data sets: the same frames give the same bytes."""

import io
from fractions import Fraction

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from reenact.media.frame import Frame
from reenact.media.h264 import to_yuv420p

_OPTIONS = {"crf": "16", "preset": "veryfast", "threads": "1", "mbtree": "0"}
"""42 dB at 3 kB a frame of 256 x 256. x264's output depends on its number of threads, and, on a busy machine, its
macroblock tree gives the same frames other bytes from run to run."""


class ClipEncoder:
    """Frames of one clip, one after the other, to an MP4 in memory."""

    def __init__(self, *, side_px: int, fps: Fraction) -> None:
        """Start a clip.

        Args:
            side_px: of the frames, an even number.
            fps: frames per second.
        """
        self.frame_count = 0
        """Frames so far."""
        self._file = io.BytesIO()
        # bitexact: no version of the library in the file
        self._container = av.open(self._file, mode="w", format="mp4", options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream("libx264", rate=fps, options=_OPTIONS)
        self._stream.width = self._stream.height = side_px
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1
        context.time_base = 1 / fps
        context.gop_size = max(round(2 * fps), 1)
        # BT.601: what readers take small pictures for, tagged or not
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU601
        self._time_base = 1 / fps
        self._scaler = VideoReformatter()

    def add(self, rgb: Frame) -> None:
        """Append a frame."""
        frame = to_yuv420p(self._scaler, rgb, Colorspace.ITU601)
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
