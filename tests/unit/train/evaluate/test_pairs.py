"""Pairs: drawn by a seed, saved to a file, refused for other data."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from reenact.errors import ConfigError, UnsupportedInputError
from tests.unit.train.evaluate.made_up import set_of, settings
from train.data.faces import FaceData
from train.evaluate.pairs import PairSet, load_pairs, save_pairs
from train.evaluate.protocols import draw_pairs


def rows_of(pairs: PairSet, data: FaceData) -> list[tuple[int, int]]:
    return [(data.names.index(each.source), data.names.index(each.target)) for each in pairs.pairs]


@pytest.fixture
def data() -> FaceData:
    """Two clips of one person, one of another, two stills."""
    return set_of([0] * 9, [5] * 3, [-5] * 5, stills=[0, 10], people=[0, 0, 1, 2, 3])


def test_self_pairs_start_from_the_first_frame_and_take_clips_in_turn(data: FaceData) -> None:
    drawn = rows_of(draw_pairs(data, settings(pairs=6)), data)
    assert len(set(drawn)) == 6
    assert [first for first, _ in drawn] == [0, 0, 9, 9, 12, 12]
    assert all(data.clip[a] == data.clip[b] and b > a for a, b in drawn)


def test_fewer_pairs_than_asked_for_are_noted(data: FaceData) -> None:
    pairs = draw_pairs(data, settings(pairs=100))
    assert len(set(pairs.pairs)) == 8 + 2 + 4
    assert pairs.note == "14 pairs instead of 100: the data has no more."
    assert pairs.found == {"clips": 3, "clip_frames": 17, "stills": 2, "people": 4, "driving_people": 2}


def test_cross_pairs_are_of_two_people_and_sources_are_first_frames_or_stills(data: FaceData) -> None:
    pairs = draw_pairs(data, settings(protocol="cross", pairs=12, triplets=4))
    drawn = rows_of(pairs, data)
    assert len(drawn) == 12
    assert all(data.person[a] != data.person[b] for a, b in drawn)
    assert {a for a, _ in drawn} <= {0, 9, 12, 17, 18}
    assert {a for a, _ in drawn} & {17, 18}
    assert {int(data.clip[b]) for _, b in drawn} == {0, 1, 2}


def test_the_driver_of_a_triplet_has_nearly_the_expression_of_the_second_picture() -> None:
    data = set_of([0, 0, 0], [20, 0, 40])
    blendshapes = np.zeros_like(data.blendshapes)
    blendshapes[4, 25] = 1.0  # the jaw is open in the second clip's middle frame, and in the first clip's frames
    blendshapes[:3, 25] = 1.0
    mesh = np.repeat(data.mesh_px[:1], 6, axis=0)
    data = dataclasses.replace(data, blendshapes=blendshapes, mesh_px=mesh)
    for triplet in draw_pairs(data, settings(protocol="cross", triplets=6)).triplets:
        source, second, driving = (data.names.index(name) for name in dataclasses.astuple(triplet))
        assert source != second
        assert data.clip[source] == data.clip[second] != data.clip[driving]
        if second < 3:
            assert driving == 4


def test_runs_are_consecutive_frames_of_one_clip(data: FaceData) -> None:
    for protocol in ("self", "cross"):
        for run in draw_pairs(data, settings(protocol=protocol, runs=9, run_frames=4)).runs:
            rows = [data.names.index(name) for name in run.driving]
            assert rows == list(range(rows[0], rows[0] + len(rows)))
            assert len({int(clip) for clip in data.clip[rows]}) == 1
            assert 3 <= len(rows) <= 4
            same = data.person[data.names.index(run.source)] == data.person[rows[0]]
            assert same == (protocol == "self")


@pytest.mark.parametrize("protocol", ["self", "cross"])
def test_the_seed_decides(data: FaceData, protocol: Any) -> None:
    first, again, other = (draw_pairs(data, settings(protocol=protocol, pairs=6, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.pairs != other.pairs


def test_sets_without_clips_or_of_one_person_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Split 'val' of DATA holds no clip of two frames.*Give another --split"):
        draw_pairs(set_of(stills=[0, 10]), settings())
    with pytest.raises(ConfigError, match="needs two people, but the split shows only one"):
        draw_pairs(set_of([0, 1, 2], [3, 4], people=[7, 7]), settings(protocol="cross"))
    data = set_of([0, 1, 2], stills=[0])  # clips of one person and a still of another: no triplets
    assert len(draw_pairs(data, settings(protocol="cross", triplets=0)).pairs) == 3
    with pytest.raises(ConfigError, match="shows clips of one person only"):
        draw_pairs(data, settings(protocol="cross"))


@pytest.mark.parametrize("protocol", ["self", "cross"])
def test_a_file_gives_back_the_same_pairs(data: FaceData, tmp_path: pathlib.Path, protocol: Any) -> None:
    pairs = draw_pairs(data, settings(protocol=protocol, pairs=7, triplets=2))
    save_pairs(pairs, data, tmp_path / "pairs.json")
    assert load_pairs(tmp_path / "pairs.json", data, protocol=protocol, split="val") == pairs
    content = json.loads((tmp_path / "pairs.json").read_text())
    assert set(content["pairs"][0]) == {"source", "target"}
    assert content["protocol"] == protocol
    assert len(content["data_sha256"]) == 64


def test_pairs_of_another_protocol_or_set_are_refused(data: FaceData, tmp_path: pathlib.Path) -> None:
    saved = tmp_path / "pairs.json"
    save_pairs(draw_pairs(data, settings(pairs=7)), data, saved)
    with pytest.raises(ConfigError, match="holds pairs of the protocol self; give --protocol self"):
        load_pairs(saved, data, protocol="cross", split="val")
    other = dataclasses.replace(data, names=tuple(name.replace("c0", "x0") for name in data.names))
    with pytest.raises(UnsupportedInputError, match=r"names 'c0:0', which is not in split 'val'.*\(\d+ of its \d+"):
        load_pairs(saved, other, protocol="self", split="val")
    other = dataclasses.replace(data, mesh_px=data.mesh_px + 1)
    with pytest.raises(UnsupportedInputError, match="another data set, whose pictures have the same names"):
        load_pairs(saved, other, protocol="self", split="val")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("no json", "is not a pairs file: it is not JSON"),
        ("[]", "is not a pairs file; use the pairs.json"),
        ('{"kind": "reenact-pairs", "format_version": 1}', "has format_version 1, this program reads 2"),
        ('{"kind": "reenact-pairs", "format_version": 2}', "is not a complete pairs file ('protocol')"),
    ],
)
def test_other_files_are_refused(data: FaceData, tmp_path: pathlib.Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "p.json").write_text(content)
    with pytest.raises(UnsupportedInputError) as caught:
        load_pairs(tmp_path / "p.json", data, protocol="self", split="val")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system": ()}, "No system to measure; give --system"),
        ({"pairs": 0}, "--pairs must be 1 or more, got 0"),
        ({"sheet_rows": -1}, "--sheet-rows must not be negative"),
        ({"run_frames": 2}, "--run-frames must be 3 or more"),
        ({"max_yaw": 70.0}, "--max-yaw is 70 and --min-yaw 60"),
        ({"min_yaw": 95.0}, "0 < max-yaw <= min-yaw < 90"),
        ({"fps": 0.0}, "--fps must be positive"),
        ({"profiled": True}, "--profiled is only for --protocol large-pose, not for self"),
        ({"profiled": True, "protocol": "large-pose", "checks": True}, "without --profiled"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**changes)
    assert words in str(caught.value)
