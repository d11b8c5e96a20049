"""Pictures in every dress that people bring, and files that are none."""

import io
import os
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from reenact.errors import OutputError, UnsupportedInputError
from reenact.media import kind_of, read_image, write_image
from reenact.provenance.origin import Origin


@pytest.fixture
def gradient() -> np.ndarray:
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 6, (x + y) * 2], -1).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied(tmp_path: Path, gradient: np.ndarray, orientation: int):
    # where the stored picture's first row and first column lie when shown, by the Exif standard
    stored = {
        1: gradient,
        2: gradient[:, ::-1],
        3: gradient[::-1, ::-1],
        4: gradient[::-1],
        5: gradient.swapaxes(0, 1),
        6: np.rot90(gradient, 1),
        7: np.rot90(gradient, 2).swapaxes(0, 1),
        8: np.rot90(gradient, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png").rgb, gradient)


def test_alpha_is_separate_and_colours_are_as_stored(tmp_path: Path, gradient: np.ndarray):
    alpha = np.arange(60, dtype=np.uint8)[None].repeat(40, 0)
    Image.fromarray(np.dstack([gradient, alpha])).save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    assert np.array_equal(picture.rgb, gradient)
    assert picture.alpha is not None and np.array_equal(picture.alpha, alpha)


def test_opaque_pictures_have_no_alpha(tmp_path: Path, gradient: np.ndarray):
    Image.fromarray(gradient).save(tmp_path / "a.bmp")
    assert read_image(tmp_path / "a.bmp").alpha is None


def test_grey_palette_and_bilevel(tmp_path: Path, gradient: np.ndarray):
    image = Image.fromarray(gradient)
    image.convert("L").save(tmp_path / "grey.png")
    image.quantize(256).save(tmp_path / "palette.png")
    image.convert("1").save(tmp_path / "two.png")
    image.convert("LA").save(tmp_path / "grey_alpha.png")
    grey = read_image(tmp_path / "grey.png").rgb
    assert np.array_equal(grey, np.asarray(image.convert("L"))[..., None].repeat(3, -1))
    assert np.abs(read_image(tmp_path / "palette.png").rgb.astype(int) - gradient).mean() < 4
    assert set(np.unique(read_image(tmp_path / "two.png").rgb)) <= {0, 255}
    assert read_image(tmp_path / "grey_alpha.png").alpha is not None


def test_a_transparent_palette_colour_is_alpha(tmp_path: Path):
    image = Image.new("P", (4, 2), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=0)
    picture = read_image(tmp_path / "a.png")
    assert picture.alpha is not None and picture.alpha[0, 0] == 0 and picture.alpha[1, 1] == 255
    assert tuple(picture.rgb[1, 1]) == (40, 50, 60)


def test_cmyk_jpeg(tmp_path: Path):
    Image.new("RGB", (32, 32), (200, 40, 90)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    picture = read_image(tmp_path / "a.jpg")
    assert np.abs(picture.rgb.astype(int) - (200, 40, 90)).max() < 6


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str):
    deep = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    Image.fromarray(deep).save(tmp_path / f"a{suffix}")
    rgb = read_image(tmp_path / f"a{suffix}").rgb
    assert np.abs(rgb[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert rgb[0, -1, 0] == 255


def test_16_bit_colour_png(tmp_path: Path):
    path = tmp_path / "a.png"
    rows = b"".join(b"\0" + struct.pack(">6H", 65535, 32768, 0, 257 * 10, 257 * 20, 257 * 30) for _ in range(2))
    path.write_bytes(png_file(2, 2, bits=16, rows=rows))
    assert read_image(path).rgb[0].tolist() == [[255, 128, 0], [10, 20, 30]]


def test_an_embedded_profile_is_converted(tmp_path: Path):
    # a profile whose numbers are linear light: 50 % of it is far brighter in sRGB
    linear = make_linear_profile()
    Image.new("RGB", (8, 8), (55, 55, 55)).save(tmp_path / "a.png", icc_profile=linear)
    assert abs(int(read_image(tmp_path / "a.png").rgb[0, 0, 0]) - 128) < 12
    Image.new("RGB", (8, 8), (55, 55, 55)).save(tmp_path / "b.png", icc_profile=b"nonsense")
    assert read_image(tmp_path / "b.png").rgb[0, 0, 0] == 55


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_of_an_animation_the_first_frame(tmp_path: Path, suffix: str):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], duration=100)
    assert read_image(tmp_path / f"a{suffix}").rgb[8, 8, 0] > 240


def test_avif_and_heic(tmp_path: Path):
    image = Image.new("RGB", (32, 32), (200, 40, 90))
    image.save(tmp_path / "a.avif", quality=95)
    assert np.abs(read_image(tmp_path / "a.avif").rgb.astype(int) - (200, 40, 90)).max() < 8
    image.save(tmp_path / "a.heic", quality=95)
    assert np.abs(read_image(tmp_path / "a.heic").rgb.astype(int) - (200, 40, 90)).max() < 8


def test_a_huge_picture_is_refused_before_decoding(tmp_path: Path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_file(20000, 20000, bits=8, rows=b""))
    began = time.perf_counter()
    with pytest.raises(UnsupportedInputError, match="too large.*400000000 pixels.*scale it down"):
        read_image(path)
    assert time.perf_counter() - began < 1
    assert kind_of(path) == "image"


def test_the_limit_can_be_chosen(tmp_path: Path, gradient: np.ndarray):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    with pytest.raises(UnsupportedInputError, match="60 x 40 pixels, more than the 0.001 million"):
        read_image(tmp_path / "a.png", max_pixels=1000)


def test_what_is_no_picture_is_named(tmp_path: Path, clips):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("Dear reader,\nthis is a letter – with a dash.\n" * 20, encoding="utf-8")
    (tmp_path / "noise.png").write_bytes(bytes(range(128, 256)) * 9)
    clips.make(tmp_path / "clip.png.mp4", count=3).rename(tmp_path / "clip.png")
    for name, text in [
        ("empty.png", "is empty (0 bytes)"),
        ("text.png", "holds text, not a picture"),
        ("noise.png", "is not a picture of a known format"),
        ("clip.png", "is a clip (MP4); a picture is needed"),
        ("absent.png", "There is no file"),
        (".", "is a folder"),
    ]:
        with pytest.raises(UnsupportedInputError) as caught:
            read_image(tmp_path / name)
        assert text in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif", ".bmp"])
def test_a_truncated_picture_is_refused(tmp_path: Path, suffix: str):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(UnsupportedInputError, match=r"cannot be decoded|not a picture of a known format"):
        read_image(path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "ICO", "JPEG2000"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_damaged_files_never_raise_anything_else(tmp_path: Path, form: str, data: st.DataObject):
    encoded = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(encoded, form)
    content = bytearray(encoded.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content) - 1, 200)))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.dat"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        assert read_image(path).rgb.dtype == np.uint8
    except UnsupportedInputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_alpha_and_comment_survive(tmp_path: Path, gradient: np.ndarray, suffix: str):
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, 30:] = 255
    path = tmp_path / f"a{suffix}"
    write_image(path, gradient, alpha=alpha, origin=Origin(text="made by a test"))
    picture = read_image(path)
    assert picture.alpha is not None and np.array_equal(picture.alpha, alpha)
    assert np.abs(picture.rgb.astype(int) - gradient).mean() < 6
    if suffix == ".png":
        assert np.array_equal(picture.rgb, gradient)
        with Image.open(path) as image:
            assert image.text["Description"] == "made by a test"
    else:
        with Image.open(path) as image:
            assert image.getexif()[0x010E] == "made by a test"


def test_jpeg_drops_alpha_and_keeps_the_comment(tmp_path: Path, gradient: np.ndarray):
    path = tmp_path / "a.jpg"
    write_image(path, gradient, alpha=np.zeros((40, 60), np.uint8), origin=Origin(text="made by a test"))
    with Image.open(path) as image:
        assert image.getexif()[0x010E] == "made by a test" and image.mode == "RGB"


def test_an_existing_file_stays_unless_told(tmp_path: Path, gradient: np.ndarray):
    path = tmp_path / "a.png"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already.*allow overwriting"):
        write_image(path, gradient)
    assert path.read_text() == "precious"
    write_image(path, gradient, overwrite=True)
    assert np.array_equal(read_image(path).rgb, gradient)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_results_follow_the_umask(tmp_path: Path, gradient: np.ndarray):
    old = os.umask(0o027)
    try:
        write_image(tmp_path / "a.png", gradient)
    finally:
        os.umask(old)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640


def test_bad_places_are_refused(tmp_path: Path, gradient: np.ndarray):
    for path, text in [
        (tmp_path / "none" / "a.png", "does not exist; create it"),
        (tmp_path / "a.tiff", "use one of .png"),
        (tmp_path / "a", "has no suffix; end it in .png or .jpg"),
    ]:
        with pytest.raises(OutputError, match=text):
            write_image(path, gradient)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="folder.png is a folder; give a file name ending in .png"):
        write_image(tmp_path / "folder.png", gradient, overwrite=True)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to: /proc")
def test_an_unwritable_folder_is_refused(gradient: np.ndarray):
    with pytest.raises(OutputError, match="/proc/a.png could not be written"):
        write_image("/proc/a.png", gradient)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # the system refuses the rest, as a full disk does
    try:
        with pytest.raises(OutputError, match="disk is full"):
            write_image(tmp_path / "a.png", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def png_file(width: int, height: int, *, bits: int, rows: bytes) -> bytes:
    """A colour PNG put together by hand."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make_linear_profile() -> bytes:
    """sRGB's profile with its three tone curves replaced by straight lines."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", content[128:132])[0]
    for tag in range(count):
        name, offset, size = struct.unpack(">4sII", content[132 + 12 * tag : 144 + 12 * tag])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            content[offset : offset + size] = b"curv".ljust(size, b"\0")  # no entries: identity
    return bytes(content)
