"""Pairs across turns of the head, on made-up photos."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.types import CropSpec
from tests.synthetic import face_set, painted_photo
from train.data.faces import FaceData
from train.pairs.turned import POSED_KEYS, TurnedPairConfig, TurnedPairs, pose_sources, posed_of
from train.recipes.dual_generator.turned import TurnedFaceTask, TurnedTaskConfig

CPU = torch.device("cpu")
SMALL = TurnedPairConfig(side=64, pool=6)
NETWORK = DualGeneratorConfig(
    crop=CropSpec(network_px=64), stem=2, width=8, max_width=16, style=12, style_px=64, style_width=4, style_max_width=8
)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


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


def test_steps_lower_the_loss_and_validation_compares_with_geometry(faces: FaceData, model: MorphableModel) -> None:
    torch.manual_seed(0)
    config = TurnedTaskConfig(validation_pairs=4)
    task = TurnedFaceTask(TurnedPairs(faces, SMALL, model), faces, NETWORK, config)
    batch = task.sample_batch(np.random.default_rng(0), 2, CPU)
    optimizer, found = torch.optim.Adam(task.networks.parameters(), lr=2e-3), []
    for _ in range(6):
        losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, None)
        loss = torch.stack(list(losses.values())).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
    assert found[-1] < found[0]
    figures = task.validate(task.networks, CPU)
    assert {"psnr", "psnr_moved", "akd_px", "akd_px_real", "csim", "csim_moved"} <= figures.keys()
    assert np.isfinite(list(figures.values())).all()
    shown = task.draw_samples(task.networks, CPU)
    assert shown is not None
    assert shown.shape[1:] == (6 * 64, 3)
