"""Distribution of files: events of each, and the effect of a bad file."""

import pathlib
from typing import Any

import pytest

from reenact.errors import MissingDependencyError, OutputError, UnsupportedInputError
from train.prepare import work
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Source
from train.prepare.work import Done, Event, Step, failures, unit_path, work_on


@pytest.fixture
def sources(clips: pathlib.Path) -> list[Source]:
    return [Source(path=clips / name, origin=name, size_bytes=i) for i, name in enumerate(("a.mp4", "b.mp4", "c.mp4"))]


@pytest.fixture(autouse=True)
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "Labeller", lambda *_: None)


def test_events_of_files(
    sources: list[Source], settings: PrepareSettings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(source: Source, path: pathlib.Path, labeller: Any, given: Any, progress: Any) -> None:
        assert path == unit_path(tmp_path, source)
        if source.origin == "b.mp4":
            raise UnsupportedInputError(f"{source.path} is empty.")
        progress(16, 0.5)

    monkeypatch.setattr(work, "write_unit", write)
    events: list[Event] = []
    work_on(sources, tmp_path, settings, events.append)
    assert events == [
        Step(source=sources[0], frames=16, share=0.5),
        Done(source=sources[0]),
        Done(source=sources[1], failure=f"{sources[1].path} is empty."),
        Step(source=sources[2], frames=16, share=0.5),
        Done(source=sources[2]),
    ]
    (failed,) = failures([event for event in events if isinstance(event, Done)])
    assert (failed.origin, failed.reason, failed.detail) == ("b.mp4", "unreadable", "b.mp4 is empty.")


@pytest.mark.parametrize(
    ("where", "error"),
    [("write_unit", OutputError("the disk is full")), ("Labeller", MissingDependencyError("no library"))],
)
def test_a_full_disk_or_a_missing_teacher_ends_the_run(
    sources: list[Source],
    settings: PrepareSettings,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: Exception,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(work, where, fail)
    with pytest.raises(type(error), match=str(error)):
        work_on(sources, tmp_path, settings, lambda _: None)
    work_on([], tmp_path, settings, pytest.fail)  # without files nothing is loaded
