"""From one file to its samples: cuts, several people, labelled faces and faces that are too small."""

import dataclasses
import errno
import json
import pathlib
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest

from reenact.errors import OutputError, UnsupportedInputError
from tests.unit.train.prepare.conftest import moved, portrait, write_clip
from train.data.shards import read_shard
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Source
from train.prepare.unit import SUMMARY_KEY, Summary, write_unit

Unit = tuple[list[dict[str, Any]], dict[str, Any]]
"""Facts of the samples, and the summary."""


def pair() -> np.ndarray:
    """The portrait, and to its right a smaller, mirrored one."""
    left = portrait()[:320, 80:400]
    right = cv2.resize(np.ascontiguousarray(left[:, ::-1]), (288, 288), interpolation=cv2.INTER_AREA)
    canvas = np.full((320, 640, 3), 120, np.uint8)
    canvas[:, :320], canvas[:288, 336:624] = left, right
    return canvas


def work_on(labeller: Any, settings: PrepareSettings, tmp_path: pathlib.Path, path: pathlib.Path, **known: Any) -> Unit:
    steps: list[tuple[int, float]] = []
    source = Source(path=path, origin=path.name, **known)
    summary = write_unit(source, tmp_path / "unit.tar", labeller, settings, lambda *step: steps.append(step))
    samples = {sample.key: sample.facts for sample in read_shard(tmp_path / "unit.tar")}
    assert samples[SUMMARY_KEY] == json.loads(json.dumps(dataclasses.asdict(summary)))
    assert sum(frames for frames, _ in steps) == summary.frames
    assert steps[-1][1] == 1
    assert isinstance(summary, Summary)
    rest = samples.pop(SUMMARY_KEY)
    return [facts for facts in samples.values() if "rejected" not in facts], rest


@pytest.fixture
def picture(clips: pathlib.Path) -> pathlib.Path:
    cv2.imwrite(str(clips / "pair.png"), cv2.cvtColor(pair(), cv2.COLOR_RGB2BGR))
    return clips / "pair.png"


def middle_x(facts: dict[str, Any]) -> float:
    return (facts["crop_px"][0] + facts["crop_px"][2]) / 2


def test_faces_of_a_picture_by_what_is_known(
    labeller: Any, settings: PrepareSettings, tmp_path: pathlib.Path, picture: pathlib.Path
) -> None:
    found, summary = work_on(labeller, settings, tmp_path, picture)  # nothing known: all faces, the largest first
    assert len(found) == summary["people"] == 2
    assert middle_x(found[0]) < 320 < middle_x(found[1])
    (largest,), _ = work_on(labeller, settings, tmp_path, picture, person="ann", labels={"emotion": "happy"})
    assert middle_x(largest) < 320
    assert largest["labels"] == {"emotion": "happy"}
    (in_box,), _ = work_on(labeller, settings, tmp_path, picture, person="bob", box_px=(450, 50, 560, 170))
    assert middle_x(in_box) > 320
    found, summary = work_on(labeller, settings, tmp_path, picture, person="bob", box_px=(0, 250, 60, 310))
    assert found == []
    assert [one["reason"] for one in summary["rejected"]] == ["no face"]


def test_a_scene_cut_separates_samples(
    labeller: Any, settings: PrepareSettings, tmp_path: pathlib.Path, clips: pathlib.Path
) -> None:
    first = [moved(portrait(), i)[:300, 80:400] for i in range(9)]
    second = [(frame[:, ::-1] * 0.5).astype(np.uint8) for frame in first]  # darker and mirrored
    path = write_clip(clips / "cut.mp4", first + second, Fraction(25, 2))
    found, summary = work_on(labeller, settings, tmp_path, path)
    assert [(one["start_s"], one["frames"], one["track"]) for one in found] == [(0.0, 9, 0), (0.72, 9, 1)]
    assert summary["people"] == 2


def test_two_people_of_one_clip(
    labeller: Any, settings: PrepareSettings, tmp_path: pathlib.Path, clips: pathlib.Path
) -> None:
    path = write_clip(clips / "two.mp4", [moved(pair(), 2 * np.sin(i)) for i in range(10)], Fraction(25, 2))
    found, summary = work_on(labeller, settings, tmp_path, path)
    assert [(one["frames"], one["track"]) for one in found] == [(10, 0), (10, 1)]
    assert (summary["frames"], summary["face_frames"]) == (10, 20)


def test_faces_that_are_too_small_are_rejected_with_their_size(
    labeller: Any, settings: PrepareSettings, tmp_path: pathlib.Path, clips: pathlib.Path
) -> None:
    path = write_clip(clips / "small.mp4", [portrait()[:300, 80:400]] * 3, Fraction(25, 2))
    strict = dataclasses.replace(settings, min_face_px=400)
    found, summary = work_on(labeller, strict, tmp_path, path)
    assert found == []
    (rejected,) = summary["rejected"]
    assert rejected["reason"] == "small"
    assert "need 400" in rejected["detail"]


def test_a_reading_error_is_no_full_disk(
    labeller: Any, settings: PrepareSettings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("train.prepare.unit.kind_of", vanish)
    with pytest.raises(UnsupportedInputError, match=r"a\.mp4 cannot be read to its end: Input/output error"):
        work_on(labeller, settings, tmp_path, tmp_path / "a.mp4")
    assert not any(path.suffix == ".tar" for path in tmp_path.iterdir())


def test_a_writing_error_leaves_no_partial_file(
    labeller: Any,
    settings: PrepareSettings,
    tmp_path: pathlib.Path,
    picture: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = pathlib.Path.replace

    def replace(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        if target.name == "unit.tar":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, target)

    monkeypatch.setattr(pathlib.Path, "replace", replace)
    (tmp_path / "units").mkdir()
    with pytest.raises(OutputError, match=r"unit\.tar could not be written: Input/output error"):
        source = Source(path=picture, origin="pair.png")
        write_unit(source, tmp_path / "units" / "unit.tar", labeller, settings, lambda *_: None)
    assert list((tmp_path / "units").iterdir()) == []
