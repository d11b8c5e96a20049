"""Runs in progress: how a visitor stops them, and how much time is left."""

import contextlib
import contextvars
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator

import gradio as gr
from gradio.context import LocalContext
from gradio.server_messages import ProcessCompletedMessage

from reenact.space.widgets.events import STOPPED_QUEUES

STOPPED = "Stopped; nothing was written."
_STAGES = {"preparing": "Preparing the source", "tracking": "Tracking the driver"}
"""Stages of the pipeline before the first frame."""
COMES_BACK_S = 15.0
"""Within that time a page that is loaded again is back, on a busy server too."""


@dataclasses.dataclass(kw_only=True, eq=False)
class _Run:
    """One run, whose frame loop checks its flag."""

    begun_by: str
    """The visitor, as of the page that began it."""
    visitors: set[str]
    """Whose Stop reaches it; empty once they have left."""
    flag: threading.Event = dataclasses.field(default_factory=threading.Event)
    left_at_s: float | None = None
    """When the last visitor left, by the clock of the runs."""


class Runs:
    """The runs of every visitor."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """No run yet; `now` gives seconds."""
        self._runs: set[_Run] = set()
        self._lock = threading.Lock()
        self._now = now
        self._surviving: contextvars.ContextVar[bool] = contextvars.ContextVar("surviving", default=False)

    @contextlib.contextmanager
    def surviving(self) -> Iterator[None]:
        """Runs that a page starts in the block go on for a while when it is left: it may be loaded again."""
        before = self._surviving.set(True)
        try:
            yield
        finally:
            self._surviving.reset(before)

    @contextlib.contextmanager
    def started(self, request: gr.Request | None) -> Iterator[Callable[[], bool]]:
        """Register a run while the block lasts.

        The function given to the block returns True after `stop`, and when the job that called it was cancelled or its
        client has left: gradio forgets such a job, but does not end it.
        """
        visitor = visitor_of(request)
        run = _Run(begun_by=visitor, visitors={visitor})
        waits_s = COMES_BACK_S if self._surviving.get() and _is_of_page() else None
        is_forgotten = self._is_abandoned(run, waits_s)
        with self._lock:
            self._runs.add(run)
        try:
            yield lambda: run.flag.is_set() or is_forgotten()
        finally:
            with self._lock:
                self._runs.discard(run)

    async def stop(self, request: gr.Request | None) -> str:
        """Stop all runs of a visitor, also those that wait for their turn; returns what was done, in words."""
        waited = await _leave_queue(visitor_of(request))
        was_running = self.stop_running(request)
        return STOPPED if waited or was_running else "Nothing is running."

    def stop_running(self, request: gr.Request | None) -> bool:
        """Stop the runs of a visitor that have begun; whether there are any."""
        visitor = visitor_of(request)
        with self._lock:
            runs = [run for run in self._runs if visitor in run.visitors]
        for run in runs:
            run.flag.set()
        return bool(runs)

    def leave(self, request: gr.Request | None) -> None:
        """A visitor has closed the page, or loads it again: their runs end unless one of them comes back soon."""
        visitor = visitor_of(request)
        with self._lock:
            for run in self._runs:
                if visitor in run.visitors:
                    run.visitors.discard(visitor)
                    run.left_at_s = None if run.visitors else self._now()

    def adopt(self, begun_by: str, request: gr.Request | None) -> None:
        """Give the runs that a visitor began to the same one after the page was loaded again."""
        with self._lock:
            for run in self._runs:
                if run.begun_by == begun_by:
                    run.visitors.add(visitor_of(request))
                    run.left_at_s = None

    def stop_all(self) -> None:
        """Stop the runs of all visitors."""
        with self._lock:
            runs = [*self._runs]
        for run in runs:
            run.flag.set()

    def _is_abandoned(self, run: _Run, waits_s: float | None) -> Callable[[], bool]:
        """Tells whether nobody waits for a run any more.

        Args:
            run: the present job of gradio's queue.
            waits_s: how long it waits for visitors who have left; None: not at all, nor for a job that gradio forgot.
        """
        is_forgotten = _forgotten_job() if waits_s is None else lambda: False

        def is_abandoned() -> bool:
            left_at_s = run.left_at_s
            return is_forgotten() or (left_at_s is not None and self._now() - left_at_s > (waits_s or -1.0))

        return is_abandoned


async def _leave_queue(visitor: str) -> bool:
    """End the jobs of a visitor that wait for their turn, with the message of stopped runs; whether there are any."""
    page = LocalContext.blocks.get(None)
    if page is None or not visitor:
        return False
    queue = page._queue
    waiting = [
        job
        for name, each in queue.event_queue_per_concurrency_id.items()
        if name in STOPPED_QUEUES
        for job in each.queue
        if job.session_hash == visitor
    ]
    for job in waiting:
        await queue.remove_from_queue(job._id)
        said = {"error": STOPPED, "visible": False, "duration": None, "title": "Stopped"}
        queue.send_message(job, ProcessCompletedMessage(output=said, success=False))
    return bool(waiting)


def _is_of_page() -> bool:
    """Whether the present job of gradio's queue was begun by a page; programs that call it name no trigger."""
    page, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    job = None if page is None or event_id is None else page._queue.event_ids_to_events.get(event_id)
    return job is None or job.data is None or job.data.trigger_id is not None


def _forgotten_job() -> Callable[[], bool]:
    """Tells whether the present job of gradio's queue is not waited for any more."""
    page, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if page is None or event_id is None:
        return lambda: False
    jobs = page._queue.event_ids_to_events

    def is_forgotten() -> bool:
        job = jobs.get(event_id)
        return job is None or not job.alive

    return is_forgotten


def visitor_of(request: gr.Request | None) -> str:
    """A name that tells visitors apart; "" for calls without a session."""
    return getattr(request, "session_hash", None) or ""


class Clock:
    """Measures one run, from the moment that it is created."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Start; `now` gives seconds."""
        self._now = now
        self._begun = now()
        self._first: tuple[float, int] | None = None

    def seconds(self) -> float:
        """Time since the start."""
        return self._now() - self._begun

    def text(self, done: int, total: int, stage: str = "frames") -> str:
        """What is being done, and the time left, from the rate since the first frames: loading happens only once."""
        if stage in _STAGES:
            return _STAGES[stage]
        if self._first is None:
            self._first = self._now(), done
        begun, before = self._first
        if done >= total > before:
            return "Writing the file"
        if done <= before or total <= done:
            return "Drawing"
        left_s = (self._now() - begun) / (done - before) * (total - done)
        return f"Drawing, {left_s / 60:.0f} min left" if left_s >= 90 else f"Drawing, {max(left_s, 1):.0f} s left"

    def reporter(self, progress: gr.Progress) -> Callable[[int, int, str], None]:
        """A progress callback for the pipeline that shows frames and time left on the page."""

        def show(done: int, total: int, stage: str) -> None:
            progress((done, total), desc=self.text(done, total, stage), unit="frames")

        return show
