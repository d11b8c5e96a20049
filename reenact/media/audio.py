"""The sound of one file with the pictures of another, copied without re-encoding where possible."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.stream import Disposition

from reenact.errors import UnsupportedInputError
from reenact.media.clip import open_clip
from reenact.media.decode import AudioPacket
from reenact.media.probe import audio_streams, existing_file, open_container, start_time_s, unknown_format

_COPIED_CODECS = {
    ".mp4": {"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac"},
    ".mov": {"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    ".mkv": {
        *("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac", "vorbis", "libvorbis"),
        *("pcm_s16le", "pcm_s24le", "dca", "truehd"),
    },
    ".webm": {"opus", "libopus", "vorbis", "libvorbis"},
}
"""Codecs that players of each container support. Others are re-encoded, as Opus in WebM, else as AAC."""
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


class AudioTrack:
    """Feeds the sound of a file into a container while its pictures are written.

    Times are counted from the first picture of the file that the sound comes from, so that both stay in step even if
    they did not start together. A copied packet is kept if at least half of it lies within the pictures' time.
    """

    def __init__(
        self, path: Path, output: av.container.OutputContainer, suffix: str, start_s: Fraction = Fraction(0)
    ) -> None:
        """Adds the stream to `output`, which must not have been written to yet.

        Args:
            path: of the file with the sound.
            output: receives it.
            suffix: of the output's name.
            start_s: time in the file's pictures at which the output begins.

        Raises:
            UnsupportedInputError: The file is missing or cannot be opened.
        """
        path = existing_file(path)
        try:
            self._input = open_container(path)
        except av.FFmpegError as error:
            raise UnsupportedInputError(unknown_format(path, "a video or sound file")) from error
        self._output = output
        self._packets: Iterator[AudioPacket] = iter(())
        self._ahead: AudioPacket | None = None
        self._encoder: _Encoder | None = None
        if not audio_streams(self._input):
            return
        source = main_audio(self._input)
        self._time_base = source.time_base or Fraction(1, source.rate)
        self._offset = round((_first_shown_s(path, source) + start_s) / self._time_base)
        if source.codec_context.name in _COPIED_CODECS[suffix]:
            self._stream = output.add_stream_from_template(source)
            # decoding a packet of AAC needs the one before; MP4 can hide it, Matroska would shift everything
            self._lead_packets = 2 if source.codec_context.name == "aac" and suffix not in (".mkv", ".webm") else 1
        else:
            self._encoder = _Encoder(source, output, opus=suffix == ".webm")
            self._stream = self._encoder.stream
            self._lead_packets = 1
        self._packets = self._read(source)
        self._ahead = next(self._packets, None)

    def advance(self, length_s: Fraction) -> None:
        """Write the sound of the first `length_s` of the pictures.

        Raises:
            av.FFmpegError: The output cannot be written.
        """
        # what is copied is cut between packets, what is encoded anew between samples
        ends_at = 1 if self._encoder is not None else Fraction(1, 2)
        while self._ahead is not None and self._time_s(self._ahead, ends_at) <= length_s:
            packet, self._ahead = self._ahead, next(self._packets, None)
            if self._encoder is not None:
                self._encoder.write(packet)
            else:
                packet.stream = self._stream
                self._output.mux(packet)

    def finish(self, length_s: Fraction) -> None:
        """Write the rest of the sound, and end the stream."""
        self.advance(length_s)
        if self._encoder is not None:
            if self._ahead is not None and self._time_s(self._ahead, 0) < length_s:
                self._encoder.write(self._ahead, length_s=length_s)
            self._encoder.finish()

    def close(self) -> None:
        """Closes the file that the sound comes from."""
        self._input.close()

    def _read(self, source: AudioStream) -> Iterator[AudioPacket]:
        """Packets on the pictures' clock, without those before the first picture; ends where the file is broken."""
        try:
            for packet in self._input.demux(source):
                if packet.pts is None or packet.dts is None or not packet.size:
                    continue
                packet.pts -= self._offset
                packet.dts -= self._offset
                if packet.pts + self._lead_packets * (packet.duration or 0) > 0:
                    yield packet
        except av.FFmpegError:
            return

    def _time_s(self, packet: AudioPacket, share: Fraction | int) -> Fraction:
        """The time at a share of the packet's duration."""
        return ((packet.pts or 0) + share * Fraction(packet.duration or 0)) * self._time_base


def main_audio(container: av.container.InputContainer) -> AudioStream:
    """The stream that a player plays: the default one, else the first."""
    streams = audio_streams(container)
    return next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])


def _first_shown_s(path: Path, source: AudioStream) -> Fraction:
    """Time of the first picture; of the first sound in a file without pictures."""
    try:
        clip = open_clip(path)
    except UnsupportedInputError:
        return start_time_s(source)
    with contextlib.closing(clip):
        return clip.measure().start_s


class _Encoder:
    """For codecs that the output's container cannot hold: AAC or Opus, mono or stereo, 160 kbit/s."""

    def __init__(self, source: AudioStream, output: av.container.OutputContainer, *, opus: bool) -> None:
        rate = 48_000 if opus else min(_AAC_RATES, key=lambda known: abs(known - source.rate))
        layout = "mono" if source.channels == 1 else "stereo"
        codec = "libopus" if opus else "aac"
        self.stream = output.add_stream(codec, rate=rate, layout=layout, bit_rate=160_000)
        self._output = output
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=rate)

    def write(self, packet: AudioPacket, *, length_s: Fraction | None = None) -> None:
        """Encodes a packet of the source, without what lies beyond `length_s`."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return  # a damaged packet becomes a short silence: later ones have their own times
        for frame in frames:
            for resampled in self._resampler.resample(frame):
                self._mux(resampled if length_s is None else _cut(resampled, length_s))

    def finish(self) -> None:
        """Flushes the encoder."""
        for packet in self.stream.encode(None):
            self._output.mux(packet)

    def _mux(self, frame: AudioFrame | None) -> None:
        if frame is not None:
            for packet in self.stream.encode(frame):
                self._output.mux(packet)


def _cut(frame: AudioFrame, length_s: Fraction) -> AudioFrame | None:
    """The part before a time of a frame in planar floats."""
    begin_s = (frame.pts or 0) * (frame.time_base or Fraction(1, frame.sample_rate))
    samples = round((length_s - begin_s) * frame.sample_rate)
    if samples <= 0:
        return None
    if samples >= frame.samples:
        return frame
    kept = np.ascontiguousarray(frame.to_ndarray()[:, :samples], dtype=np.float32)
    shorter = AudioFrame.from_ndarray(kept, format="fltp", layout=frame.layout.name)
    shorter.sample_rate, shorter.pts, shorter.time_base = frame.sample_rate, frame.pts, frame.time_base
    return shorter
