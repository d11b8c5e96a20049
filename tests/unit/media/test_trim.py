"""A part of a clip."""

import pathlib
from fractions import Fraction

import av
import numpy as np
import pytest

from reenact.errors import ConfigError
from reenact.media import Trim, VideoReader, VideoWriter


@pytest.fixture
def numbered(tmp_path: pathlib.Path) -> pathlib.Path:
    """Forty frames of rising brightness, 20 a second."""
    path = tmp_path / "numbered.mp4"
    with VideoWriter(path, width=64, height=48, fps=Fraction(20)) as writer:
        for index in range(40):
            writer.write(np.full((48, 64, 3), 40 + 4 * index, np.uint8))
    return path


def numbers(reader: VideoReader) -> list[int]:
    return [round((float(frame.mean()) - 40) / 4) for frame in reader]


def test_a_part_is_numbered_from_its_begin(numbered: pathlib.Path) -> None:
    trim = Trim(begin_s=Fraction(1, 2), end_s=Fraction(5, 4))
    with VideoReader(numbered, trim=trim) as reader:
        assert (reader.info.frame_count, reader.info.duration_s) == (15, 0.75)
        assert numbers(reader) == list(range(10, 25))
        assert [round((float(frame.mean()) - 40) / 4) for frame in reader.backwards()] == list(range(24, 9, -1))
        looks = [round((float(frame.mean()) - 40) / 4) for frame in reader.glances(3)]
    assert looks == [10, 15, 20]
    with VideoReader(numbered, trim=Trim(begin_s=Fraction(19, 10)), fps=Fraction(10)) as reader:
        assert numbers(reader) == [38]


def test_times_as_users_write_them() -> None:
    names = ("--from", "--to")
    assert Trim.read(None, "", names=names) is None
    assert Trim.read("1:02.5", None, names=names) == Trim(begin_s=Fraction(125, 2))
    assert Trim.read("", "0:01:30", names=names) == Trim(end_s=Fraction(90))
    assert Trim.read("2", "2.5s", names=names) == Trim(begin_s=Fraction(2), end_s=Fraction(5, 2))
    for text in ("soon", "1:2:3:4", "-1", "1:"):
        with pytest.raises(ConfigError, match=r"--from is .*; give seconds, such as 62\.5"):
            Trim.read(text, None, names=names)
    with pytest.raises(ConfigError, match="from 3 s to 2 s is empty"):
        Trim.read("3", "2", names=names)


def test_a_part_behind_the_end_is_refused(numbered: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"numbered\.mp4 lasts 2\.0 s; the part from 5 s is empty"):
        VideoReader(numbered, trim=Trim(begin_s=Fraction(5)))


def test_sound_begins_with_the_part(numbered: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """One second of silence, then a tone: from 1 s on, the tone is heard at once."""
    loud = tmp_path / "loud.wav"
    with av.open(str(loud), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        tone = np.sin(np.arange(32000) / 5) * 12000 * (np.arange(32000) >= 16000)
        frame = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out = tmp_path / "out.mp4"
    with VideoWriter(out, width=64, height=48, fps=Fraction(20), audio_from=loud, audio_start_s=Fraction(1)) as writer:
        for _ in range(16):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    with av.open(str(out)) as container:
        heard = np.concatenate([each.to_ndarray()[0] for each in container.decode(audio=0)])
        rate = container.streams.audio[0].rate
    assert 0.7 * rate < len(heard) < 0.95 * rate
    assert float(np.abs(heard[int(0.1 * rate) : int(0.3 * rate)]).max()) > 0.2
