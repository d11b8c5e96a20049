"""RGB frames to GIF."""

from fractions import Fraction
from math import ceil

import av.container
import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8
from PIL import Image

from reenact.media.frame import Frame

_FASTEST = 50
"""Frames a second; browsers slow down faster GIFs."""
_PALETTE_SAMPLE_PX = 128
_PALETTE_WORSE = 1.5
"""A palette is replaced when its error on a frame grows by this factor, which happens at a change of scene. Otherwise
it stays, so that a still background does not flicker."""
_MIN_MISFIT = 2.0
"""Mean difference in levels below which no palette counts as bad."""


class GifTrack:
    """GIF with a palette per scene, at most 50 frames per second: faster clips keep every n-th frame."""

    def __init__(self, output: av.container.OutputContainer, *, width: int, height: int, fps: Fraction) -> None:
        """Add the stream; see `YuvTrack`."""
        self._output = output
        self._step = ceil(fps / _FASTEST)
        self.fps = fps / self._step
        """Frames per second that are written."""
        self._stream = output.add_stream("gif", rate=self.fps)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "pal8"
        self._time_base = 1 / fps
        self._stream.codec_context.time_base = self._time_base
        self._palette: Image.Image | None = None
        self._misfit = 0.0

    def write(self, rgb: Frame, index: int) -> None:
        """Encodes the frame number `index`."""
        if index % self._step:
            return
        image = Image.fromarray(np.ascontiguousarray(rgb))
        misfit = self._measure(image)
        if self._palette is None or misfit > max(_PALETTE_WORSE * self._misfit, _MIN_MISFIT):
            self._palette = _sample(image).quantize(256, method=Image.Quantize.MEDIANCUT)
            self._misfit = self._measure(image)
        painted = image.quantize(palette=self._palette, dither=Image.Dither.FLOYDSTEINBERG)
        indexed = (np.asarray(painted), _argb(painted))  # the library's stubs do not know this form
        frame = VideoFrame.from_ndarray(indexed, format="pal8")  # pyright: ignore[reportArgumentType]
        frame.pts, frame.time_base = index, self._time_base
        self._mux(frame)

    def finish(self) -> None:
        """Flushes the encoder."""
        self._mux(None)

    def _measure(self, image: Image.Image) -> float:
        """Mean error of the current palette on a frame, in levels."""
        if self._palette is None:
            return float("inf")
        small = _sample(image)
        painted = small.quantize(palette=self._palette, dither=Image.Dither.NONE).convert("RGB")
        return float(np.abs(np.asarray(small, np.int16) - np.asarray(painted, np.int16)).mean())

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._output.mux(packet)


def _sample(image: Image.Image) -> Image.Image:
    """A small version of a frame with original, not mixed, colours."""
    size = (min(image.width, _PALETTE_SAMPLE_PX), min(image.height, _PALETTE_SAMPLE_PX))
    return image.resize(size, Image.Resampling.NEAREST)


def _argb(painted: Image.Image) -> UInt8[np.ndarray, "256 4"]:
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0] = 255
    colours = np.array(painted.getpalette() or [], np.uint8).reshape(-1, 3)
    palette[: len(colours), 1:] = colours
    return palette
