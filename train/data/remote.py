"""Where shards come from: a folder, a web server (http, https) or a dataset on the Hub (hf://).

What is fetched lies in a cache folder of bounded size, under its final name only when it is whole and its sha256 is the
one of the index.
"""

import contextlib
import hashlib
import pathlib
import re
from collections.abc import Iterator
from typing import Protocol

from filelock import FileLock, Timeout

from reenact.errors import UnsupportedInputError
from train.data.fetch import Fetch, HttpFetch, HubFetch
from train.data.shards import Index, ShardEntry, check_shard, parse_index, read_index

GB = 1_000_000_000

_REMOTE = re.compile(r"(https?|hf):/+", re.IGNORECASE)


class ShardSource(Protocol):
    """A prepared set, near or far."""

    where: str
    """Its address, for errors."""

    def read_index(self) -> Index: ...

    def opened(self, entry: ShardEntry) -> contextlib.AbstractContextManager[pathlib.Path]:
        """A checked shard on the local disk, kept there at least while the block lasts.

        Raises:
            UnsupportedInputError: it is missing, damaged or cannot be fetched; the text says what to do.
        """
        ...


def is_remote(address: pathlib.Path | str) -> bool:
    """Whether this is an http(s):// or hf:// address, also one that pathlib made a single slash of."""
    return _REMOTE.match(str(address)) is not None


def open_source(address: pathlib.Path | str, cache: pathlib.Path, limit_gb: float | None = None) -> ShardSource:
    """The set at a folder or address.

    Args:
        address: a folder, ``http(s)://…`` or ``hf://datasets/owner/name[@revision][/folder]``.
        cache: folder for what is fetched.
        limit_gb: fetched shards beyond this many gigabytes are deleted, oldest first; None keeps all.

    Raises:
        UnsupportedInputError: the address has none of these forms.
    """
    if not is_remote(address):
        return FolderSource(pathlib.Path(address))
    text = _REMOTE.sub(lambda found: f"{found[1].lower()}://", str(address), count=1).rstrip("/")
    fetch: Fetch = HubFetch.of_address(text) if text.startswith("hf:") else HttpFetch(text)
    return FetchedSource(text, fetch, cache / "shards", limit_gb)


class FolderSource:
    """Shards in a local folder. Each is compared with its sha256 the first time."""

    def __init__(self, root: pathlib.Path) -> None:
        self.where = str(root)
        self.root = root
        self._checked: set[str] = set()

    def read_index(self) -> Index:
        return read_index(self.root)

    @contextlib.contextmanager
    def opened(self, entry: ShardEntry) -> Iterator[pathlib.Path]:
        path = self.root / entry.file
        if entry.sha256 not in self._checked or not path.is_file():
            check_shard(path, entry)
            self._checked.add(entry.sha256)
        yield path


class FetchedSource:
    """A far set with a local cache that several processes may share."""

    def __init__(self, where: str, fetch: Fetch, cache: pathlib.Path, limit_gb: float | None) -> None:
        self.where, self.fetch, self.cache, self.limit_gb = where, fetch, cache, limit_gb
        self.folder = cache / hashlib.sha256(where.encode()).hexdigest()[:12]
        self._checked: set[str] = set()

    def read_index(self) -> Index:
        self.folder.mkdir(parents=True, exist_ok=True)
        return parse_index(self.fetch.index(self.folder), f"{self.where}/index.json")

    @contextlib.contextmanager
    def opened(self, entry: ShardEntry) -> Iterator[pathlib.Path]:
        path = self.folder / entry.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock_of(path):
            if not self._is_whole(path, entry):
                self._make_room(entry.bytes)
                self.fetch.shard(entry, self.folder)
                path.touch()  # the age of its stay here
                check_shard(path, entry)
            self._checked.add(entry.sha256)
            yield path

    def _is_whole(self, path: pathlib.Path, entry: ShardEntry) -> bool:
        if not path.is_file():
            return False
        if entry.sha256 in self._checked and path.stat().st_size == entry.bytes:
            return True
        try:
            check_shard(path, entry)
        except UnsupportedInputError:  # of an earlier version of the set
            path.unlink()
            return False
        return True

    def _make_room(self, need_bytes: int) -> None:
        """Delete the shards that were fetched first until another one fits; those being read are left."""
        if self.limit_gb is None:
            return
        found = sorted((path.stat().st_mtime_ns, path) for path in self.cache.glob("*/shards/*.tar"))
        total = sum(path.stat().st_size for _, path in found) + need_bytes
        for _, path in found:
            if total <= self.limit_gb * GB:
                return
            with contextlib.suppress(Timeout, FileNotFoundError), _lock_of(path, wait=False):
                size = path.stat().st_size
                path.unlink()
                total -= size


def _lock_of(path: pathlib.Path, *, wait: bool = True) -> FileLock:
    return FileLock(f"{path}.lock", timeout=-1 if wait else 0)
