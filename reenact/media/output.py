"""Files that appear complete or not at all: written under a hidden name in the same folder, renamed when done.

Everything that the package and its training write goes through `replacing`, and every full disk through `disk_errors`.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError

from reenact.errors import DiskFullError, Hint, OutputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp")
"""Formats that can be written."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PARTIAL = ".partial"
"""Suffix of files that are being written."""


def check_output(
    path: str | Path,
    *,
    overwrite: bool,
    suffixes: Sequence[str],
    hint: Hint | None = None,
    inputs: Mapping[str, object] | None = None,
) -> None:
    """Refuse an output path that cannot be written, before any work is done.

    Args:
        path: path of the result.
        overwrite: allow an existing file to be replaced.
        suffixes: accepted suffixes in lower case, with the dot.
        hint: of the error for another suffix.
        inputs: what is read, by what it is: "source". Files of that may not be replaced; pixels and names are no files.

    Raises:
        OutputError: one of the inputs, another suffix, an existing file or folder, or a folder that is missing or
            cannot be written to.
    """
    path = Path(path)
    for what, read in (inputs or {}).items():
        if isinstance(read, (str, Path)) and path.exists() and Path(read).exists() and path.samefile(read):
            raise OutputError(f"{path}: the output is the {what}, which would be lost; choose another name.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give a file name ending in {' or '.join(suffixes)}.")
    if not path.suffix:
        raise OutputError(f"Cannot write {path}: the name has no suffix; end it in {' or '.join(suffixes)}.", hint=hint)
    if path.suffix.lower() not in suffixes:
        raise OutputError(
            f"Cannot write {path}: the name ends in {path.suffix!r}; use one of {', '.join(suffixes)}.", hint=hint
        )
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already; choose another name or allow overwriting.", hint=Hint.OVERWRITE)
    if not path.parent.is_dir():
        raise OutputError(f"Cannot write {path}: the folder {path.parent} does not exist; create it first.")
    # permission bits say little (root, read-only mounts): only an attempt tells
    PartialFile(path, overwrite=overwrite).discard()


class PartialFile:
    """An empty file beside `path` that takes its name on `commit` and disappears on `discard`.

    It is locked until then. The lock ends with the process, however that ends, which tells `is_abandoned`.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self.partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}{PARTIAL}")
        """Where to write."""
        with disk_errors(path):
            # not tempfile: its files are private to the user, results follow the umask
            self._lock: int | None = os.open(self.partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        with contextlib.suppress(OSError):  # not every network folder has locks
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def commit(self) -> None:
        """Rename the file, so that a kill or a power cut leaves the old file or the new one; removed on failure.

        Raises:
            OutputError: the name has been taken meanwhile, or the file cannot be written.
        """
        try:
            if self._path.exists() and not self._overwrite:
                raise OutputError(
                    f"{self._path} was created meanwhile; choose another name or allow overwriting.",
                    hint=Hint.OVERWRITE,
                )
            with disk_errors(self._path):
                _sync(self.partial)
                self.partial.replace(self._path)
                _sync(self._path.parent)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the file if it still exists."""
        self.partial.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def is_abandoned(partial: Path) -> bool:
    """Whether the process that wrote a partial file has ended; False where files cannot be locked."""
    number = os.open(partial, os.O_WRONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(number)
    return True


@contextlib.contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty file beside `path` that takes its name on success and is removed on any exception.

    Raises:
        OutputError: the file cannot be written, or `path` was created meanwhile; `path` itself is unchanged.
    """
    file = PartialFile(path, overwrite=overwrite)
    try:
        with disk_errors(path):
            yield file.partial
        file.commit()
    finally:
        file.discard()


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a failed write inside the block into one `OutputError` that names `path`; other errors pass."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        cause = _os_error(error)
        if cause is None:
            raise
        raise write_error(path, cause) from error


def is_full(error: OSError) -> bool:
    """Whether a write failed because there is no room."""
    return error.errno in _NO_SPACE


def write_error(path: Path, error: OSError) -> OutputError:
    """The error for a failed write of `path`."""
    if is_full(error):
        return DiskFullError(f"{path} could not be written: the disk is full; make room and start again.")
    return OutputError(f"{path} could not be written: {error.strerror or error}; choose a folder that is writable.")


def remove_partials(folder: Path) -> None:
    """Remove the partial files that killed processes left in a folder which nobody else writes to."""
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def _os_error(error: BaseException | None) -> OSError | None:
    """The operating system's error behind `error`: PyTorch and safetensors wrap it in their own types."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        if isinstance(error, SafetensorError) and (number := re.search(r"os error (\d+)", str(error))):
            return OSError(int(number[1]), os.strerror(int(number[1])))
        error = error.__cause__ or error.__context__
    return None


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
