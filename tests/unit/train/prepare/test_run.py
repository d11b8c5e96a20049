"""Whole runs in this process, on short clips, with the embedded networks."""

import csv
import dataclasses
import errno
import fcntl
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

from reenact.errors import NoFaceFoundError, OutputError
from reenact.media import kind_of
from tests.unit.train.prepare.conftest import ACTOR, PORTRAIT, swaying, write_clip
from train.data.shards import decode_arrays, read_index, read_shard
from train.prepare import PreparedFacts, PrepareProgress, PrepareSettings, prepare, work

pytestmark = pytest.mark.usefixtures("loaded_once")


@pytest.fixture(scope="session")
def loaded_once(labeller: Any) -> Iterator[None]:
    """All runs use the networks of the session."""
    patch = pytest.MonkeyPatch()
    patch.setattr(work, "Labeller", lambda *_: labeller)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory, loaded_once: None) -> pathlib.Path:
    """Two people, one of them in a clip and a picture, and files that cannot be used."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "deep").mkdir()
    write_clip(folder / "deep" / "sway.mp4", swaying(24))
    shutil.copy(ACTOR, folder / "actor.mp4")
    shutil.copy(PORTRAIT, folder / "portrait.jpg")
    write_clip(folder / "wall.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 10)
    write_clip(folder / "one.mp4", swaying(1))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mov").write_text("no clip")
    return folder


@pytest.fixture(scope="session")
def made(material: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PrepareSettings, PreparedFacts]:
    """A finished run; tests do not change it."""
    settings = PrepareSettings(videos=material, out=tmp_path_factory.mktemp("made") / "set", workers=0)
    return settings, prepare(settings)


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """Files outside the work folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    relative = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path.read_bytes() for name, path in relative.items() if not name.startswith("work/")}


@pytest.fixture
def copied(made: tuple[PrepareSettings, PreparedFacts], tmp_path: pathlib.Path) -> PrepareSettings:
    """A copy of the finished run that a test may change."""
    shutil.copytree(made[0].out, tmp_path / "set")
    return dataclasses.replace(made[0], out=tmp_path / "set")


def test_a_set_is_made(made: tuple[PrepareSettings, PreparedFacts]) -> None:
    settings, facts = made
    assert (facts.people, facts.clips, facts.stills, facts.frames) == (2, 2, 1, 12 + 25)
    assert facts.people_of_split == {"train": 1, "val": 1, "test": 0}
    assert facts.rejected == {"unreadable": 2, "no face": 1, "short": 1}
    index = read_index(settings.out)
    assert index.people == 2
    assert index.settings["fps"] == "25/2"
    assert [(shard.split, shard.clips, shard.stills) for shard in index.shards] == [("train", 1, 0), ("val", 1, 1)]
    people = {}
    for shard in index.shards:
        for sample in read_shard(settings.out / shard.file):
            facts_of = sample.facts
            people.setdefault(facts_of["person"], set()).add((shard.split, facts_of["origin"]))
            arrays = decode_arrays(sample.files["npz"])
            assert set(sample.files) == {"json", "npz", "mp4" if sample.is_clip else "png"}
            assert "mean_embedding" not in facts_of
            if sample.is_clip:
                assert len(arrays["score"]) == facts_of["frames"]
                assert facts_of["fps"] == "25/2"
    assert people == {
        "p0001": {("train", "actor.mp4")},
        "p0002": {("val", "deep/sway.mp4"), ("val", "portrait.jpg")},
    }


def test_files_beside_the_shards(made: tuple[PrepareSettings, PreparedFacts]) -> None:
    settings, _ = made
    with (settings.out / "rejected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["origin"], row["reason"]) for row in rows] == [
        ("empty.mp4", "unreadable"),
        ("one.mp4", "short"),
        ("text.mov", "unreadable"),
        ("wall.mp4", "no face"),
    ]
    assert rows[0]["detail"].startswith("empty.mp4 is empty (0 bytes)")
    assert rows[1]["detail"] == "1 frames, need 8"
    saved = json.loads((settings.out / "report" / "facts.json").read_text())
    assert saved["clips"] == 2
    assert "seconds" not in saved
    page = (settings.out / "report.html").read_text()
    for text in ("deep/sway.mp4, 0:00.0; 12 frames", "p0002", "test is empty", "empty.mp4 is empty", "short"):
        assert text in page
    named = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert len(named) == 4
    assert all((settings.out / name).is_file() for name in named)
    assert str(settings.videos) not in page
    assert "http" not in page


def test_training_reads_it(made: tuple[PrepareSettings, PreparedFacts], tmp_path: pathlib.Path) -> None:
    from train.data.faces import load_faces

    data = load_faces(made[0].out, "val", tmp_path / "cache")
    assert len(data) == 13
    assert data.has_parsing.sum() == 7
    assert np.abs(data.yaw_deg).max() < 15


def test_a_finished_run_does_nothing(copied: PrepareSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(copied.out)
    times = {path: path.stat().st_mtime_ns for path in copied.out.rglob("*.tar")}
    tried: list[str] = []

    def fail_at_whole_files(source: Any, *_: Any) -> None:
        tried.append(source.origin)
        kind_of(source.path)
        pytest.fail("processed again")

    monkeypatch.setattr(work, "write_unit", fail_at_whole_files)
    assert prepare(copied).clips == 2
    assert tried == ["empty.mp4", "text.mov"]
    assert content(copied.out) == before
    assert {path: path.stat().st_mtime_ns for path in copied.out.rglob("*.tar")} == times


def test_a_resumed_run_gives_the_same_bytes(copied: PrepareSettings) -> None:
    before = content(copied.out)
    units = sorted((copied.out / "work" / "units").iterdir())
    units[1].unlink()
    (units[0].parent / ".half.123.tar").write_bytes(b"half")
    (copied.out / "index.json").unlink()
    (copied.out / "shards" / "val-000000.tar").write_bytes(b"half")
    files_done: list[int] = []
    prepare(copied, progress=lambda one: files_done.append(one.files_done))
    assert content(copied.out) == before
    assert min(files_done) == len(units) - 1
    assert sorted((copied.out / "work" / "units").iterdir()) == units


def test_added_and_removed_clips(copied: PrepareSettings, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "more"
    shutil.copytree(material, folder)
    (folder / "actor.mp4").unlink()
    shutil.copy(ACTOR.with_name("actor-smile.mp4"), folder)
    facts = prepare(dataclasses.replace(copied, videos=folder))
    assert (facts.clips, facts.people) == (2, 2)
    origins = {
        sample.facts["origin"]
        for shard in read_index(copied.out).shards
        for sample in read_shard(copied.out / shard.file)
    }
    assert origins == {"actor-smile.mp4", "deep/sway.mp4", "portrait.jpg"}


def test_other_settings_are_refused_and_named(copied: PrepareSettings) -> None:
    before = content(copied.out)
    with pytest.raises(OutputError, match=r"made with other settings \(min_face_px: was 80, now 64\)"):
        prepare(dataclasses.replace(copied, min_face_px=64))
    shutil.rmtree(copied.out / "work")
    with pytest.raises(OutputError, match=r"\(seed: was 0, now 1\)"):
        prepare(dataclasses.replace(copied, seed=1))
    assert content(copied.out) == before


def test_clean_leaves_the_set_alone(copied: PrepareSettings) -> None:
    before = content(copied.out)
    clean = dataclasses.replace(copied, clean=True)
    prepare(clean)
    assert not (copied.out / "work").exists()
    assert content(copied.out) == before
    assert prepare(clean).frames == 37  # nothing to do
    assert content(copied.out) == before


def test_no_face_at_all(settings: PrepareSettings) -> None:
    write_clip(settings.videos / "wall.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 10)
    (settings.videos / "empty.mp4").write_bytes(b"")
    with pytest.raises(
        NoFaceFoundError, match=r"No usable face in .* \(unreadable 1, no face 1\); see .*rejected\.csv"
    ):
        prepare(settings)
    assert (settings.out / "rejected.csv").is_file()
    assert not (settings.out / "index.json").exists()


def test_a_folder_of_other_things_is_left_alone(settings: PrepareSettings) -> None:
    write_clip(settings.videos / "a.mp4", swaying(1))
    settings.out.mkdir()
    (settings.out / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="holds other files; give --out a new or an empty folder"):
        prepare(settings)
    assert [path.name for path in settings.out.iterdir()] == ["thesis.tex"]


def test_two_runs_at_once_are_refused(copied: PrepareSettings) -> None:
    with (copied.out / "work" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="Another run is writing to"):
            prepare(copied)


@pytest.mark.parametrize("what", ["unit", "shard", "report"])
def test_a_full_disk_is_one_error_without_partial_files(
    settings: PrepareSettings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    write_clip(settings.videos / "a.mp4", swaying(18))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        if what == "report":
            patch.setattr("train.prepare.run.write_report", mock.Mock(side_effect=full))
        else:
            folder = "units" if what == "unit" else "shards"
            real = pathlib.Path.open

            def open_or_fail(path: pathlib.Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
                if path.parent.name == folder and "w" in mode:
                    raise full
                return real(path, mode, *rest, **named)

            patch.setattr(pathlib.Path, "open", open_or_fail)
        with pytest.raises(OutputError, match="the disk is full"):
            prepare(settings)
    left = {path.relative_to(settings.out).as_posix() for path in settings.out.rglob("*") if path.is_file()}
    units = {name for name in left if name.endswith(".tar")}
    assert left - units == {"work/lock", "work/settings.json"}
    assert len(units) == (what != "unit")
    assert prepare(settings).clips == 1


def test_unexpected_content_skips_the_file(
    settings: PrepareSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(settings.videos / "a.mp4", swaying(18))
    shutil.copy(ACTOR, settings.videos / "b.mp4")
    real = work.write_unit

    def fail_at_b(source: Any, *rest: Any) -> Any:
        if source.origin == "b.mp4":
            raise RuntimeError("strange\ncontent")
        return real(source, *rest)

    monkeypatch.setattr(work, "write_unit", fail_at_b)
    facts = prepare(settings)
    assert (facts.clips, facts.rejected) == (1, {"unreadable": 1})
    assert facts.people_of_split == {"train": 1, "val": 0, "test": 0}
    assert any(warning.startswith("only one person") for warning in facts.warnings)
    assert "b.mp4 cannot be processed (RuntimeError: strange content)." in (settings.out / "rejected.csv").read_text()
    assert "is skipped" in caplog.text


def test_progress_and_the_limit_of_minutes(settings: PrepareSettings) -> None:
    write_clip(settings.videos / "a.mp4", swaying(30))
    steps: list[PrepareProgress] = []
    assert prepare(dataclasses.replace(settings, max_minutes=0.8 / 60), progress=steps.append).frames == 10
    assert (steps[0].files_done, steps[0].files, steps[0].seconds_left) == (0, 1, None)
    assert (steps[-1].files_done, steps[-1].frames, steps[-1].stage) == (1, 10, "assembling the set")
    assert steps[-1].seconds_left == 0


def test_known_people_keep_their_names(settings: PrepareSettings) -> None:
    for person, frames in (("Ann B.", swaying(18)), ("Ann-B-", swaying(18)[::-1])):
        (settings.videos / person).mkdir()
        write_clip(settings.videos / person / "a.mp4", frames)
    shutil.copy(PORTRAIT, settings.videos / "Ann B.")
    facts = prepare(dataclasses.replace(settings, layout="people"))
    assert facts.people == 2
    samples = [s for shard in read_index(settings.out).shards for s in read_shard(settings.out / shard.file)]
    assert {(sample.key, sample.facts["person"]) for sample in samples} == {
        ("Ann-B_0001", "Ann B."),
        ("Ann-B_0002", "Ann B."),
        ("Ann-B_0003", "Ann-B-"),
    }
