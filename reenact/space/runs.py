"""Work in progress, so that a visitor can end it."""

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator

import gradio as gr


class Runs:
    """For every visitor the runs that are going on; each has a flag that its frame loop looks at."""

    def __init__(self) -> None:
        self._flags: collections.defaultdict[str, set[threading.Event]] = collections.defaultdict(set)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def started(self, request: gr.Request | None) -> Iterator[Callable[[], bool]]:
        """While the block lasts, `stop` of the same visitor makes the given function say True."""
        visitor, flag = _visitor(request), threading.Event()
        with self._lock:
            self._flags[visitor].add(flag)
        try:
            yield flag.is_set
        finally:
            with self._lock:
                self._flags[visitor].discard(flag)
                if not self._flags[visitor]:
                    del self._flags[visitor]

    def stop(self, request: gr.Request | None) -> int:
        """Ask all runs of a visitor to end.

        Returns:
            How many there were.
        """
        with self._lock:
            flags = list(self._flags.get(_visitor(request), ()))
        for flag in flags:
            flag.set()
        return len(flags)


def _visitor(request: gr.Request | None) -> str:
    return getattr(request, "session_hash", None) or ""
