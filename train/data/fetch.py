"""Bringing the files of a far set here: over http(s), resumed where the connection was cut, or from the Hub."""

import contextlib
import email.utils
import errno
import http.client
import os
import pathlib
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, TypeVar, cast

from reenact.errors import OutputError, UnsupportedInputError
from train.data.shards import ShardEntry, sha256_of

ATTEMPTS = 7
"""Tries without a single new byte before giving up; with the waits between them about a minute and a half."""

HUB_ATTEMPTS = 3
"""The same for the Hub, whose client tries six times by itself."""

_TIMEOUT_S = 30.0
_LONGEST_WAIT_S = 120.0
_PIECE_BYTES = 1 << 20
_INDEX_LIMIT_BYTES = 64 << 20
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which trying again makes sense."""

_HUB = re.compile(r"hf://datasets/([\w.\-]+/[\w.\-]+?)(?:@([^/]+))?(?:/(.+))?")

_T = TypeVar("_T")


class Fetch(Protocol):
    """How a far set is read."""

    def index(self, folder: pathlib.Path) -> bytes:
        """Content of its index; `folder` may keep a copy."""
        ...

    def shard(self, entry: ShardEntry, folder: pathlib.Path) -> None:
        """Bring a shard to ``folder / entry.file``, whole or not at all."""
        ...


class _TryAgainError(Exception):
    """A fault that may pass."""

    def __init__(self, words: str, wait_s: float | None = None) -> None:
        super().__init__(words)
        self.wait_s = wait_s


class _WrongRangeError(_TryAgainError):
    """The server cannot go on where the first part ends."""


class HttpFetch:
    """Files below a URL."""

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url, self.sleep = url.rstrip("/"), sleep

    def index(self, folder: pathlib.Path) -> bytes:
        return _with_retries(lambda: self._read(f"{self.url}/index.json"), lambda: 0, self.sleep)

    def _read(self, url: str) -> bytes:
        with _open(url, 0) as answer:
            content = _receive(answer, _INDEX_LIMIT_BYTES)
            expected = answer.headers.get("Content-Length")
        if expected is not None and len(content) != int(expected):
            raise _TryAgainError(f"{url} ended after {len(content)} of {expected} bytes")
        return content

    def shard(self, entry: ShardEntry, folder: pathlib.Path) -> None:
        """Bring a shard, going on where an earlier try ended.

        Raises:
            UnsupportedInputError: the server does not have it, does not answer, or has another content.
            OutputError: the disk is full.
        """
        url, final = f"{self.url}/{entry.file}", folder / entry.file
        partial = final.with_name(final.name + ".partial")
        for last in (False, True):
            _with_retries(lambda: _append(url, partial, entry.bytes), lambda: _size(partial), self.sleep)
            found = sha256_of(partial)
            if found == entry.sha256:
                partial.replace(final)
                return
            partial.unlink()  # perhaps begun on an earlier version of the file: once more from its start
            if last:
                raise UnsupportedInputError(
                    f"{url} has sha256 {found}, the index says {entry.sha256}: the server's copy is damaged or newer "
                    "than the index; start again, and if that does not help, upload the shard again"
                )


def _with_retries(
    work: Callable[[], _T], progress: Callable[[], int], sleep: Callable[[float], None], attempts: int = ATTEMPTS
) -> _T:
    """`work`, repeated after faults that may pass: 1, 2, 4 … seconds apart; what it gained resets the count."""
    tries, before = 0, progress()
    while True:
        try:
            return work()
        except _TryAgainError as error:
            gained = progress() > before
            tries, before = 1 if gained else tries + 1, progress()
            if tries >= attempts:
                raise UnsupportedInputError(
                    f"{error}, {attempts} times in a row; check the address and the network, then run the same "
                    "command again: what has arrived is kept"
                ) from error
            sleep(min(error.wait_s if error.wait_s is not None else 2.0 ** (tries - 1), _LONGEST_WAIT_S))


def _append(url: str, partial: pathlib.Path, size: int) -> None:
    """Fetch what `partial` still lacks of `size` bytes."""
    have = _size(partial)
    if have > size:
        partial.unlink()
        have = 0
    if have == size:
        return
    try:
        with _open(url, have) as answer:
            resumed = answer.status == 206
            if resumed and not _starts_at(answer.headers.get("Content-Range"), have):
                raise _WrongRangeError(f"{url} answered with another part than asked for")
            left = _keep(answer, partial, size - have) if resumed else _keep(answer, partial, size, anew=True)
    except _WrongRangeError:
        partial.unlink(missing_ok=True)
        raise
    if left > 0:
        raise _TryAgainError(f"{url} ended after {size - left} of {size} bytes")


def _keep(answer: http.client.HTTPResponse, partial: pathlib.Path, left: int, *, anew: bool = False) -> int:
    """Write up to `left` bytes of the answer; how many are still missing at its end."""
    with _opened(partial, "wb" if anew else "ab") as file:
        while left > 0 and (piece := _receive(answer, min(left, _PIECE_BYTES))):
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    return left


def _open(url: str, offset: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "reenact", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                raise _WrongRangeError(f"{url} answered 416") from error
            if error.code in _BUSY:
                raise _TryAgainError(
                    f"{url} answered {error.code}", _retry_after(error.headers.get("Retry-After"))
                ) from error
            remedy = "it wants a sign-in: fetch the set by other means and give its folder"
            if error.code not in {401, 403}:
                remedy = "check --data, and that the whole set was uploaded"
            raise UnsupportedInputError(f"{url} answered {error.code} {error.reason}; {remedy}") from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise _TryAgainError(f"{url} cannot be reached ({getattr(error, 'reason', error) or error!r})") from error


def _receive(answer: http.client.HTTPResponse, limit: int) -> bytes:
    try:
        return answer.read(limit)
    except (OSError, http.client.HTTPException) as error:
        raise _TryAgainError(f"{answer.url} was cut off ({error!r})") from error


@contextlib.contextmanager
def _opened(path: pathlib.Path, mode: str) -> Iterator[BinaryIO]:
    """The file at `path`; what goes wrong with it is said in words of ours."""
    try:
        with path.open(mode) as file:
            yield cast("BinaryIO", file)
    except OSError as error:
        fault = "the disk is full" if error.errno == errno.ENOSPC else f"{error.strerror}"
        raise OutputError(
            f"{path} cannot be written: {fault}; make room, lower --shard-cache-gb, or give another --cache"
        ) from error


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _starts_at(content_range: str | None, offset: int) -> bool:
    found = re.match(r"bytes (\d+)-", content_range or "")
    return found is not None and int(found[1]) == offset


def _retry_after(value: str | None) -> float | None:
    """Seconds that the server asks for, given as a number or as a date; None if it does not say."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


class HubFetch:
    """Files of a dataset on the Hub; ``HF_ENDPOINT``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` work by themselves.

    Args:
        repo: ``owner/name``.
        revision: branch, tag or commit; None for the default branch.
        below: folder of the set inside the repository.
        endpoint: server, instead of the environment's.
        sleep: waits between tries.
    """

    def __init__(
        self,
        repo: str,
        revision: str | None = None,
        below: str = "",
        *,
        endpoint: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.repo, self.revision, self.below = repo, revision, below.strip("/")
        self.endpoint, self.sleep = endpoint, sleep

    @classmethod
    def of_address(cls, address: str) -> "HubFetch":
        """From ``hf://datasets/owner/name[@revision][/folder]``.

        Raises:
            UnsupportedInputError: the address has another form.
        """
        found = _HUB.fullmatch(address)
        if found is None:
            raise UnsupportedInputError(
                f"{address} is no address of a dataset on the Hub; write hf://datasets/owner/name[@revision][/folder]"
            )
        return cls(found[1], urllib.parse.unquote(found[2]) if found[2] else None, found[3] or "")

    def index(self, folder: pathlib.Path) -> bytes:
        return self._bring("index.json", folder).read_bytes()

    def shard(self, entry: ShardEntry, folder: pathlib.Path) -> None:
        path = self._bring(entry.file, folder)
        if path != folder / entry.file:  # the repository holds the set in a folder
            path.replace(folder / entry.file)

    def _bring(self, file: str, folder: pathlib.Path) -> pathlib.Path:
        name = f"{self.below}/{file}" if self.below else file
        return _with_retries(lambda: self._download(name, folder), lambda: 0, self.sleep, HUB_ATTEMPTS)

    def _download(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        import httpx2  # the Hub's client; both only for hf:// addresses
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return pathlib.Path(
                huggingface_hub.hf_hub_download(
                    self.repo,
                    name,
                    repo_type="dataset",
                    revision=self.revision,
                    local_dir=folder,
                    endpoint=self.endpoint,
                )
            )
        except (EntryNotFoundError, httpx2.HTTPError, OSError, RuntimeError) as error:  # hf_xet raises RuntimeError
            raise self._translated(error, f"{name} of the dataset {self.repo} on the Hub") from error

    def _translated(self, error: Exception, what: str) -> Exception:
        """What the Hub's client raised, in words of ours."""
        from huggingface_hub import errors

        if isinstance(error, errors.LocalEntryNotFoundError):  # wraps what went wrong
            error = error.__cause__ if isinstance(error.__cause__, Exception) else error
        match error:
            case errors.GatedRepoError():
                words = "it is gated; ask for access on its page, then run hf auth login"
            case errors.RevisionNotFoundError():
                words = f"there is no revision {self.revision}; check the address"
            case errors.RepositoryNotFoundError():
                words = "there is no such dataset, or it is private; check the address, or run hf auth login"
            case errors.LocalEntryNotFoundError():
                return _TryAgainError(f"{what} cannot be reached ({error})")
            case errors.EntryNotFoundError():
                words = "it is missing there; upload the whole set"
            case errors.OfflineModeIsEnabled():
                words = "it is not here yet and HF_HUB_OFFLINE is set; unset it"
            case errors.HfHubHTTPError() if error.response.status_code not in _BUSY:
                words = (
                    f"the Hub answered {error.response.status_code}; check the address and your token (hf auth login)"
                )
            case errors.HfHubHTTPError():
                wait_s = _retry_after(error.response.headers.get("Retry-After"))
                return _TryAgainError(f"{what}: the Hub answered {error.response.status_code}", wait_s)
            case OSError(errno=errno.ENOSPC):
                return OutputError(f"{what}: the disk is full; make room, or give another --cache")
            case _:
                return _TryAgainError(f"{what} did not arrive ({error})")
        return UnsupportedInputError(f"{what}: {words}")
