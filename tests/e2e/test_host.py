"""A whole server: what is left of its jobs when it is killed, and what visitors are told when disk or memory end."""

import pathlib
import resource
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.kills import Kills, measure
from benchmarks.visitors import EXAMPLES, PORTRAITS, Visitor
from tests.page_server import left_over, served_page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("all_weights")]


@pytest.mark.processes
def test_killed_server_leaves_finished_results_and_nothing_half_written(tmp_path: pathlib.Path) -> None:
    found = measure(Kills(rounds=1, jobs=8), tmp_path / "cache")
    assert (found.kills, found.lost, found.left) == (1, [], [])
    assert min(found.finished, found.cut, found.writing) > 0


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "cache"


@pytest.fixture
def visitor(cache: pathlib.Path) -> Iterator[Visitor]:
    with served_page(cache) as address:
        visitor = Visitor(address)
        yield visitor
        visitor.close()


def test_a_full_disk_gets_one_line_and_keeps_nothing(visitor: Visitor, cache: pathlib.Path) -> None:
    """A limit on the size of files stands for it: the system reports both in the same place."""
    source = visitor.upload(PORTRAITS[0])
    picture, clip = (visitor.upload(EXAMPLES / "driving" / f"actor-nod.{end}") for end in ("jpg", "mp4"))
    before = {path for path in cache.rglob("*") if path.is_file()}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/reenact_image", {"source": source, "driving": picture}),
        ("/reenact_video", {"source": source, "driving": clip, "end": "0.4", "system": "correspondence"}),
        ("/edit", {"source": source, "settings": {"12": 2}}),
        ("/record_motion", {"driving": clip, "end": "0.4"}),
    ]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, hard))
    try:
        said = {name: visitor.run(name, **values).error for name, values in calls}
        refused = visitor.send(PORTRAITS[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    full = "The result could not be written: the disk of this page is full. Try again later."
    assert said == dict.fromkeys(said, full)
    assert (refused.status_code, "the disk of this page is full" in refused.json()["detail"]) == (507, True)
    assert left_over(cache) == [] and {path for path in cache.rglob("*") if path.is_file()} == before
    name, values = calls[0]
    assert visitor.run(name, **values).values is not None  # the server goes on


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_too_little_memory_gets_one_line(
    visitor: Visitor, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    source = visitor.upload(PORTRAITS[0])
    with monkeypatch.context() as patch:
        patch.setattr("reenact.pipeline.image.find_driver", fail)
        answer = visitor.run("/reenact_image", source=source, driving=source)
    assert answer.error.startswith("The memory of this page does not suffice for that.")
    assert left_over(cache) == []
    assert visitor.run("/reenact_image", source=source, driving=source).values is not None
