"""Packets to pictures, with a record of lost ones.

A decoder does not report which packet it could not use (its threads report late) or where a picture is missing. But
every packet has a timestamp, and pictures come out in order. So a timestamp that is skipped after a decoding error
belongs to a lost picture.
"""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.container
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]
    AudioPacket = Packet[AudioStream]
else:
    VideoPacket = AudioPacket = Packet  # generic for type checkers only

_MAX_DEMUX_ERRORS = 100
_MAX_SMEAR_S = 1
"""Pictures after a lost one are predicted from it and count as damaged until the next key frame, at most for this
time: many files have few key frames, and pictures recover before."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """One good picture, or the end of the stream."""

    frame: VideoFrame | None
    """None at the end."""
    time_s: Fraction | None
    """Time of the picture; at the end, of the last packet; None if unknown."""
    lost_since_s: Fraction | None
    """Time of the first picture lost after the good one before; None if nothing was lost."""


def decode(container: av.container.InputContainer, stream: VideoStream) -> Iterator[Decoded]:
    """Yields the good pictures of a stream, then its end."""
    return _Decoder(container, stream).run()


class _Decoder:
    def __init__(self, container: av.container.InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self._time_base = stream.time_base or Fraction(1, 1000)
        self._waiting: set[int] = set()  # timestamps of packets whose picture has not come out
        self._complained_at: int | None = None  # latest packet at which the decoder reported an error
        self._latest: int | None = None  # largest timestamp of any packet
        self._lost_since: int | None = None
        self._smeared_from: int | None = None

    def run(self) -> Iterator[Decoded]:
        for packet in self._packets():
            self._note(packet)
            try:
                frames = packet.decode()
            except av.EOFError:
                continue
            except av.FFmpegError:
                self._complained_at = self._latest
                continue
            for frame in frames:
                if self._is_good(frame):
                    yield self._step(frame, frame.pts)
        self._pass_over(set(self._waiting))
        yield self._step(None, self._latest)

    def _packets(self) -> Iterator[VideoPacket]:
        """All packets; continues after errors of the container as far as possible."""
        for _ in range(_MAX_DEMUX_ERRORS):
            try:
                yield from self._container.demux(self._stream)
            except av.EOFError:
                return
            except av.FFmpegError:
                self._complained_at = self._latest
            else:
                return

    def _note(self, packet: VideoPacket) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or not packet.size:
            return
        self._latest = stamp if self._latest is None else max(self._latest, stamp)
        if not packet.is_discard:
            self._waiting.add(stamp)
        if packet.is_corrupt:
            self._complained_at = self._latest

    def _is_good(self, frame: VideoFrame) -> bool:
        if frame.pts is None:
            return True
        if frame.is_corrupt:
            self._lose({frame.pts})
        self._pass_over({stamp for stamp in self._waiting if stamp < frame.pts})
        self._waiting.discard(frame.pts)
        if frame.is_corrupt:
            return False
        if self._smeared_from is None:
            return True
        if frame.key_frame or (frame.pts - self._smeared_from) * self._time_base > _MAX_SMEAR_S:
            self._smeared_from = None
            return True
        self._lose(set(), also=frame.pts)
        return False

    def _pass_over(self, stamps: set[int]) -> None:
        self._waiting -= stamps
        # without an error they are pictures that are not meant to be shown
        if stamps and self._complained_at is not None and min(stamps) <= self._complained_at:
            self._lose(stamps)

    def _lose(self, stamps: set[int], *, also: int | None = None) -> None:
        """Records lost pictures; `also` is one that was only predicted from them."""
        if stamps:
            self._smeared_from = max(stamps | ({self._smeared_from} if self._smeared_from is not None else set()))
        everything = stamps | {stamp for stamp in (also, self._lost_since) if stamp is not None}
        self._lost_since = min(everything)

    def _step(self, frame: VideoFrame | None, stamp: int | None) -> Decoded:
        lost_since, self._lost_since = self._lost_since, None
        return Decoded(frame=frame, time_s=self._seconds(stamp), lost_since_s=self._seconds(lost_since))

    def _seconds(self, stamp: int | None) -> Fraction | None:
        return None if stamp is None else stamp * self._time_base
