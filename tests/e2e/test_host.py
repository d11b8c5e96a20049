"""A whole server, and what is left of its jobs when it is killed."""

import pathlib

import pytest

from benchmarks.kills import Kills, measure


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.usefixtures("all_weights")
def test_killed_server_leaves_finished_results_and_nothing_half_written(tmp_path: pathlib.Path) -> None:
    found = measure(Kills(rounds=1, jobs=8), tmp_path / "cache")
    assert (found.kills, found.lost, found.left) == (1, [], [])
    assert min(found.finished, found.cut, found.writing) > 0
