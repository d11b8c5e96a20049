"""Clips and sounds that the tests make themselves."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

PAL = Fraction(25)


def level_frame(index: int, *, width: int = 64, height: int = 48) -> np.ndarray:
    """A frame whose brightness tells its number: 4 levels a step, below 56 frames unique."""
    frame = np.full((height, width, 3), 16 + 4 * (index % 56), np.uint8)
    frame[: height // 4, : width // 4] = (250, 20, 20)  # a red mark in the top left corner
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number that `level_frame` gave."""
    return round((float(frame[frame.shape[0] // 2 :, frame.shape[1] // 2 :].mean()) - 16) / 4)


def make_clip(
    path: Path,
    *,
    count: int = 30,
    fps: Fraction = PAL,
    stamps: Sequence[int] | None = None,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    gop: int = 10,
    rotation: float | None = None,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    audio: str | None = None,
    audio_s: float = 2.0,
    audio_start_s: float = 0.0,
    video_start_s: float = 0.0,
    audio_rate: int = 44100,
    noise: bool = False,
    frame: Callable[[int], np.ndarray] | None = None,
    video: bool = True,
) -> Path:
    """Writes a clip straight through the library; `stamps` are times in units of 1/fps, for variable rates."""
    stamps = range(count) if stamps is None else stamps
    options = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    noise_source = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        if video:
            stream = container.add_stream(codec, rate=fps)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.gop_size = gop
            stream.codec_context.time_base = 1 / fps
            if codec == "libx264":
                stream.options = {"crf": "10", "preset": "ultrafast"}
            else:
                stream.bit_rate = 4_000_000
            if codec == "mjpeg":
                stream.codec_context.color_range = 2
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            if rotation is not None:
                stream.set_display_rotation(rotation, hflip=mirrored)
        sound = container.add_stream(audio, rate=audio_rate, layout="mono") if audio else None
        if video:
            for index, stamp in enumerate(stamps):
                rgb = level_frame(index, width=size[0], height=size[1]) if frame is None else frame(index)
                if noise:
                    rgb = (rgb + noise_source.integers(-16, 17, rgb.shape)).clip(0, 255).astype(np.uint8)
                picture = av.VideoFrame.from_ndarray(rgb)
                picture.pts, picture.time_base = stamp + round(video_start_s * fps), 1 / fps
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        if sound is not None:
            _write_tone(container, sound, seconds=audio_s, start_s=audio_start_s, rate=audio_rate)
    return path


def _write_tone(container, stream, *, seconds: float, start_s: float, rate: int) -> None:
    """A click at every full second over a soft tone."""
    total = round(seconds * rate)
    times = np.arange(total) / rate
    wave = (3000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
    for second in range(int(np.ceil(seconds))):
        wave[second * rate : second * rate + rate // 50] = 30000
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate)
    for first in range(0, total, 1024):
        block = av.AudioFrame.from_ndarray(wave[None, first : first + 1024], format="s16", layout="mono")
        block.sample_rate, block.time_base = rate, Fraction(1, rate)
        block.pts = first + round(start_s * rate)
        for part in resampler.resample(block):
            container.mux(stream.encode(part))
    container.mux(stream.encode())


def stream_times(path: Path, kind: str) -> tuple[Fraction, Fraction]:
    """Begin and end of a stream as its packets tell, seconds."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        spans = [
            (packet.pts * packet.time_base, (packet.pts + packet.duration) * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        ]
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def packet_bytes(path: Path, kind: str) -> list[bytes]:
    """The encoded packets of a stream."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def click_times(path: Path) -> list[float]:
    """When the clicks of `make_clip`'s sound are heard, seconds."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48000)
        blocks, times = [], []
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                data = part.to_ndarray()[0]
                blocks.append(data)
                times.append(float(part.pts * part.time_base) + np.arange(len(data)) / 48000)
    loud = np.abs(np.concatenate(blocks).astype(int)) > 15000
    moments = np.concatenate(times)[loud]
    starts = np.flatnonzero(np.diff(moments, prepend=-1) > 0.3)
    return [float(moment) for moment in moments[starts]]


def damage(path: Path, *, where: float = 0.5, length: int = 600) -> Path:
    """Overwrites bytes at a share of the media data."""
    content = bytearray(path.read_bytes())
    begin = max(content.find(b"mdat"), 0)
    middle = begin + int((len(content) - begin) * where)
    content[middle : middle + length] = np.random.default_rng(1).integers(0, 256, length, np.uint8).tobytes()
    path.write_bytes(content)
    return path


@pytest.fixture
def clips():
    """The functions of this file: with importlib mode tests cannot import their neighbours."""
    import types

    return types.SimpleNamespace(
        make=make_clip,
        level_frame=level_frame,
        number_of=number_of,
        stream_times=stream_times,
        packet_bytes=packet_bytes,
        click_times=click_times,
        damage=damage,
    )
