"""Work in one process; tests/e2e/test_evaluate.py compares it with several."""

import os
from typing import Any

import pytest
import torch

from tests.unit.train.evaluate.made_up import settings
from train.evaluate.pool import spread, worker_count


class Doubling:
    def work(self, job: int) -> int:
        return 2 * job

    def track(self, task: int) -> int:
        return -task


def test_one_process_works_in_order() -> None:
    bench: Any = Doubling()
    with spread(bench, 1) as across:
        assert across("work", [3, 1, 2], "working") == [6, 2, 4]
        assert across("track", [3, 1], "tracking") == [-3, -1]


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [(3, "cpu", 3), (3, "cuda", 3), (0, "cuda", 1), (0, "cpu", len(os.sched_getaffinity(0)))],
)
def test_processes_are_as_many_as_set_or_one_per_core(asked: int, device: str, expected: int) -> None:
    given = settings(workers=asked)
    assert worker_count(given, torch.device(device)) == expected
