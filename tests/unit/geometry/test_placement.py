"""Where a head goes."""

import pytest
import torch

from reenact.geometry.morphable import Pose
from reenact.geometry.placement import NECK, SKULL_BASE, carry_pose, rotation_of_angles, turn_on_neck
from reenact.types import head_angles_rad
from tests.synthetic import pose_of, rotation_of


def place_of(pose: Pose, point: tuple[float, float, float]) -> torch.Tensor:
    """Where a point of the head lies in the picture."""
    turned = pose.rotation @ torch.tensor(point) * torch.tensor([1.0, -1.0, -1.0])
    return turned * pose.scale[:, None] + pose.translation_px


@pytest.fixture
def own() -> Pose:
    return pose_of([rotation_of(5, -10, 3)], scale=40, centre=(100, 120))


@pytest.fixture
def driver() -> Pose:
    return pose_of([rotation_of(0, 4, 0)], scale=80, centre=(300, 200))


@pytest.mark.parametrize("relative", [True, False])
def test_a_driver_who_grows_and_walks_takes_the_head_along_in_proportion(
    own: Pose, driver: Pose, relative: bool
) -> None:
    moved = Pose(
        rotation=driver.rotation,
        scale=driver.scale * 1.5,
        translation_px=driver.translation_px + torch.tensor([8.0, -4.0, 0.0]),
    )
    here, there = (carry_pose(own, each, driver, relative=relative) for each in (driver, moved))
    torch.testing.assert_close(there.scale, own.scale * 1.5)
    torch.testing.assert_close((there.translation_px - here.translation_px)[0], torch.tensor([4.0, -2.0, 0.0]))


def test_relative_motion_of_a_still_driver_leaves_the_head_where_it_is(own: Pose, driver: Pose) -> None:
    carried = carry_pose(own, driver, driver, relative=True)
    torch.testing.assert_close(carried.rotation, own.rotation)
    torch.testing.assert_close(carried.translation_px, own.translation_px)


def test_absolute_motion_turns_the_head_on_the_neck(own: Pose, driver: Pose) -> None:
    carried = carry_pose(own, driver, driver, relative=False)
    torch.testing.assert_close(carried.rotation, driver.rotation)
    torch.testing.assert_close(place_of(carried, NECK), place_of(own, NECK), atol=1e-3, rtol=0)


def test_a_head_turned_by_hand_keeps_the_base_of_its_skull(own: Pose) -> None:
    rotations = torch.stack([rotation_of(0, 40, 0), rotation_of(-30, 0, 20)])
    turned = turn_on_neck(own, rotations)
    assert turned.scale.tolist() == [40.0, 40.0]
    where = place_of(own, SKULL_BASE).expand(2, -1)
    torch.testing.assert_close(place_of(turned, SKULL_BASE), where, atol=1e-3, rtol=0)


def test_angles_and_rotations_are_each_others_inverse() -> None:
    angles = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(head_angles_rad(rotation_of_angles(angles)), angles)
