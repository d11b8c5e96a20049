"""Runs go on while their page is loaded again, and the page shows them when it is back.

The browser keeps the name of the visitor who began a run, until it has seen the end of it. A page that is loaded again
is another visitor to the server: it names the one before, and gets that run's result.
"""

import asyncio
import collections
import concurrent.futures
import copy
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.components import Component
from gradio.context import LocalContext
from gradio.events import Dependency

from reenact.space.widgets.answers import message
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.problems import Problems, clear_first
from reenact.space.widgets.runs import Runs, visitor_of

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

GOES_ON = "The run goes on; its result will be shown here."
LOST = (
    "The run that was going on when this page was loaded again is lost: it was still waiting for its turn, or the page "
    "was restarted. Start it again."
)
_KEPT_S = 2400.0
"""Results are deleted a little later."""
_BEGUN = """() => {
  if (window.reenactVisitor) sessionStorage.setItem("KEY", window.reenactVisitor);
  return "";
}"""
# a page that is being left sees its runs fail, though they have not ended
_ENDED = """() => { if (!window.reenactLeaving) sessionStorage.removeItem("KEY"); }"""
_RESUME = """() => { if (sessionStorage.getItem("KEY")) document.getElementById("KEY")?.click(); }"""
_ASK = """() => [sessionStorage.getItem("KEY") || ""]"""
_SAY = f"() => {GOES_ON!r}"


class _Work:
    """One run."""

    def __init__(self) -> None:
        self.ended: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.ended.set_running_or_notify_cancel()
        self.progress: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        """Arguments of its last report."""
        self._ended_at_s: float | None = None

    def end(self, answer: Any = None, error: BaseException | None = None) -> None:
        """Keep how it ended."""
        self._ended_at_s = time.monotonic()
        if error is None:
            self.ended.set_result(copy.deepcopy(answer))
        else:
            self.ended.set_exception(error)

    def ended_long_ago(self) -> bool:
        """Whether its files may have been deleted."""
        return self._ended_at_s is not None and time.monotonic() - self._ended_at_s > _KEPT_S


class _NotedProgress(gr.Progress):
    """Reports that are kept with the run, too."""

    def __init__(self, work: _Work) -> None:
        super().__init__()
        self._work = work

    def __call__(self, *args: Any, **options: Any) -> Any:
        self._work.progress = args, options
        return super().__call__(*args, **options)


class Reloads:
    """The runs of one tab, and the end of the last one of each visitor."""

    def __init__(self, name: str, runs: Runs, problems: Problems, *, visitors: int = 256) -> None:
        """No run yet; those of at most `visitors` are kept.

        Args:
            name: of the tab.
            runs: which a page that is back can stop again.
            problems: keep the errors of the tab.
            visitors: whose runs are kept.
        """
        self._key, self._runs, self._problems = f"reenact-resume-{name}", runs, problems
        self._works: collections.OrderedDict[str, _Work] = collections.OrderedDict()
        self._visitors = visitors
        self._lock = threading.Lock()

    def kept(self, run: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        """A handler whose run goes on while its page is loaded again, and whose errors are kept."""

        @functools.wraps(run)
        def keeping(*args: Arguments.args, **options: Arguments.kwargs) -> Answer:
            work = self._begin(visitor_of(LocalContext.request.get(None)))
            told = [_NotedProgress(work) if isinstance(each, gr.Progress) else each for each in args]
            try:
                with self._runs.surviving():
                    answer = run(*told, **options)  # type: ignore[arg-type]
            except BaseException as error:
                work.end(error=error)
                raise
            work.end(answer)
            return answer

        return self._problems.kept(keeping)

    def begin(self, trigger: Callable[..., Dependency], text: Component) -> None:
        """Clear the notes when a run starts, and let the browser note it."""
        clear_first(trigger, text, js=_BEGUN.replace("KEY", self._key))

    def end(self, ran: Dependency, text: Component) -> None:
        """After a run has ended, let the browser forget it; show its error."""
        self._problems.show(ran, text)
        for ended in (ran.success, ran.failure):
            ended(None, js=_ENDED.replace("KEY", self._key), **QUICK)

    def resume_after(
        self, restored: Dependency, outputs: Sequence[Component], text: Component, *, shown_on: Any
    ) -> Dependency:
        """Create what a page that is back uses; outside of the tabs, which come into being when they are opened.

        Args:
            restored: happens first.
            outputs: of the run.
            text: the notes.
            shown_on: shows the progress.

        Returns:
            The event that shows the result.
        """
        button = gr.Button("Resume", visible="hidden", elem_id=self._key)
        visitor = gr.Textbox(visible=False)
        restored.then(None, js=_RESUME.replace("KEY", self._key), **QUICK)
        clear_first(button.click, text, js=_SAY)
        shown = button.click(
            self.follow,
            visitor,
            list(outputs),
            js=_ASK.replace("KEY", self._key),
            show_progress_on=shown_on,
            api_visibility="private",
            concurrency_limit=None,
        )
        self.end(shown, text)
        return shown

    async def follow(
        self,
        visitor: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> Any:
        """Wait for the run that a visitor began before the page was loaded again.

        Returns:
            What the run returns.

        Raises:
            gr.Error: the run's own, or it is not known.
        """
        with self._lock:
            work = self._works.get(visitor)
        if work is None or work.ended_long_ago():
            lost = message(LOST)
            self._problems.keep(lost)
            raise lost
        self._runs.adopt(visitor, request)
        ended = asyncio.wrap_future(work.ended)
        while not ended.done():
            if work.progress is not None:
                args, options = work.progress
                progress(*args, **options)
            await asyncio.wait([ended], timeout=0.5)
        try:
            return copy.deepcopy(ended.result())
        except gr.Error as error:
            self._problems.keep(error)
            raise

    def _begin(self, visitor: str) -> _Work:
        with self._lock:
            work = self._works[visitor] = _Work()
            self._works.move_to_end(visitor)
            while len(self._works) > self._visitors:
                self._works.popitem(last=False)
        return work
