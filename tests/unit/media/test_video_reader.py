"""Clips of every kind read as frames at a constant rate."""

import gc
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reenact.errors import UnsupportedInputError
from reenact.media import VideoReader, kind_of

NTSC = Fraction(30000, 1001)


def numbers(reader: VideoReader, clips) -> list[int]:
    return [clips.number_of(frame) for frame in reader]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mjpeg"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
    ],
)
def test_common_containers_at_29_97(tmp_path: Path, clips, name: str, codec: str):
    path = clips.make(tmp_path / name, count=40, fps=NTSC, codec=codec)
    with VideoReader(path) as reader:
        assert reader.info.fps == NTSC
        assert (reader.info.width, reader.info.height) == (64, 48)
        assert not reader.info.has_audio
        assert abs(reader.info.frame_count - 40) <= 1
        assert numbers(reader, clips) == list(range(40))
        assert reader.damaged == []
        assert numbers(reader, clips) == list(range(40)), "a second pass starts from the beginning"
    assert kind_of(path) == "video"


def test_gif(tmp_path: Path):
    frames = [Image.new("RGB", (16, 16), (k * 20, 0, 0)) for k in range(10)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100] * 5 + [200] * 5)
    with VideoReader(tmp_path / "a.gif") as reader:
        shown = [round(float(frame[..., 0].mean()) / 20) for frame in reader]
        assert reader.info.fps == 10
    assert shown == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
    assert kind_of(tmp_path / "a.gif") == "video"
    frames[0].save(tmp_path / "still.gif")
    assert kind_of(tmp_path / "still.gif") == "image"


def test_a_variable_rate_keeps_time(tmp_path: Path, clips):
    # a second at 30 pictures, a second at 10, on a clock of 1/30 s: on average 20
    stamps = [*range(30), *range(30, 60, 3)]
    path = clips.make(tmp_path / "a.mp4", fps=Fraction(30), stamps=stamps)
    with VideoReader(path) as reader:
        shown = numbers(reader, clips)
        fps = reader.info.fps
    end_s = clips.stream_times(path, "video")[1]
    assert abs(len(shown) / fps - end_s) < 1 / fps
    for slot, number in enumerate(shown):
        assert abs(Fraction(stamps[number], 30) - slot / fps) <= Fraction(1, 8), "shown within its time"
    assert shown == sorted(shown) and shown[-1] == 39


def test_a_pause_in_the_timestamps_holds_the_picture(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mkv", stamps=[0, 1, 2, 12, 13], fps=Fraction(25))
    with VideoReader(path) as reader:
        shown = numbers(reader, clips)
        assert reader.damaged == []
        assert abs(len(shown) / reader.info.fps - Fraction(14, 25)) <= 1 / reader.info.fps
    assert shown.count(2) >= 3


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.webm"])
@pytest.mark.parametrize("gap_s", [60, 90_000, 1_000_000])
def test_a_forged_timestamp_repeats_no_picture_without_bound(tmp_path: Path, clips, name: str, gap_s: int):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = clips.make(tmp_path / name, stamps=[0, 1, 2, 25 * gap_s, 25 * gap_s + 1], codec=codec)
    with VideoReader(path) as reader:
        assert sum(1 for _ in reader) <= 60 * 25 + 10 * 6


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_display_matrix_is_applied(tmp_path: Path, clips, rotation: int, mirrored: bool):
    path = clips.make(tmp_path / "a.mp4", count=3, rotation=rotation, mirrored=mirrored)
    upright = np.rot90(clips.level_frame(0), rotation // 90)
    if mirrored:
        upright = upright[:, ::-1]
    with VideoReader(path) as reader:
        frame = next(iter(reader))
        assert frame.shape == upright.shape == (reader.info.height, reader.info.width, 3)
    assert np.abs(frame.astype(int) - upright).mean() < 6


def test_odd_sizes_and_oblong_pixels(tmp_path: Path, clips):
    odd = clips.make(tmp_path / "odd.webm", count=2, size=(61, 47), codec="libvpx-vp9")
    with VideoReader(odd) as reader:
        assert next(iter(reader)).shape == (47, 61, 3)
    wide = clips.make(tmp_path / "wide.mp4", count=2, aspect=Fraction(4, 3))
    with VideoReader(wide) as reader:
        assert next(iter(reader)).shape == (48, 85, 3) == (reader.info.height, reader.info.width, 3)


def test_a_damaged_middle_is_held_and_named(tmp_path: Path, clips):
    path = clips.damage(clips.make(tmp_path / "a.mp4", count=50, gop=10, noise=True), where=0.5, length=3000)
    with VideoReader(path) as reader:
        shown = numbers(reader, clips)
        damaged = reader.damaged
    assert len(shown) == 50, "time stays in step"
    assert damaged and all(first < end for first, end in damaged)
    first, end = damaged[0][0], damaged[-1][1]
    assert 10 < first < end < 45
    lost = {k for begin, stop in damaged for k in range(begin, stop)}
    for slot, number in enumerate(shown):
        if slot not in lost:
            assert abs(number - slot) <= 1
    assert shown[first] == shown[first - 1], "the last good frame is held"


def test_damage_ends_at_the_next_picture_where_each_stands_alone(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.avi", count=30, codec="mjpeg", noise=True)
    packet = clips.packet_bytes(path, "video")[15]
    content = path.read_bytes()
    path.write_bytes(content.replace(packet, bytes(len(packet))))
    with VideoReader(path) as reader:
        assert len(list(reader)) == 30
        assert reader.damaged == [(15, 16)]


def test_a_damaged_beginning_shows_the_first_good_picture_early(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mkv", count=30, gop=10, noise=True)
    packets = clips.packet_bytes(path, "video")
    path.write_bytes(path.read_bytes().replace(packets[0][20:], b"\xff" * (len(packets[0]) - 20)))
    with VideoReader(path) as reader:
        shown = numbers(reader, clips)
        assert len(shown) == 30
        assert reader.damaged and reader.damaged[0][0] == 0
        assert shown[-1] in (28, 29)


def test_a_clip_that_stops_early_says_so(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mp4", count=50, noise=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoReader(path) as reader:
        count = len(list(reader))
        assert 15 < count < 40
        assert reader.damaged == [] or reader.damaged[-1][1] <= count, "only frames that are held count as damaged"
        assert reader.cut_short_s == (count / 25, 2.0)


def test_what_is_no_video_is_named(tmp_path: Path, clips):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("#EXTM3U\nfile:///etc/passwd\n" * 40)
    (tmp_path / "text.txt").write_text("a letter\n" * 40)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    Image.new("RGB", (16, 16)).save(tmp_path / "picture.png")
    clips.make(tmp_path / "sound.mp4", audio="aac", video=False)
    clips.make(tmp_path / "sound.wav", audio="pcm_s16le", video=False)
    whole = clips.make(tmp_path / "whole.mov", count=20)
    content = whole.read_bytes()
    (tmp_path / "no_index.mp4").write_bytes(content[: content.find(b"moov") + 40])
    for name, text in [
        ("empty.mp4", "is empty (0 bytes)"),
        ("text.mp4", "holds text, not a video"),
        ("text.txt", "holds text, not a video"),
        ("noise.mp4", "is not a video of a known format"),
        ("picture.png", "is a picture (PNG); a clip is needed"),
        ("sound.mp4", "holds only sound; a clip is needed"),
        ("sound.wav", "holds only sound; a clip is needed"),
        ("no_index.mp4", "its index is missing or damaged"),
        ("absent.mp4", "There is no file"),
        (".", "is a folder"),
    ]:
        with pytest.raises(UnsupportedInputError) as caught:
            VideoReader(tmp_path / name)
        assert text in str(caught.value) and "\n" not in str(caught.value), name


def test_a_clip_without_a_frame_is_refused(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mkv", count=1, noise=True)
    packet = clips.packet_bytes(path, "video")[0]
    path.write_bytes(path.read_bytes().replace(packet, bytes(len(packet))))
    with pytest.raises(UnsupportedInputError, match="not one frame of it can be decoded"):
        VideoReader(path)
    with pytest.raises(UnsupportedInputError, match=r"not one frame|only sound"):
        VideoReader(clips.make(tmp_path / "none.mp4", count=0, audio="aac"))


def test_absurd_frames_are_refused(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mp4", count=2)
    with pytest.raises(UnsupportedInputError, match="frames of 64 x 48 pixels"):
        VideoReader(path, max_pixels=1000)


def test_names_are_never_taken_for_addresses(tmp_path: Path, clips, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.mp4", "%03d.mp4", "http:a.mp4", "é ü.mp4"):
        clips.make(tmp_path / "plain.mp4", count=3).rename(tmp_path / name)
        with VideoReader(name) as reader:
            assert len(list(reader)) == 3


def test_untagged_colours_follow_the_players(tmp_path: Path, clips):
    colour = np.full((48, 64, 3), (200, 40, 90), np.uint8)
    path = clips.make(tmp_path / "a.mp4", count=2, frame=lambda _: colour)
    with VideoReader(path) as reader:
        assert np.abs(next(iter(reader)).astype(int) - colour).max() <= 4


def test_memory_is_flat(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mp4", count=600, size=(128, 96), gop=250)

    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        with VideoReader(path) as reader:
            for index, _ in enumerate(reader):
                if index == count:
                    break
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(599) < peak(60) + 100_000


def test_leaving_midway_closes_the_file(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mp4", count=20)
    with VideoReader(path) as reader:
        frames = iter(reader)
        next(frames)
        next(frames)
    frames.close()
    path.unlink()
