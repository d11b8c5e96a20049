"""Sets fetched from a web server that cuts connections, and from a Hub on localhost."""

import dataclasses
import errno
import os
import pathlib
from collections.abc import Iterator

import pytest

from reenact.errors import OutputError, UnsupportedInputError
from tests.file_server import FileServer, Mishap, served_folder
from tests.hub_client import Client, hub, hub_server
from tests.hub_server import Fault, HubServer
from tests.hub_state import Blob
from tests.prepared_set import still_sample, write_set
from train.data.fetch import ATTEMPTS, HttpFetch, HubFetch
from train.data.remote import GB, FetchedSource, FolderSource, is_remote, open_source
from train.data.shards import Index, check_shard, read_index, shard_name

__all__ = ["hub", "hub_server"]

SHARDS = 4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("served") / "set"
    stills = [[still_sample(f"s{i}", f"p{i}", (40 * i, 90, 120))] for i in range(SHARDS)]
    write_set(root, {"train": stills})
    return root


@pytest.fixture(scope="module")
def index(prepared: pathlib.Path) -> Index:
    return read_index(prepared)


@pytest.fixture
def server(prepared: pathlib.Path) -> Iterator[FileServer]:
    with served_folder(prepared.parent) as server:
        yield server


class Naps(list[float]):
    """Stands for time.sleep."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def source(server: FileServer, naps: Naps, tmp_path: pathlib.Path) -> FetchedSource:
    url = f"{server.url}/set"
    return FetchedSource(url, HttpFetch(url, naps), tmp_path / "cache", None)


def files_of(source: FetchedSource) -> list[str]:
    """Names in the cache, locks apart."""
    return sorted(path.name for path in source.folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_addresses_are_told_from_folders() -> None:
    for text in ("https://example.org/set", "HTTP://h/x", "hf://datasets/a/b", pathlib.Path("https://h/x")):
        assert is_remote(text)
    assert not is_remote("/data/https/x")
    assert isinstance(open_source("some/folder", pathlib.Path()), FolderSource)
    fetched = open_source(pathlib.Path("https://h/x/"), pathlib.Path("c"))
    assert fetched.where == "https://h/x", "pathlib had made one slash of two"


def test_a_shard_is_fetched_once(source: FetchedSource, server: FileServer, index: Index) -> None:
    assert source.read_index() == index
    for _ in range(2):
        with source.opened(index.shards[0]) as path:
            check_shard(path, index.shards[0])
    assert server.ranges_of("000000.tar") == [None]
    assert files_of(source) == ["train-000000.tar"]


def test_a_cut_connection_is_resumed_where_it_ended(
    source: FetchedSource, server: FileServer, naps: Naps, index: Index
) -> None:
    entry = index.shards[0]
    server.mishaps = [Mishap("000000.tar", cut_after=1000), Mishap("000000.tar", cut_after=300)]
    with source.opened(entry) as path:
        check_shard(path, entry)
    assert server.ranges_of("000000.tar") == [None, "bytes=1000-", "bytes=1300-"]
    assert naps == [1.0, 1.0], "what arrived resets the wait"


def test_what_an_earlier_process_left_is_gone_on_with(source: FetchedSource, server: FileServer, index: Index) -> None:
    entry = index.shards[1]
    whole = (server.root / "set" / entry.file).read_bytes()
    partial = source.folder / f"{entry.file}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(whole[:2000])
    with source.opened(entry) as path:
        assert path.read_bytes() == whole
    assert server.ranges_of("000001.tar") == ["bytes=2000-"]
    assert files_of(source) == ["train-000001.tar"]


@pytest.mark.parametrize(
    "mishap", [Mishap("0.tar", whole=True), Mishap("0.tar", shifted=7), Mishap("0.tar", status=416)]
)
def test_servers_that_do_not_keep_to_ranges(
    source: FetchedSource, server: FileServer, index: Index, mishap: Mishap
) -> None:
    entry = index.shards[0]
    partial = source.folder / f"{entry.file}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes((server.root / "set" / entry.file).read_bytes()[:700])
    server.mishaps = [dataclasses.replace(mishap)]
    with source.opened(entry) as path:
        check_shard(path, entry)


def test_a_stale_half_is_thrown_away(source: FetchedSource, server: FileServer, index: Index) -> None:
    entry = index.shards[0]
    partial = source.folder / f"{entry.file}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"of another version" * 50)
    with source.opened(entry) as path:
        check_shard(path, entry)
    assert server.ranges_of("000000.tar") == ["bytes=900-", None]


def test_a_busy_server_is_asked_again(source: FetchedSource, server: FileServer, naps: Naps, index: Index) -> None:
    server.mishaps = [
        Mishap("000000.tar", status=503),
        Mishap("000000.tar", status=429, headers={"Retry-After": "17"}),
        Mishap("000000.tar", status=429, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}),
        Mishap("000000.tar", status=500, headers={"Retry-After": "9999"}),
    ]
    with source.opened(index.shards[0]) as path:
        check_shard(path, index.shards[0])
    assert naps == [1.0, 17.0, 0.0, 120.0]


def test_a_server_that_stays_busy_is_given_up(
    source: FetchedSource, server: FileServer, naps: Naps, index: Index
) -> None:
    server.mishaps = [Mishap("000000.tar", times=99, status=500)]
    with (
        pytest.raises(UnsupportedInputError, match=r"000000\.tar answered 500, 7 times in a row; check the address"),
        source.opened(index.shards[0]),
    ):
        pass
    assert naps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0][: ATTEMPTS - 1]
    assert files_of(source) == []


@pytest.mark.parametrize(
    ("status", "words"), [(404, "answered 404 .* that the whole set was uploaded"), (403, "wants a sign-in")]
)
def test_lasting_refusals_are_said_at_once(
    source: FetchedSource, server: FileServer, naps: Naps, index: Index, status: int, words: str
) -> None:
    server.mishaps = [Mishap("000000.tar", status=status)]
    with pytest.raises(UnsupportedInputError, match=words), source.opened(index.shards[0]):
        pass
    assert naps == []


def test_another_content_is_refused(source: FetchedSource, index: Index) -> None:
    """The index and the server's copy do not agree, also when it is fetched once more."""
    entry = dataclasses.replace(index.shards[0], sha256="0" * 64)
    with (
        pytest.raises(UnsupportedInputError, match=r"has sha256 .*, the index says 0000.*upload the shard again"),
        source.opened(entry),
    ):
        pass
    assert files_of(source) == []


def test_an_unreachable_server_is_named(tmp_path: pathlib.Path, naps: Naps) -> None:
    with served_folder(tmp_path) as server:
        url = server.url
    source = FetchedSource(url, HttpFetch(url, naps), tmp_path / "cache", None)
    with pytest.raises(
        UnsupportedInputError, match=r"index\.json cannot be reached .*check the address and the network"
    ):
        source.read_index()


def test_a_damaged_copy_in_the_cache_is_fetched_anew(source: FetchedSource, server: FileServer, index: Index) -> None:
    entry = index.shards[0]
    path = source.folder / entry.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * entry.bytes)
    with source.opened(entry):
        check_shard(path, entry)
    assert server.ranges_of("000000.tar") == [None]


def test_the_cache_keeps_its_bound(source: FetchedSource, server: FileServer, index: Index) -> None:
    """The shards fetched first go first; one that is being read stays."""
    source.limit_gb = 2.5 * max(entry.bytes for entry in index.shards) / GB
    for entry in index.shards[:3]:
        with source.opened(entry):
            pass
    assert files_of(source) == ["train-000001.tar", "train-000002.tar"]
    with source.opened(index.shards[1]), source.opened(index.shards[3]):
        assert files_of(source) == ["train-000001.tar", "train-000003.tar"]


def test_a_missing_shard_of_a_folder_is_named(prepared: pathlib.Path, index: Index) -> None:
    entry = dataclasses.replace(index.shards[0], file=shard_name("train", 77))
    with (
        pytest.raises(UnsupportedInputError, match=r"train-000077\.tar is missing, but the index lists it"),
        FolderSource(prepared).opened(entry),
    ):
        pass


@pytest.fixture
def dataset(hub: Client, prepared: pathlib.Path) -> HubServer:
    """The set as a dataset, its shards in LFS, and once more in a folder of a branch."""
    hub.without_xet()
    template = f"{hub.server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    hub.patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)  # read from HF_ENDPOINT
    paths = [path for path in prepared.rglob("*") if path.is_file() and path.suffix != ".lock"]
    files = {path.relative_to(prepared).as_posix(): path.read_bytes() for path in paths}
    server = hub.server
    server.put("your-name/faces", {})
    tree = {path: Blob(content, path.endswith(".tar")) for path, content in files.items()}
    server.hub.repos["your-name/faces"].commit("main", tree, "x")
    server.put("your-name/nested", {f"deep/er/{path}": content for path, content in files.items()}, branch="v2")
    return server


def hub_source(tmp_path: pathlib.Path, naps: Naps, address: str) -> FetchedSource:
    fetch = HubFetch.of_address(address)
    fetch.sleep = naps
    return FetchedSource(address, fetch, tmp_path / "cache", None)


def test_a_dataset_on_the_hub(dataset: HubServer, tmp_path: pathlib.Path, naps: Naps, index: Index) -> None:
    source = hub_source(tmp_path, naps, "hf://datasets/your-name/faces")
    assert source.read_index() == index
    dataset.faults = [Fault(r"GET /storage/lfs", cut_after=1000)]
    for _ in range(2):
        with source.opened(index.shards[2]) as path:
            check_shard(path, index.shards[2])
    assert dataset.asked("GET /storage/lfs") == 2, "cut once, resumed, and then at hand"


def test_a_folder_and_revision_of_a_dataset(
    dataset: HubServer, tmp_path: pathlib.Path, naps: Naps, index: Index
) -> None:
    source = hub_source(tmp_path, naps, "hf://datasets/your-name/nested@v2/deep/er")
    assert source.read_index() == index
    with source.opened(index.shards[0]) as path:
        assert path == source.folder / index.shards[0].file
        check_shard(path, index.shards[0])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://datasets/your-name/absent", "there is no such dataset, or it is private"),
        ("hf://datasets/your-name/faces@v9", "there is no revision v9"),
        ("hf://datasets/your-name/faces/else", r"else/index\.json .* is missing there; upload the whole set"),
        ("hf://models/a/b", "write hf://datasets/owner/name"),
    ],
)
def test_the_hubs_refusals_are_said(
    dataset: HubServer, tmp_path: pathlib.Path, naps: Naps, address: str, words: str
) -> None:
    with pytest.raises(UnsupportedInputError, match=words):
        hub_source(tmp_path, naps, address).read_index()
    assert naps == []


def test_a_busy_hub_is_asked_again(dataset: HubServer, tmp_path: pathlib.Path, naps: Naps, index: Index) -> None:
    source = hub_source(tmp_path, naps, "hf://datasets/your-name/faces")
    dataset.faults = [Fault(r"GET /storage/lfs", status=503, times=2)]
    with source.opened(index.shards[0]) as path:
        check_shard(path, index.shards[0])
    assert naps == [1.0, 2.0]


def test_a_full_disk_is_said(source: FetchedSource, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    full_disk = pytest.raises(OutputError, match="the disk is full; make room, lower --shard-cache-gb")
    with full_disk, source.opened(index.shards[0]):
        pass
