"""FACEGAN as a whole: motion, poses, masks."""

import pytest
import torch

from reenact.geometry.matching import find_neutral
from reenact.geometry.morphable import load_morphable
from reenact.systems.base import PoseControls
from reenact.systems.facegan.motion import FaceMotion, carry_motion, read_face_motion
from reenact.systems.facegan.reenactor import FaceganIdentity
from reenact.types import head_angles_rad
from tests.contract.systems import AnyReenactor, Clip, build, painted
from tests.synthetic import face_geometry, pose_of, rotation_of


@pytest.fixture(scope="module")
def system() -> AnyReenactor:
    return build("facegan")


@pytest.fixture(scope="module")
def source() -> Clip:
    return painted(3, 1, 96)


@pytest.fixture(scope="module")
def identity(system: AnyReenactor, source: Clip) -> FaceganIdentity:
    return system.encode_identity(*source)


def motion_of(units: torch.Tensor, yaw_deg: float = 0, scale: float = 1.0) -> FaceMotion:
    return FaceMotion(action_units=units, pose=pose_of([rotation_of(0, yaw_deg, 0)], scale=scale, centre=(0, 0)))


def units(value: float) -> torch.Tensor:
    return torch.full((1, 17, 2), value)


def posed(system: AnyReenactor, identity: FaceganIdentity, action_units: torch.Tensor, angles_rad: torch.Tensor):
    return system.pose(identity, PoseControls(action_units=action_units, angles_rad=angles_rad))


def test_units_are_read_by_side_and_angles_from_the_fitted_pose() -> None:
    model = load_morphable()
    pose = pose_of([rotation_of(-5, 20, 8)], scale=20, centre=(40, 40))
    face = face_geometry(pose.apply(model.mean[None]), torch.eye(3)[None])
    face.blendshapes[0, 9] = 1.0  # eyeBlinkLeft
    motion = read_face_motion(model, face)
    assert motion.action_units.shape == (1, 17, 2)
    assert motion.action_units[0, -1].tolist() == [1.0, 0.0]
    torch.testing.assert_close(torch.rad2deg(motion.angles_rad), torch.tensor([[-5.0, 20.0, 8.0]]), atol=0.05, rtol=0)


def test_absolute_motion_takes_the_drivers_units_and_relative_motion_their_change() -> None:
    own, driver, neutral = motion_of(units(0.3)), motion_of(units(0.8)), motion_of(units(0.2))
    assert torch.equal(carry_motion(own, driver, neutral, "absolute").action_units, units(0.8))
    torch.testing.assert_close(carry_motion(own, driver, neutral, "relative").action_units, units(0.9))
    assert carry_motion(motion_of(units(0.7)), driver, neutral, "relative").action_units.max() == 1
    weaker = carry_motion(own, motion_of(units(-2.0)), neutral, "absolute")
    assert weaker.action_units.min() == 0


def test_the_neutral_frame_neither_turns_nor_grimaces() -> None:
    frames = [motion_of(units(0.5)), motion_of(units(0.1), yaw_deg=40), motion_of(units(0.1), yaw_deg=5)]
    rotations = torch.cat([each.pose.rotation for each in frames])
    together = FaceMotion(
        action_units=torch.cat([each.action_units for each in frames]),
        pose=pose_of(list(rotations), scale=1, centre=(0, 0)),
    )
    assert find_neutral(together) == 2


def test_a_posed_head_has_the_given_angles_and_its_own_size(system: AnyReenactor, identity: FaceganIdentity) -> None:
    angles = torch.tensor([[0.1, 0.4, -0.2]])
    driven = posed(system, identity, identity.motion.action_units, angles)
    torch.testing.assert_close(head_angles_rad(driven.pose.rotation), angles, atol=1e-5, rtol=0)
    assert torch.equal(driven.pose.scale, identity.motion.pose.scale)


def test_one_unit_on_one_side_is_another_face_than_on_both(system: AnyReenactor, identity: FaceganIdentity) -> None:
    left, both = torch.zeros(2, 1, 17, 2)
    left[0, -1, 0] = both[0, -1] = 1
    first, second = (posed(system, identity, each, identity.motion.angles_rad).landmarks for each in (left, both))
    assert (first - second).abs().max() > 1e-4


@pytest.mark.parametrize("anchored", [True, False])
def test_the_papers_network_draws_as_well(source: Clip, anchored: bool) -> None:
    paper = {"source_warp": False, "layered": False, "sides": 1, "reduction": 1, "norm": "instance"}
    system = build("facegan", anchored=anchored, **paper)
    identity = system.encode_identity(*source)
    rendered = system.render(identity, posed(system, identity, torch.rand(2, 17, 2), torch.rand(2, 3)))
    assert rendered.rgb.shape == (2, 3, 96, 96)
    assert torch.isfinite(rendered.rgb).all()
