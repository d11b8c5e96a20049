"""Where shards come from: a folder, a web server (http, https) or a dataset on the Hub (hf://).

Downloads go through the Hub's client, which resumes cut connections; ``HF_TOKEN``, ``HF_ENDPOINT`` and
``HF_HUB_OFFLINE`` work as usual. Downloads are kept in a cache folder of bounded size; a shard gets its name there when
its sha256 matches the index.
"""

import contextlib
import errno
import functools
import hashlib
import pathlib
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator

import huggingface_hub
import huggingface_hub.errors
from filelock import FileLock, Timeout
from huggingface_hub.file_download import http_get

from reenact.errors import ReenactError, UnsupportedInputError, one_line
from reenact.hub.remote import http_status
from reenact.media.output import write_error
from train.data.shards import Index, ShardEntry, check_shard, parse_index, read_index

GB = 1_000_000_000
PAUSES_S = (2.0, 8.0, 30.0, 60.0)
"""Before the next attempts after a failure that may pass; the client retries too."""

_REMOTE = re.compile(r"(https?|hf):/+", re.IGNORECASE)
_HUB = re.compile(r"hf://datasets/([\w.\-]+/[\w.\-]+?)(?:@([^/]+))?(?:/(.+))?")
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS})

Download = Callable[[str, pathlib.Path, int | None], None]
"""Downloads a file of the set, given by its name, to a path; the size is None if unknown."""


def is_remote(address: pathlib.Path | str) -> bool:
    """Whether this is an http(s):// or hf:// address; pathlib may have reduced its slashes to one."""
    return _REMOTE.match(str(address)) is not None


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
        """The verified file.

        Raises:
            UnsupportedInputError: it is missing or damaged.
        """
        path = self.root / entry.file
        if entry.sha256 not in self._checked or not path.is_file():
            check_shard(path, entry)
            self._checked.add(entry.sha256)
        yield path


class RemoteSource:
    """A remote set with a local cache that several processes can share.

    Args:
        where: address of the set.
        download: brings its files here.
        folder: for the files of this set; sibling folders hold other sets.
        limit_gb: size of all these folders together; None is unlimited.
    """

    def __init__(self, where: str, download: Download, folder: pathlib.Path, limit_gb: float | None) -> None:
        self.where, self.download, self.folder, self.limit_gb = where, download, folder, limit_gb
        self._checked: set[str] = set()

    def read_index(self) -> Index:
        path = self.folder / "index.json"
        with _lock_of(path):
            path.unlink(missing_ok=True)
            self._download_patiently("index.json", path, None)
            return parse_index(path.read_bytes(), f"{self.where}/index.json")

    @contextlib.contextmanager
    def opened(self, entry: ShardEntry) -> Iterator[pathlib.Path]:
        """The verified file in the cache, kept there at least inside the block.

        Raises:
            UnsupportedInputError: it is damaged or cannot be downloaded.
        """
        path = self.folder / entry.file
        with _lock_of(path):
            if not self._is_complete(path, entry):
                self._make_room(entry.bytes)
                self._download_shard(entry, path)
            self._checked.add(entry.sha256)
            yield path

    def _is_complete(self, path: pathlib.Path, entry: ShardEntry) -> bool:
        if entry.sha256 in self._checked and path.is_file() and path.stat().st_size == entry.bytes:
            return True
        with contextlib.suppress(UnsupportedInputError):
            check_shard(path, entry)
            return True
        path.unlink(missing_ok=True)  # of an earlier version of the set
        return False

    def _download_shard(self, entry: ShardEntry, path: pathlib.Path) -> None:
        for last in (False, True):
            self._download_patiently(entry.file, path, entry.bytes)
            try:
                return check_shard(path, entry)
            except UnsupportedInputError as error:
                path.unlink()  # perhaps it continued a part of an earlier version: once more from the start
                if last:
                    raise UnsupportedInputError(
                        f"{error}. The copy at {self.where} is damaged or newer than the index: upload the set again"
                    ) from error

    def _download_patiently(self, file: str, path: pathlib.Path, size: int | None) -> None:
        for pause_s in (*PAUSES_S, None):
            try:
                return self.download(file, path, size)
            except (huggingface_hub.errors.HTTPError, OSError, RuntimeError) as error:  # hf_xet raises RuntimeError
                if pause_s is None or not _may_pass(error):
                    raise _explained(error, f"{self.where}/{file}", path) from error
            time.sleep(pause_s)

    def _make_room(self, need_bytes: int) -> None:
        """Delete the shards that were downloaded first until another one fits; those being read are kept."""
        if self.limit_gb is None:
            return
        found = sorted((path.stat().st_mtime_ns, path) for path in self.folder.parent.glob("*/shards/*.tar"))
        total = sum(path.stat().st_size for _, path in found) + need_bytes
        for _, path in found:
            if total <= self.limit_gb * GB:
                return
            with contextlib.suppress(Timeout, FileNotFoundError), _lock_of(path, wait=False):
                size = path.stat().st_size
                path.unlink()
                total -= size


ShardSource = FolderSource | RemoteSource
"""A prepared set; `where` is its address, for errors."""


def open_source(address: pathlib.Path | str, cache: pathlib.Path, limit_gb: float | None = None) -> ShardSource:
    """The set at a folder or address.

    Args:
        address: a folder, ``http(s)://…`` or ``hf://datasets/owner/name[@revision][/folder]``.
        cache: folder for downloads.
        limit_gb: downloaded shards beyond this many gigabytes are deleted, oldest first; None keeps all.

    Raises:
        UnsupportedInputError: the address has none of these forms.
    """
    if not is_remote(address):
        return FolderSource(pathlib.Path(address))
    text = _REMOTE.sub(lambda found: f"{found[1].lower()}://", str(address), count=1).rstrip("/")
    folder = cache / "shards" / hashlib.sha256(text.encode()).hexdigest()[:12]
    download = _hub_download(text, folder) if text.startswith("hf:") else functools.partial(_download_http, text)
    return RemoteSource(text, download, folder, limit_gb)


def _lock_of(path: pathlib.Path, *, wait: bool = True) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{path}.lock", timeout=-1 if wait else 0)


def _download_http(root: str, file: str, path: pathlib.Path, size: int | None) -> None:
    """Download ``root/file``, continuing what an earlier process left."""
    partial = path.with_name(f"{path.name}.partial")
    if partial.is_file() and (size is None or partial.stat().st_size > size):
        partial.unlink()
    try:
        with partial.open("ab") as file_:
            http_get(f"{root}/{file}", file_, resume_size=file_.tell(), expected_size=size)
    except OSError as error:
        if http_status(error) == 416:  # not a part of the server's file
            partial.unlink()
        raise
    partial.replace(path)


def _hub_download(address: str, folder: pathlib.Path) -> Download:
    """Downloads from ``hf://datasets/owner/name[@revision][/folder]``.

    Raises:
        UnsupportedInputError: the address has another form.
    """
    found = _HUB.fullmatch(address)
    if found is None:
        raise UnsupportedInputError(
            f"{address} is no address of a dataset on the Hub; write hf://datasets/owner/name[@revision][/folder]"
        )
    repo, revision, below = found[1], urllib.parse.unquote(found[2]) if found[2] else None, found[3]

    def download(file: str, path: pathlib.Path, size: int | None) -> None:
        name = f"{below}/{file}" if below else file
        arrived = huggingface_hub.hf_hub_download(repo, name, repo_type="dataset", revision=revision, local_dir=folder)
        pathlib.Path(arrived).replace(path)  # the repository may hold the set in a folder

    return download


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, huggingface_hub.errors.OfflineModeIsEnabled):
        return False
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return False
    status = http_status(error)
    return status is None or status in _BUSY | {416}


def _explained(error: BaseException, what: str, path: pathlib.Path) -> ReenactError:
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return write_error(path, error)
    status = http_status(error)
    if status is not None and status not in _BUSY:
        return UnsupportedInputError(
            f"{what} answered {status}; check --data, that you have access (hf auth login for the Hub), and that the "
            "whole set was uploaded"
        )
    return UnsupportedInputError(
        f"{what} cannot be downloaded ({one_line(error)}); check the address and the network, then run the same "
        "command again: complete parts are kept"
    )
