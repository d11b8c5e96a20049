"""Errors of runs in the notes."""

import inspect

import gradio as gr
import pytest
from gradio.context import LocalContext

from reenact.errors import StoppedError
from reenact.space.widgets.answers import errors_as_messages, message
from reenact.space.widgets.problems import Problems

FIRST, SECOND = gr.Request(session_hash="a"), gr.Request(session_hash="b")


def refuse(request: gr.Request, said: str, progress: gr.Progress = gr.Progress()) -> str:  # noqa: B008
    if said:
        raise message(said)
    return "drawn"


def test_error_is_kept_for_its_visitor_and_shown_once() -> None:
    problems = Problems()
    kept = problems.kept(refuse)
    assert inspect.signature(kept) == inspect.signature(refuse)  # gradio looks for Request and Progress in it
    for request, said in ((FIRST, "a & b"), (SECOND, "other")):
        LocalContext.request.set(request)
        with pytest.raises(gr.Error):
            kept(request, said)
    assert problems.last(FIRST) == "a & b"
    assert problems.last(FIRST) == ""
    assert problems.last(SECOND) == "other"
    assert kept(FIRST, "") == "drawn"


def test_stopped_run_leaves_the_notes_to_the_stop_button() -> None:
    problems = Problems()

    def stopped(request: gr.Request) -> None:
        with errors_as_messages({}):
            raise StoppedError("Stopped; nothing was written.")

    with gr.Blocks() as page:
        text = gr.Textbox("old")
        problems.show(gr.Button().click(problems.kept(stopped), None, text), text)
    LocalContext.request.set(FIRST)
    said = page.fns[1].fn
    assert said is not None
    assert said(FIRST) == gr.skip()  # cancelled, and not yet ended
    with pytest.raises(gr.Error):
        problems.kept(stopped)(FIRST)
    assert said(FIRST) == gr.skip()


def test_errors_of_programs_do_not_pile_up() -> None:
    problems = Problems(visitors=2)
    for name in "abc":
        LocalContext.request.set(gr.Request(session_hash=name))
        with pytest.raises(gr.Error):
            problems.kept(refuse)(FIRST, name)
    assert problems.last(FIRST) == ""
    assert problems.last(gr.Request(session_hash="c")) == "c"
