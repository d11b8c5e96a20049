"""Shards of a prepared set: WebDataset tar files and the index that lists them (docs/data.md).

A shard appears complete or not at all, and the same samples give the same bytes. They are written with the standard
library; any reader of WebDataset can open them.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from reenact.errors import UnsupportedInputError
from reenact.media.output import disk_errors, replacing

FORMAT_VERSION = 1
"""Of index and samples; raise it when older readers would misread them."""

KIND = "reenact-faces"

_BLOCK = 512
_KEY = re.compile(r"[A-Za-z0-9_\-]{1,80}")
_FILE = re.compile(r"shards/[A-Za-z0-9_\-]{1,100}\.tar")
_EXTENSION = re.compile(r"[a-z0-9]{1,12}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """One clip or still: files with the same key."""

    key: str
    """Name without suffix: letters, digits, ``_`` and ``-``."""
    files: dict[str, bytes]
    """Content by extension, without the dot."""

    @property
    def is_clip(self) -> bool:
        return "mp4" in self.files

    @property
    def facts(self) -> dict[str, Any]:
        """Content of the sample's ``json``.

        Raises:
            UnsupportedInputError: it is missing or not a JSON object.
        """
        try:
            facts = json.loads(self.files["json"])
        except (KeyError, ValueError, RecursionError) as error:
            raise UnsupportedInputError(
                f"sample {self.key} has no readable .json; download its shard again or run train.prepare again"
            ) from error
        if not isinstance(facts, dict):
            raise UnsupportedInputError(f"{self.key}.json is no object; run train.prepare again")
        return facts


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """One line of the index."""

    file: str
    """Path below the set's root, with forward slashes."""
    split: str
    """``train``, ``val`` or ``test``."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Of the file, in hexadecimal."""
    clips: int
    """Samples with an ``mp4``."""
    stills: int
    """Samples with a ``png``."""
    frames: int
    """Frames of all clips; stills are not among them."""

    @property
    def pictures(self) -> int:
        return self.frames + self.stills


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """Content of ``index.json``."""

    settings: dict[str, Any]
    """All settings that affect the content."""
    people: int
    """Number in all splits together."""
    shards: tuple[ShardEntry, ...]

    def of_split(self, split: str, where: str) -> tuple[ShardEntry, ...]:
        """The shards of one split, in the order of the index.

        Raises:
            UnsupportedInputError: it has none; the text names the existing splits.
        """
        found = tuple(entry for entry in self.shards if entry.split == split)
        if not found:
            have = ", ".join(sorted({entry.split for entry in self.shards})) or "none"
            raise UnsupportedInputError(
                f"{where} has no shard of the split {split} (it has: {have}); "
                "run train.prepare with enough people for every split"
            )
        return found


def shard_name(split: str, number: int) -> str:
    """Path of a shard below the set's root."""
    return f"shards/{split}-{number:06d}.tar"


def write_shard(path: pathlib.Path, samples: Iterable[Sample], split: str = "") -> ShardEntry:
    """Write one shard; its bytes depend only on the samples and their order.

    Returns:
        Its line of the index, if `path` is that of `shard_name` below the set's root.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
        ValueError: a key or an extension is not of the allowed form, or a key occurs twice.
    """
    counts = {"clips": 0, "stills": 0, "frames": 0}
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, overwrite=True) as partial, partial.open("w+b") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                _add_samples(tar, samples, counts)
            size = file.tell()
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ShardEntry(file=f"shards/{path.name}", split=split, bytes=size, sha256=digest, **counts)


def _add_samples(tar: tarfile.TarFile, samples: Iterable[Sample], counts: dict[str, int]) -> None:
    keys: set[str] = set()
    for sample in samples:
        if not _KEY.fullmatch(sample.key) or sample.key in keys:
            raise ValueError(f"key {sample.key!r} occurs twice or is not 1 to 80 letters, digits, _ and -")
        keys.add(sample.key)
        counts["clips" if sample.is_clip else "stills"] += 1
        counts["frames"] += int(sample.facts["frames"]) if sample.is_clip else 0
        for extension, content in sorted(sample.files.items()):
            if not _EXTENSION.fullmatch(extension):
                raise ValueError(f"{sample.key}.{extension}: an extension is 1 to 12 small letters and digits")
            member = tarfile.TarInfo(f"{sample.key}.{extension}")  # mtime, uid and gid are 0, the mode is 0644
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def read_shard(path: pathlib.Path) -> Iterator[Sample]:
    """Samples of a shard in order.

    Raises:
        UnsupportedInputError: the file is missing, truncated or not a shard.
    """
    key, files, end = None, {}, 0
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                stem, _, extension = member.name.partition(".")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not _KEY.fullmatch(stem) or not extension:
                    raise tarfile.ReadError(f"its member {member.name!r} is no file KEY.EXTENSION")
                if key is not None and stem != key:
                    yield Sample(key=key, files=files)
                    files = {}
                key, files[extension] = stem, content.read()
                end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
            file.seek(end)
            if file.read(2 * _BLOCK) != bytes(2 * _BLOCK):  # tarfile mistakes a cut between two members for the end
                raise tarfile.ReadError("its end is missing")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UnsupportedInputError(
            f"shard {path} cannot be read ({error}): it is truncated or not a shard; "
            "download it again, or run train.prepare again"
        ) from error
    if key is not None:
        yield Sample(key=key, files=files)


def check_shard(path: pathlib.Path, entry: ShardEntry) -> None:
    """Compare a file with its entry in the index.

    Raises:
        UnsupportedInputError: it is missing, or of another size or content.
    """
    remedy = "download it again, or run train.prepare again"
    if not path.is_file():
        raise UnsupportedInputError(f"shard {path} is missing, but the index lists it; {remedy}")
    size = path.stat().st_size
    if size != entry.bytes:
        raise UnsupportedInputError(f"shard {path} has {size} bytes, the index says {entry.bytes}; {remedy}")
    digest = sha256_of(path)
    if digest != entry.sha256:
        raise UnsupportedInputError(f"shard {path} has sha256 {digest}, the index says {entry.sha256}; {remedy}")


def sha256_of(path: pathlib.Path) -> str:
    """Hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_index(root: pathlib.Path, index: Index) -> None:
    """Write ``root/index.json``.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    content = {"format_version": FORMAT_VERSION, "kind": KIND} | dataclasses.asdict(index)
    path = root / "index.json"
    with disk_errors(path):
        root.mkdir(parents=True, exist_ok=True)
        with replacing(path, overwrite=True) as partial:
            partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_index(root: pathlib.Path) -> Index:
    """Read ``root/index.json``.

    Raises:
        UnsupportedInputError: it is missing, damaged, or of another program or version.
    """
    path = root / "index.json"
    if not path.is_file():
        raise UnsupportedInputError(f"{path} is missing; give a folder that train.prepare has finished")
    return parse_index(path.read_bytes(), str(path))


def parse_index(content: bytes, where: str) -> Index:
    """The index in `content`; `where` names it in errors.

    Raises:
        UnsupportedInputError: it is damaged, or of another program or version.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnsupportedInputError(
            f"{where} is not JSON ({error}); download it again or run train.prepare again"
        ) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise UnsupportedInputError(f"{where} is not the index of a prepared set (no kind {KIND!r}); check --data")
    version = found.get("format_version")
    if version != FORMAT_VERSION:
        raise UnsupportedInputError(
            f"{where} has format_version {version}, this program reads {FORMAT_VERSION}; "
            "update reenact, or run train.prepare of this version"
        )
    try:
        shards = tuple(_entry(entry) for entry in found["shards"])
        return Index(settings=dict(found["settings"]), people=int(found["people"]), shards=shards)
    except (KeyError, TypeError, ValueError) as error:
        raise UnsupportedInputError(
            f"{where} is damaged ({type(error).__name__}: {error}); download it again or run train.prepare again"
        ) from error


def _entry(found: Mapping[str, Any]) -> ShardEntry:
    entry = ShardEntry(**{field.name: found[field.name] for field in dataclasses.fields(ShardEntry)})
    if not _FILE.fullmatch(entry.file):
        raise ValueError(f"shard file {entry.file!r} is not of the form shards/NAME.tar")
    return entry


def encode_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A compressed ``.npz`` whose bytes depend only on the arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            member = zipfile.ZipInfo(f"{name}.npy")  # its date is 1980
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def decode_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz``.

    Raises:
        ValueError: it is damaged, or holds pickled objects.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("its .npz is damaged")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
