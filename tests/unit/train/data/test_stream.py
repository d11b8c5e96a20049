"""Windows of shards: which, when, for whom, and the same after a restart."""

import pathlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from reenact.errors import ConfigError, UnsupportedInputError
from tests.file_server import Fault, served_folder
from tests.prepared_set import clip_sample, still_sample, write_set
from train.data.faces import FaceData
from train.data.remote import FolderSource
from train.data.shards import ShardEntry, read_index
from train.data.stream import ShardFeed, StreamConfig, WindowPlan, open_feed

SHARDS = 5
CONFIG = StreamConfig(shards_per_window=2, steps_per_window=3, seed=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Five shards of one still each; the first has a clip as well."""
    root = tmp_path_factory.mktemp("streamed")
    shards = [[still_sample(f"s{i}", f"p{i}", (50 * i, 200 - 40 * i, 90))] for i in range(SHARDS)]
    shards[0].append(clip_sample("c0", "p9", (10, 60, 200)))
    write_set(root, {"train": shards, "val": [[still_sample("v", "p7", (1, 2, 3))]]})
    return root


@pytest.fixture(scope="module")
def entries(root: pathlib.Path) -> tuple[ShardEntry, ...]:
    return read_index(root).of_split("train", "")


@pytest.fixture
def feeds() -> Iterator[list[ShardFeed]]:
    """Feeds that are closed after the test."""
    made: list[ShardFeed] = []
    yield made
    for feed in made:
        feed.close()
    for thread in threading.enumerate():
        if thread.name == "shards":
            thread.join(timeout=20)
            assert not thread.is_alive()


@pytest.fixture
def new_feed(root: pathlib.Path, entries: tuple[ShardEntry, ...], feeds: list[ShardFeed]):
    def make(config: StreamConfig = CONFIG, rank: int = 0, world: int = 1) -> ShardFeed:
        feeds.append(ShardFeed(FolderSource(root), entries, config, rank, world))
        return feeds[-1]

    return make


def test_an_epoch_shows_every_shard_once(entries: tuple[ShardEntry, ...]) -> None:
    plan = WindowPlan(entries, CONFIG, 0, 1)
    assert plan.windows_per_epoch == 3
    epochs = [[plan.shards_of(3 * epoch + w) for w in range(3)] for epoch in range(4)]
    for windows in epochs:
        assert sorted(len(window) for window in windows) == [1, 2, 2]
        assert sorted(e.file for window in windows for e in window) == [e.file for e in entries]
    assert len({tuple(windows) for windows in epochs}) > 1, "each epoch has its own order"


def test_ranks_share_no_shard(entries: tuple[ShardEntry, ...]) -> None:
    plans = [WindowPlan(entries, CONFIG, rank, 2) for rank in range(2)]
    seen = set()
    for window in range(20):
        mine, other = (set(plan.shards_of(window)) for plan in plans)
        assert not mine & other
        assert len(mine) == len(other) == 2
        seen |= mine | other
    assert len(seen) == SHARDS, "what is left over in one epoch comes in another"


def test_windows_are_nearly_equal(entries: tuple[ShardEntry, ...]) -> None:
    plan = WindowPlan(entries * 3, StreamConfig(shards_per_window=4), 0, 1)
    assert sorted(len(plan.shards_of(window)) for window in range(4)) == [3, 4, 4, 4]


def test_more_processes_than_shards_are_refused(entries: tuple[ShardEntry, ...]) -> None:
    with pytest.raises(ConfigError, match="has 5 shards for 6 processes, .* start at most 5 processes, or prepare"):
        WindowPlan(entries, CONFIG, 0, 6)


@pytest.mark.parametrize("name", ["shards_per_window", "steps_per_window"])
def test_empty_windows_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; it must be at least 1"):
        StreamConfig(**{name: 0})


def shown(feed: ShardFeed, steps: range) -> list[tuple[str, ...]]:
    """Names of the rows that each step samples from."""
    names: list[tuple[str, ...]] = []
    for step in steps:
        fresh = feed.data_for(step)
        names.append(names[-1] if fresh is None else fresh.names)
    return names


def test_data_changes_with_the_window(new_feed) -> None:
    feed = new_feed()
    first = feed.data_for(0)
    assert isinstance(first, FaceData)
    assert feed.data_for(1) is None
    assert feed.data_for(2) is None
    second = feed.data_for(3)
    assert second is not None
    assert first.names != second.names
    expected = [sample for entry in feed.plan.shards_of(1) for sample in (entry.stills, entry.frames)]
    assert len(second) == sum(expected)
    np.testing.assert_array_equal(np.unique(second.person), np.arange(second.person.max() + 1))


def test_the_pictures_are_those_of_the_shards(new_feed) -> None:
    """One window of all shards: the clip first among its shard's samples, the stills in order."""
    feed = new_feed(StreamConfig(shards_per_window=99, steps_per_window=1))
    data = feed.data_for(0)
    assert data.names == ("s0", "c0:0", "c0:1", "c0:2", "s1", "s2", "s3", "s4")
    assert data.clip_ranges == [(1, 4)]
    assert data.is_still.tolist() == [True, False, False, False, True, True, True, True]
    assert np.abs(data.rgb[2, 99, 99].astype(int) - (10, 60, 200)).max() < 12
    assert data.rgb[6, 9, 9].tolist() == [150, 80, 90]
    assert data.has_parsing.tolist() == [True, True, False, True, True, True, True, True]
    assert feed.data_for(1) is None, "the next window has the same shards: nothing is read again"


@pytest.mark.parametrize("start", [1, 3, 5, 8, 16])
def test_a_restart_sees_what_the_unbroken_run_saw(new_feed, start: int) -> None:
    unbroken = shown(new_feed(), range(18))
    assert len(set(unbroken)) > 3
    assert shown(new_feed(), range(start, 18)) == unbroken[start:]


def test_a_damaged_shard_stops_the_run_by_name(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "shards").mkdir()
    for path in (root / "shards").glob("*.tar"):
        (tmp_path / "shards" / path.name).write_bytes(path.read_bytes()[:-3000])
    feed = ShardFeed(FolderSource(tmp_path), read_index(root).of_split("train", ""), CONFIG, 0, 1)
    with pytest.raises(UnsupportedInputError, match=r"train-00000\d\.tar has .* bytes, the index says .*; download"):
        feed.data_for(0)
    feed.close()


def opened(data: pathlib.Path | str, cache: pathlib.Path, rank: int = 0, world: int = 1) -> ShardFeed:
    return open_feed(data, StreamConfig(shards_per_window=2, steps_per_window=3, seed=5), cache, None, rank, world)


def test_a_far_set_is_streamed_through_faults(
    root: pathlib.Path, tmp_path: pathlib.Path, feeds: list[ShardFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_folder(root) as server:
        server.faults = [Fault("00.tar", cut_after=1500), Fault("03.tar", status=503, headers={"Retry-After": "0"})]
        # pathlib makes one slash of two
        near, far = opened(root, tmp_path), opened(pathlib.Path(server.url), tmp_path)
        feeds += [near, far]
        monkeypatch.setattr("train.data.remote.PAUSES_S", (0.0, 0.0))
        assert shown(far, range(9)) == shown(near, range(9))
        far.close()


def test_windows_larger_than_the_memory_are_refused(new_feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.data.stream._available_bytes", lambda: 4 * 213_000)
    with pytest.raises(
        ConfigError, match=r"two windows of 2 shards \(5 pictures\) in 1 processes need .* lower --shards"
    ):
        new_feed()
    monkeypatch.setattr("train.data.stream._available_bytes", lambda: 10 * 213_000)
    new_feed()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="in 2 processes"):
        new_feed()


def test_folders_without_shards_are_not_streamed(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"has no index\.json; leave --stream out, or make shards .* pack DATA OUT"):
        opened(tmp_path, tmp_path)
