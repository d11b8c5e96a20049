"""The sources that visitors opened last.

Nothing a visitor did is needed to serve the next request: the browser sends source and sliders along, and a source that
is no longer held is opened again.
"""

import collections
import contextlib
import pathlib
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reenact.space.models import Models

Session = TypeVar("Session")


class Sources(Generic[Session]):
    """Sessions by the content of the source's file; visitors with the same file share one, which never changes."""

    def __init__(self, models: Models, system: str, opened: Callable[..., Session], *, capacity: int = 8) -> None:
        """None is open yet.

        Args:
            models: give the engine.
            system: which one.
            opened: makes a session from a path, `engine`, `face` and `paste_back`.
            capacity: sessions held; the one used longest ago is closed for a new one.
        """
        self._models, self._system, self._opened, self._capacity = models, system, opened, capacity
        self._sessions: collections.OrderedDict[tuple[Any, ...], Session] = collections.OrderedDict()
        self._lock = threading.Lock()

    def open(self, source: str, *, face: int | None, paste_back: bool = True) -> Session:
        """The session of a source, opened now or before.

        Args:
            source: name of the picture's file.
            face: which of several faces.
            paste_back: whether results are whole pictures.

        Raises:
            ReenactError: no face, no picture, or no weights.
        """
        key = (*content_of(source), face, paste_back)
        with self._lock:
            if key in self._sessions:
                self._sessions.move_to_end(key)
                return self._sessions[key]
        engine = self._models.engine(self._system)
        session = self._opened(pathlib.Path(source), engine=engine, face=face, paste_back=paste_back)
        with self._lock:
            self._sessions[key] = session
            while len(self._sessions) > self._capacity:
                self._sessions.popitem(last=False)
        return session


def content_of(source: str) -> tuple[str, int, int]:
    """What tells a file's content from another's: gradio puts every upload into a folder named after its hash."""
    with contextlib.suppress(OSError):
        facts = pathlib.Path(source).stat()
        return source, facts.st_size, facts.st_mtime_ns
    return source, -1, -1
