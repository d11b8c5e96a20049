"""Runs on a Space's ZeroGPU, which lends a GPU for single calls; everywhere else nothing changes."""

import functools
import os
from collections.abc import Callable
from typing import Any

import gradio as gr

from reenact.space.widgets.problems import keep_problem

_LONGEST_S = 120
"""Seconds of a GPU that a run asks for."""


def has_zero_gpu() -> bool:
    """Whether this is a Space with ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def on_zero_gpu(run: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, called in ZeroGPU's process.

    Its arguments are pickled, so that the request stays behind: neither Stop nor a page that is loaded again
    reaches such a run. Engines have to be loaded before the page is served, because the process is a copy of this one.
    """
    if not has_zero_gpu():
        return run
    import spaces  # part of every Space

    def called(*args: Any, **options: Any) -> Any:
        return run(*args, **options)

    lent = spaces.GPU(called, duration=_LONGEST_S)

    @functools.wraps(run)
    def handler(*args: Any, **options: Any) -> Any:
        try:
            return lent(
                *(None if isinstance(each, gr.Request) else each for each in args),
                **{name: None if isinstance(each, gr.Request) else each for name, each in options.items()},
            )
        except gr.Error as error:
            keep_problem(run, error)
            raise

    return handler
