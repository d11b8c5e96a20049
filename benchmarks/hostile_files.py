"""Files that strangers could give to break the program: damaged, forged, far too large, or something else by name.

All are made from a seed, by code alone; `hostile_files` gives the same ones every time.
"""

import dataclasses
import io
import json
import lzma
import pickle
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pillow_heif
from PIL import Image

from reenact.pipeline.motions.library import LIBRARY

pillow_heif.register_heif_opener()

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/Launch/F(/bin/sh)>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_EDIT = {"format_version": 1, "kind": "reenact-edit", "mode": "relative", "action_units": {"12": 3.5}, "yaw_deg": 20}
_KEYS = {"format_version": 1, "kind": "reenact-keyframes", "frames": [{"time_s": 0}, {"time_s": 1, "yaw_deg": 9}]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hostile:
    """One file."""

    name: str
    """With a suffix; some names are hostile, too."""
    content: bytes = dataclasses.field(repr=False)


def hostile_files(seed: int = 0) -> list[Hostile]:
    """All of them, more than 300."""
    rng = random.Random(seed)
    seeds = {**_pictures(), **_clips(), "nod.safetensors": (LIBRARY / "nod.safetensors").read_bytes()}
    seeds |= {"edit.json": json.dumps(_EDIT).encode(), "keys.json": json.dumps(_KEYS).encode()}
    files = [Hostile(name=name, content=content) for name, content in _damaged(seeds, rng)]
    for make in (_bombs, _forged_clips, _with_sound, _templates, _json, _impostors):
        files += [Hostile(name=name, content=content) for name, content in make(seeds)]
    return files + [Hostile(name=name, content=seeds["a.png"]) for name in _NAMES]


_TALK = Path(__file__).resolve().parents[1] / "examples" / "driving" / "actor-talk.mp4"
_ABSURD = (
    *(("frames", str(10**18)), ("frames", "0"), ("width", "-1"), ("height", "\u0663"), ("fps", "1/0"), ("fps", "1e9")),
    *(("format_version", "9"), ("name", "\x1b[2J" * 1000), ("kind", "other")),
)
"""Fields of a template's header."""
_NAMES = (
    *("-o.png", "--help.png", "..%2f..%2fetc%2fpasswd.png", "a\nb.png", "a\tb.png", "\u202egnp.exe.png", "%s%n%x.png"),
    *("$(touch x).png", "a';DROP TABLE.png", "<img src=x onerror=alert(1)>.png", "http:x.png", "concat:a.png"),
    *("con.png", ".png", "é" * 100 + ".png", "\ufeff.png", "a\u0000b.png".replace("\u0000", "\u2400"), "file:a.png"),
)


def _encoded(write: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _frames(count: int, side: int = 48) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return [Image.fromarray(frame) for frame in noise]


def _pictures() -> dict[str, bytes]:
    """A small valid file of every picture format that is read."""
    first, *others = _frames(3)
    suffixes = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP", "gif": "GIF", "ppm": "PPM"}
    suffixes |= {"jp2": "JPEG2000", "avif": "AVIF", "heic": "HEIF", "ico": "ICO"}
    made = {f"a.{suffix}": _encoded(lambda f, k=kind: first.save(f, k)) for suffix, kind in suffixes.items()}
    for suffix in ("gif", "png", "webp"):
        moving = {"save_all": True, "append_images": others, "duration": 40}
        made[f"moving.{suffix}"] = _encoded(lambda f, s=suffix, m=moving: first.save(f, suffixes[s], **m))
    return made


def _clips() -> dict[str, bytes]:
    """A small valid file of the usual containers."""
    made = dict[str, bytes]()
    with tempfile.TemporaryDirectory() as folder:
        for suffix, codec in (
            ("mp4", "libx264"),
            ("mov", "mpeg4"),
            ("mkv", "mpeg4"),
            ("webm", "libvpx"),
            ("avi", "mpeg4"),
            ("ts", "mpeg2video"),
        ):
            path = Path(folder, f"a.{suffix}")
            with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
                stream = container.add_stream(codec, rate=Fraction(25))
                stream.width = stream.height = 48
                stream.pix_fmt = "yuv420p"
                for picture in _frames(5):
                    container.mux(stream.encode(av.VideoFrame.from_image(picture)))
                container.mux(stream.encode())
            made[path.name] = path.read_bytes()
    return made


def _with_sound(seeds: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Clips whose tracks have codecs that nobody knows; the driver is a real one, so that its sound is wanted."""
    file = io.BytesIO()
    with av.open(str(_TALK)) as talk, av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        pictures = container.add_stream_from_template(talk.streams.video[0])
        sound = container.add_stream("aac", rate=44100)
        for packet in talk.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                container.mux(packet)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        block.sample_rate = 44100
        container.mux([*sound.encode(block), *sound.encode()])
    clip = file.getvalue()
    yield "sound.mp4", clip
    yield "unknown-sound.mp4", clip.replace(b"mp4a", b"zzzz").replace(b"esds", b"zzzz")
    yield "unknown-pictures.mp4", seeds["a.mp4"].replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzz")


def _damaged(seeds: dict[str, bytes], rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Truncated files, flipped bits, and a hole, of every format."""
    for name, content in seeds.items():
        stem, _, suffix = name.rpartition(".")
        for share in (0.0, 0.02, 0.3, 0.7, 0.98):
            yield f"cut{share:g}-{stem}.{suffix}", content[: int(len(content) * share)]
        for number, flips in enumerate((1, 3, 12, 40)):
            changed = bytearray(content)
            # half of the changes hit the header, where sizes and offsets are
            for flip in range(flips):
                end = len(changed) if flip % 2 else min(len(changed), 200)
                changed[rng.randrange(end)] ^= 1 << rng.randrange(8)
            yield f"flip{number}-{stem}.{suffix}", bytes(changed)
        middle = len(content) // 2
        yield f"hole-{stem}.{suffix}", content[: middle // 2] + bytes(middle) + content[middle // 2 + middle :]


def _png(width: int, height: int, rows: bytes, *, more: bytes = b"") -> bytes:
    """A PNG of one bit a pixel; `rows` are compressed already."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + more + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _squeezed(size: int) -> bytes:
    """Zeros, compressed."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def _bombs(seeds: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Small files that decode to very large ones, and strips."""
    yield "bomb.png", _png(20_000, 20_000, _squeezed(20_000 * 2501))
    yield (
        "bomb-text.png",
        _png(48, 48, zlib.compress(bytes(48 * 7)), more=_chunk(b"zTXt", b"a\0\0" + _squeezed(1 << 26))),
    )
    yield (
        "bomb-profile.png",
        _png(48, 48, zlib.compress(bytes(48 * 7)), more=_chunk(b"iCCP", b"a\0\0" + _squeezed(1 << 26))),
    )
    for width, height in ((65_535, 1), (1, 65_535), (65_535, 65_535), (2**31 - 1, 2**31 - 1), (0, 48)):
        yield f"declared-{width}x{height}.png", _png(width, height, zlib.compress(bytes(64)))
    strip = Image.new("RGB", (65_500, 4))
    yield "strip.jpg", _encoded(lambda f: strip.save(f, "JPEG"))
    yield "strip.png", _encoded(lambda f: Image.new("L", (65_535, 1)).save(f, "PNG"))
    yield "strip-high.png", _encoded(lambda f: Image.new("L", (1, 65_535)).save(f, "PNG"))
    jpeg = seeds["a.jpg"]
    at = jpeg.index(b"\xff\xc0") + 5
    yield "declared.jpg", jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :]
    yield "declared.gif", seeds["a.gif"][:6] + b"\xff\xff\xff\xff" + seeds["a.gif"][10:]
    yield "declared.bmp", seeds["a.bmp"][:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + seeds["a.bmp"][26:]
    yield "declared.ppm", b"P6 999999999 999999999 255\n" + bytes(100)
    for name in ("a.avif", "a.heic"):
        at = seeds[name].index(b"ispe") + 8
        yield f"declared-{name}", seeds[name][:at] + b"\x7f\xff\xff\xff" * 2 + seeds[name][at + 8 :]
    yield "many.gif", _encoded(lambda f: _save_many(f, 100))


def _save_many(file: io.BytesIO, count: int) -> None:
    frames = [Image.new("L", (200, 200), number % 200) for number in range(count)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=600_000)


def _forged_clips(seeds: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Durations, rates, counts and sizes that are not true."""
    mp4 = seeds["a.mp4"]
    boxes = {b"mvhd": 12, b"mdhd": 12, b"tkhd": 20, b"stts": 8, b"stsz": 8, b"stco": 8, b"stsc": 8, b"elst": 8}
    for box, offset in boxes.items():
        for name, value in (("most", b"\xff\xff\xff\xff"), ("none", b"\0\0\0\0"), ("long", b"\x7f\xff\xff\xff")):
            at = mp4.index(box) + 4 + offset
            yield f"{box.decode()}-{name}.mp4", mp4[:at] + value + mp4[at + 4 :]
    at = mp4.index(b"avc1") + 28
    yield "size.mp4", mp4[:at] + b"\xff\xff\xff\xff" + mp4[at + 4 :]
    mkv = seeds["a.mkv"]
    at = mkv.index(b"\x44\x89") + 3
    yield "duration.mkv", mkv[:at] + struct.pack(">d", 1e300)[: len(mkv[at : at + 8])] + mkv[at + 8 :]
    yield "rate.avi", seeds["a.avi"].replace(struct.pack("<II", 1, 25), struct.pack("<II", 2**31, 1))


def _template(header: object, body: bytes = b"", *, size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def _templates(seeds: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Motion templates with absurd headers, shapes and numbers."""
    whole = seeds["nod.safetensors"]
    length = struct.unpack("<Q", whole[:8])[0]
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]

    def changed(**fields: object) -> bytes:
        return _template({**header, **fields}, body)

    meta = header["__metadata__"]
    for number, (name, value) in enumerate(_ABSURD):
        yield f"header{number}.safetensors", changed(__metadata__={**meta, name: value})
    packed = header["numbers.packed"]
    for number, shape in enumerate(([-1], [2**62, 4], [2**63], [], [10**12], [0], [1] * 500)):
        yield f"shape{number}.safetensors", changed(**{"numbers.packed": {**packed, "shape": shape}})
    for number, offsets in enumerate(([0, 2**60], [10, 0], [-5, 5], [0, 0])):
        yield f"offsets{number}.safetensors", changed(**{"numbers.packed": {**packed, "data_offsets": offsets}})
    yield "type.safetensors", changed(**{"numbers.packed": {**packed, "dtype": "F13"}})
    yield "unknown.safetensors", changed(**{"x" * 5000: packed})
    at, _ = header["numbers.step"]["data_offsets"]
    for name, number in (("nan", np.nan), ("infinite", np.inf), ("huge", 3e38), ("negative", -1.0), ("none", 0.0)):
        yield f"step-{name}.safetensors", _template(header, body[:at] + struct.pack("<f", number) + body[at + 4 :])
    begin, end = packed["data_offsets"]
    bomb = lzma.compress(bytes(1 << 26), preset=0)[: end - begin].ljust(end - begin, b"\0")
    yield "bomb.safetensors", _template(header, body[:begin] + bomb + body[end:])
    yield "length.safetensors", _template(b"{}", size=2**63)
    yield "deep.safetensors", _template(b'{"a":' * 50_000 + b"1" + b"}" * 50_000)
    yield "text.safetensors", b"To whom it may concern\n" * 50
    yield "pickle.safetensors", pickle.dumps({"weights": [1.0] * 100})


def _json(_: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Settings and key frames that are deep, long, odd or not finite."""
    for name, text in {
        "deep": "[" * 100_000,
        "deep-object": '{"a":' * 100_000,
        "number": '{"kind": "reenact-edit", "format_version": 1, "yaw_deg": ' + "9" * 5000 + "}",
        "nan": '{"kind": "reenact-edit", "format_version": 1, "yaw_deg": NaN}',
        "infinite": '{"kind": "reenact-keyframes", "format_version": 1, "frames": [{"time_s": Infinity}]}',
        "version": '{"kind": "reenact-edit", "format_version": 1e999}',
        "version-list": '{"kind": "reenact-edit", "format_version": [1]}',
        "surrogate": '{"kind": "\\ud800", "format_version": 1}',
        "units": '{"kind": "reenact-edit", "format_version": 1, "action_units": [["12", 1]]}',
        "unit": '{"kind": "reenact-edit", "format_version": 1, "action_units": {"12": {"12": {}}}}',
        "frames": json.dumps(_KEYS | {"frames": [{"time_s": k / 100} for k in range(5000)]}),
        "frame": json.dumps(_KEYS | {"frames": [None, 1, "a", [], {"time_s": True}]}),
        "empty": "{}",
        "null": "null",
        "long": json.dumps({"kind": "x" * 2_000_000}),
    }.items():
        yield f"{name}.json", text.encode()
    yield "utf-16.json", json.dumps(_EDIT).encode("utf-16")
    yield "mark.json", b"\xef\xbb\xbf" + json.dumps(_EDIT).encode()
    yield "bytes.json", bytes(range(256)) * 20


def _impostors(seeds: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Other formats by the names of pictures, clips and templates, and files that are two things at once."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("../../etc/passwd"), "x")
    others = {
        "svg": SVG,
        "pdf": PDF,
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n(/etc/passwd) (r) file\nshowpage\n",
        "html": b"<html><script>alert(1)</script></html>",
        "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "entities": b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><svg>&c;</svg>',
        "pickle": pickle.dumps([1.0] * 100),
        "zip": archive.getvalue(),
        "program": b"\x7fELF" + bytes(200),
    }
    for name, content in others.items():
        for suffix in ("png", "mp4"):
            yield f"{name}.{suffix}", content
    yield "svg.json", SVG
    yield "png.safetensors", seeds["a.png"]
    yield "zip-behind.png", seeds["a.png"] + archive.getvalue()
    yield "html-behind.jpg", seeds["a.jpg"] + others["html"]
    yield "pdf-before.jpg", PDF + seeds["a.jpg"]
    yield "png-before.mp4", seeds["a.png"][:8] + seeds["a.mp4"]
    yield "gif-before.mp4", b"GIF89a" + seeds["a.mp4"]
    yield "mp4-by-name.png", seeds["a.mp4"]
    yield "png-by-name.mp4", seeds["a.png"]
    yield "jpg-by-name.gif", seeds["a.jpg"]
