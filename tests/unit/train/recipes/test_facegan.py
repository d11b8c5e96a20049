"""What is particular to FACEGAN's recipes."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from tests.unit.train.recipes.tiny_tasks import FACEGAN, background_task, landmark_task, reenactor_task
from train.data.faces import FaceData
from train.recipes.facegan.landmarks import LandmarkTask, LandmarkTaskConfig

CPU = torch.device("cpu")


def test_an_untrained_transformer_copies(faces: FaceData):
    task = landmark_task(faces)
    figures = task.validate(task.networks.eval(), CPU)
    assert figures["clip_error"] == pytest.approx(figures["clip_error_copy"])


def test_people_without_clips_are_measured_as_far_as_they_go(faces: FaceData):
    stills = dataclasses.replace(faces, clip=np.full(len(faces), -1), person=np.arange(len(faces)))
    task = LandmarkTask(faces, stills, FACEGAN, LandmarkTaskConfig())
    assert "clip_error" not in task.validate(task.networks, CPU)
    reenactor = reenactor_task(stills)
    assert reenactor.draw_samples(reenactor.networks, CPU) is None
    with pytest.raises(ConfigError, match="learns from clips"):
        landmark_task(stills)


def test_stills_get_the_hole_of_a_made_up_pose(faces: FaceData):
    task = background_task(faces)
    batch = task.sampler.sample(np.random.default_rng(0), 6, CPU)
    still = batch["source_row"] == batch["target_row"]
    assert still.any()
    same, moved = (task.prepare(batch, shift) for shift in (None, torch.full((6, 2), 0.4)))
    assert (moved["hole"].sum((1, 2, 3)) > same["hole"].sum((1, 2, 3)))[still].all()
    assert torch.equal(moved["hole"][~still], same["hole"][~still])
