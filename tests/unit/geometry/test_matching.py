"""Identity-matched motion: who is the source's, what happens is the driver's."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.geometry.landmarks import eye_openings
from reenact.geometry.matching import find_neutral, match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel, align, load_morphable
from reenact.geometry.placement import to_half_sides
from tests.synthetic import pose_of, random_clip, random_coefficients, rotation_of, wink

SIDE = 256


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def source(model: MorphableModel) -> torch.Tensor:
    return random_clip(model, np.random.default_rng(10), 1, SIDE)[0] / (SIDE / 2) - torch.tensor([1.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def driving(model: MorphableModel) -> torch.Tensor:
    """Another person, four frames, pixels of a larger picture."""
    return random_clip(model, np.random.default_rng(11), 4, SIDE)[0] * 2.5 + 100


def test_a_driver_at_rest_leaves_the_source_as_it_is(model: MorphableModel, source, driving) -> None:
    motion = read_mesh_motion(model, driving[:1])
    target = match_identity(model, split_identity(model, source), motion, motion, relative=True)
    assert (target - source).abs().max() < 1e-4


@pytest.mark.parametrize("relative", [False, True])
def test_driven_by_itself_the_source_stays(model: MorphableModel, source, relative: bool) -> None:
    motion = read_mesh_motion(model, source)
    target = match_identity(model, split_identity(model, source), motion, motion, relative=relative)
    assert (target - source).abs().max() < 1e-4


def test_driven_by_its_own_picture_in_other_pixels_the_source_stays(model: MorphableModel, source) -> None:
    """Only ratios to the face's size are read off the driver."""
    motion = read_mesh_motion(model, source * 300 + 450)
    target = match_identity(model, split_identity(model, source), motion, motion)
    assert (target - source).abs().max() < 5e-4


@pytest.mark.parametrize("relative", [False, True])
def test_the_face_shape_stays_the_sources(model: MorphableModel, source, driving, relative: bool) -> None:
    """Pose and expression taken out, the target is the source's neutral shape to the last detail."""
    identity = split_identity(model, source)
    motion = read_mesh_motion(model, driving)
    still_shape = dataclasses.replace(motion, shape=motion.shape[:1].expand_as(motion.shape))
    target = match_identity(model, identity, still_shape, still_shape[:1], relative=relative)
    expression = motion.expression
    if relative:
        expression = identity.expression + expression - expression[:1]
    shape = identity.neutral + model.expression_offset(expression)
    pose = align(target, shape, torch.ones(478))
    assert (pose.invert(target) - shape).abs().max() < 1e-4


def test_the_targets_neutral_shape_is_the_sources_and_not_the_drivers(model: MorphableModel, source, driving) -> None:
    motion = read_mesh_motion(model, driving)
    identity = split_identity(model, source)
    target = match_identity(model, identity, motion, motion[:1])
    neutral = split_identity(model, target).neutral
    to_source = (neutral - identity.neutral).norm(dim=-1).mean()
    to_driver = (neutral - split_identity(model, driving).neutral).norm(dim=-1).mean()
    assert to_source < 0.5 * to_driver


def test_absolute_takes_rotation_and_expression_over(model: MorphableModel, source, driving) -> None:
    motion = read_mesh_motion(model, driving)
    read_again = read_mesh_motion(model, match_identity(model, split_identity(model, source), motion, motion[:1]))
    torch.testing.assert_close(read_again.pose.rotation, motion.pose.rotation, atol=0.03, rtol=0)
    assert (read_again.expression - motion.expression).abs().mean() < 0.15


def test_relative_adds_the_change_to_the_sources_own_pose(model: MorphableModel) -> None:
    """A source turned by 20 degrees and a driver who turns from 0 to 15 give 35."""
    mean = model.mean[None]
    source = pose_of([rotation_of(yaw_deg=20)], scale=0.5, centre=(0, 0)).apply(mean)
    turned = pose_of([rotation_of(), rotation_of(yaw_deg=15)], scale=80, centre=(300, 200))
    motion = read_mesh_motion(model, turned.apply(mean.expand(2, -1, -1)))
    target = match_identity(model, split_identity(model, source), motion, motion[:1], relative=True)
    rotation = model.fit(target).pose.rotation
    torch.testing.assert_close(rotation[0], rotation_of(yaw_deg=20), atol=0.01, rtol=0)
    torch.testing.assert_close(rotation[1], rotation_of(yaw_deg=35), atol=0.01, rtol=0)


@pytest.mark.parametrize("relative", [False, True])
def test_displacement_and_growth_are_in_proportion_to_the_face(model: MorphableModel, relative: bool) -> None:
    """A driver four times as large who moves by half its unit and grows by a tenth."""
    mean, upright = model.mean[None], rotation_of()
    source = pose_of([upright], scale=0.5, centre=(0.1, 0)).apply(mean)
    first = pose_of([upright], scale=2.0, centre=(7, 3))
    second = pose_of([upright], scale=2.2, centre=(8, 3))
    motion = read_mesh_motion(model, torch.cat([first.apply(mean), second.apply(mean)]))
    pose = model.fit(match_identity(model, split_identity(model, source), motion, motion[:1], relative=relative)).pose
    torch.testing.assert_close(pose.translation_px[:, 0], torch.tensor([0.1, 0.35]), atol=2e-3, rtol=0)
    torch.testing.assert_close(pose.scale, torch.tensor([0.5, 0.55]), atol=2e-3, rtol=0)


def test_absolute_turns_the_head_on_its_neck(model: MorphableModel) -> None:
    """From a source in profile to a frontal driver the neck stays where it is, the face moves over it."""
    mean = model.mean[None]
    source = pose_of([rotation_of(yaw_deg=40)], scale=0.5, centre=(0, 0)).apply(mean)
    motion = read_mesh_motion(model, pose_of([rotation_of()], scale=90, centre=(300, 300)).apply(mean))
    identity = split_identity(model, source)
    pose = model.fit(match_identity(model, identity, motion, motion)).pose
    neck = torch.tensor([0.0, -1.6, -1.3]).expand(1, 478, 3)
    torch.testing.assert_close(pose.apply(neck)[0, 0, :2], identity.pose.apply(neck)[0, 0, :2], atol=0.01, rtol=0)


def test_only_the_change_of_the_drivers_shape_is_carried_over(model: MorphableModel, source, driving) -> None:
    identity, motion = split_identity(model, source), read_mesh_motion(model, driving)
    other = dataclasses.replace(motion, shape=motion.shape + 1.5)
    plain = match_identity(model, identity, motion, motion[:1])
    shifted = match_identity(model, identity, other, other[:1])
    torch.testing.assert_close(shifted, plain, atol=1e-4, rtol=0)


def test_the_neutral_frame_is_frontal_and_without_expression(model: MorphableModel) -> None:
    strong = random_coefficients(np.random.default_rng(0), 4, len(model.expression_basis), 1.5)
    strong[2] = 0
    rotations = [rotation_of(), rotation_of(yaw_deg=30), rotation_of(yaw_deg=3), rotation_of(pitch_deg=20)]
    identity = torch.zeros(4, len(model.identity_basis))
    mesh = model.assemble(identity, strong, pose_of(rotations, scale=70, centre=(128, 128)))
    assert find_neutral(read_mesh_motion(model, mesh)) == 2


def test_frames_can_be_picked(model: MorphableModel, driving) -> None:
    motion = read_mesh_motion(model, driving)
    some = motion[1:3]
    assert torch.equal(some.expression, motion.expression[1:3])
    assert torch.equal(some.shape, motion.shape[1:3])
    assert torch.equal(some.pose.translation_px, motion.pose.translation_px[1:3])


def test_half_sides_run_from_edge_to_edge() -> None:
    halves = to_half_sides(torch.tensor([[[0.0, 0, 0], [100, 100, 50]]]).repeat(1, 239, 1), 100)
    assert halves[0, 0].tolist() == [-1, -1, 0] and halves[0, 1].tolist() == [1, 1, 1]


def test_even_eyes_move_by_the_expression_alone(model: MorphableModel, source, driving) -> None:
    blink = wink(wink(model.mean[None], left=True), left=False)
    assert not read_mesh_motion(model, pose_of([rotation_of()], scale=80, centre=(90, 90)).apply(blink)).lids.any()


@pytest.mark.parametrize("left", [True, False])
def test_a_winking_source_keeps_its_wink_and_loses_it_to_a_driver(model: MorphableModel, left: bool) -> None:
    pose = pose_of([rotation_of(yaw_deg=10)], scale=80, centre=(90, 90))
    source, opened = pose.apply(wink(model.mean[None], left=left)), pose.apply(model.mean[None])
    identity, motion = split_identity(model, source), read_mesh_motion(model, opened)
    still = match_identity(model, identity, motion, motion, relative=True)
    torch.testing.assert_close(still, source, atol=1e-3, rtol=0)
    openings = eye_openings(match_identity(model, identity, motion, motion))[0]
    assert openings.min() > 0.7 * openings.max()
