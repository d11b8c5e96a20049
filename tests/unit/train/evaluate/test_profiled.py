"""Pairs with heads turned by face profiling: directions, yaws and measures."""

import dataclasses
import functools
import json
import pathlib
from collections import Counter

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError, UnsupportedInputError
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.rasterise import rasterise
from reenact.types import head_angles_rad
from tests.synthetic import face_set
from tests.unit.train.evaluate import made_up
from tests.unit.train.evaluate.made_up import outcome, set_of
from train.data.faces import FaceData
from train.evaluate.jobs import REAL
from train.evaluate.pairs import Pair, PairSet, base_and_yaw, load_pairs, save_pairs, turned_name
from train.evaluate.profiled_bench import compare_shown
from train.evaluate.profiled_faces import ProfiledFaces, render_faces
from train.evaluate.profiled_pairs import ALL_RENDERED, PHOTOGRAPHS, RENDERED, found_key
from train.evaluate.protocols import draw_pairs
from train.evaluate.summary import summarise

settings = functools.partial(made_up.settings, protocol="large-pose", profiled=True)


def parsed(data: FaceData) -> FaceData:
    return dataclasses.replace(data, has_parsing=np.ones(len(data), bool))


@pytest.fixture
def data() -> FaceData:
    """Two clips, a person with two stills, one with a single one; two turned pictures."""
    return parsed(set_of([0.0] * 6, [10.0] * 5 + [40.0], stills=[5.0, -5.0, 8.0, -70.0], people=[0, 1, 2, 2, 3, 4]))


def test_pairs_of_every_direction_and_bin(data: FaceData) -> None:
    pairs = draw_pairs(data, settings(pairs=48))
    rendered = [pair for pair in pairs.pairs if pair.direction in RENDERED]
    assert Counter(pair.direction for pair in rendered) == dict.fromkeys(RENDERED, 16)
    for pair in rendered:
        turned = pair.source if pair.direction == "reverse" else pair.target
        straight = pair.target if pair.direction == "reverse" else pair.source
        assert base_and_yaw(turned)[1] is not None
        assert base_and_yaw(straight)[1] is None
    assert [pairs.found[found_key("self", name)] for name in ("0-30", "30-60", "60-90")] == [4, 4, 8]
    assert pairs.found[found_key(ALL_RENDERED, "60-90")] == 24
    assert pairs.found["pairs_of_one_picture"] == 0
    assert "not photographs" in pairs.note
    rows = {name: row for row, name in enumerate(data.names)}
    for pair in pairs.pairs:  # the yaw match shows the source's person at the driver's yaw
        source, target, match = (base_and_yaw(name) for name in (pair.source, pair.target, pair.yaw_match))
        same = data.person[rows[source[0]]] == data.person[rows[target[0]]]
        if pair.direction in RENDERED:
            assert same == (pair.direction != "cross")
            assert match[1] == target[1]
        if pair.yaw_match:
            assert data.person[rows[source[0]]] == data.person[rows[match[0]]]
            assert source[0] != match[0]
        if pair.direction in ("self", "reverse"):
            assert pair.yaw_match == pair.target
    photographs = [pair for pair in pairs.pairs if pair.direction in PHOTOGRAPHS]
    assert len(photographs) == 12
    turned = [pair.target if pair.direction == PHOTOGRAPHS[0] else pair.source for pair in photographs]
    assert {float(abs(data.yaw_deg[rows[name]]).round()) for name in turned} == {40.0, 70.0}
    assert pairs.found["photographs_beyond_60_deg"] == 1


def test_the_draw_depends_on_the_seed_alone(data: FaceData) -> None:
    first, again, other = (draw_pairs(data, settings(pairs=12, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first.pairs != other.pairs


def test_a_folder_of_stills_is_enough() -> None:
    two = parsed(set_of(stills=[0.0, 5.0, 0.0, -5.0], people=[0, 0, 1, 1]))
    pairs = draw_pairs(two, settings(pairs=12))
    assert pairs.found["pairs_of_one_picture"] == 0
    single = parsed(set_of(stills=[0.0, 5.0, 0.0]))
    pairs = draw_pairs(single, settings(pairs=12))
    assert pairs.found["pairs_of_one_picture"] == 4
    assert all(base_and_yaw(pair.source)[0] == base_and_yaw(pair.target)[0] for pair in pairs.pairs[:2])


def test_data_that_cannot_be_turned_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"0 pictures below 30 degrees of yaw with a parsing.*Give other data"):
        draw_pairs(set_of([0.0] * 4, [0.0] * 4), settings())
    with pytest.raises(ConfigError, match="of 1 people"):
        draw_pairs(parsed(set_of([0.0] * 4)), settings())


def test_names_contain_the_yaw_of_turned_pictures() -> None:
    assert turned_name("p030_01:32", -72.45) == "p030_01:32@-72.5"
    assert base_and_yaw("p030_01:32@-72.5") == ("p030_01:32", -72.5)
    assert base_and_yaw("mail@home") == ("mail@home", None)
    assert turned_name("s1", None) == "s1"


def test_the_pairs_file_can_be_used_again(data: FaceData, tmp_path: pathlib.Path) -> None:
    pairs = draw_pairs(data, settings(pairs=12))
    save_pairs(pairs, data, tmp_path / "pairs.json")
    assert load_pairs(tmp_path / "pairs.json", data, protocol="large-pose", split="val") == pairs
    content = json.loads((tmp_path / "pairs.json").read_text())
    content["pairs"][0]["target"] = "nobody@+80.0"
    (tmp_path / "pairs.json").write_text(json.dumps(content))
    with pytest.raises(UnsupportedInputError, match="names 'nobody'"):
        load_pairs(tmp_path / "pairs.json", data, protocol="large-pose", split="val")


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> tuple[FaceData, ProfiledFaces]:
    """Photographs, and some of them turned."""
    data = face_set(model, np.random.default_rng(0), clips=1, frames=2, stills=1)
    covered = rasterise(torch.from_numpy(data.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    data = dataclasses.replace(data, parsing=covered.astype(np.uint8))
    pairs = (
        Pair(source="0", target="1@+75.0", direction="self", yaw_match="1@+75.0"),
        Pair(source="0", target="2@-65.0", direction="cross", yaw_match="1@-65.0"),
    )
    drawn = PairSet(protocol="large-pose", split="val", seed=0, pairs=pairs)
    return data, render_faces(data, drawn, model)


def test_turned_pictures_have_turned_labels(model: MorphableModel, faces: tuple[FaceData, ProfiledFaces]) -> None:
    data, rendered = faces
    assert rendered.names == ("0", "1@+75.0", "2@-65.0", "1@-65.0")
    assert rendered.yaw_deg == pytest.approx([data.yaw_deg[0], 75.0, -65.0, -65.0], abs=0.01)
    fitted = head_angles_rad(model.fit(torch.from_numpy(rendered.mesh_px)).pose.rotation)[:, 1].rad2deg()
    assert fitted.numpy() == pytest.approx(rendered.yaw_deg, abs=5)
    assert np.array_equal(rendered.rgb[0], data.rgb[0])
    assert rendered.shown[0].all()
    assert 0.2 < rendered.shown[1].mean() < 1
    assert rendered.is_still.all()
    assert rendered.person.tolist() == [0, 0, 1, 0]
    take, seen = rendered.take, rendered.seen
    assert take[0] == take[1] == take[3] != take[2]
    assert seen[0].sum() > 60
    right, left = list(range(6)) + [36, 37], list(range(11, 17)) + [44, 45]
    assert not seen[1, left].any() or not seen[1, right].any()  # the far side is hidden
    assert seen[1, left].any() != seen[2, left].any()


def test_only_shown_pixels_are_compared() -> None:
    target = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    result, shown = target.clone(), torch.ones(64, 64, dtype=torch.bool)
    result[..., :20] = 0
    shown[:, :32] = False
    values = compare_shown(result, target, shown)
    assert (values["l1"], values["mse"], values["psnr_db"]) == (0, 0, 100)
    assert values["ssim"] == pytest.approx(1, abs=1e-5)
    assert compare_shown(result, target, ~shown)["l1"] > 0.1


def test_identity_is_compared_with_real_frames_bin_by_bin() -> None:
    data = set_of(stills=[0.0, 75.0, 40.0, 80.0])
    found = []
    for method, csim in (("net", 0.3), (REAL, 0.4)):
        for row, extra in ((1, 0.0), (2, 0.4), (3, 0.1)):
            each = outcome(method, row, 0, csim=csim + extra, akd_px=float(row))
            found.append(dataclasses.replace(each, direction="cross"))
    found.append(dataclasses.replace(outcome("net", 1, 0, csim=0.9), direction=PHOTOGRAPHS[0]))
    net, real = summarise(found, ["net"], data, 50)
    bins = net.by_direction["cross"]
    assert bins["60-90"]["csim_share"].mean == pytest.approx(0.35 / 0.45)
    assert bins["60-90"]["csim_share"].count == 2
    assert bins["30-60"]["csim"].mean == pytest.approx(0.7)
    assert bins["0-30"] == {}
    assert net.metrics["csim"].count == 3  # without photographs
    assert net.by_direction[ALL_RENDERED] == net.by_direction["cross"]
    assert net.by_direction[PHOTOGRAPHS[0]]["60-90"]["csim"].mean == pytest.approx(0.9)
    assert "csim_share" not in real.by_direction["cross"]["60-90"]
