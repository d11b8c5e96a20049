"""Batches, sampled by a separate thread while a step runs.

Micro-batch m of step k is a function of (seed, k, m) alone, where m = accumulation index x processes + rank. A resumed
run therefore sees the batches of an uninterrupted one, and two processes see those of one that accumulates two.
"""

import queue
import threading
import time
from typing import Any, Protocol, Self

import numpy as np
import torch

_DEPTH = 2
"""Batches that are prepared ahead; with one, every step shorter than the next sampling would wait."""


class Feed(Protocol):
    """Source of pictures that are not all loaded at the start (`train/data/stream.py`)."""

    def data_for(self, step: int) -> Any | None:
        """The data for `step`; None while the data given last stays in use."""
        ...


def micro_batch_rng(seed: int, step: int, micro: int) -> np.random.Generator:
    """The generator for micro-batch `micro` of `step`."""
    return np.random.default_rng([seed, step, micro])


def seed_forward(seed: int, step: int, micro: int) -> None:
    """Seed PyTorch on every device for the forward pass and losses (dropout, noise): no generator state is saved."""
    words = np.random.SeedSequence([seed, step, micro, 1]).generate_state(2, np.uint32)
    torch.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


def with_names(task: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """`batch` with the pictures' ``names`` instead of their ``rows`` in ``task.train``, (n,) or (n, k); -1: none."""
    rows = batch.pop("rows", None)
    if rows is None:
        return batch  # the task names them itself, or not at all
    samples = rows.reshape(len(rows), -1).tolist()
    return batch | {"names": [" > ".join(task.train.names[row] for row in sample if row >= 0) for sample in samples]}


class Prefetcher:
    """Yields the micro-batches of one process in order; a thread of this object calls `Task.sample_batch`."""

    def __init__(
        self,
        task: Any,
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
        """Total time that `next` has waited."""
        self._ready: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(_DEPTH)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample_all, name="batches", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=60)

    def next(self) -> dict[str, Any]:
        """The next micro-batch; errors of the sampling thread are raised here."""
        began = time.perf_counter()
        item = self._ready.get()
        self.waited_s += time.perf_counter() - began
        if isinstance(item, BaseException):
            raise item
        return item

    def micro_index(self, index: int) -> int:
        """Number among the micro-batches of all processes of this process's `index`-th one in a step."""
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
        except BaseException as error:  # noqa: BLE001 - `next` raises it in the main thread
            self._put(error)

    def _put(self, item: dict[str, Any] | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
