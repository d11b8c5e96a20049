"""From the Hub to a loaded system, with the real client: revisions, privacy, cut connections, foreign content."""

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
from reenact.hub import checkpoint, names, remote, resolve
from reenact.weights import WeightsInfo
from tests.file_server import Fault
from tests.hub_client import Client, files_of, write_system

REPO = "your-name/small"


@pytest.fixture
def published(hub: Client, shared_part: pathlib.Path) -> str:
    """A public repository with a checkpoint; its commit."""
    return hub.server.put(REPO, files_of(shared_part))


def sum_of_weights(system: Any) -> float:
    return sum(float(value.double().sum()) for value in system.networks.parameters())


def is_whole(folder: pathlib.Path) -> bool:
    return checkpoint.read_checkpoint(folder).weights["weight"].shape == (10_000,)


def test_only_files_of_a_checkpoint_are_fetched(hub: Client, published: str, shared_part: pathlib.Path) -> None:
    hub.server.put(REPO, {"pytorch_model.bin": b"\x80\x04", "pictures/a.png": b"x", "run.py": b"x"})
    folder = resolve(REPO)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert (folder / "model.safetensors").read_bytes() == files_of(shared_part)["model.safetensors"]


def test_a_revision_pins_the_weights(hub: Client, shared_system: pathlib.Path, tmp_path: pathlib.Path) -> None:
    first = hub.server.put(REPO, files_of(shared_system))
    newer = write_system(tmp_path / "newer", seed=1)
    commit = hub.server.put(REPO, files_of(newer))
    repo = hub.server.repos[REPO]
    repo.tags["v1"] = repo.branches["try/it"] = first
    at_first, now, local = reenact.load(REPO, revision="v1"), reenact.load(REPO), reenact.load(newer)
    assert sum_of_weights(at_first) != sum_of_weights(now) == sum_of_weights(local)
    for pinned in (f"{REPO}@{first}", f"{REPO}@try/it"):
        assert sum_of_weights(reenact.load(pinned)) == sum_of_weights(at_first)
    digest = hashlib.sha256((newer / "model.safetensors").read_bytes()).hexdigest()
    assert local.weights == WeightsInfo(folder=newer, sha256=digest)
    assert now.weights == dataclasses.replace(local.weights, folder=now.weights.folder, repository=REPO, commit=commit)
    assert str(now.weights) == f"{REPO}@{commit[:8]} (sha256 {digest[:12]})"
    assert (at_first.weights.revision, at_first.weights.commit) == ("v1", first)
    with pytest.raises(CheckpointError, match="revision v9.: no such revision on the Hub"):
        reenact.load(REPO, revision="v9")


def test_local_weights_have_no_revisions(shared_part: pathlib.Path) -> None:
    for name in (shared_part, str(shared_part), "correspondence"):
        with pytest.raises(ConfigError, match="is a local folder and has no revision 'v1'; give owner/name"):
            reenact.load(name, revision="v1")


def test_a_private_repository_needs_a_token(hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.put(REPO, files_of(shared_part), private=True)
    hub.token(None)
    with pytest.raises(CheckpointError, match="or it is private and needs a token with read access"):
        resolve(REPO)
    hub.token("hf_wrong")
    with pytest.raises(CheckpointError, match="the token in HF_TOKEN or of `hf auth login` is not valid"):
        resolve(REPO)
    hub.token("hf_read")
    assert is_whole(resolve(REPO))


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
def test_foreign_repositories_are_recognised_by_their_config(files: dict[str, bytes], text: str, hub: Client) -> None:
    hub.server.put("your-name/other", files)
    with pytest.raises(CheckpointError, match=text):
        reenact.load("your-name/other")
    weights = hub.server.asked("(GET|HEAD) .*(model.safetensors|[.]bin)")
    assert weights == 0 or "whole safetensors" in text


def test_a_broken_download_leaves_no_incomplete_file(hub: Client, published: str) -> None:
    hub.server.faults = [Fault("GET .*/model.safetensors", times=99, cut_after=0)]
    with pytest.raises(CheckpointError, match="could not be downloaded: .*run it again, no incomplete file was kept"):
        resolve(REPO)
    assert [path.name for path in hub.home.rglob("*.incomplete")] == []
    hub.offline()
    with pytest.raises(CheckpointError, match="small .*is not complete in the local cache, and the Hub cannot be"):
        resolve(REPO)
    hub.offline(False)
    hub.server.faults = [Fault("GET .*/model.safetensors", cut_after=5000)]
    assert is_whole(resolve(REPO))


@pytest.mark.parametrize("request_", ["GET /api/models/[^/]*/[^/]*/revision", "GET .*/tree/", "HEAD .*/config.json"])
def test_waits_while_the_hub_is_busy(request_: str, hub: Client, published: str) -> None:
    hub.server.faults = [Fault(request_, times=2, status=429, headers={"Retry-After": "7"})]
    assert is_whole(resolve(REPO))
    assert set(hub.pauses_s) in ({7}, {7, 8}, {8})  # the client itself adds one


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


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"status": 503}, "could not be downloaded: the Hub answers 503"),
        ({"cut_after": 0}, "could not be downloaded: peer closed connection.*run it again"),
        ({"status": 403, "headers": {"X-Error-Code": "GatedRepo"}}, "is gated; accept its terms on the Hub and run"),
        ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, "No repository your-name/small on the Hub, or"),
    ],
)
def test_refusals_are_one_line(fault: dict[str, Any], text: str, hub: Client, published: str) -> None:
    hub.server.faults = [Fault("GET /api/models/", times=99, **fault)]
    with pytest.raises(CheckpointError, match=text) as caught:
        resolve(REPO)
    assert "\n" not in str(caught.value)


def test_errors_of_the_xet_library_carry_their_status() -> None:
    """It raises a RuntimeError with the status in its text."""
    with (
        pytest.raises(CheckpointError, match="No repository a/b on the Hub, or it is private"),
        remote.explained_read("a/b", "a/b"),
    ):
        raise RuntimeError("Request failed: HTTP status client error (403 Forbidden) for url (https://x)")


def test_offline_the_cache_is_read(hub: Client, published: str) -> None:
    hub.offline()
    with pytest.raises(CheckpointError, match="in the local cache, and the Hub cannot be reached.*hf download"):
        resolve(REPO)
    hub.offline(False)
    online = resolve(REPO)
    asked = len(hub.server.requests)
    hub.offline()
    assert resolve(REPO) == resolve(f"{REPO}@{published}") == online
    assert len(hub.server.requests) == asked
    hub.offline(False)
    hub.patch.setattr(huggingface_hub.constants, "ENDPOINT", "http://localhost:9")
    assert resolve(REPO) == online
    with pytest.raises(CheckpointError, match=r"your-name/none is not complete in .*http://localhost:9"):
        resolve("your-name/none")


def test_download_into_a_folder(hub: Client, published: str, tmp_path: pathlib.Path) -> None:
    folder = names.download(REPO, None, tmp_path / "here")
    assert folder == tmp_path / "here"
    assert is_whole(folder)
    asked = hub.server.asked("GET .*/model.safetensors")
    assert names.download(REPO, None, folder) == folder
    assert hub.server.asked("GET .*/model.safetensors") == asked
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
        ("perception-tracker", "someone", ("someone/reenact-perception-tracker", None)),
        ("perception/tracker", "someone", ("someone/reenact-perception-tracker", None)),
        ("dual_generator", "someone", ("someone/reenact-dual-generator", None)),
        ("correspondence", None, "Whose correspondence. Name the owner of NAME/reenact-correspondence"),
        ("something", "someone", "'something' is no published name.*perception-tracker"),
        ("someone/thing", "someone", "is no published name"),
        ("someone/thing@", None, "is no published name"),
    ],
)
def test_published_names(name: str, owner: str | None, expected: tuple[str, str | None] | str) -> None:
    if isinstance(expected, tuple):
        assert names.repository(name, owner) == expected
        return
    with pytest.raises(ConfigError, match=expected):
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
