"""Everything trained in one command: repositories, a collection, and what happens when one of them fails."""

import json
import pathlib
import shutil

import pytest

from reenact.errors import ConfigError, OutputError
from reenact.hub.publish import TITLE, Published, plan, publish
from reenact.hub.push import pack
from tests.hub_client import Client, write_part
from tests.hub_server import Fault

NAMES = ("correspondence", "facegan/landmarks", "geometry", "perception/tracker")
REPOS = [
    f"your-name/reenact-{name}" for name in ("correspondence", "facegan-landmarks", "geometry", "perception-tracker")
]


@pytest.fixture
def checkpoints(tmp_path: pathlib.Path, shared_system: pathlib.Path) -> pathlib.Path:
    """A folder of four: a system, a part of a system that this program cannot load yet, a face model, a stranger."""
    root = tmp_path / "checkpoints"
    shutil.copytree(shared_system, root / "correspondence")
    for name in NAMES[1:]:
        write_part(root / name, model="part_of_" + name.replace("/", "_"))
    return root


def run(owner: str, root: pathlib.Path, *, private: bool = False, title: str = TITLE) -> Published:
    return publish(plan(owner, root), owner, private=private, title=title)


def test_one_repository_each_and_a_collection_of_all(hub: Client, checkpoints: pathlib.Path) -> None:
    done = run("your-name", checkpoints)
    assert [one.repo for one in done.pushed] == REPOS == list(hub.server.hub.repos)
    assert done.failed == {}
    assert plan("your-name", checkpoints).absent == ("dual_generator",)
    [collection] = hub.server.hub.collections.values()
    assert (collection["title"], collection["private"]) == (TITLE, False)
    assert [item["id"] for item in collection["items"]] == REPOS
    assert done.collection_url == f"{hub.server.endpoint}/collections/{collection['slug']}"


def test_again_means_up_to_date_and_nothing_twice(hub: Client, checkpoints: pathlib.Path) -> None:
    run("your-name", checkpoints)
    config = json.loads((checkpoints / "geometry" / "config.json").read_text())
    (checkpoints / "geometry" / "config.json").write_text(json.dumps(config | {"training": {"steps": 9}}))
    again = run("your-name", checkpoints)
    assert [one.repo for one in again.pushed if one.changed] == ["your-name/reenact-geometry"]
    assert [len(repo.titles) for repo in hub.server.hub.repos.values()] == [2, 2, 3, 2]
    [collection] = hub.server.hub.collections.values()
    assert len(collection["items"]) == 4


def test_one_that_fails_does_not_stop_the_others(hub: Client, checkpoints: pathlib.Path) -> None:
    (checkpoints / "geometry" / "README.md").unlink()
    hub.server.faults = [Fault("POST .*/reenact-facegan-landmarks/commit/", status=500)]
    done = run("your-name", checkpoints)
    assert [one.repo for one in done.pushed] == [REPOS[0], REPOS[3]]
    assert set(done.failed) == {REPOS[1], REPOS[2]}
    assert "answers 500" in done.failed[REPOS[1]]
    assert "has no README.md" in done.failed[REPOS[2]]
    [collection] = hub.server.hub.collections.values()
    assert [item["id"] for item in collection["items"]] == [REPOS[0], REPOS[3]]


def test_a_collection_that_fails_is_said(hub: Client, checkpoints: pathlib.Path) -> None:
    hub.server.faults = [Fault("POST /api/collections", times=99, status=403)]
    done = run("your-name", checkpoints)
    assert (len(done.pushed), done.collection_url) == (4, None)
    assert list(done.failed) == [f"collection {TITLE!r}"]
    assert "no write access to your-name" in done.failed[f"collection {TITLE!r}"]


def test_an_organisation_in_private(hub: Client, checkpoints: pathlib.Path) -> None:
    done = run("your-team", checkpoints, private=True, title="Faces")
    assert len(done.pushed) == 4
    assert all(repo.private for repo in hub.server.hub.repos.values())
    [collection] = hub.server.hub.collections.values()
    assert (collection["title"], collection["owner"]["name"], collection["private"]) == ("Faces", "your-team", True)


@pytest.mark.parametrize(("token", "text"), [(None, "no token of the Hub"), ("hf_read", "may only read")])
def test_without_a_token_that_can_write_nothing_is_tried(
    token: str | None, text: str, hub: Client, checkpoints: pathlib.Path
) -> None:
    hub.token(token)
    with pytest.raises(OutputError, match=text):
        run("your-name", checkpoints)
    assert hub.server.hub.repos == {}


def test_nothing_to_publish_and_titles_that_are_none(
    hub: Client, checkpoints: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="No checkpoints in"):
        plan("your-name", tmp_path / "empty")
    with pytest.raises(ConfigError, match="is no name of a repository"):
        plan("your name", checkpoints)
    with pytest.raises(ConfigError, match="a title has 1 to 59"):
        publish(plan("your-name", checkpoints), "your-name", title="x" * 60)


def test_all_that_comes_with_the_project_is_fit_to_be_published() -> None:
    planned = plan("your-name")
    assert planned.unfit == {}
    for parcel in planned.parcels:
        assert "model-index" in parcel.card
        assert "[More Information Needed]" not in parcel.card


def test_parts_are_packed_without_being_loaded(checkpoints: pathlib.Path) -> None:
    parcel = pack(checkpoints / "facegan" / "landmarks", REPOS[1])
    assert "read_checkpoint(resolve(" in parcel.card
    assert "reenact video" not in parcel.card
