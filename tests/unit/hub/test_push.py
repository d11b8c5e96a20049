"""From a folder to the Hub, by the real client and a real server: what is checked, sent and said."""

import json
import pathlib
import shutil
from collections.abc import Callable

import huggingface_hub
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import reenact
from reenact.errors import CheckpointError, ConfigError, OutputError
from reenact.hub.push import push
from tests.hub_client import Client, files_of
from tests.hub_server import Fault

REPO = "your-name/small"


@pytest.fixture
def system(shared_system: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A checkpoint that a test may spoil."""
    return pathlib.Path(shutil.copytree(shared_system, tmp_path / "small"))


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_what_is_pushed_is_loaded_again(way: str, hub: Client, shared_system: pathlib.Path) -> None:
    if way == "lfs":
        hub.without_xet()
    done = push(shared_system, REPO, message="First weights")
    assert (done.changed, done.notes) == (True, ())
    assert done.url == f"{hub.server.endpoint}/{REPO}"
    repo = hub.server.hub.repos[REPO]
    assert repo.branches["main"] == done.commit
    assert repo.titles == ["initial commit", "First weights"]  # one commit with all of it
    assert set(hub.server.files(REPO)) == {".gitattributes", "config.json", "model.safetensors", "README.md"}
    assert bool(hub.server.xet.files) == (way == "xet")
    hub.token(None)
    loaded, local = reenact.load(REPO), reenact.load(shared_system)
    for one, other in zip(loaded.networks.parameters(), local.networks.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_card_is_completed_and_understood_by_the_hub(hub: Client, system: pathlib.Path) -> None:
    (system / "pictures").mkdir()
    Image.new("RGB", (4, 4)).save(system / "pictures" / "result.png")
    with (system / "README.md").open("a") as card:
        card.write("\n![Result](pictures/result.png) ![Web](https://example.org/a.png)\n")
    push(system, REPO)
    files = hub.server.files(REPO)
    assert files["pictures/result.png"].content == (system / "pictures" / "result.png").read_bytes()
    card = huggingface_hub.ModelCard(files["README.md"].content.decode())
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == (
        "apache-2.0",
        "reenact",
        "image-to-video",
    )
    assert [(result.metric_type, result.metric_value) for result in card.data.eval_results or []] == [("psnr", 25.5)]
    assert f"--checkpoint {REPO}" in card.text
    assert card.text.index("## Load it") < card.text.index("## Figures")
    assert "[More Information Needed]" not in card.text
    assert files["config.json"].content == (system / "config.json").read_bytes()


def test_pushed_again_nothing_changes(hub: Client, shared_part: pathlib.Path) -> None:
    first = push(shared_part, REPO)
    again = push(shared_part, REPO)
    assert (again.commit, again.changed) == (first.commit, False)
    assert len(hub.server.hub.repos[REPO].titles) == 2


def test_a_branch_is_made_and_main_left_alone(hub: Client, shared_part: pathlib.Path) -> None:
    done = push(shared_part, REPO, revision="better")
    assert done.url.endswith(f"{REPO}/tree/better")
    assert "model.safetensors" in hub.server.files(REPO, "better")
    assert "model.safetensors" not in hub.server.files(REPO)
    assert push(shared_part, REPO, revision="better").changed is False
    with pytest.raises(ConfigError, match="is a commit, which cannot change"):
        push(shared_part, REPO, revision=done.commit)


def test_private_means_private(hub: Client, shared_part: pathlib.Path) -> None:
    push(shared_part, REPO, private=True)
    assert hub.server.hub.repos[REPO].private
    hub.server.put("your-name/open", {})
    before = hub.server.hub.repos["your-name/open"].branches["main"]
    with pytest.raises(OutputError, match="exists and is public, so that nothing was uploaded"):
        push(shared_part, "your-name/open", private=True)
    assert hub.server.hub.repos["your-name/open"].branches["main"] == before


def _spoil_weights(folder: pathlib.Path) -> None:
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, folder / "model.safetensors")


def _drop_a_weight(folder: pathlib.Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, folder / "model.safetensors")


def _newer(folder: pathlib.Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format_version": 9}))


def _write_card(text: str) -> Callable[[pathlib.Path], None]:
    return lambda folder: (folder / "README.md").write_text(text) and None


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda folder: (folder / "README.md").unlink(), "has no README.md .the model card.; `reenact card"),
        (_spoil_weights, "NaN or infinite weights"),
        (_drop_a_weight, "1 missing"),
        (_newer, "format_version 9"),
        (_write_card("# No metadata\n"), "has no metadata"),
        (_write_card("---\ntags: [a]\n---\n# x\n"), "names no licence"),
        (_write_card("---\nlicense: [\n---\n# x\n"), "not valid YAML"),
        (_write_card("---\n- a\n---\n# x\n"), "no list of `name: value` lines"),
        (_write_card("---\nlicense: mit\nlibrary_name: diffusers\n---\n# x\n"), "library_name: diffusers"),
        (_write_card("---\nlicense: mit\n---\n[More Information Needed]\n"), r"still says \[More Information Needed\]"),
        (_write_card("---\nlicense: mit\n---\n"), "has no text"),
        (_write_card("---\nlicense: mit\n---\n![x](a.png)\n"), "shows a.png, which is no picture in that folder"),
        (_write_card("---\nlicense: mit\n---\n<img src='../a.png'>\n"), "shows ../a.png"),
    ],
)
def test_nothing_is_uploaded_if_anything_is_wrong(
    spoil: Callable[[pathlib.Path], None], text: str, hub: Client, system: pathlib.Path
) -> None:
    spoil(system)
    with pytest.raises(CheckpointError, match=text):
        push(system, REPO)
    assert hub.server.requests == []


@pytest.mark.parametrize("repo", ["small", "your name/small", "your-name/a--b", "a/b/c", "your-name/" + "x" * 100])
def test_names_that_the_hub_would_refuse(repo: str, hub: Client, shared_part: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="is no name of a repository"):
        push(shared_part, repo)
    assert hub.server.requests == []


@pytest.mark.parametrize(
    ("token", "repo", "text"),
    [
        (None, REPO, "no token of the Hub is known here; make one with write scope.*`hf auth login` or set HF_TOKEN"),
        ("hf_wrong", REPO, "the Hub does not accept the token.*write scope.*`hf auth login`"),
        ("hf_read", REPO, "The token of your-name may only read; make one with write scope"),
        ("hf_write", "someone-else/small", "no write access to someone-else; use one with write scope"),
    ],
)
def test_tokens_that_do_not_do(token: str | None, repo: str, text: str, hub: Client, shared_part: pathlib.Path) -> None:
    hub.token(token)
    with pytest.raises(OutputError, match=text) as caught:
        push(shared_part, repo)
    assert "\n" not in str(caught.value)
    assert hub.server.hub.repos == {}


def test_no_write_access_to_a_repository_that_is_there(hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.put("someone-else/small", {})
    with pytest.raises(OutputError, match="no write access to someone-else"):
        push(shared_part, "someone-else/small")


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_connection_cut_during_the_upload_is_tried_again(way: str, hub: Client, shared_part: pathlib.Path) -> None:
    if way == "lfs":
        hub.without_xet()
    upload = "POST /storage/cas/v1/xorbs" if way == "xet" else "PUT /storage/lfs"
    hub.server.faults = [Fault(upload, times=1, cut_after=0)]
    assert push(shared_part, REPO).changed
    assert hub.server.asked(upload) == 2


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_connection_that_stays_cut_leaves_no_commit(way: str, hub: Client, shared_part: pathlib.Path) -> None:
    if way == "lfs":
        hub.without_xet()
    hub.server.faults = [Fault("/storage/(cas/v1/xorbs|lfs)", times=99, cut_after=0)]
    with pytest.raises(OutputError, match="small could not be written: the connection to .* broke .*run it again"):
        push(shared_part, REPO)
    assert hub.server.hub.repos[REPO].titles == ["initial commit"]
    hub.server.faults = []
    assert push(shared_part, REPO).changed


def test_a_commit_that_broke_is_mended_by_running_again(hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [Fault("POST .*/commit/", cut_after=0)]
    with pytest.raises(OutputError, match="what has arrived is not sent twice"):
        push(shared_part, REPO)
    assert push(shared_part, REPO).changed
    assert hub.server.asked("POST /storage/cas/v1/xorbs") == 1


@pytest.mark.parametrize(
    "request_", ["GET /api/whoami", "POST /api/repos/create", "POST .*/commit/", "GET /api/models"]
)
def test_too_many_requests_are_waited_for(request_: str, hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [Fault(request_, times=2, status=429, headers={"Retry-After": "7"})]
    assert push(shared_part, REPO).changed
    assert hub.pauses_s == [7.0, 7.0]


def test_waiting_has_an_end(hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [Fault("POST .*/commit/", times=99, status=429, headers={"Retry-After": "50"})]
    with pytest.raises(OutputError, match=r"answers 429 \(too many requests\) and wants 50 s of rest; try again later"):
        push(shared_part, REPO)
    assert hub.pauses_s == [50.0, 50.0]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("POST .*/commit/", status=503), "the Hub answers 503 .asked for by the test.; try again later"),
        (Fault("POST .*/commit/", status=412), "somebody else changed it at the same time"),
        (Fault("GET .*/xet-write-token/", times=9, status=403), "no write access to your-name"),
        (Fault("POST .*/validate-yaml", status=400), "Invalid metadata in README.md"),
    ],
)
def test_other_refusals_are_one_line(fault: Fault, text: str, hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [fault]
    with pytest.raises(OutputError, match=text) as caught:
        push(shared_part, REPO)
    assert "\n" not in str(caught.value)


def test_offline_is_said(hub: Client, shared_part: pathlib.Path) -> None:
    hub.offline()
    with pytest.raises(OutputError, match="HF_HUB_OFFLINE is set; unset it"):
        push(shared_part, REPO)


def test_the_hub_out_of_reach_is_said(hub: Client, shared_part: pathlib.Path) -> None:
    hub.patch.setattr(huggingface_hub.constants, "ENDPOINT", "http://localhost:9")
    with pytest.raises(OutputError, match="the connection to http://localhost:9 broke"):
        push(shared_part, REPO)


def test_files_of_a_pushed_checkpoint_are_those_of_the_folder(hub: Client, shared_part: pathlib.Path) -> None:
    push(shared_part, REPO)
    there, here = hub.server.files(REPO), files_of(shared_part)
    assert there["model.safetensors"].content == here["model.safetensors"]
    assert there["model.safetensors"].large
