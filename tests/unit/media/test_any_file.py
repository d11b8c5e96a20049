"""Files as cameras, phones and editors write them: each is read right, or refused with its kind."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from reenact.errors import UnsupportedInputError
from reenact.media import VideoReader, VideoWriter, kind_of, read_image

TICK = Fraction(1, 30)


def mux(path: Path, pictures: list[tuple[bytes, int]], *, codec: str = "mjpeg") -> Path:
    """Encoded pictures with their times in thirtieths of a second."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.codec_context.color_range = 2
        stream.time_base = TICK
        for content, stamp in pictures:
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, stamp, stamp, TICK
            container.mux(packet)
    return path


def jpeg(frame: np.ndarray, exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=95, exif=exif or Image.Exif())
    return file.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_camera_clips_with_exif_in_every_frame(tmp_path: Path, clips, orientation: int):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "Pocket camera"
    frames = [clips.level_frame(k) for k in range(5)]
    path = mux(tmp_path / "a.avi", [(jpeg(frame, exif), k) for k, frame in enumerate(frames)])
    upright = {1: frames[0], 3: np.rot90(frames[0], 2), 6: np.rot90(frames[0], -1), 8: np.rot90(frames[0], 1)}
    with VideoReader(path) as reader:
        shown = list(reader)
    assert len(shown) == 5 and shown[0].shape == upright[orientation].shape
    assert np.abs(shown[0].astype(int) - upright[orientation]).mean() < 6


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "heic"])
def test_a_still_is_a_picture_and_no_clip(tmp_path: Path, suffix: str):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (64, 48), (200, 40, 90)).save(path, quality=95)
    assert kind_of(path) == "image"
    assert np.abs(read_image(path).rgb.astype(int) - (200, 40, 90)).max() < 8
    kind = {"jpg": "JPEG"}.get(suffix, suffix.upper())
    with pytest.raises(UnsupportedInputError, match=rf"a\.{suffix} is a picture \((?i:{kind})\); a clip is needed"):
        VideoReader(path)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "avif"])
def test_animated_pictures_are_clips(tmp_path: Path, clips, suffix: str):
    frames = [Image.fromarray(clips.level_frame(k)) for k in range(8)]
    path = tmp_path / f"a.{suffix}"
    durations = [40] * 4 + [80] * 4
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, quality=95)
    assert kind_of(path) == "video"
    with VideoReader(path) as reader:
        assert (reader.info.fps, reader.info.frame_count, reader.info.has_audio) == (25, 12, False)
        assert [clips.number_of(frame) for frame in reader] == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7]
        assert [clips.number_of(frame) for frame in reader][:3] == [0, 1, 2], "a second pass starts from the beginning"
    assert clips.number_of(read_image(path).rgb) == 0


def test_the_still_of_an_animated_png_is_not_its_first_frame(tmp_path: Path, clips):
    frames = [Image.fromarray(clips.level_frame(k)) for k in range(4)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100, default_image=True)
    with VideoReader(tmp_path / "a.png") as reader:
        assert [clips.number_of(frame) for frame in reader] == [1, 2, 3]


def test_pages_and_bursts_are_pictures(tmp_path: Path):
    pages = [Image.new("RGB", (32, 32), (k * 80, 0, 0)) for k in range(3)]
    for name in ("a.tif", "a.heic"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        assert kind_of(tmp_path / name) == "image"


def test_a_slow_beginning_loses_no_picture_and_keeps_the_sound(tmp_path: Path, clips):
    stamps = [0, 15, 30, 45, *range(60, 90)]
    clip = clips.make(tmp_path / "a.mp4", fps=Fraction(30), stamps=stamps, codec="mpeg4", audio="aac", audio_s=3, gop=1)
    with VideoReader(clip) as reader:
        assert reader.info.fps == 30
        shown = [clips.number_of(frame) for frame in reader]
        assert [shown.index(number) for number in range(len(stamps))] == stamps
        with VideoWriter(tmp_path / "out.mp4", width=64, height=48, fps=reader.info.fps, audio_from=clip) as writer:
            for frame in reader:
                writer.write(frame)
    assert clips.click_times(tmp_path / "out.mp4") == pytest.approx([0, 1, 2], abs=1 / 30)


def test_a_last_picture_of_hours_is_no_output_of_hours(tmp_path: Path, clips):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.codec_context.color_range = 2
        for k in range(6):
            packet = av.Packet(jpeg(clips.level_frame(k)))
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, TICK, k, k
            packet.duration = 1 if k < 5 else 30 * 3600 * 5
            container.mux(packet)
    with VideoReader(path) as reader:
        assert reader.info.duration_s < 11
        assert sum(1 for _ in reader) <= 30 * 11
        assert reader.cut_short_s is None


@pytest.mark.parametrize(
    ("suffix", "first", "shown"),
    [
        ("mkv", -5, range(12)),
        ("mp4", -5, range(5, 12)),  # its edit list hides what comes before zero
        ("mov", -5, range(5, 12)),
        ("mkv", 45, range(12)),
        ("mp4", 45, range(12)),
    ],
)
def test_times_that_do_not_start_at_zero(tmp_path: Path, clips, suffix: str, first: int, shown: range):
    pictures = [(jpeg(clips.level_frame(k)), first + k) for k in range(12)]
    path = mux(tmp_path / f"a.{suffix}", pictures)
    with VideoReader(path) as reader:
        assert [clips.number_of(frame) for frame in reader] == list(shown)
        assert reader.info.frame_count == len(shown) and reader.damaged == [] and reader.cut_short_s is None


def two_tracks(path: Path, *, kind: str) -> Path:
    """Two tracks of one kind; the second is the default."""
    with av.open(str(path), "w") as container:
        videos = [container.add_stream("mpeg4", rate=30) for _ in range(2 if kind == "video" else 1)]
        sounds = [container.add_stream("pcm_s16le", rate=48000, layout="mono") for _ in range(2)]
        for stream in videos:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pair in (videos, sounds):
            pair[0].disposition = Disposition(0)
            pair[-1].disposition = Disposition.default
        for number, stream in enumerate(videos):
            for k in range(30):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 + 120 * number, np.uint8))
                frame.pts, frame.time_base = k, TICK
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        for number, stream in enumerate(sounds):
            wave = (8000 * np.sin(2 * np.pi * (300, 1000)[number] * np.arange(48000) / 48000)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(stream.encode(block))
            container.mux(stream.encode())
    return path


def test_the_default_tracks_count(tmp_path: Path):
    clip = two_tracks(tmp_path / "a.mkv", kind="video")
    with VideoReader(clip) as reader:
        frames = list(reader)
    assert len(frames) == 30 and abs(float(frames[0].mean()) - 180) < 6
    with VideoWriter(tmp_path / "out.mkv", width=64, height=48, fps=Fraction(30), audio_from=clip) as writer:
        for frame in frames:
            writer.write(frame)
    with av.open(str(tmp_path / "out.mkv")) as container:
        wave = np.concatenate([part.to_ndarray()[0] for part in container.decode(audio=0)])
    assert np.abs(np.fft.rfft(wave[:40000])).argmax() * 48000 / 40000 == pytest.approx(1000, abs=2)


def test_a_preview_or_a_cover_is_no_clip(tmp_path: Path, clips):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        preview = container.add_stream("mjpeg", rate=30)
        preview.width, preview.height, preview.pix_fmt = 160, 120, "yuvj420p"
        preview.codec_context.color_range = 2
        main = container.add_stream("mpeg4", rate=30)
        main.width, main.height, main.pix_fmt = 64, 48, "yuv420p"
        main.bit_rate = 4_000_000
        picture = av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8))
        container.mux(preview.encode(picture))
        for k in range(10):
            frame = av.VideoFrame.from_ndarray(clips.level_frame(k))
            frame.pts, frame.time_base = k, TICK
            container.mux(main.encode(frame))
        container.mux([*preview.encode(), *main.encode()])
    with VideoReader(path) as reader:
        assert (reader.info.width, reader.info.height) == (64, 48)
        assert [clips.number_of(frame) for frame in reader] == list(range(10))


def test_a_ycbcr_tiff(tmp_path: Path):
    picture = Image.new("RGB", (64, 48), (200, 40, 90))
    picture.convert("YCbCr").save(tmp_path / "lzw.tif", compression="tiff_lzw")
    picture.convert("YCbCr").save(tmp_path / "plain.tif")
    picture.convert("YCbCr").save(tmp_path / "jpeg.tif", compression="jpeg", quality=95)
    for name in ("plain.tif", "jpeg.tif", "lzw.tif"):
        assert np.abs(read_image(tmp_path / name).rgb.astype(int) - (200, 40, 90)).max() < 6, name


def test_a_ycbcr_tiff_with_fewer_colour_samples(tmp_path: Path):
    luma = np.arange(6 * 4, dtype=np.uint8).reshape(4, 6) * 8
    units = luma.reshape(2, 2, 3, 2).swapaxes(1, 2).reshape(2, 3, 4)
    content = np.concatenate([units, np.full((2, 3, 2), 128, np.uint8)], -1).tobytes()
    tags = [(256, 4, 6), (257, 4, 4), (258, 3, 134), (259, 3, 1), (262, 3, 6), (273, 4, 140), (277, 3, 3), (278, 4, 4)]
    tags += [(279, 4, len(content)), (530, 3, 2 | 2 << 16)]
    entries = b"".join(
        struct.pack("<HHII", tag, kind, {258: 3, 530: 2}.get(tag, 1), value) for tag, kind, value in tags
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + struct.pack("<3H", 8, 8, 8)
    (tmp_path / "a.tif").write_bytes(head + content)
    assert np.array_equal(read_image(tmp_path / "a.tif").rgb, luma[..., None].repeat(3, -1))
    (tmp_path / "short.tif").write_bytes((head + content)[:-8])
    with pytest.raises(UnsupportedInputError, match="truncated"):
        read_image(tmp_path / "short.tif")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.gif"])
def test_a_clip_cut_short_gives_what_it_holds(tmp_path: Path, clips, name: str):
    path = tmp_path / name
    if name.endswith("gif"):
        frames = [Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8)) for k in range(20)]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    else:
        clips.make(path, count=50, noise=True, gop=5, codec="mpeg4" if name.endswith("avi") else "libx264")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with VideoReader(path) as reader:
        count = sum(1 for _ in reader)
        assert (10 if name.endswith("gif") else 20) <= count <= 40
        assert sum(end - first for first, end in reader.damaged) <= 2
        if name in ("a.mp4", "a.mkv", "a.avi"):
            assert reader.cut_short_s == (count / 25, 2.0)


@pytest.mark.parametrize(
    ("transfer", "encoded", "shown"),
    [
        (16, 0.0, 0),
        (16, 0.3737, 97),  # PQ: 26 nits, an eighth of white
        (16, 0.5807, 242),  # 203 nits, white
        (16, 0.9, 255),
        (18, 0.75, 242),  # HLG: white
        (18, 1.0, 255),
    ],
)
def test_high_dynamic_range_is_tone_mapped(tmp_path: Path, transfer: int, encoded: float, shown: int):
    luma = np.full((48, 64), round(64 + 876 * encoded), np.uint16)
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane, values in zip(frame.planes, (luma, luma[::2, ::2] * 0 + 512, luma[::2, ::2] * 0 + 512), strict=True):
        padded = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        padded[:, : plane.width] = values
        plane.update(padded.tobytes())
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, 9, 1
        frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, 9, 9, 1
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux([*stream.encode(frame), *stream.encode()])
    with VideoReader(tmp_path / "a.mkv") as reader:
        rgb = next(iter(reader))
    assert np.abs(rgb.astype(int) - shown).max() <= 10 and np.ptp(rgb[0, 0]) <= 5


def test_hdr_photos_are_tone_mapped(tmp_path: Path):
    grey = Image.new("RGB", (64, 48), (148, 148, 148))  # 203 nits
    tags = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9, "full_range_flag": 1}
    grey.save(tmp_path / "a.heic", quality=95, **tags)
    assert np.abs(read_image(tmp_path / "a.heic").rgb.astype(int) - 242).max() <= 10


@pytest.mark.parametrize(("suffix", "fps"), [("webm", Fraction(30000, 1001)), ("webp", Fraction(25)), ("gif", 30)])
def test_what_is_written_is_read_back(tmp_path: Path, clips, suffix: str, fps: Fraction):
    sound = clips.make(tmp_path / "sound.mp4", audio="aac", audio_s=2)
    path = tmp_path / f"a.{suffix}"
    with VideoWriter(path, width=64, height=48, fps=Fraction(fps), audio_from=sound) as writer:
        for k in range(30):
            writer.write(clips.level_frame(k))
        assert writer.written_fps == fps
    with VideoReader(path) as reader:
        assert reader.info.fps == fps and reader.info.has_audio == (suffix == "webm")
        numbers = [clips.number_of(frame) for frame in reader]
    assert len(numbers) == 30 and np.abs(np.subtract(numbers, range(30))).max() <= 1


def test_a_reader_yields_the_wished_rate(tmp_path: Path, clips):
    path = clips.make(tmp_path / "a.mp4", count=30, fps=Fraction(30))
    with VideoReader(path, fps=Fraction(10)) as reader:
        numbers = [clips.number_of(frame) for frame in reader]
    assert len(numbers) == 10 and set(np.diff(numbers)) == {3}


def test_lower_quality_is_smaller(tmp_path: Path, clips):
    sizes = []
    for quality in (95, 60, 20):
        path = tmp_path / f"{quality}.mp4"
        rng = np.random.default_rng(0)
        with VideoWriter(path, width=64, height=48, fps=Fraction(25), quality=quality) as writer:
            for _ in range(5):
                writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
        sizes.append(path.stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]
