"""Gaze of a mesh, read and set."""

import torch

from reenact.geometry.gaze import read_gaze_rad, turn_eyes
from reenact.geometry.landmarks import LEFT_IRIS, RIGHT_IRIS
from reenact.geometry.morphable import Pose, load_morphable
from reenact.geometry.placement import place_head, rotation_of_angles


def head(angles_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> tuple[torch.Tensor, Pose]:
    """The mean face, posed, and its pose."""
    rotation = rotation_of_angles(torch.deg2rad(torch.tensor([angles_deg])))
    pose = Pose(rotation=rotation, scale=torch.tensor([0.5]), translation_px=torch.tensor([[0.1, -0.2, 0.0]]))
    return pose.apply(load_morphable().mean[None]), pose


def test_eyes_that_are_turned_are_read_as_turned() -> None:
    """In a head that is turned itself; nothing but the irises moves."""
    mesh, pose = head((10.0, -30.0, 15.0))
    straight, wanted = load_morphable().mean, torch.deg2rad(torch.tensor([[20.0, -12.0]]))
    turned = turn_eyes(mesh, pose, torch.zeros(1, 2), wanted)
    torch.testing.assert_close(read_gaze_rad(pose.invert(turned), straight), wanted, atol=1e-4, rtol=0)
    irises = [*RIGHT_IRIS, *LEFT_IRIS]
    others = [point for point in range(478) if point not in irises]
    assert torch.equal(turned[:, others], mesh[:, others])
    assert torch.equal(turn_eyes(mesh, pose, wanted, wanted), mesh)


def test_the_left_of_the_person_is_on_the_right_of_the_picture() -> None:
    mesh, pose = head()
    turned = turn_eyes(mesh, pose, torch.zeros(1, 2), torch.deg2rad(torch.tensor([[20.0, 10.0]])))
    right, down, _ = (turned - mesh)[0, LEFT_IRIS[0]].tolist()
    assert right > 0 and down > 0


def test_a_head_is_shifted_by_shares_of_the_crop_and_scaled_about_its_base() -> None:
    mesh, pose = head((0.0, 25.0, 0.0))
    shifted = place_head(pose, torch.tensor([[0.1, -0.05, 0.0]])).apply(load_morphable().mean[None])
    torch.testing.assert_close(shifted - mesh, torch.tensor([0.2, -0.1, 0.0]).expand_as(mesh), atol=1e-6, rtol=0)
    larger = place_head(pose, torch.tensor([[0.0, 0.0, 0.2]]))
    base = torch.tensor([[[0.0, -0.5, -1.0]]])
    torch.testing.assert_close(larger.apply(base), pose.apply(base), atol=1e-6, rtol=0)
    torch.testing.assert_close(larger.scale, pose.scale * 1.2)
