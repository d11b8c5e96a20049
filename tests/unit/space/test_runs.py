import asyncio

import gradio as gr

from reenact.space.widgets.runs import Clock, Runs

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
