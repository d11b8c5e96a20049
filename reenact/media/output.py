"""Result files appear complete or not at all: written beside their place under another name, renamed when done."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from reenact.errors import Hint, OutputError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_output(path: str | Path, *, overwrite: bool, suffixes: Sequence[str]) -> None:
    """Refuses, before any work is done, a path that the result could not be written to.

    Args:
        path: Where the result shall go.
        overwrite: Whether a file that is already there may be replaced.
        suffixes: Accepted endings in lower case, with the dot.

    Raises:
        OutputError: The ending is another one, a file or folder is in the way, or the folder is missing or cannot
            be written to.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise OutputError(
            f"Cannot write {path}: the name ends in {path.suffix or 'no suffix'!r}; use one of {', '.join(suffixes)}."
        )
    if path.is_dir():
        raise OutputError(f"Cannot write {path}: it is a folder; give the name of a file.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already; choose another name or allow overwriting.", hint=Hint.OVERWRITE)
    if not path.parent.is_dir():
        raise OutputError(f"Cannot write {path}: the folder {path.parent} does not exist; create it first.")
    # permission bits say little (root, read-only mounts): only trying tells
    partial = _create_beside(path)
    partial.unlink()


class PartialFile:
    """An empty file beside `path` that either takes its name (`commit`) or disappears (`discard`)."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self.partial = _create_beside(path)
        """Where to write."""

    def commit(self) -> None:
        """Renames the file; on failure it is removed.

        Raises:
            OutputError: The name is taken meanwhile, or renaming failed.
        """
        try:
            if self._path.exists() and not self._overwrite:
                raise OutputError(
                    f"{self._path} was created meanwhile; choose another name or allow overwriting.",
                    hint=Hint.OVERWRITE,
                )
            self.partial.replace(self._path)
        except OSError as error:
            raise write_error(self._path, error) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Removes the file if it is still there."""
        self.partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Gives an empty file beside `path` that takes its name on success and is removed on any exception.

    Raises:
        OutputError: In place of any `OSError`, disk full among them, and when `path` has come to exist meanwhile.
    """
    file = PartialFile(path, overwrite=overwrite)
    try:
        yield file.partial
    except OSError as error:
        raise write_error(path, error) from error
    else:
        file.commit()
    finally:
        file.discard()


def write_error(path: Path, error: OSError) -> OutputError:
    """The text for a failed write of the file that was to become `path`."""
    if error.errno in _NO_SPACE:
        return OutputError(f"No space left while writing {path}; the partial file was removed. Free some space.")
    return OutputError(f"Cannot write {path}: {error.strerror or error}; choose a folder that can be written to.")


def _create_beside(path: Path) -> Path:
    partial = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        # not tempfile: its files are private to the user, results follow the umask
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise write_error(path, error) from error
    return partial
