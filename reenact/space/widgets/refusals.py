"""Files that cannot be read are refused when they are given, not only when a run needs them."""

from typing import Any

import gradio as gr
from gradio.components import Component

from reenact.space.widgets.answers import errors_as_messages
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.problems import Problems

_CHECKING: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_id": "check",
    "concurrency_limit": 4,
}


def refuse_unreadable(files: gr.Image | gr.Video | gr.File, text: Component, problems: Problems) -> None:
    """When a file is given that cannot be read, say so at once, and empty its component.

    Args:
        files: takes a picture, a clip, or (a `gr.File`) a motion.
        text: shows the message.
        problems: keep it.
    """

    def check(path: str | None) -> None:
        if path is not None:
            with errors_as_messages({path: f"the {str(files.label).lower()}"}):
                _read(files, path)

    def said(request: gr.Request) -> list[Any]:
        problem = problems.last(request)
        return [None, problem] if problem else [gr.skip(), gr.skip()]

    given = files.upload if isinstance(files, gr.File) else files.input
    checked = given(problems.kept(check), files, None, **_CHECKING)
    checked.failure(said, None, [files, text], show_progress="hidden", **QUICK)


def _read(files: Component, path: str) -> None:
    """Read a file as a run does.

    Raises:
        UnsupportedInputError: it cannot be read.
    """
    if isinstance(files, gr.Image):
        from reenact.media import read_image

        read_image(path)
    elif isinstance(files, gr.Video):
        from reenact.media import VideoReader

        with VideoReader(path):
            pass
    else:
        from reenact.pipeline.motions.template import read_template

        read_template(path)
