"""Animated GIF, PNG, WebP and AVIF, read as clips."""

import itertools
from collections.abc import Iterator
from fractions import Fraction

from av.video.frame import VideoFrame
from PIL import Image

from reenact.media.decode import Decoded
from reenact.media.image import to_picture
from reenact.media.probe import BROKEN_PICTURE_ERRORS
from reenact.media.timing import Timing, choose_rate, usual_rate

_MS = Fraction(1, 1000)
_SHORTEST_MS, _INSTEAD_MS = 11, 100
"""Browsers show pictures that last less than the first time for the second one."""


class AnimatedPicture:
    """See `reenact.media.clip.Clip`."""

    has_audio: bool = False
    pixel_aspect: Fraction | None = None

    def __init__(self, image: Image.Image) -> None:
        """Take over an open picture."""
        self._image = image
        # a PNG may have a picture for programs without animation
        self._first = int(bool(image.info.get("default_image")))
        self.size = image.size

    def measure(self) -> Timing:
        """See `Clip`."""
        stamps: list[int] = []
        end_ms = 0
        for stamp, duration in self._times():
            stamps.append(stamp)
            end_ms = stamp + duration
        unit = 10 if self._image.format == "GIF" else 1  # 30 a second are 30, 30, 40 ms in a GIF
        measured = usual_rate([stamp // unit for stamp in stamps], unit * _MS)
        fps = choose_rate(*measured, average=Fraction(1000, max(end_ms, 1)) * len(stamps), guessed=None)
        return Timing(start_s=Fraction(0), fps=fps, duration_s=end_ms * _MS, most_tail_s=Fraction(10), is_exact=False)

    def decode(self) -> Iterator[Decoded]:
        """See `Clip`."""
        stamp = duration = 0
        for stamp, duration in self._times():
            frame = VideoFrame.from_ndarray(to_picture(self._image).rgb)
            frame.pts, frame.duration, frame.time_base = stamp, duration, _MS
            yield Decoded(frame=frame, time_s=stamp * _MS, lost_since_s=None)
        yield Decoded(frame=None, time_s=stamp * _MS, lost_since_s=None)

    def seek(self, time_s: Fraction) -> None:
        """No effect: animations are short, and most of their pictures build on the one before."""

    def close(self) -> None:
        """See `Clip`."""
        self._image.close()

    def _times(self) -> Iterator[tuple[int, int]]:
        """Load picture after picture; begin and duration of each in milliseconds. Ends where the file is broken."""
        begin = 0
        for index in itertools.count(self._first):
            try:
                self._image.seek(index)
                self._image.load()
            except BROKEN_PICTURE_ERRORS:  # EOFError after the last one
                return
            duration = round(self._image.info.get("duration") or 0)
            duration = duration if duration >= _SHORTEST_MS else _INSTEAD_MS
            yield begin, duration
            begin += duration
