"""Uploads with the real client: one checkpoint, all checkpoints, and the page as a Space."""

import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import huggingface_hub
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import reenact
from reenact.errors import CheckpointError, ConfigError, OutputError
from reenact.hub.push import COLLECTION, Pushed, prepare_all, prepare_checkpoint, prepare_space, push, send, send_all
from tests.file_server import Fault
from tests.hub_client import Client, write_part

REPO = "your-name/small"


@pytest.fixture
def system(shared_system: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A checkpoint that a test may spoil."""
    return pathlib.Path(shutil.copytree(shared_system, tmp_path / "small"))


def test_a_pushed_checkpoint_loads_again(hub: Client, shared_system: pathlib.Path) -> None:
    done = push(shared_system, REPO, message="First weights")
    assert (done.changed, done.notes) == (True, ())
    assert done.url == f"{hub.server.endpoint}/{REPO}"
    repo = hub.server.repos[REPO]
    assert repo.branches["main"] == done.commit
    assert repo.titles == ["initial commit", "First weights"]
    assert set(hub.server.files(REPO)) == {".gitattributes", "config.json", "model.safetensors", "README.md"}
    hub.token(None)
    loaded, local = reenact.load(REPO), reenact.load(shared_system)
    for one, other in zip(loaded.networks.parameters(), local.networks.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_card_is_completed_for_the_hub(hub: Client, system: pathlib.Path) -> None:
    (system / "pictures").mkdir()
    Image.new("RGB", (4, 4)).save(system / "pictures" / "result.png")
    with (system / "README.md").open("a") as card:
        card.write("\n![Result](pictures/result.png) ![Web](https://example.org/a.png)\n")
    push(system, REPO)
    files = hub.server.files(REPO)
    assert files["pictures/result.png"] == (system / "pictures" / "result.png").read_bytes()
    card = huggingface_hub.ModelCard(files["README.md"].decode())
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "reenact", "image-to-video")
    assert [(result.metric_type, result.metric_value) for result in data.eval_results or []] == [("psnr", 25.5)]
    assert f"--checkpoint {REPO}" in card.text
    assert card.text.index("## Load it") < card.text.index("## Figures")
    assert files["config.json"] == (system / "config.json").read_bytes()


def test_a_second_push_changes_nothing(hub: Client, shared_part: pathlib.Path) -> None:
    first = push(shared_part, REPO)
    again = push(shared_part, REPO)
    assert (again.commit, again.changed) == (first.commit, False)
    assert len(hub.server.repos[REPO].titles) == 2


def test_a_branch_is_created_and_main_left_alone(hub: Client, shared_part: pathlib.Path) -> None:
    done = push(shared_part, REPO, revision="better")
    assert done.url.endswith(f"{REPO}/tree/better")
    assert "model.safetensors" in hub.server.files(REPO, "better")
    assert "model.safetensors" not in hub.server.files(REPO)
    assert push(shared_part, REPO, revision="better").changed is False
    with pytest.raises(ConfigError, match="is a commit, which cannot change"):
        push(shared_part, REPO, revision=done.commit)


def test_private_means_private(hub: Client, shared_part: pathlib.Path) -> None:
    push(shared_part, REPO, private=True)
    assert hub.server.repos[REPO].private
    before = hub.server.put("your-name/open", {})
    with pytest.raises(OutputError, match="exists and is public, so nothing was uploaded"):
        push(shared_part, "your-name/open", private=True)
    assert hub.server.repos["your-name/open"].branches["main"] == before


def _drop_a_weight(folder: pathlib.Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, folder / "model.safetensors")


def _write_card(text: str) -> Callable[[pathlib.Path], None]:
    return lambda folder: (folder / "README.md").write_text(text) and None


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "README.md").unlink(), "has no README.md .the model card.; `reenact card"),
        (_drop_a_weight, "1 missing"),
        (_write_card("# No metadata\n"), "has no metadata"),
        (_write_card("---\ntags: [a]\n---\n# x\n"), "names no licence"),
        (_write_card("---\nlicense: [\n---\n# x\n"), "not valid YAML"),
        (_write_card("---\n- a\n---\n# x\n"), "not a list of `name: value` lines"),
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
    with pytest.raises(ConfigError, match="is no repository name"):
        push(shared_part, repo)
    assert hub.server.requests == []


@pytest.mark.parametrize(
    ("token", "owner", "text"),
    [
        (None, "your-name", "there is no token of the Hub; make one with write scope.*`hf auth login` or set HF_TOKEN"),
        ("hf_wrong", "your-name", "the Hub does not accept the token.*write scope.*`hf auth login`"),
        ("hf_read", "your-name", "The token of your-name can only read; make one with write scope"),
        ("hf_write", "someone-else", "no write access to someone-else; use one with write scope"),
    ],
)
def test_tokens_that_cannot_write(
    token: str | None, owner: str, text: str, hub: Client, shared_part: pathlib.Path
) -> None:
    hub.token(token)
    with pytest.raises(OutputError, match=text) as caught:
        push(shared_part, f"{owner}/small")
    assert "\n" not in str(caught.value)
    if token != "hf_write":
        with pytest.raises(OutputError, match=text):
            send_all([prepare_checkpoint(shared_part, f"{owner}/small")], owner)
    assert hub.server.repos == {}
    hub.server.put("someone-else/small", {})
    with pytest.raises(OutputError):
        push(shared_part, "someone-else/small")


def test_a_broken_upload_is_repaired_by_a_second_push(hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [Fault("POST .*/commit/", cut_after=0)]
    with pytest.raises(OutputError, match="small could not be written: the connection to .* broke .*run it again"):
        push(shared_part, REPO)
    assert hub.server.repos[REPO].titles == ["initial commit"]
    assert push(shared_part, REPO).changed


@pytest.mark.parametrize(
    "request_", ["GET /api/whoami", "POST /api/repos/create", "POST .*/commit/", "GET /api/models"]
)
def test_waits_while_the_hub_is_busy(request_: str, hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [Fault(request_, times=2, status=429, headers={"Retry-After": "7"})]
    assert push(shared_part, REPO).changed
    assert hub.pauses_s == [7.0, 7.0]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            Fault("POST .*/commit/", times=99, status=429, headers={"Retry-After": "50"}),
            r"answers 429 \(too many requests\) and asks to wait 50 s; try again later",
        ),
        (Fault("POST .*/commit/", status=503), "the Hub answers 503 .asked for by the test.; try again later"),
        (Fault("POST .*/commit/", status=412), "somebody else changed it at the same time"),
        (Fault("POST .*/preupload/", status=403), "no write access to your-name"),
        (Fault("POST .*/validate-yaml", status=400), "Invalid metadata in README.md"),
    ],
)
def test_refusals_are_one_line(fault: Fault, text: str, hub: Client, shared_part: pathlib.Path) -> None:
    hub.server.faults = [fault]
    with pytest.raises(OutputError, match=text) as caught:
        push(shared_part, REPO)
    assert "\n" not in str(caught.value)


def test_without_a_network(hub: Client, shared_part: pathlib.Path) -> None:
    hub.offline()
    with pytest.raises(OutputError, match="HF_HUB_OFFLINE is set; unset it"):
        push(shared_part, REPO)
    hub.offline(False)
    hub.patch.setattr(huggingface_hub.constants, "ENDPOINT", "http://localhost:9")
    with pytest.raises(OutputError, match="the connection to http://localhost:9 broke"):
        push(shared_part, REPO)


NAMES = ("correspondence", "facegan/landmarks", "geometry", "perception/tracker")
REPOS = [f"your-name/reenact-{name.replace('/', '-')}" for name in NAMES]


@pytest.fixture
def checkpoints(tmp_path: pathlib.Path, shared_system: pathlib.Path) -> pathlib.Path:
    """A folder of four: a system, and three of unknown models."""
    root = tmp_path / "checkpoints"
    shutil.copytree(shared_system, root / "correspondence")
    for name in NAMES[1:]:
        write_part(root / name, model="part_of_" + name.replace("/", "_"))
    return root


def publish(
    owner: str, root: pathlib.Path, *, private: bool = False, title: str = COLLECTION
) -> tuple[list[Pushed], str | None, dict[str, str]]:
    pushed: list[Pushed] = []
    uploads, failed = prepare_all(owner, root)
    address, refused = send_all(uploads, owner, private=private, title=title, done=pushed.append)
    return pushed, address, failed | refused


def test_publish_all_and_again(hub: Client, checkpoints: pathlib.Path) -> None:
    pushed, address, failed = publish("your-name", checkpoints)
    assert [one.repo for one in pushed] == REPOS == list(hub.server.repos)
    assert failed == {}
    [collection] = hub.server.collections.values()
    assert (collection["title"], collection["private"]) == (COLLECTION, False)
    assert [item["id"] for item in collection["items"]] == REPOS
    assert address == f"{hub.server.endpoint}/collections/{collection['slug']}"
    config = json.loads((checkpoints / "geometry" / "config.json").read_text())
    (checkpoints / "geometry" / "config.json").write_text(json.dumps(config | {"training": {"steps": 9}}))
    pushed, _, failed = publish("your-name", checkpoints)
    assert failed == {}
    assert [one.repo for one in pushed if one.changed] == ["your-name/reenact-geometry"]
    assert [len(repo.titles) for repo in hub.server.repos.values()] == [2, 2, 3, 2]
    [collection] = hub.server.collections.values()
    assert len(collection["items"]) == 4


def test_one_failure_does_not_stop_the_others(hub: Client, checkpoints: pathlib.Path) -> None:
    (checkpoints / "geometry" / "README.md").unlink()
    hub.server.faults = [Fault("POST .*/reenact-facegan-landmarks/commit/", status=500)]
    pushed, _, failed = publish("your-name", checkpoints)
    assert [one.repo for one in pushed] == [REPOS[0], REPOS[3]]
    assert set(failed) == {REPOS[1], REPOS[2]}
    assert "answers 500" in failed[REPOS[1]]
    assert "has no README.md" in failed[REPOS[2]]
    [collection] = hub.server.collections.values()
    assert [item["id"] for item in collection["items"]] == [REPOS[0], REPOS[3]]
    hub.server.faults = [Fault("POST /api/collections", times=99, status=403)]
    pushed, address, failed = publish("your-name", checkpoints, title="Other")
    assert (len(pushed), address) == (3, None)
    assert "no write access to your-name" in failed["collection 'Other'"]


def test_an_organisation_in_private(hub: Client, checkpoints: pathlib.Path) -> None:
    pushed, _, _ = publish("your-team", checkpoints, private=True, title="Faces")
    assert len(pushed) == 4
    assert all(repo.private for repo in hub.server.repos.values())
    [collection] = hub.server.collections.values()
    assert (collection["title"], collection["owner"]["name"], collection["private"]) == ("Faces", "your-team", True)


def test_all_embedded_weights_are_fit_to_be_published() -> None:
    uploads, failed = prepare_all("your-name")
    assert failed == {}
    for upload in uploads:
        measured = "validation" in json.loads((upload.folder / "config.json").read_text())["training"]
        assert ("model-index" in upload.card) == measured
        assert "[More Information Needed]" not in upload.card


@pytest.fixture
def clone(tmp_path: pathlib.Path) -> pathlib.Path:
    """A small clone of a page."""
    root = tmp_path / "clone"
    files = {
        "README.md": "---\ntitle: Faces\nsdk: gradio\napp_file: app.py\nlicense: mit\n---\n\n# Faces\n",
        "app.py": "",
        "requirements.txt": "gradio\n",
        "reenact/page.py": "a = 1\n",
        "reenact/old.py": "",
        "checkpoints/a/model.safetensors": "weights",
        "train/run.py": "",
        ".gitignore": "*.pt\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    commit(root)
    return root


def git(root: pathlib.Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *words], cwd=root, check=True)


def commit(root: pathlib.Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")


def test_a_space_gets_what_git_tracks_of_the_page(hub: Client, clone: pathlib.Path) -> None:
    (clone / "reenact" / "cache.pt").write_text("ignored by git")
    (clone / "train" / "new.py").write_text("of no concern to the page")
    done = send(prepare_space("your-name/faces", clone))
    assert done.url == f"{hub.server.endpoint}/spaces/your-name/faces"
    repo = hub.server.repos["your-name/faces"]
    assert (repo.kind, repo.sdk) == ("space", "gradio")
    page = {"README.md", "app.py", "requirements.txt", "reenact/page.py", "checkpoints/a/model.safetensors"}
    assert set(hub.server.files("your-name/faces")) == page | {".gitattributes", "reenact/old.py"}
    (clone / "reenact" / "old.py").unlink()
    commit(clone)
    assert send(prepare_space("your-name/faces", clone), private=False).changed
    assert set(hub.server.files("your-name/faces")) == page | {".gitattributes"}


def test_a_space_gets_nothing_that_is_not_committed(clone: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (clone / "reenact" / "someone.jpg").write_text("a face")
    (clone / "app.py").write_text("changed")
    with pytest.raises(ConfigError, match=r"Not committed: .*app.py, reenact/someone.jpg; commit or remove them"):
        prepare_space("your-name/faces", clone)
    (clone / "README.md").write_text("---\nsdk: docker\n---\n\nText\n")
    commit(clone)
    with pytest.raises(ConfigError, match="must say `sdk: gradio` and name the page's file as `app_file`"):
        prepare_space("your-name/faces", clone)
    shutil.rmtree(clone / ".git")
    with pytest.raises(ConfigError, match="is not a git clone"):
        prepare_space("your-name/faces", clone)
    with pytest.raises(ConfigError, match="has no app.py; a Space is published from a clone"):
        prepare_space("your-name/faces", tmp_path)
