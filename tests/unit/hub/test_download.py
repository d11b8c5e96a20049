"""From the Hub to a loaded system, by the real client and a real server: revisions, privacy, faults, other formats."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import huggingface_hub
import pytest
import torch

import reenact
from reenact import weights
from reenact.errors import CheckpointError, ConfigError, OutputError
from reenact.hub import checkpoint, names, resolve
from reenact.weights import WeightsInfo
from tests.hub_client import Client, files_of, write_system
from tests.hub_server import Fault

REPO = "your-name/small"


@pytest.fixture
def published(hub: Client, shared_part: pathlib.Path) -> str:
    """A public repository with a checkpoint; gives back its commit."""
    return hub.server.put(REPO, files_of(shared_part))


def sum_of_weights(system: Any) -> float:
    return sum(float(value.double().sum()) for value in system.networks.parameters())


def whole(folder: pathlib.Path) -> bool:
    return checkpoint.read_checkpoint(folder).weights["weight"].shape == (10_000,)


def test_only_what_a_checkpoint_is_made_of_is_fetched(hub: Client, published: str, shared_part: pathlib.Path) -> None:
    hub.server.put(REPO, {"pytorch_model.bin": b"\x80\x04", "pictures/a.png": b"x", "run.py": b"x"})
    folder = resolve(REPO)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert (folder / "model.safetensors").read_bytes() == files_of(shared_part)["model.safetensors"]
    assert hub.cache in folder.parents


def test_a_revision_pins_what_is_loaded(hub: Client, shared_system: pathlib.Path, tmp_path: pathlib.Path) -> None:
    published = hub.server.put(REPO, files_of(shared_system))
    newer = write_system(tmp_path / "newer", seed=1)
    commit = hub.server.put(REPO, files_of(newer))
    repo = hub.server.hub.repos[REPO]
    repo.tags["v1"] = published
    repo.branches["try/it"] = published
    at_first, now = reenact.load(REPO, revision="v1"), reenact.load(REPO)
    assert sum_of_weights(at_first) != sum_of_weights(now)
    local = reenact.load(newer)
    assert sum_of_weights(local) == sum_of_weights(now)
    digest = hashlib.sha256((newer / "model.safetensors").read_bytes()).hexdigest()
    assert local.weights == WeightsInfo(folder=newer, sha256=digest)
    assert now.weights == dataclasses.replace(local.weights, folder=now.weights.folder, repository=REPO, commit=commit)
    assert str(now.weights) == f"{REPO}@{commit[:8]} (sha256 {digest[:12]})"
    assert (at_first.weights.revision, at_first.weights.commit) == ("v1", published)
    for pinned in (f"{REPO}@{published}", f"{REPO}@v1", f"{REPO}@try/it"):
        assert sum_of_weights(reenact.load(pinned)) == sum_of_weights(at_first)
    assert sum_of_weights(reenact.load(REPO, revision=commit)) == sum_of_weights(now)
    with pytest.raises(CheckpointError, match="revision v9.: no such revision on the Hub"):
        reenact.load(REPO, revision="v9")


def test_what_lies_here_has_no_revisions(shared_part: pathlib.Path) -> None:
    for name in (shared_part, str(shared_part), "correspondence"):
        with pytest.raises(ConfigError, match="Revision 'v1' was asked for, but .* is a folder here"):
            reenact.load(name, revision="v1")


def test_a_gated_repository_is_said(hub: Client, published: str) -> None:
    headers = {"X-Error-Code": "GatedRepo"}
    hub.server.faults = [Fault("GET /api/models/", times=9, status=403, headers=headers)]
    with pytest.raises(CheckpointError, match="is gated; accept its terms on the Hub and run `hf auth login`"):
        resolve(REPO)


def test_a_private_repository_wants_its_owners_token(hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.put(REPO, files_of(shared_part), private=True)
    for token in (None, "hf_other"):
        hub.token(token)
        with pytest.raises(CheckpointError, match="or it is private and needs a token with read access"):
            resolve(REPO)
    hub.token("hf_wrong")
    with pytest.raises(CheckpointError, match="it does not know the token in HF_TOKEN or of `hf auth login`"):
        resolve(REPO)
    hub.token("hf_read")
    assert whole(resolve(REPO))


@pytest.mark.parametrize("token", [None, "hf_write"])
def test_no_such_repository(token: str | None, hub: Client) -> None:
    hub.token(token)
    with pytest.raises(CheckpointError, match="No repository your-name/none on the Hub, or it is private") as caught:
        resolve("your-name/none")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"README.md": b"# Hi"}, "your-name/other on the Hub has no config.json: it is not a checkpoint of this"),
        ({"config.json": b'{"architectures": ["Bert"]}', "model.safetensors": b"x"}, 'lacks "format_version"'),
        ({"config.json": b'{"format_version": 7, "model": "m"}', "model.safetensors": b"x"}, "format_version 7"),
        ({"config.json": b"<html>", "model.safetensors": b"x"}, "not valid JSON"),
        (
            {"config.json": b'{"format_version": 1, "model": "m"}', "pytorch_model.bin": b"x"},
            "has pytorch_model.bin, a pickle, .* and no model.safetensors; ask its owner for safetensors",
        ),
        ({"config.json": b'{"format_version": 1, "model": "m"}'}, "other on the Hub has no model.safetensors"),
        ({"config.json": b'{"format_version": 1, "model": "m"}', "model.safetensors": b"x"}, "not a whole safetensors"),
    ],
)
def test_repositories_of_others_are_told_by_their_config(files: dict[str, bytes], text: str, hub: Client) -> None:
    hub.server.put("your-name/other", files)
    with pytest.raises(CheckpointError, match=text):
        reenact.load("your-name/other")
    weights = hub.server.asked("(GET|HEAD) .*(model.safetensors|/storage/|[.]bin)")
    assert weights == 0 or "whole safetensors" in text


def test_a_download_that_is_cut_goes_on_where_it_was(hub: Client, published: str) -> None:
    hub.patch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # what came in a whole chunk is kept
    hub.server.faults = [Fault("GET /storage/lfs/", times=2, cut_after=5000)]
    assert whole(resolve(REPO))
    assert hub.server.asked("GET /storage/lfs/") == 3
    assert [value for value in hub.server.ranges if value] == ["bytes=5000-", "bytes=10000-"]


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_download_that_stays_cut_leaves_nothing_half(way: str, hub: Client, shared_part: pathlib.Path) -> None:
    from reenact.hub.push import push

    if way == "lfs":
        hub.without_xet()
    push(shared_part, REPO)
    hub.server.faults = [Fault("GET /storage/(lfs|xorbs)", times=99, cut_after=0)]
    with pytest.raises(CheckpointError, match="could not be downloaded: .*nothing half was kept, run it again"):
        resolve(REPO)
    assert hub.half_files() == []
    hub.offline()
    with pytest.raises(
        CheckpointError, match="small .*is not, or not wholly, in the local cache and the Hub cannot be"
    ):
        resolve(REPO)
    hub.offline(False)
    hub.server.faults = []
    assert whole(resolve(REPO))


@pytest.mark.parametrize("request_", ["GET /api/models/[^/]*/[^/]*/revision", "GET .*/tree/", "HEAD .*/config.json"])
def test_too_many_requests_are_waited_for(request_: str, hub: Client, published: str) -> None:
    hub.server.faults = [Fault(request_, times=2, status=429, headers={"Retry-After": "7"})]
    assert whole(resolve(REPO))
    assert hub.pauses_s
    assert all(pause_s in (7, 8) for pause_s in hub.pauses_s)  # the client itself adds one


@pytest.mark.parametrize(
    ("headers", "pauses_s"),
    [
        ({"Retry-After": "100"}, [100.0]),
        ({"Retry-After": "3600"}, []),
        ({"RateLimit": '"api";r=0;t=60'}, [60.0, 60.0]),
        ({}, [5.0, 5.0, 5.0, 8.0, 16.0, 32.0]),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]),
    ],
)
def test_waiting_has_an_end(headers: dict[str, str], pauses_s: list[float], hub: Client, published: str) -> None:
    hub.server.faults = [Fault("GET /api/models/", times=999, status=429, headers=headers)]
    with pytest.raises(CheckpointError, match=r"the Hub answers 429 \(too many requests\).*; try again later"):
        resolve(REPO)
    assert hub.pauses_s == pauses_s


@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_in_trouble_is_said(status: int, hub: Client, published: str) -> None:
    hub.server.faults = [Fault("GET /api/models/", times=99, status=status)]
    with pytest.raises(CheckpointError, match=f"could not be downloaded: the Hub answers {status}"):
        resolve(REPO)


def test_a_connection_that_breaks_at_once_is_said(hub: Client, published: str) -> None:
    hub.server.faults = [Fault("GET /api/models/", times=99, cut_after=0)]
    with pytest.raises(CheckpointError, match="could not be downloaded: peer closed connection.*run it again"):
        resolve(REPO)


def test_offline_with_and_without_the_cache(hub: Client, published: str) -> None:
    hub.offline()
    with pytest.raises(CheckpointError, match="in the local cache and the Hub cannot be reached.*hf download"):
        resolve(REPO)
    hub.offline(False)
    online = resolve(REPO)
    hub.offline()
    asked = len(hub.server.requests)
    assert resolve(REPO) == resolve(f"{REPO}@{published}") == online
    assert len(hub.server.requests) == asked


def test_the_hub_out_of_reach_falls_back_on_the_cache(hub: Client, published: str) -> None:
    folder = resolve(REPO)
    hub.patch.setattr(huggingface_hub.constants, "ENDPOINT", "http://localhost:9")
    assert resolve(REPO) == folder
    with pytest.raises(CheckpointError, match=r"your-name/none is not, .* in the local cache.*http://localhost:9"):
        resolve("your-name/none")


def test_a_token_never_reaches_the_storage(hub: Client, shared_part: pathlib.Path) -> None:
    """The server's storage, another origin, answers 400 to requests that carry the Hub's token."""
    hub.server.put(REPO, files_of(shared_part), private=True)
    assert whole(resolve(REPO))
    assert hub.server.asked("GET /storage/lfs/") == 1


def test_to_a_folder(hub: Client, published: str, tmp_path: pathlib.Path) -> None:
    folder = names.download(REPO, None, tmp_path / "here")
    assert folder == tmp_path / "here"
    assert whole(folder)
    asked = hub.server.asked("GET /storage/")
    assert names.download(REPO, None, folder) == folder
    assert hub.server.asked("GET /storage/") == asked
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("precious")
    with pytest.raises(OutputError, match="mine is not empty and holds no earlier download"):
        names.download(REPO, None, tmp_path / "mine")
    with pytest.raises(OutputError, match="is a file"):
        names.download(REPO, None, tmp_path / "mine" / "config.json")


@pytest.mark.parametrize(
    ("name", "owner", "expected"),
    [
        ("someone/thing", None, ("someone/thing", None)),
        ("someone/thing@v2", None, ("someone/thing", "v2")),
        ("correspondence", "someone", ("someone/reenact-correspondence", None)),
        ("perception-tracker", "someone", ("someone/reenact-perception-tracker", None)),
        ("perception/tracker", "someone", ("someone/reenact-perception-tracker", None)),
        ("dual_generator", "someone", ("someone/reenact-dual-generator", None)),
    ],
)
def test_short_names(name: str, owner: str | None, expected: tuple[str, str | None]) -> None:
    assert names.repository(name, owner) == expected


@pytest.mark.parametrize(
    ("name", "owner", "text"),
    [
        ("correspondence", None, "Whose correspondence. Name the owner of NAME/reenact-correspondence"),
        ("something", "someone", "'something' is no published name.*perception-tracker"),
        ("someone/thing", "someone", "is no published name"),
        ("someone/thing@", None, "is no published name"),
    ],
)
def test_names_that_are_none(name: str, owner: str | None, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        names.repository(name, owner)


def test_perception_networks_load_from_the_hub(hub: Client) -> None:
    from reenact.hub import load_identity

    folder = weights.EMBEDDED / "perception" / "identity"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("checkpoints/perception/identity is not in this tree")
    hub.server.put("your-name/identity", files_of(folder))
    there, here = load_identity(checkpoint="your-name/identity"), load_identity()
    assert all(torch.equal(a, b) for a, b in zip(there.parameters(), here.parameters(), strict=True))
    hub.server.put(REPO, {"config.json": json.dumps({"format_version": 1, "model": "parser"}).encode()})
    with pytest.raises(CheckpointError, match="has no model.safetensors"):
        load_identity(checkpoint=REPO)
