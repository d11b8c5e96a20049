"""What is computed once from data: folders keyed by content, written by one process, complete or absent."""

import hashlib
import pathlib
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from filelock import FileLock

FORMAT_VERSION = 2
"""Part of every key; raise it when other files or arrays are kept."""


def keep_folder(cache: pathlib.Path, name: str, key: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """The folder ``cache/name-key``. The first process fills it, others on the same disk wait.

    Args:
        cache: parent folder.
        name: what it holds, for people.
        key: digest of all content that the files depend on.
        make: writes the files into an empty folder.
    """
    folder = cache / f"{name}-{key[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            partial = folder.with_name(f"{folder.name}.partial")  # a killed process may have left one
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder


def digest(parts: Iterable[Any]) -> str:
    """SHA-256 of texts, bytes and contiguous arrays in their order, in hexadecimal."""
    found = hashlib.sha256(str(FORMAT_VERSION).encode())
    for part in parts:
        content = memoryview(part.encode() if isinstance(part, str) else part)
        found.update(content.nbytes.to_bytes(8))  # so that no two lists of parts look alike
        found.update(content)
    return found.hexdigest()
