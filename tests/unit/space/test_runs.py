import gradio as gr

from reenact.space.runs import Runs


def visitor(name: str) -> gr.Request:
    return gr.Request(session_hash=name)


def test_stop_reaches_the_runs_of_one_visitor_alone() -> None:
    runs = Runs()
    with runs.started(visitor("a")) as first, runs.started(visitor("a")) as second, runs.started(visitor("b")) as other:
        assert not (first() or second() or other())
        assert runs.stop(visitor("a")) == 2
        assert first()
        assert second()
        assert not other()


def test_run_that_is_over_is_forgotten() -> None:
    runs = Runs()
    with runs.started(None):
        pass
    assert runs.stop(None) == 0


def test_next_run_is_not_stopped_by_the_last_stop() -> None:
    runs = Runs()
    with runs.started(visitor("a")):
        runs.stop(visitor("a"))
    with runs.started(visitor("a")) as should_stop:
        assert not should_stop()
