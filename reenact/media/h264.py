"""RGB frames to H.264, VP9 and WebP packets."""

from fractions import Fraction
from typing import cast

import av.container
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

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


class YuvTrack:
    """H.264, VP9 or WebP: 4:2:0, limited range, constant quality; BT.709, in WebP BT.601.

    4:2:0 knows even sizes only: an odd width or height is extended by a copy of the last column or row.
    """

    def __init__(
        self,
        output: av.container.OutputContainer,
        *,
        width: int,
        height: int,
        fps: Fraction,
        codec: str = "libx264",
        quality: int | None = None,
    ) -> None:
        """Add the stream.

        Args:
            output: receives the packets.
            width: of the frames.
            height: of the frames.
            fps: frames per second.
            codec: "libx264", "libvpx-vp9" or "libwebp_anim".
            quality: 0 to 100; 85, without visible loss, if None.
        """
        self._output = output
        options = _options(codec, 85 if quality is None else quality)
        self._stream = cast(VideoStream, output.add_stream(codec, rate=fps, options=options))
        self._stream.width = width + width % 2
        self._stream.height = height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = 1 / fps
        self.fps = fps
        """Frames per second that are written."""
        self._colorspace = Colorspace.ITU601
        if codec != "libwebp_anim":
            self._colorspace = Colorspace.ITU709
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
        frame = to_yuv420p(self._scaler, rgb, self._colorspace)
        frame.pts = index
        frame.time_base = self._stream.codec_context.time_base
        self._mux(frame)

    def finish(self) -> None:
        """Flushes the encoder."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._output.mux(packet)


def _options(codec: str, quality: int) -> dict[str, str]:
    """The encoder's own settings for a quality of 0 to 100."""
    if codec == "libwebp_anim":
        return {"quality": str(quality)}
    if codec == "libvpx-vp9":
        return {"crf": str(round(24 + (85 - quality) * 0.45)), "b": "0", "deadline": "realtime", "cpu-used": "6"}
    # veryfast and 18: more than 100 frames/s at 256 x 256 on two cores, no visible loss
    return {"crf": str(round(18 + (85 - quality) * 0.38)), "preset": "veryfast"}
