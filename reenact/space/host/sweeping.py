"""Deletes uploads and results by their age, also those that an earlier process has left."""

import contextlib
import logging
import pathlib
import threading
import time

from gradio.utils import get_upload_folder

from reenact.media.output import PARTIAL, is_abandoned

AFTER_S = 2700.0
"""Age at which files are deleted: with `_EVERY_S`, within the hour."""
_EVERY_S = 60.0
_PARTIAL_AFTER_S = 5.0
"""A file of that age is locked by the run that writes it."""
_LOG = logging.getLogger(__name__)


class Sweeper:
    """Sweeps the folder of uploads and results; several processes may share it."""

    def __init__(self, kept: set[str], *, after_s: float = AFTER_S) -> None:
        """Nothing is deleted yet.

        Args:
            kept: paths that stay: copies of the examples.
            after_s: age of files that are deleted.
        """
        self._kept = {pathlib.Path(path).resolve() for path in kept}
        self._after_s = after_s
        self._folder = pathlib.Path(get_upload_folder()).resolve()
        self._ended = threading.Event()

    def start(self) -> None:
        """Sweep now and then, in the background."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Sweep no more."""
        self._ended.set()

    def sweep(self) -> None:
        """Delete old files, partial ones of processes that have ended, and old folders that are empty."""
        now = time.time()
        folders = list[pathlib.Path]()
        for path in self._folder.rglob("*"):
            with contextlib.suppress(OSError):  # another process may be faster
                if path.is_dir() and not path.is_symlink():
                    folders.append(path)
                elif path not in self._kept and self._is_done_with(path, now - _touched(path)):
                    path.unlink()
        for path in sorted(folders, reverse=True):
            with contextlib.suppress(OSError):  # it holds something
                if now - _touched(path) > self._after_s:
                    path.rmdir()

    def _is_done_with(self, path: pathlib.Path, age_s: float) -> bool:
        if path.name.endswith(PARTIAL) and age_s > _PARTIAL_AFTER_S and is_abandoned(path):
            return True
        return age_s > self._after_s

    def _run(self) -> None:
        while True:
            try:
                self.sweep()
            except OSError:
                _LOG.exception("Old files could not be deleted")
            if self._ended.wait(_EVERY_S):
                return


def _touched(path: pathlib.Path) -> float:
    """When a file was written here; copies of examples have the modification time of the original."""
    facts = path.lstat()
    return max(facts.st_mtime, facts.st_ctime)
