"""A training set read in windows: a run trains on a few shards while the next ones are downloaded and decoded.

Window w of a rank depends only on seed, rank, number of ranks and index: a resumed run sees the same windows.
"""

import dataclasses
import os
import pathlib
import re
import threading
from collections.abc import Sequence

import numpy as np

from reenact.errors import ConfigError
from train.data.faces import FaceData
from train.data.prepared import read_shards
from train.data.remote import ShardSource, is_remote, open_source
from train.data.shards import ShardEntry


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """Size and length of a window."""

    shards_per_window: int = 4
    """Shards decoded together. More shards mean more people in a batch, and 2 x 213 kB of memory per picture."""
    steps_per_window: int = 500
    """Optimizer steps on a window; enough to prepare the next one meanwhile."""
    seed: int = 0
    """Of the order of the shards."""

    def __post_init__(self) -> None:
        for name in ("shards_per_window", "steps_per_window"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")


class WindowPlan:
    """The shards of each window of one rank.

    Every epoch the shards are shuffled and dealt to the ranks; those beyond a multiple of the number of ranks are left
    out for that epoch. A rank's share is split into windows of nearly equal size.

    Raises:
        ConfigError: there are fewer shards than ranks.
    """

    def __init__(self, entries: Sequence[ShardEntry], config: StreamConfig, rank: int, world: int) -> None:
        self.entries, self.config, self.rank, self.world = tuple(entries), config, rank, world
        self.share = len(self.entries) // world
        if self.share == 0:
            raise ConfigError(
                f"the training split has {len(self.entries)} shards for {world} processes, and each needs one of its "
                f"own; start at most {len(self.entries)} processes, or prepare the set in smaller shards"
            )
        self.windows_per_epoch = -(-self.share // config.shards_per_window)

    def shards_of(self, window: int) -> tuple[ShardEntry, ...]:
        """The shards of a window, in the order of the index."""
        epoch, part = divmod(window, self.windows_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.entries))
        mine = order[self.rank :: self.world][: self.share]
        return tuple(self.entries[i] for i in sorted(np.array_split(mine, self.windows_per_epoch)[part].tolist()))


PICTURE_BYTES = 213_000
"""Memory of one decoded picture with its parsing."""


def require_memory(plan: WindowPlan) -> None:
    """Refuse windows that exceed the memory: every process holds two at a time.

    Raises:
        ConfigError: they are too large.
    """
    available = _available_bytes()
    pictures = sorted((entry.pictures for entry in plan.entries), reverse=True)[: plan.config.shards_per_window]
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    need = 2 * sum(pictures) * PICTURE_BYTES * processes
    if available is not None and need > available:
        raise ConfigError(
            f"two windows of {len(pictures)} shards ({sum(pictures)} pictures) in {processes} processes need "
            f"{need / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free; lower --shards-per-window, "
            "or make smaller shards (--shard-mb of train.prepare)"
        )


def _available_bytes() -> int | None:
    """Memory that is available without swapping; None where the system does not say."""
    path = pathlib.Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+) kB", path.read_text()) if path.is_file() else None
    return None if found is None else int(found[1]) * 1024


class ShardFeed:
    """The windows of one rank, prepared ahead in a background thread.

    Call it from one thread, with steps that never decrease.
    """

    def __init__(self, source: ShardSource, entries: Sequence[ShardEntry], config: StreamConfig, rank: int, world: int):
        self.source, self.config = source, config
        self.plan = WindowPlan(entries, config, rank, world)
        require_memory(self.plan)
        self._shown: tuple[ShardEntry, ...] = ()
        self._window = -1
        self._ahead: _Ahead | None = None

    def data_for(self, step: int) -> FaceData | None:
        """The data of a step; None if it is that of the last call.

        Raises:
            ReenactError: the shards of the window cannot be downloaded or read.
        """
        window = step // self.config.steps_per_window
        if window == self._window:
            return None
        shards = self.plan.shards_of(window)
        fresh = None if shards == self._shown else self._take(shards)
        self._window, self._shown = window, shards
        following = self.plan.shards_of(window + 1)
        if following != shards:
            self._ahead = _Ahead(self.source, following)
        return fresh

    def _take(self, shards: tuple[ShardEntry, ...]) -> FaceData:
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.shards != shards:
            if ahead is not None:
                ahead.stop()
            ahead = _Ahead(self.source, shards)
        return ahead.result()

    def close(self) -> None:
        """Stop the background thread."""
        if self._ahead is not None:
            self._ahead.stop()
            self._ahead = None


class _StoppedError(Exception):
    """The window is no longer needed."""


class _Ahead:
    """A window that a background thread prepares; the thread does not keep the program alive."""

    def __init__(self, source: ShardSource, shards: tuple[ShardEntry, ...]) -> None:
        self.source, self.shards = source, shards
        self._stopped = threading.Event()
        self._data: FaceData | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="shards", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            table = read_shards(self.source, self.shards, on_sample=self._raise_if_stopped)
            self._data = FaceData(names=tuple(table.names), **table.finish())
        except _StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._error = error

    def _raise_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError

    def result(self) -> FaceData:
        """Wait for the window."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._data is not None, "the window was stopped"
        return self._data

    def stop(self) -> None:
        """Stop after the current sample."""
        self._stopped.set()


def open_feed(
    data: pathlib.Path | str, config: StreamConfig, cache: pathlib.Path, limit_gb: float | None, rank: int, world: int
) -> ShardFeed:
    """The feed of one process; downloaded shards are kept in `cache`, up to `limit_gb` if given.

    Raises:
        ConfigError: streaming does not work with this data or number of processes.
        UnsupportedInputError: the set cannot be read.
    """
    if not is_remote(data) and not (pathlib.Path(data) / "index.json").is_file():
        raise ConfigError(
            f"--stream reads prepared sets, and {data} has no index.json; "
            "leave --stream out, or make shards of the folder: python -m train.data pack DATA OUT"
        )
    source = open_source(data, cache, limit_gb)
    return ShardFeed(source, source.read_index().of_split("train", source.where), config, rank, world)
