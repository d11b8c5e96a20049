"""The half of a Hub that stores file contents by chunks ("xet"): what the client uploads, and what it asks for.

Written after the public protocol (huggingface.co/docs/xet): a xorb is a run of compressed chunks, a shard says
which chunks of which xorbs make which file.
"""

import dataclasses
import hashlib
import struct
import threading
from collections.abc import Iterator

_ENTRY = 48
_BOOKEND = b"\xff" * 32
_WITH_VERIFICATION, _WITH_SHA256 = 1 << 31, 1 << 30


@dataclasses.dataclass(frozen=True)
class Term:
    """Some chunks of one xorb, a piece of a file."""

    xorb: str
    length: int
    start: int
    end: int


class XetStore:
    """Xorbs and files by their hashes (64 hex digits, in the protocol's byte order)."""

    def __init__(self) -> None:
        self.xorbs: dict[str, bytes] = {}
        self.files: dict[str, list[Term]] = {}
        self.by_sha256: dict[str, str] = {}
        self._lock = threading.Lock()

    def put_xorb(self, name: str, body: bytes) -> bool:
        """Keep a serialised xorb; False if it was there."""
        with self._lock:
            new = name not in self.xorbs
            self.xorbs[name] = body
        return new

    def put_shard(self, body: bytes) -> None:
        """Register the files of a serialised shard.

        Raises:
            ValueError: it is cut, names an unknown xorb, or a content that does not have the promised sha256.
        """
        for name, terms, sha256 in _files(body):
            content = b"".join(self._unpacked(term) for term in terms)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError("the chunks do not make the file that the shard names")
            with self._lock:
                self.files[name] = terms
                self.by_sha256[sha256] = name

    def content(self, name: str) -> bytes:
        """A file, put together."""
        return b"".join(self._unpacked(term) for term in self.files[name])

    def reconstruction(self, name: str, address: str) -> dict[str, object]:
        """How to put a file together: terms, and where in `address`/<xorb> their bytes lie."""
        places: dict[str, list[dict[str, object]]] = {}
        for term in self.files[name]:
            offsets = [offset for offset, _, _, _ in _chunks(self.xorbs[term.xorb])] + [len(self.xorbs[term.xorb])]
            place = {
                "range": {"start": term.start, "end": term.end},
                "url": f"{address}/{term.xorb}",
                "url_range": {"start": offsets[term.start], "end": offsets[term.end] - 1},
            }
            if place not in places.setdefault(term.xorb, []):
                places[term.xorb].append(place)
        terms = [
            {"hash": term.xorb, "unpacked_length": term.length, "range": {"start": term.start, "end": term.end}}
            for term in self.files[name]
        ]
        return {"offset_into_first_range": 0, "terms": terms, "fetch_info": places}

    def _unpacked(self, term: Term) -> bytes:
        if term.xorb not in self.xorbs:
            raise ValueError(f"no xorb {term.xorb} was uploaded")
        chunks = list(_chunks(self.xorbs[term.xorb]))[term.start : term.end]
        return b"".join(_decompress(scheme, data, length) for _, scheme, data, length in chunks)


def _files(shard: bytes) -> Iterator[tuple[str, list[Term], str]]:
    """Name, terms and sha256 of each file of a shard."""
    at = _ENTRY  # behind the header
    while (entry := shard[at : at + _ENTRY])[:32] != _BOOKEND:
        flags, count = struct.unpack_from("<II", entry, 32)
        rows = [shard[at + _ENTRY * (1 + i) : at + _ENTRY * (2 + i)] for i in range(count)]
        terms = [Term(_hex(row[:32]), *struct.unpack_from("<III", row, 36)) for row in rows]
        at += _ENTRY * (1 + count + (count if flags & _WITH_VERIFICATION else 0))
        if not flags & _WITH_SHA256:
            raise ValueError("a file without its sha256")
        yield _hex(entry[:32]), terms, _hex(shard[at : at + 32])
        at += _ENTRY


def _hex(digest: bytes) -> str:
    """Four little-endian 64-bit numbers, each in hex."""
    if len(digest) != 32:
        raise ValueError("the shard is cut")
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))


def _chunks(xorb: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Offset, compression scheme, bytes and unpacked length of each chunk; a footer, if there is one, is left out."""
    at = 0
    while at < len(xorb) and xorb[at] == 0:
        size, scheme = int.from_bytes(xorb[at + 1 : at + 4], "little"), xorb[at + 4]
        yield at, scheme, xorb[at + 8 : at + 8 + size], int.from_bytes(xorb[at + 5 : at + 8], "little")
        at += 8 + size


def _decompress(scheme: int, data: bytes, length: int) -> bytes:
    if scheme == 0:
        return data
    plain = _lz4_frame(data)
    if scheme == 2:  # bytes of four-byte groups stand apart: all first ones, all second ones, ...
        sizes = [(length + 3 - i) // 4 for i in range(4)]
        groups, at, mixed = [], 0, bytearray(length)
        for size in sizes:
            groups.append(plain[at : at + size])
            at += size
        for i, group in enumerate(groups):
            mixed[i::4] = group
        plain = bytes(mixed)
    if len(plain) != length:
        raise ValueError("a chunk has another length than promised")
    return plain


def _lz4_frame(data: bytes) -> bytes:
    """The blocks of an LZ4 frame, unpacked; its checksums are not looked at."""
    flags = data[4]
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    out = bytearray()
    while size := int.from_bytes(data[at : at + 4], "little"):
        at += 4
        plain, size = bool(size & 0x80000000), size & 0x7FFFFFFF
        if plain:
            out += data[at : at + size]
        else:
            _lz4_block(data[at : at + size], out)
        at += size + (4 if flags & 0x10 else 0)
    return bytes(out)


def _lz4_block(data: bytes, out: bytearray) -> None:
    at = 0

    def more(nibble: int) -> int:
        nonlocal at
        total = nibble
        if nibble == 15:
            while True:
                byte = data[at]
                at += 1
                total += byte
                if byte != 255:
                    break
        return total

    while at < len(data):
        token = data[at]
        at += 1
        literals = more(token >> 4)
        out += data[at : at + literals]
        at += literals
        if at >= len(data):
            return
        distance = int.from_bytes(data[at : at + 2], "little")
        at += 2
        length = more(token & 15) + 4
        start = len(out) - distance
        for i in range(length):
            out.append(out[start + i])
