"""Batches, sampled by a thread of its own while a step runs.

Micro-batch m of step k is a function of (seed, k, m) alone, where m = accumulation index x processes + rank. So a
resumed run sees the batches of an unbroken one, and two processes see those of one process that accumulates two.
"""

import queue
import threading
import time
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import torch

_DEPTH = 2
"""Batches that may lie ready: one would wait whenever a step is shorter than the next sampling."""


class Feed(Protocol):
    """Where the pictures come from, if they are not all there from the start (`train/data/stream.py`)."""

    def data_for(self, step: int) -> Any | None:
        """The data that `step` samples from; None while it is still the data given last."""
        ...


class Sampler(Protocol):
    """The part of a task that the thread calls."""

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> dict[str, Any]: ...

    def use_data(self, train: Any) -> None: ...


def micro_batch_rng(seed: int, step: int, micro: int) -> np.random.Generator:
    """Draws micro-batch `micro` of `step`."""
    return np.random.default_rng([seed, step, micro])


def seed_forward(seed: int, step: int, micro: int) -> None:
    """Seed what PyTorch draws in the forward and losses of a micro-batch (dropout, noise), on every device.

    So no generator's state has to be saved.
    """
    words = np.random.SeedSequence([seed, step, micro, 1]).generate_state(2, np.uint32)
    torch.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def with_names(task: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """`batch` with ``names`` of its pictures in place of ``rows`` of ``task.train``, (n,) or (n, k); -1 is none."""
    rows = batch.pop("rows", None)
    if rows is None:
        return batch  # a task may also name them itself, or not at all
    samples = rows.reshape(len(rows), -1).tolist()
    return batch | {"names": [" > ".join(task.train.names[row] for row in sample if row >= 0) for sample in samples]}


class Prefetcher:
    """Yields the micro-batches of one process in order.

    Args:
        task: samples them, in a thread of this object.
        feed: what new data comes from, or None.
        seed: of all batches.
        batch_size: samples per micro-batch.
        steps: first step and step after the last.
        accumulate: micro-batches per step and process.
        rank: of this process.
        world_size: number of processes.
        device: where batches go.
    """

    def __init__(
        self,
        task: Sampler,
        feed: Feed | None,
        *,
        seed: int,
        batch_size: int,
        steps: range,
        accumulate: int,
        rank: int,
        world_size: int,
        device: torch.device,
    ) -> None:
        self.task, self.feed, self.seed, self.batch_size, self.steps = task, feed, seed, batch_size, steps
        self.accumulate, self.rank, self.world_size, self.device = accumulate, rank, world_size, device
        self.waited_s = 0.0
        """Time that `next` has waited so far."""
        self._ready: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(_DEPTH)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample_all, name="batches", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(timeout=60)

    def next(self) -> dict[str, Any]:
        """The next micro-batch; what went wrong while it was sampled is raised here."""
        began = time.perf_counter()
        item = self._ready.get()
        self.waited_s += time.perf_counter() - began
        if isinstance(item, BaseException):
            raise item
        return item

    def micro_index(self, index: int) -> int:
        """Number, among those of all processes, of the `index`-th micro-batch that this process sees in a step."""
        return index * self.world_size + self.rank

    @torch.no_grad()
    def _sample_all(self) -> None:
        try:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)  # a thread starts on the first GPU
            for step in self.steps:
                fresh = None if self.feed is None else self.feed.data_for(step)
                if fresh is not None:
                    self.task.use_data(fresh)
                for index in range(self.accumulate):
                    rng = micro_batch_rng(self.seed, step, self.micro_index(index))
                    self._put(with_names(self.task, self.task.sample_batch(rng, self.batch_size, self.device)))
                if self._stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, `next` raises it in the main thread
            self._put(error)

    def _put(self, item: dict[str, Any] | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
