"""Work spread over processes: the same answers in the same order, whatever their number."""

import concurrent.futures
import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol, TypeVar

import torch
import tqdm

from train.evaluate.bench import Bench
from train.evaluate.profiled_bench import bench_for
from train.evaluate.profiled_faces import ProfiledFaces
from train.evaluate.settings import Settings

Task = TypeVar("Task")

_bench: Bench | None = None
"""Of a worker process."""


class Spread(Protocol):
    """Does a bench's verb on every task."""

    def __call__(self, verb: Literal["track", "work"], tasks: Sequence[Any], what: str) -> list[Any]:
        """Results in the order of the tasks; `what` names the progress bar."""
        ...


def worker_count(settings: Settings, device: torch.device) -> int:
    """Processes to use: as asked for, else one for every core, or one on a GPU."""
    if settings.workers:
        return settings.workers
    return len(os.sched_getaffinity(0)) if device.type == "cpu" and hasattr(os, "sched_getaffinity") else 1


@contextlib.contextmanager
def spread(bench: Bench, workers: int) -> Iterator[Spread]:
    """A way to do work: in this process if `workers` is 1, else in so many others.

    Args:
        bench: of this process; others load their own from its settings.
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
            run: Callable[[Any], Any] = _track if verb == "track" else _work
            return list(_bar(pool.map(run, tasks), len(tasks), what))

        yield across


def _bar(items: Any, total: int, what: str) -> Any:
    return tqdm.tqdm(items, total=total, desc=what, unit="job", leave=False, disable=None)


def _start(settings: Settings, rendered: ProfiledFaces | None) -> None:
    import cv2

    global _bench
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _bench = bench_for(settings, rendered)


def _track(task: Any) -> Any:
    assert _bench is not None
    return _bench.track(task)


def _work(job: Any) -> Any:
    assert _bench is not None
    return _bench.work(job)
