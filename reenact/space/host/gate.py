"""The gate that every run passes: keys of programs, limits of visitors, sizes of files."""

import collections
import functools
import hmac
import math
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from reenact.media.probe import pixel_size
from reenact.space.host.metrics import Metrics
from reenact.space.host.options import HostOptions
from reenact.space.host.zero_gpu import on_zero_gpu
from reenact.space.widgets.answers import message
from reenact.space.widgets.events import LIGHT
from reenact.space.widgets.problems import keep_problem
from reenact.space.widgets.remembered import known_file

_HOUR_S = 3600.0
_MOST_VISITORS = 10_000


class Gate:
    """Checks before a handler is called."""

    def __init__(self, options: HostOptions, metrics: Metrics, *, now: Callable[[], float] = time.monotonic) -> None:
        """Let runs pass from now on.

        Args:
            options: the limits.
            metrics: count the runs.
            now: gives seconds.
        """
        self._options, self._metrics, self._now = options, metrics, now
        self._begun: collections.OrderedDict[str, collections.deque[float]] = collections.OrderedDict()
        self._lock = threading.Lock()
        self.is_closed = False
        """No new run passes a closed gate."""

    def guard(self, page: gr.Blocks) -> None:
        """Put the gate before all handlers that wait in a queue."""
        for endpoint in page.fns.values():
            # handlers with a queue of their own, such as that of visitors who leave, do no work
            if endpoint.fn is not None and endpoint.queue and not endpoint.concurrency_id.isdigit():
                is_run = endpoint.concurrency_id not in LIGHT
                is_public = endpoint.api_visibility == "public"
                name = str(endpoint.api_name) if is_public else str(endpoint.name)
                endpoint.fn = self.checked(on_zero_gpu(endpoint.fn), name=name, is_run=is_run, is_public=is_public)

    def checked(self, run: Callable[..., Any], *, name: str, is_run: bool, is_public: bool) -> Callable[..., Any]:
        """A handler behind the gate.

        Args:
            run: the handler.
            name: in the metrics.
            is_run: whether it counts as a run of its visitor; previews do not.
            is_public: whether programs call it, and not the page.
        """

        @functools.wraps(run)
        def checking(*args: Any, **options: Any) -> Any:
            try:
                self._check(args, is_run=is_run, is_public=is_public)
            except gr.Error as error:
                keep_problem(run, error)
                raise
            if not is_run:
                return run(*args, **options)
            with self._metrics.measured(name):
                return run(*args, **options)

        return checking

    def _check(self, args: Sequence[Any], *, is_run: bool, is_public: bool) -> None:
        request: Any = LocalContext.request.get(None)
        if self.is_closed:
            raise message("The page is being stopped; try again in a minute.")
        has_key = self._has_key(request)
        if is_public and self._options.api_keys and not has_key:
            raise message("Programs need a key of this page: send it as the header “X-API-Key: KEY”.")
        if self._options.max_megapixels is not None:
            for path in filter(known_file, _texts(args)):
                self._check_pixels(pathlib.Path(path), self._options.max_megapixels)
        if is_run and not has_key:
            self._count(self._visitor(request))

    def _has_key(self, request: Any) -> bool:
        headers = getattr(request, "headers", None) or {}
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = [headers.get("x-api-key", ""), token if scheme.lower() == "bearer" else ""]
        # all pairs are compared, so that the time tells nothing
        equal = [hmac.compare_digest(key.encode(), each.encode()) for key in self._options.api_keys for each in given]
        return any(equal)

    def _visitor(self, request: Any) -> str:
        """The login, or the address that a run comes from."""
        if getattr(request, "username", None):
            return str(request.username)
        forwarded = (getattr(request, "headers", None) or {}).get("x-forwarded-for", "")
        if self._options.behind_proxy and forwarded:
            return forwarded.rpartition(",")[2].strip()
        return str(getattr(getattr(request, "client", None), "host", ""))

    def _count(self, visitor: str) -> None:
        """Count a run of a visitor, or refuse it."""
        most, now = self._options.runs_per_hour, self._now()
        if most is None:
            return
        with self._lock:
            begun = self._begun.setdefault(visitor, collections.deque())
            self._begun.move_to_end(visitor)
            while begun and now - begun[0] >= _HOUR_S:
                begun.popleft()
            if len(begun) >= most:
                minutes = math.ceil((begun[0] + _HOUR_S - now) / 60)
                runs = "The run" if most == 1 else f"All {most} runs"
                raise message(
                    f"{runs} that a visitor has in an hour {'is' if most == 1 else 'are'} used up; "
                    f"the next one is possible in {minutes} min."
                )
            begun.append(now)
            while len(self._begun) > _MOST_VISITORS:
                self._begun.popitem(last=False)

    def _check_pixels(self, path: pathlib.Path, most: float) -> None:
        width, height = pixel_size(path)
        if width * height > most * 1e6:
            raise message(
                f"A file has {width} × {height} pixels; this page takes up to {most:g} million. Scale it down first."
            )


def _texts(values: Any) -> Iterator[str]:
    """All texts in the arguments of a handler."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        yield from _texts([*values.values()])
    elif isinstance(values, (list, tuple)):
        for each in values:
            yield from _texts(each)
