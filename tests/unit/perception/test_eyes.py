"""Eyes that do not do the same are read one by one."""

import numpy as np
import pytest
import torch

from examples.actor import Actor, Looks
from reenact.facs import ACTION_UNITS
from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.landmarks import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, eye_openings
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.hub.loading import load_tracker
from reenact.perception.eyes import join_eyes, may_differ, show_twice
from reenact.types import FaceGeometry
from reenact.weights import embedded_names
from tests.synthetic import face_geometry, pose_of, rotation_of, wink


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def seen(shape: torch.Tensor, yaw_deg: float = 0.0) -> FaceGeometry:
    """A face of 256 px."""
    pose = pose_of([rotation_of(0, yaw_deg, 0)], scale=74, centre=(128, 128))
    return face_geometry(pose.apply(shape), pose.rotation)


def test_a_crop_shows_the_same_eye_twice() -> None:
    """A red left eye with a white spot at its outer end, on grey."""
    crop, mesh = np.full((96, 96, 3), 90, np.uint8), np.zeros((478, 3))
    mesh[list(RIGHT_EYE_CORNERS), :2], mesh[list(LEFT_EYE_CORNERS), :2] = [[18, 50], [36, 50]], [[78, 50], [60, 50]]
    crop[46:54, 60:79], crop[46:54, 74:78] = (200, 30, 30), (255, 255, 255)
    left, right = (show_twice(crop, mesh, left=each) for each in (True, False))
    assert np.abs(left[:, 48:].astype(int) - crop[:, 48:]).max() == 0
    assert left[50, 28].tolist() == [200, 30, 30] and left[50, 20].tolist() == [255, 255, 255]
    assert right.min() == right.max() == 90


def test_each_eye_follows_its_own_reading(model: MorphableModel) -> None:
    opened, winked = seen(model.mean[None]), seen(wink(model.mean[None], left=True))
    closed = seen(wink(wink(model.mean[None], left=True), left=False))
    half = seen(torch.lerp(model.mean[None], wink(wink(model.mean[None], left=True), left=False), 0.5))
    assert may_differ(half, closed) and not may_differ(closed, closed)
    joined = join_eyes(half, closed, opened)
    torch.testing.assert_close(eye_openings(joined.mesh_px), eye_openings(winked.mesh_px), atol=0.02, rtol=0)
    mouth = slice(0, 18)
    assert torch.equal(joined.mesh_px[:, mouth], half.mesh_px[:, mouth])
    assert torch.equal(join_eyes(half, opened, opened).mesh_px, half.mesh_px)


def test_an_eye_seen_from_the_side_is_left_alone(model: MorphableModel) -> None:
    opened, winked = (seen(shape, 60.0) for shape in (model.mean[None], wink(model.mean[None], left=True)))
    assert torch.equal(join_eyes(opened, winked, opened).mesh_px, opened.mesh_px)


@pytest.mark.skipif("perception/tracker" not in embedded_names(), reason="the tracker's weights are not there")
@pytest.mark.parametrize("left", [True, False])
def test_the_tracker_reads_a_wink(model: MorphableModel, left: bool) -> None:
    """Read as one, the eyes of the same pictures are open by 0.28 and 0.26."""
    pose = pose_of([rotation_of()], scale=74, centre=(128, 128))
    picture = Actor(model, Looks(), side_px=256).draw(wink(model.mean[None], left=left)[0], pose)
    face = load_tracker().track(picture)
    openings = eye_openings(face.mesh_px)[0].flip(0)  # left, right
    closed, other = (0, 1) if left else (1, 0)
    assert openings[closed] < 0.5 * openings[other] and openings[other] > 0.3
    units = read_action_unit_sides(face.blendshapes, face.mesh_px)[0, ACTION_UNITS.index(45)]
    assert units[closed] > units[other] + 0.2
