"""The notes of a run: empty when it starts, and its error when it fails. The toast disappears with a click."""

import collections
import functools
import html
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.components import Component
from gradio.context import LocalContext
from gradio.events import Dependency

from reenact.space.widgets.events import QUICK
from reenact.space.widgets.runs import visitor_of

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


_KEEP = "keep_problem"


def keep_problem(run: Callable[..., Any], error: gr.Error) -> None:
    """Keep an error that was raised before a handler of `Problems.kept` was called; other handlers keep none."""
    getattr(run, _KEEP, lambda _: None)(error)


class Problems:
    """The last error of each visitor, until it is shown."""

    def __init__(self, *, visitors: int = 256) -> None:
        """No error yet; those of at most `visitors` are kept."""
        self._texts: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._visitors = visitors
        self._lock = threading.Lock()

    def kept(self, run: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        """A handler that keeps the text of its errors, but for the silent one of a stopped run."""

        @functools.wraps(run)
        def keeping(*args: Arguments.args, **options: Arguments.kwargs) -> Answer:
            try:
                return run(*args, **options)
            except gr.Error as error:
                self.keep(error)
                raise

        setattr(keeping, _KEEP, self.keep)
        return keeping

    def keep(self, error: gr.Error) -> None:
        """Keep the text of an error of the present visitor, unless it is silent."""
        if not error.visible:
            return
        visitor = visitor_of(LocalContext.request.get(None))
        with self._lock:
            self._texts[visitor] = html.unescape(error.message)
            self._texts.move_to_end(visitor)
            while len(self._texts) > self._visitors:
                self._texts.popitem(last=False)

    def last(self, request: gr.Request | None) -> str:
        """The visitor's last error; "" if there is none."""
        with self._lock:
            return self._texts.pop(visitor_of(request), "")

    def show(self, ran: Dependency, text: Component) -> None:
        """After a run has failed, show its error in the notes.

        gradio calls a cancelled run failed, too, and may do so before the run itself has ended: without an error, the
        notes keep what Stop has written.
        """

        def said(request: gr.Request) -> Any:
            return self.last(request) or gr.skip()

        ran.failure(said, None, text, show_progress="hidden", **QUICK)


def clear_first(trigger: Callable[..., Dependency], text: Component, *, js: str = "() => ''") -> None:
    """Clear the notes when a run starts; `js` may return another text."""
    trigger(None, None, text, js=js, show_progress="hidden", **QUICK)
