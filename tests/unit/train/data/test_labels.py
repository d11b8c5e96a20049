"""Mirror, turn and crop: labels go where the picture goes."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.geometry.action_units import BLENDSHAPE_NAMES
from reenact.geometry.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from reenact.geometry.morphable import MorphableModel, align
from reenact.perception.tracker import TrackerConfig
from tests.synthetic import face_set, rotation_of
from train.augment.mirror import MIRROR_BLENDSHAPES, mirror_of_mesh
from train.data.faces import FaceData
from train.recipes.perception.tracker import TrackerTask, TrackerTaskConfig, mesh_in_crop_units

NOSE_TIP = 1


@pytest.fixture(scope="module")
def means(model: MorphableModel) -> FaceData:
    """Mean faces turned in all directions: what the mesh says of the rotation is exact."""
    angles = [(10, 0, 0), (-5, 20, 4), (0, -25, 0), (0, 0, 12), (15, 15, -10), (-10, -20, 6)]
    rotation = torch.stack([rotation_of(*each) for each in angles])
    mesh = model.mean @ rotation.transpose(1, 2) * torch.tensor([70.0, -70, -70]) + torch.tensor([128.0, 134, 0])
    blendshapes = np.tile(np.linspace(0, 1, 52, dtype=np.float32), (len(angles), 1))
    faces = face_set(model, np.random.default_rng(0), clips=1, frames=3, stills=3)
    return dataclasses.replace(faces, mesh_px=mesh.numpy(), rotation=rotation.numpy(), blendshapes=blendshapes)


def test_mirroring_twice_changes_nothing(means: FaceData, model: MorphableModel) -> None:
    mirror = mirror_of_mesh(means)
    assert np.array_equal(mirror[mirror], np.arange(478))
    assert mirror[LEFT_EYE_OUTER] == RIGHT_EYE_OUTER
    assert mirror[NOSE_TIP] == NOSE_TIP
    mean = model.mean.numpy()
    assert np.abs(mean[mirror] * [-1, 1, 1] - mean).max() < 0.03


def test_blendshapes_change_sides() -> None:
    assert np.array_equal(MIRROR_BLENDSHAPES[MIRROR_BLENDSHAPES], np.arange(52))
    assert len(set(BLENDSHAPE_NAMES)) == 52
    for left, right in (("eyeBlinkLeft", "eyeBlinkRight"), ("jawLeft", "jawRight"), ("jawOpen", "jawOpen")):
        assert MIRROR_BLENDSHAPES[BLENDSHAPE_NAMES.index(left)] == BLENDSHAPE_NAMES.index(right)


@pytest.fixture(scope="module")
def tracker_task(means: FaceData) -> TrackerTask:
    sizes = TrackerConfig(crop_px=64, widths=(4, 4, 4, 4, 4), blocks=(1, 1, 1, 1), code=8)
    return TrackerTask(means, means, sizes, TrackerTaskConfig(negatives=0.0))


def test_the_trackers_rotation_is_that_of_its_mesh(tracker_task: TrackerTask, model: MorphableModel) -> None:
    """Turned and mirrored together: the pose read off the crop's mesh is the rotation taught with it."""
    flipped = 0
    for seed in range(12):
        sample = tracker_task._sample(tracker_task.train, seed % 6, np.random.default_rng(seed))
        mesh = torch.from_numpy(sample["mesh"])[None]
        pose = align(mesh, model.mean[None], model.rigid_weight)
        torch.testing.assert_close(pose.rotation[0], torch.from_numpy(sample["rotation"]), atol=0.01, rtol=0)
        assert (pose.invert(mesh) - model.mean).abs().max() < 0.03
        assert sample["crop"].shape == (64, 64, 3)
        assert sample["is_face"] == 1
        flipped += int(not np.array_equal(sample["blendshapes"], tracker_task.train.blendshapes[0]))
    assert 0 < flipped < 12


def test_mesh_units_span_the_crop() -> None:
    mesh = np.array([[0.0, 0, 5], [10, 20, -5]])
    matrix = np.array([[0, -2.0, 40], [2, 0, 0], [0, 0, 1]])
    units = mesh_in_crop_units(mesh, matrix, 40)
    np.testing.assert_allclose(units, [[1, -1, 0.5], [-1, 0, -0.5]], atol=1e-6)


def test_the_tracker_starts_from_the_mean_face(tracker_task: TrackerTask) -> None:
    mesh = tracker_task.networks.mean_mesh
    assert mesh.abs().max() < 1.2
    assert mesh[LEFT_EYE_OUTER, 0] > 0.2
    assert mesh[RIGHT_EYE_OUTER, 0] < -0.2
