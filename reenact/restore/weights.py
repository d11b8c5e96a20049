"""The weights of GFPGAN v1.4: given as a file, or fetched once, resumed where it broke off, and checked."""

import contextlib
import hashlib
import http.client
import os
import pathlib
import urllib.error
import urllib.request
from collections.abc import Callable

from reenact.errors import CheckpointError, Hint, one_line
from reenact.media.output import disk_errors

URL = "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth"
SHA256 = "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad"
SIZE_BYTES = 348_632_874
_BLOCK_BYTES = 1 << 20
_PATIENCE_S = 30.0


def cache_folder() -> pathlib.Path:
    """Where fetched weights are kept: ``REENACT_CACHE``, else ``reenact`` in the user's cache folder."""
    if named := os.environ.get("REENACT_CACHE"):
        return pathlib.Path(named)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "reenact"


def fetch_weights(
    folder: pathlib.Path | None = None,
    *,
    url: str = URL,
    sha256: str = SHA256,
    size_bytes: int = SIZE_BYTES,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> pathlib.Path:
    """The weights' file, fetched if it is not here yet. An incomplete file is kept, and continued by the next call.

    Args:
        folder: where it is kept; `cache_folder` if None.
        url: where it is.
        sha256: of the file.
        size_bytes: of the file.
        progress: called with megabytes fetched, megabytes in all and "MB".

    Raises:
        CheckpointError: it cannot be had, or has other content.
        OutputError: the folder cannot be written, or the disk is full.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / pathlib.PurePosixPath(url).name
    if path.is_file() and path.stat().st_size == size_bytes:
        return path  # it was checked before it got its name
    part = path.with_name(f"{path.name}.part")
    with disk_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    _download(part, url, size_bytes, progress)
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()
        raise CheckpointError(
            f"What {url} gave is not the file that was expected (sha256 {found[:12]}, need {sha256[:12]}); it was "
            "deleted. Try again, or give the weights as a file.",
            hint=Hint.RESTORE_WEIGHTS,
        )
    with disk_errors(path):
        part.replace(path)
    return path


def _download(part: pathlib.Path, url: str, size_bytes: int, progress: Callable[[int, int, str], None]) -> None:
    """Complete a partial file."""
    done = part.stat().st_size if part.is_file() else 0
    if done > size_bytes:
        part.unlink()
        done = 0
    if done == size_bytes:
        return
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        with contextlib.ExitStack() as opened:
            request = urllib.request.Request(url, headers=headers)
            answer = opened.enter_context(urllib.request.urlopen(request, timeout=_PATIENCE_S))
            continues = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            done = done if continues else 0
            with disk_errors(part):
                file = opened.enter_context(part.open("ab" if continues else "wb"))
            while done < size_bytes and (block := answer.read(min(_BLOCK_BYTES, size_bytes - done))):
                with disk_errors(part):
                    file.write(block)
                done += len(block)
                progress(done // 10**6, size_bytes // 10**6, "MB")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None)
        raise _missing(url, size_bytes, one_line(reason if isinstance(reason, OSError) else error)) from error
    if done < size_bytes:
        raise _missing(url, size_bytes, f"the connection ended after {done} of {size_bytes} bytes")


def _missing(url: str, size_bytes: int, reason: str) -> CheckpointError:
    return CheckpointError(
        f"The weights of GFPGAN ({size_bytes / 1e6:.0f} MB) cannot be fetched from {url} ({reason}); run it again to "
        "continue, or fetch the file elsewhere and give it.",
        hint=Hint.RESTORE_WEIGHTS,
    )
