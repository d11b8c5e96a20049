"""Sets fetched from a web server that cuts connections, and from a Hub on localhost."""

import dataclasses
import errno
import os
import pathlib
from collections.abc import Iterator

import pytest

from reenact.errors import OutputError, UnsupportedInputError
from tests.file_server import Fault, FileServer, served_folder
from tests.hub_client import Client, hub, hub_server
from tests.hub_server import HubServer
from tests.prepared_set import still_sample, write_set
from train.data.remote import GB, PAUSES_S, FolderSource, RemoteSource, is_remote, open_source
from train.data.shards import Index, check_shard, read_index

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


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of this process, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)
    return pauses


@pytest.fixture
def source(server: FileServer, tmp_path: pathlib.Path) -> RemoteSource:
    source = open_source(f"{server.url}/set", tmp_path / "cache")
    assert isinstance(source, RemoteSource)
    return source


def files_of(source: RemoteSource) -> list[str]:
    """Names in the cache, locks apart."""
    return sorted(path.name for path in source.folder.rglob("*.tar*") if path.suffix != ".lock")


def test_addresses_are_told_from_folders() -> None:
    for text in ("https://example.org/set", "HTTP://h/x", "hf://datasets/a/b", pathlib.Path("https://h/x")):
        assert is_remote(text)
    assert not is_remote("/data/https/x")
    assert isinstance(open_source("some/folder", pathlib.Path()), FolderSource)
    fetched = open_source(pathlib.Path("https://h/x/"), pathlib.Path("c"))
    assert fetched.where == "https://h/x", "pathlib had made one slash of two"


def test_a_shard_is_downloaded_once(source: RemoteSource, server: FileServer, index: Index) -> None:
    assert source.read_index() == index
    for _ in range(2):
        with source.opened(index.shards[0]) as path:
            check_shard(path, index.shards[0])
    assert server.ranges_of("000000.tar") == [None]
    assert files_of(source) == ["train-000000.tar"]


def test_a_cut_connection_is_resumed(source: RemoteSource, server: FileServer, index: Index) -> None:
    entry = index.shards[0]
    server.faults = [Fault("000000.tar", cut_after=1000), Fault("000000.tar", cut_after=300)]
    with source.opened(entry) as path:
        check_shard(path, entry)
    assert server.ranges_of("000000.tar") == [None, "bytes=1000-", "bytes=1300-"]


@pytest.mark.parametrize(
    ("kept", "fault", "ranges"),
    [
        pytest.param(slice(700), None, ["bytes=700-"], id="of an earlier process"),
        pytest.param(slice(700, 1600), None, ["bytes=900-", None], id="of another version"),
        pytest.param(slice(700), Fault("0.tar", whole=True), ["bytes=700-"], id="no ranges"),
        pytest.param(
            slice(700), Fault("0.tar", shifted=7), ["bytes=700-", "bytes=20473-", None], id="it answers another part"
        ),
        pytest.param(slice(700), Fault("0.tar", status=416), ["bytes=700-", None], id="refused range"),
    ],
)
def test_a_part_that_is_there_is_continued_or_thrown_away(
    source: RemoteSource,
    server: FileServer,
    index: Index,
    kept: slice,
    fault: Fault | None,
    ranges: list[str | None],
) -> None:
    entry = index.shards[0]
    partial = source.folder / f"{entry.file}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes((server.root / "set" / entry.file).read_bytes()[kept])
    server.faults = [] if fault is None else [dataclasses.replace(fault)]
    with source.opened(entry) as path:
        check_shard(path, entry)
    assert server.ranges_of("000000.tar") == ranges
    assert files_of(source) == ["train-000000.tar"]


def test_a_busy_server_is_asked_again(
    source: RemoteSource, server: FileServer, pauses: list[float], index: Index
) -> None:
    server.faults = [
        Fault("000000.tar", status=503),
        Fault("000000.tar", status=429, headers={"Retry-After": "17"}),
        Fault("000000.tar", status=500),
    ]
    with source.opened(index.shards[0]) as path:
        check_shard(path, index.shards[0])
    assert pauses == [PAUSES_S[0], 18.0, PAUSES_S[1]]


@pytest.mark.parametrize(
    ("status", "words", "waited"),
    [
        (500, r"000000\.tar cannot be downloaded \(.*500.*\); check the address and the network", list(PAUSES_S)),
        (404, "answered 404; check --data, .* and that the whole set was uploaded", []),
        (403, r"answered 403; check --data, that you have access \(hf auth login for the Hub\)", []),
    ],
)
def test_refusals_are_explained(
    source: RemoteSource,
    server: FileServer,
    pauses: list[float],
    index: Index,
    status: int,
    words: str,
    waited: list[float],
) -> None:
    server.faults = [Fault("000000.tar", times=99, status=status)]
    with pytest.raises(UnsupportedInputError, match=words), source.opened(index.shards[0]):
        pass
    assert pauses == waited
    assert files_of(source) == ["train-000000.tar.partial"]


def test_another_content_is_refused(source: RemoteSource, index: Index) -> None:
    """The index and the server's copy differ, also in a second download."""
    entry = dataclasses.replace(index.shards[0], sha256="0" * 64)
    with (
        pytest.raises(UnsupportedInputError, match=r"has sha256 .*, the index says 0000.*upload the set again"),
        source.opened(entry),
    ):
        pass
    assert files_of(source) == []


def test_an_unreachable_server_is_named(tmp_path: pathlib.Path) -> None:
    with served_folder(tmp_path) as server:
        url = server.url
    with pytest.raises(
        UnsupportedInputError, match=r"index\.json cannot be downloaded .*check the address and the network"
    ):
        open_source(url, tmp_path / "cache").read_index()


def test_a_damaged_copy_in_the_cache_is_downloaded_again(
    source: RemoteSource, server: FileServer, index: Index
) -> None:
    entry = index.shards[0]
    path = source.folder / entry.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * entry.bytes)
    with source.opened(entry):
        check_shard(path, entry)
    assert server.ranges_of("000000.tar") == [None]


def test_the_cache_keeps_its_bound(source: RemoteSource, server: FileServer, index: Index) -> None:
    """The shards fetched first go first; one that is being read stays."""
    source.limit_gb = 2.5 * max(entry.bytes for entry in index.shards) / GB
    for entry in index.shards[:3]:
        with source.opened(entry):
            pass
    assert files_of(source) == ["train-000001.tar", "train-000002.tar"]
    with source.opened(index.shards[1]), source.opened(index.shards[3]):
        assert files_of(source) == ["train-000001.tar", "train-000003.tar"]


@pytest.fixture
def dataset(hub: Client, prepared: pathlib.Path) -> HubServer:
    """The set as a dataset, and once more in a folder of a branch."""
    template = f"{hub.server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    hub.patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)  # read from HF_ENDPOINT
    paths = [path for path in prepared.rglob("*") if path.is_file() and path.suffix != ".lock"]
    files = {path.relative_to(prepared).as_posix(): path.read_bytes() for path in paths}
    server = hub.server
    server.put("your-name/faces", files)
    server.put("your-name/nested", {f"deep/er/{path}": content for path, content in files.items()}, branch="v2")
    return server


def test_a_dataset_on_the_hub(dataset: HubServer, tmp_path: pathlib.Path, index: Index) -> None:
    source = open_source("hf://datasets/your-name/faces", tmp_path)
    assert source.read_index() == index
    dataset.faults = [Fault(r"GET /datasets/.*tar", cut_after=1000)]
    for _ in range(2):
        with source.opened(index.shards[2]) as path:
            check_shard(path, index.shards[2])
    assert dataset.asked("GET /datasets/.*tar") == 2, "cut once, resumed, and then at hand"


def test_a_folder_and_revision_of_a_dataset(dataset: HubServer, tmp_path: pathlib.Path, index: Index) -> None:
    source = open_source("hf://datasets/your-name/nested@v2/deep/er", tmp_path)
    assert source.read_index() == index
    with source.opened(index.shards[0]) as path:
        check_shard(path, index.shards[0])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://datasets/your-name/absent", "absent/index.json answered 404; check --data, that you have access"),
        ("hf://datasets/your-name/faces@v9", "faces@v9/index.json answered 404; check --data"),
        ("hf://datasets/your-name/faces/else", r"else/index\.json answered 404; check --data, .* that the whole set"),
        ("hf://models/a/b", "write hf://datasets/owner/name"),
    ],
)
def test_refusals_of_the_hub_are_explained(
    dataset: HubServer, tmp_path: pathlib.Path, pauses: list[float], address: str, words: str
) -> None:
    with pytest.raises(UnsupportedInputError, match=words):
        open_source(address, tmp_path).read_index()
    assert pauses == []


def test_a_busy_hub_is_asked_again(dataset: HubServer, tmp_path: pathlib.Path, index: Index) -> None:
    dataset.faults = [Fault(r"GET /datasets/.*tar", status=503, times=2)]
    with open_source("hf://datasets/your-name/faces", tmp_path).opened(index.shards[0]) as path:
        check_shard(path, index.shards[0])


def test_a_full_disk_is_named(source: RemoteSource, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("train.data.remote.http_get", full)
    with (
        pytest.raises(OutputError, match=r"train-000000\.tar could not be written: the disk is full"),
        source.opened(index.shards[0]),
    ):
        pass
