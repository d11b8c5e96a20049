"""Pairs across turns of the head, on made-up photos."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel
from tests.synthetic import face_set, painted_photo
from train.data.faces import FaceData
from train.pairs.turned import POSED_KEYS, TurnedPairConfig, TurnedPairs, pose_sources, posed_of

CPU = torch.device("cpu")
SMALL = TurnedPairConfig(side=64, pool=6)


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> FaceData:
    """Stills of the painted head at several yaws in the place of the set's own."""
    data = face_set(model, np.random.default_rng(0), clips=2, frames=4, stills=6)
    rgb, mesh_px, parsing = (np.array(each) for each in (data.rgb, data.mesh_px, data.parsing))
    for k, row in enumerate(np.flatnonzero(data.is_still)):
        rgb[row], mesh_px[row], parsing[row] = painted_photo(model, -40.0 + 15 * k, 256)
    return dataclasses.replace(data, rgb=rgb, mesh_px=mesh_px.astype(data.mesh_px.dtype), parsing=parsing)


def test_a_pair_is_a_function_of_seed_and_index(faces: FaceData, model: MorphableModel) -> None:
    first, second = (TurnedPairs(faces, SMALL, model) for _ in range(2))
    second.at([3, 1], CPU)  # what was asked for before changes nothing
    for name, value in first.at([3], CPU).items():
        torch.testing.assert_close(value, second.at([3], CPU)[name], msg=name)
    other = TurnedPairs(faces, dataclasses.replace(SMALL, seed=1), model)
    assert not torch.equal(other.at([3], CPU)["target"], first.at([3], CPU)["target"])


def test_a_photo_is_the_target_of_its_own_turned_picture(faces: FaceData, model: MorphableModel) -> None:
    pairs = TurnedPairs(faces, dataclasses.replace(SMALL, clip_share=0.0, photo_share=1.0, light=0.0), model)
    batch = pairs.at([0, 1, 2], CPU)
    assert set(POSED_KEYS) - {"posed_displacement"} <= batch.keys()
    assert batch["weight"].min() == 1
    assert (batch["source"] - batch["target"]).abs().mean() > 0.01
    posed = posed_of(batch)
    error, before = (
        ((picture - batch["target"]).abs() * posed.head * posed.shown).mean()
        for picture in (posed.rgb, batch["source"])
    )
    assert error < 0.7 * before


def test_what_a_profile_makes_up_hardly_counts(faces: FaceData, model: MorphableModel) -> None:
    pairs = TurnedPairs(faces, dataclasses.replace(SMALL, clip_share=0.0, photo_share=0.0), model)
    weight = pairs.at([0, 1, 2, 3], CPU)["weight"]
    assert weight.min() == pytest.approx(SMALL.unknown_weight, abs=0.01)
    assert weight.max() == 1


def test_posing_a_batch_moves_no_model_between_devices(
    faces: FaceData, model: MorphableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are made in a thread of their own while validation may use the task's model on the GPU."""

    def move(*_: object, **__: object) -> None:
        raise AssertionError("moved")

    batch = TurnedPairs(faces, dataclasses.replace(SMALL, clip_share=1.0), model).at([0, 1], CPU)
    classes = (batch["posed_head"][:, 0] > 0.5).long()
    monkeypatch.setattr(MorphableModel, "to", move)
    posed = pose_sources(batch["source"], batch["source_mesh"], classes, batch["target_mesh"])
    assert posed.keys() == set(POSED_KEYS)
    assert posed["posed_rgb"].shape == batch["source"].shape


def test_a_set_without_parsing_is_refused(faces: FaceData, model: MorphableModel) -> None:
    bare = dataclasses.replace(faces, has_parsing=np.zeros(len(faces), bool))
    with pytest.raises(ConfigError, match="parsing"):
        TurnedPairs(bare, SMALL, model)
