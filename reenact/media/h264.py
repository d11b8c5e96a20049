"""RGB frames to H.264 packets."""

from fractions import Fraction

import av.container
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from reenact.media.frame import Frame


def to_yuv420p(scaler: VideoReformatter, rgb: Frame, colorspace: Colorspace) -> VideoFrame:
    """A frame as 4:2:0 in limited range; width and height must be even."""
    return scaler.reformat(
        VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_colorspace=colorspace,
        threads=1,
    )


class H264Track:
    """H.264, 4:2:0, limited range, BT.709, constant quality.

    4:2:0 knows even sizes only: an odd width or height is extended by a copy of the last column or row.
    """

    def __init__(self, output: av.container.OutputContainer, *, width: int, height: int, fps: Fraction) -> None:
        # veryfast and 18: more than 100 frames/s at 256 x 256 on two cores, no visible loss
        options = {"crf": "18", "preset": "veryfast"}
        self._output = output
        self._stream = output.add_stream("libx264", rate=fps, options=options)
        self._stream.width = width + width % 2
        self._stream.height = height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = 1 / fps
        context.gop_size = max(1, round(4 * fps))  # for seeking in a player
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        self._scaler = VideoReformatter()

    def write(self, rgb: Frame, index: int) -> None:
        """Encodes the frame number `index`."""
        height, width, _ = rgb.shape
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = to_yuv420p(self._scaler, rgb, Colorspace.ITU709)
        frame.pts = index
        frame.time_base = self._stream.codec_context.time_base
        self._mux(frame)

    def finish(self) -> None:
        """Flushes the encoder."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._output.mux(packet)
