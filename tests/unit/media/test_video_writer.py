"""Clips written: exact rate, colours, sound in step, and nothing left behind when it goes wrong."""

import errno
import gc
import resource
import subprocess
import sys
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reenact.errors import OutputError, ShapeError, UnsupportedInputError
from reenact.media import VideoReader, VideoWriter
from reenact.provenance.origin import Origin

NTSC = Fraction(30000, 1001)


def write(
    path: Path, clips, *, count: int = 30, fps: Fraction = NTSC, size: tuple[int, int] = (64, 48), **options
) -> Path:
    with VideoWriter(path, width=size[0], height=size[1], fps=fps, **options) as writer:
        for index in range(count):
            writer.write(clips.level_frame(index, width=size[0], height=size[1]))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("fps", [NTSC, Fraction(25), Fraction(24000, 1001), Fraction(37, 3)])
def test_every_frame_comes_back_at_the_exact_rate(tmp_path: Path, clips, suffix: str, fps: Fraction):
    path = write(tmp_path / f"a{suffix}", clips, fps=fps)
    with VideoReader(path) as reader:
        assert reader.info.fps == fps
        assert [clips.number_of(frame) for frame in reader] == list(range(30))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_stream_plays_everywhere(tmp_path: Path, clips):
    path = write(tmp_path / "a.mp4", clips, origin=Origin(text="made by a test – not a recording"))
    content = path.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat"), "the index comes first, so that a page can start at once"
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert container.metadata["comment"] == "made by a test – not a recording"


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 40, 90), (20, 220, 60), (224, 172, 140)])
def test_colours_survive(tmp_path: Path, colour: tuple[int, int, int]):
    with VideoWriter(tmp_path / "a.mp4", width=64, height=64, fps=NTSC) as writer:
        for _ in range(3):
            writer.write(np.full((64, 64, 3), colour, np.uint8))
    with VideoReader(tmp_path / "a.mp4") as reader:
        for frame in reader:
            assert np.abs(frame.astype(int) - colour).max() <= 4


def test_odd_sizes_are_extended_by_a_copied_edge(tmp_path: Path):
    frame = np.full((47, 61, 3), 60, np.uint8)
    frame[:, -1] = frame[-1] = 200
    with VideoWriter(tmp_path / "a.mp4", width=61, height=47, fps=NTSC) as writer:
        writer.write(frame)
    with VideoReader(tmp_path / "a.mp4") as reader:
        read = next(iter(reader))
    assert read.shape == (48, 62, 3)
    assert abs(int(read[20, 61, 0]) - 200) < 25 and abs(int(read[47, 20, 0]) - 200) < 25
    assert abs(int(read[20, 20, 0]) - 60) < 6


@pytest.mark.parametrize(
    ("source", "codec", "suffix"),
    [
        ("a.mp4", "aac", ".mp4"),
        ("a.mp4", "aac", ".mov"),
        ("a.mp4", "aac", ".mkv"),
        ("a.mp4", "libmp3lame", ".mp4"),
        ("a.webm", "libopus", ".mp4"),
        ("a.mkv", "flac", ".mp4"),
        ("a.mov", "pcm_s16le", ".mov"),
    ],
)
def test_sound_is_copied_as_it_is(tmp_path: Path, clips, source: str, codec: str, suffix: str):
    rate = 48000 if codec == "libopus" else 44100
    video_codec = "libvpx-vp9" if source.endswith("webm") else "libx264"
    driving = clips.make(
        tmp_path / source, count=60, fps=NTSC, codec=video_codec, audio=codec, audio_s=2.002, audio_rate=rate
    )
    with VideoReader(driving) as reader:
        assert reader.info.has_audio
    path = write(tmp_path / f"out{suffix}", clips, count=60, audio_from=driving)
    before, after = clips.packet_bytes(driving, "audio"), clips.packet_bytes(path, "audio")
    assert len(before) - len(after) <= 2 and set(after) <= set(before)
    video_end, audio_end = clips.stream_times(path, "video")[1], clips.stream_times(path, "audio")[1]
    assert abs(video_end - audio_end) < 1 / NTSC
    assert clips.click_times(path) == pytest.approx(clips.click_times(driving), abs=0.015)


@pytest.mark.parametrize(("source", "codec"), [("a.avi", "pcm_s16le"), ("a.mkv", "mp2"), ("a.wav", "pcm_s16le")])
def test_sound_that_mp4_cannot_hold_becomes_aac(tmp_path: Path, clips, source: str, codec: str):
    driving = clips.make(
        tmp_path / source, count=60, fps=NTSC, audio=codec, audio_s=4, video=source != "a.wav", audio_rate=44100
    )
    path = write(tmp_path / "out.mp4", clips, count=60, audio_from=driving)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    video_end, audio_end = clips.stream_times(path, "video")[1], clips.stream_times(path, "audio")[1]
    assert abs(video_end - audio_end) < 1 / NTSC
    assert clips.click_times(path)[:2] == pytest.approx([0, 1], abs=0.015)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_is_cut_to_the_pictures(tmp_path: Path, clips, suffix: str):
    driving = clips.make(tmp_path / "a.mp4", count=120, fps=NTSC, audio="aac", audio_s=4)
    path = write(tmp_path / f"out{suffix}", clips, count=37, audio_from=driving)
    video_end, audio_end = clips.stream_times(path, "video")[1], clips.stream_times(path, "audio")[1]
    assert abs(video_end - audio_end) < 1 / NTSC


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("video_start_s", "audio_start_s"), [(0.0, 0.4), (0.4, 0.0), (0.5, 0.2)])
def test_different_starts_stay_in_step(tmp_path: Path, clips, suffix: str, video_start_s: float, audio_start_s: float):
    driving = clips.make(
        tmp_path / "a.mkv",
        count=75,
        fps=Fraction(25),
        audio="aac",
        audio_s=3,
        video_start_s=video_start_s,
        audio_start_s=audio_start_s,
    )
    first_picture = float(clips.stream_times(driving, "video")[0])
    expected = [moment - first_picture for moment in clips.click_times(driving)]
    with VideoReader(driving) as reader:
        frames = list(reader)
        assert len(frames) == 75 and clips.number_of(frames[0]) == 0
    path = write(tmp_path / f"out{suffix}", clips, count=75, fps=Fraction(25), audio_from=driving)
    shown_from = float(clips.stream_times(path, "video")[0])
    heard = [moment - shown_from for moment in clips.click_times(path)]
    assert heard == pytest.approx([moment for moment in expected if moment >= 0], abs=0.02)


def test_a_variable_rate_keeps_its_sound_in_step(tmp_path: Path, clips):
    stamps = [*range(30), *range(30, 60, 3)]
    driving = clips.make(tmp_path / "a.mp4", fps=Fraction(30), stamps=stamps, audio="aac", audio_s=2)
    with VideoReader(driving) as reader:
        fps = reader.info.fps
        with VideoWriter(tmp_path / "out.mp4", width=64, height=48, fps=fps, audio_from=driving) as writer:
            for frame in reader:
                writer.write(frame)
    ends = [clips.stream_times(tmp_path / "out.mp4", kind)[1] for kind in ("video", "audio")]
    assert abs(ends[0] - ends[1]) < 1 / fps


def test_without_sound_there_is_none(tmp_path: Path, clips):
    silent = clips.make(tmp_path / "a.mp4", count=5)
    path = write(tmp_path / "out.mp4", clips, count=5, audio_from=silent)
    with av.open(str(path)) as container:
        assert not container.streams.audio


def test_a_sound_source_that_is_none_is_named(tmp_path: Path, clips):
    (tmp_path / "a.txt").write_text("a letter\n" * 30)
    with pytest.raises(UnsupportedInputError, match="holds text, not a video or sound file"):
        write(tmp_path / "out.mp4", clips, audio_from=tmp_path / "a.txt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_damaged_sound_is_kept_as_far_as_it_goes(tmp_path: Path, clips):
    driving = clips.damage(clips.make(tmp_path / "a.mkv", count=50, audio="mp2"), where=0.6, length=900)
    path = write(tmp_path / "out.mp4", clips, count=50, fps=Fraction(25), audio_from=driving)
    with VideoReader(path) as reader:
        assert len(list(reader)) == 50


def test_gif(tmp_path: Path, clips):
    path = write(tmp_path / "a.gif", clips, count=30, fps=Fraction(25), audio_from=None)
    with VideoReader(path) as reader:
        assert reader.info.fps == 25 and not reader.info.has_audio
        assert [clips.number_of(frame) for frame in reader] == list(range(30))
    assert path.stat().st_size < 100_000
    fast = write(tmp_path / "fast.gif", clips, count=60, fps=Fraction(120))
    with VideoReader(fast) as reader:
        assert abs(reader.info.duration_s - 0.5) < 0.05 and reader.info.fps <= 50


def test_an_existing_file_stays_unless_told(tmp_path: Path, clips):
    path = tmp_path / "a.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        VideoWriter(path, width=64, height=48, fps=NTSC)
    with pytest.raises(ZeroDivisionError), VideoWriter(path, width=64, height=48, fps=NTSC, overwrite=True) as writer:
        writer.write(clips.level_frame(0))
        raise ZeroDivisionError
    assert path.read_text() == "precious"
    write(path, clips, overwrite=True)
    with VideoReader(path) as reader:
        assert len(list(reader)) == 30


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_any_exception_leaves_nothing(tmp_path: Path, clips, error: type[BaseException]):
    with pytest.raises(error), VideoWriter(tmp_path / "a.mp4", width=64, height=48, fps=NTSC) as writer:
        for index in range(40):
            writer.write(clips.level_frame(index))
        assert len(list(tmp_path.iterdir())) == 1, "the partial file lies beside the result"
        raise error
    assert list(tmp_path.iterdir()) == []


def test_no_frames_is_no_file(tmp_path: Path, clips):
    with pytest.raises(OutputError, match="not one frame"):
        write(tmp_path / "a.mp4", clips, count=0)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_refused(tmp_path: Path, clips):
    writing = VideoWriter(tmp_path / "a.mp4", width=48, height=64, fps=NTSC)
    with pytest.raises(ShapeError, match="Frame of 64 x 48 for a video of 48 x 64"), writing as writer:
        writer.write(clips.level_frame(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
@pytest.mark.parametrize("limit", [3_000, 60_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, suffix: str, limit: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # the system refuses the rest, as a full disk does
    try:
        writing = VideoWriter(tmp_path / f"a{suffix}", width=64, height=64, fps=NTSC)
        with pytest.raises(OutputError, match="could not be written: the disk is full; make room"), writing:
            for _ in range(60):
                writing.write(noise.integers(0, 256, (64, 64, 3), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_rename_is_named(tmp_path: Path, clips, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="disk is full"):
        write(tmp_path / "a.mp4", clips)
    assert list(tmp_path.iterdir()) == []


def test_memory_is_flat(tmp_path: Path, clips):
    driving = clips.make(tmp_path / "a.mp4", count=600, fps=NTSC, audio="aac", audio_s=20)

    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        write(tmp_path / "out.mp4", clips, count=count, size=(128, 96), audio_from=driving, overwrite=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(600) < peak(60) + 100_000


@pytest.mark.slow
def test_resident_memory_is_flat(tmp_path: Path):
    program = """
import resource, sys
from fractions import Fraction
import numpy as np
from reenact.media import VideoReader, VideoWriter
frame = np.zeros((240, 320, 3), np.uint8)
for count in (60, 600):
    with VideoWriter("a.mp4", width=320, height=240, fps=Fraction(25), overwrite=True) as writer:
        for index in range(count):
            frame[index % 240] += 40
            writer.write(frame)
    with VideoReader("a.mp4") as reader:
        assert sum(1 for _ in reader) == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, check=True
    )
    short_kb, long_kb = (int(line) for line in done.stdout.split())
    assert long_kb < short_kb + 20_000


def test_it_encodes_faster_than_the_networks_draw(tmp_path: Path):
    frames = np.random.default_rng(0).integers(90, 110, (10, 256, 256, 3), np.uint8)
    began = time.process_time()
    with VideoWriter(tmp_path / "a.mp4", width=256, height=256, fps=NTSC) as writer:
        for index in range(50):
            writer.write(frames[index % 10])
    # processor time of all threads: generous, because test machines are busy
    assert 50 / (time.process_time() - began) > 25
