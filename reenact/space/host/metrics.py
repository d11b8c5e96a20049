"""Figures about runs, in Prometheus' text format. No label has the name of a file, or anything else that is given."""

import collections
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

import gradio as gr

from reenact.errors import StoppedError

_LOG = logging.getLogger(__name__)


class Metrics:
    """Counts runs; may be shared between threads."""

    def __init__(self, *, now: Callable[[], float] = time.perf_counter) -> None:
        """Nothing has run yet; `now` gives seconds."""
        self._now, self._lock = now, threading.Lock()
        self._ended: collections.Counter[tuple[str, str]] = collections.Counter()
        self._seconds: collections.defaultdict[str, float] = collections.defaultdict(float)
        self._running: collections.Counter[str] = collections.Counter()

    @property
    def running(self) -> int:
        """Runs in progress."""
        with self._lock:
            return self._running.total()

    @contextlib.contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Count a run while the block lasts, how it ends, and its time; the log gets a line."""
        begun, ended = self._now(), "failed"
        with self._lock:
            self._running[name] += 1
        try:
            yield
            ended = "done"
        except gr.Error as error:
            ended = "stopped" if isinstance(error.__cause__, StoppedError) else "refused"
            raise
        finally:
            seconds = self._now() - begun
            with self._lock:
                self._running[name] -= 1
                self._ended[name, ended] += 1
                self._seconds[name] += seconds
            _LOG.info("run %s %s", name, ended, extra={"run": name, "ended": ended, "seconds": round(seconds, 3)})

    def text(self, waiting: int) -> str:
        """The figures; `waiting` runs are in the queue."""
        with self._lock:
            lines = [
                *_family("reenact_runs_total", "counter", "Runs that ended"),
                *(
                    f'reenact_runs_total{{run="{name}",ended="{how}"}} {count}'
                    for (name, how), count in sorted(self._ended.items())
                ),
                *_family("reenact_run_seconds_total", "counter", "Time that runs took"),
                *(
                    f'reenact_run_seconds_total{{run="{name}"}} {seconds:.3f}'
                    for name, seconds in sorted(self._seconds.items())
                ),
                *_family("reenact_runs_in_progress", "gauge", "Runs that are being drawn"),
                f"reenact_runs_in_progress {self._running.total()}",
                *_family("reenact_runs_waiting", "gauge", "Runs that wait for their turn"),
                f"reenact_runs_waiting {waiting}",
            ]
        return "\n".join(lines) + "\n"


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
