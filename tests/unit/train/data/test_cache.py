"""Folders that are computed once: by content, by one process, complete or absent."""

import dataclasses
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from reenact.geometry.morphable import load_morphable
from tests.synthetic import face_set
from train.data import own_labels
from train.data.cache import digest, keep_folder
from train.data.own_labels import with_own_meshes

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]


PROCESS = """
import pathlib, sys, time
from train.data.cache import digest, keep_folder

def write_slowly(folder):
    (folder.parent / "calls").open("a").write("x")
    with (folder / "values").open("a") as file:
        for value in range(20):
            print(value, file=file, flush=True)
            time.sleep(0.02)

folder = keep_folder(pathlib.Path(sys.argv[1]), "slow", digest(["key"]), write_slowly)
assert (folder / "values").read_text().split() == [str(value) for value in range(20)]
"""


def test_two_processes_write_a_folder_once(tmp_path: pathlib.Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", PROCESS, tmp_path], cwd=REPOSITORY) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert (tmp_path / "calls").read_text() == "x"


def test_what_a_killed_process_left_is_written_again(tmp_path: pathlib.Path) -> None:
    def fail(folder: pathlib.Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_folder(tmp_path, "a", "key", fail)
    assert not (tmp_path / "a-key").exists()
    folder = keep_folder(tmp_path, "a", "key", lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_digests_tell_lists_of_parts_apart() -> None:
    lists = (["ab"], ["a", "b"], ["ba"], [], [np.zeros((0, 3))], [np.zeros(2)], [np.zeros(2, np.float32)])
    assert len({digest(parts) for parts in lists}) == len(lists)
    assert digest(["a"]) == digest([b"a"])


def test_own_meshes_follow_the_content_of_the_split(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def track(rgb: np.ndarray, near_px: np.ndarray) -> np.ndarray:
        calls.append(len(rgb))
        return near_px + rgb.mean()

    monkeypatch.setattr(own_labels, "read_meshes_px", track)
    data = face_set(load_morphable(), np.random.default_rng(1), clips=1, frames=2, stills=1)
    own = [with_own_meshes(data, tmp_path, "train").mesh_px for _ in range(2)]
    np.testing.assert_allclose(own[0], data.mesh_px + data.rgb.mean(), rtol=1e-5)
    assert calls == [3]
    relabelled = data.mesh_px.copy()
    relabelled[2, 477, 2] += 1  # one number of one picture
    with_own_meshes(dataclasses.replace(data, mesh_px=relabelled), tmp_path, "train")
    with_own_meshes(dataclasses.replace(data, rgb=255 - data.rgb), tmp_path, "train")
    assert calls == [3, 3, 3]
