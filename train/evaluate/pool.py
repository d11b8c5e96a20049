"""Distributes work over processes; the order of results does not depend on their number."""

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, TypeVar

import torch
import tqdm

from train.evaluate.bench import Bench
from train.evaluate.profiled_bench import bench_for
from train.evaluate.profiled_faces import ProfiledFaces
from train.evaluate.settings import Settings

Task = TypeVar("Task")

_bench: Bench | None = None
"""The bench of a worker process."""


class Spread(Protocol):
    """Calls a method of a bench with every task."""

    def __call__(self, verb: Literal["track", "work"], tasks: Sequence[Any], what: str) -> list[Any]:
        """Results in the order of the tasks; `what` is the text of the progress bar."""
        ...


def worker_count(settings: Settings, device: torch.device) -> int:
    """Number of processes: as set, else one per core, or one on a GPU."""
    if settings.workers:
        return settings.workers
    return len(os.sched_getaffinity(0)) if device.type == "cpu" and hasattr(os, "sched_getaffinity") else 1


@contextlib.contextmanager
def spread(bench: Bench, workers: int) -> Iterator[Spread]:
    """Run work in this process if `workers` is 1, else in that many worker processes.

    Args:
        bench: of this process; workers load their own from its settings.
        workers: number of processes.
    """
    if workers == 1:
        yield lambda verb, tasks, what: [getattr(bench, verb)(task) for task in _bar(tasks, len(tasks), what)]
        return
    with concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),  # torch's threads do not survive a fork
        initializer=_start,
        initargs=(bench.settings, bench.data if isinstance(bench.data, ProfiledFaces) else None),
    ) as pool:

        def across(verb: Literal["track", "work"], tasks: Sequence[Any], what: str) -> list[Any]:
            return list(_bar(pool.map(functools.partial(_call, verb), tasks), len(tasks), what))

        yield across


def _bar(items: Any, total: int, what: str) -> Any:
    return tqdm.tqdm(items, total=total, desc=what, unit="job", leave=False, disable=None)


def _start(settings: Settings, rendered: ProfiledFaces | None) -> None:
    import cv2

    global _bench
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _bench = bench_for(settings, rendered)


def _call(verb: str, task: Any) -> Any:
    return getattr(_bench, verb)(task)
