"""The correspondence recipe's batches and losses."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel
from tests.unit.train.recipes.tiny_tasks import PAIRS, SIDE, correspondence_task
from train.data.faces import FaceData
from train.recipes.correspondence.flow import CorrespondenceTaskConfig, matched_targets
from train.recipes.layered import weight_map


def test_a_batch_has_all_that_networks_and_losses_read(faces: FaceData) -> None:
    task = correspondence_task(faces)
    task.sampler.config = dataclasses.replace(PAIRS, still_share=0.5)
    batch = task.sample_batch(np.random.default_rng(4), 8, torch.device("cpu"))
    assert batch["source"].shape == batch["target"].shape == (8, 3, SIDE, SIDE)
    assert batch["displacement"].shape == (8, 2, SIDE // 2, SIDE // 2)
    assert batch["source"].max() <= 1
    same = (batch["source"] == batch["target"]).flatten(1).all(1)
    assert 0 < same.sum() < 8
    assert batch["displacement"][same].abs().max() < 1e-3, "a picture paired with itself does not move"
    weight = weight_map(task.config, batch["parts"])
    torch.testing.assert_close(weight.mean((1, 2, 3)), torch.ones(8))


def test_matched_targets_of_one_person_are_the_driving_meshes(faces: FaceData, model: MorphableModel) -> None:
    """Self-reenactment: the target mesh lies on the driving one to within what the bases leave out."""
    mesh = torch.from_numpy(faces.mesh_px[:3]) / 128 - torch.tensor([1.0, 1.0, 0.0])
    target = matched_targets(model, mesh[:1].expand(2, -1, -1).contiguous(), mesh[1:])
    error_px = (target - mesh[1:]).norm(dim=-1).mean() * 128
    moved_px = (mesh[:1] - mesh[1:]).norm(dim=-1).mean() * 128
    assert error_px < 1.0
    assert error_px < 0.2 * moved_px


def test_data_without_clips_is_refused(faces: FaceData) -> None:
    stills = dataclasses.replace(faces, clip=np.full(len(faces), -1))
    for refused in (lambda: correspondence_task(stills), lambda: correspondence_task(faces).use_data(stills)):
        with pytest.raises(ConfigError, match="learns from clips and the data has none; add clips"):
            refused()


def test_feature_matching_needs_a_critic() -> None:
    with pytest.raises(ConfigError, match="set adversarial above 0"):
        CorrespondenceTaskConfig(adversarial=0.0)
