import asyncio
from collections.abc import Iterator

import gradio as gr
import pytest
from gradio.context import LocalContext

from reenact.space.widgets.problems import Problems
from reenact.space.widgets.reloads import Reloads
from reenact.space.widgets.runs import COMES_BACK_S, Clock, Runs

FIRST, SECOND = gr.Request(session_hash="a"), gr.Request(session_hash="b")


def test_stop_reaches_only_the_current_runs_of_one_visitor() -> None:
    runs = Runs()
    with runs.started(FIRST) as first, runs.started(FIRST) as second, runs.started(SECOND) as other:
        assert not (first() or second() or other())
        assert asyncio.run(runs.stop(FIRST)) == "Stopped; nothing was written."
        assert first() and second() and not other()
    assert asyncio.run(runs.stop(FIRST)) == "Nothing is running."
    with runs.started(FIRST) as later:
        assert not later()


def test_a_run_of_the_page_outlives_a_reload_but_not_its_visitor() -> None:
    now = [0.0]
    runs = Runs(now=lambda: now[0])
    with runs.surviving(), runs.started(FIRST) as should_stop:
        runs.leave(FIRST)
        now[0] = COMES_BACK_S - 1
        assert not should_stop()
        runs.adopt("a", SECOND)
        now[0] = 1000
        assert not should_stop()
        assert not runs.stop_running(FIRST)
        runs.leave(SECOND)
        now[0] += COMES_BACK_S + 1
        assert should_stop()
    with runs.surviving(), runs.started(FIRST) as should_stop:
        runs.adopt("a", SECOND)
        runs.leave(FIRST)
        assert runs.stop_running(SECOND) and should_stop()


@pytest.fixture
def asked_by_first() -> Iterator[None]:
    token = LocalContext.request.set(FIRST)
    yield
    LocalContext.request.reset(token)


@pytest.mark.usefixtures("asked_by_first")
def test_a_page_that_is_back_gets_the_end_of_its_run() -> None:
    problems = Problems()
    reloads = Reloads("video", Runs(), problems)

    def follow() -> list[str]:
        return asyncio.run(reloads.follow("a", gr.Progress(), SECOND))

    with pytest.raises(gr.Error, match="Start it again"):
        follow()
    assert "Start it again" in problems.last(FIRST)
    assert reloads.kept(lambda: ["anna.mp4"])() == follow() == ["anna.mp4"]

    def fail() -> list[str]:
        raise gr.Error("No face")

    with pytest.raises(gr.Error, match="No face"):
        reloads.kept(fail)()
    with pytest.raises(gr.Error, match="No face"):
        follow()


def test_time_left_follows_the_rate_since_the_first_report() -> None:
    now = [0.0]
    clock = Clock(lambda: now[0])
    now[0] = 30.0  # loading does not count
    assert clock.text(0, 108, "preparing") == "Preparing the source"
    assert clock.text(0, 108, "tracking") == "Tracking the driver"
    assert clock.text(8, 108) == "Drawing"
    now[0] = 32.0
    assert clock.text(28, 108) == "Drawing, 8 s left"
    assert clock.text(28, 1028) == "Drawing, 2 min left"
    now[0] = 40.0
    assert clock.text(108, 108) == "Writing the file"
    assert clock.seconds() == 40
    assert [Clock().text(done, done) for done in (8, 16)] == ["Drawing"] * 2  # the number of frames is not known
