"""A photo's head moved by its mesh, on a painted one."""

import pytest
import torch
from torch import Tensor

from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.portrait.posed import (
    MIRROR_DEG,
    Head,
    PosedHead,
    build_head,
    draw_head,
    mirror_head,
    mirror_turned,
    pose_head,
)
from tests.synthetic import painted_photo, pose_of, rotation_of

SIDE = 128


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def head_at(model: MorphableModel, yaw_deg: float) -> Head:
    return build_head(model, *painted_photo(model, yaw_deg, SIDE))


def mesh_at(model: MorphableModel, yaw_deg: float, shape: Tensor | None = None) -> Tensor:
    """(1, 478, 3) in half-sides, placed like `painted_photo`."""
    pose = pose_of([rotation_of(0, yaw_deg, 0)], scale=34, centre=(64, 68))
    mesh_px = pose.apply((model.mean if shape is None else shape)[None])
    return mesh_px * (2 / SIDE) - mesh_px.new_tensor([1, 1, 0])


def test_a_head_that_does_not_move_is_the_photo(model: MorphableModel) -> None:
    head = head_at(model, 10.0)
    posed = pose_head(model, head, mirror_turned(model, head), mesh_at(model, 10.0))
    assert torch.equal(posed.rgb, head.rgb)
    assert posed.shown.min() == 1
    assert posed.displacement.abs().max() == 0


def test_a_turned_mesh_takes_the_whole_head_along(model: MorphableModel) -> None:
    """From frontal to profile: what is drawn where the mesh is agrees with the mesh painted there."""
    head = head_at(model, 0.0)
    posed = pose_head(model, head, None, mesh_at(model, 60.0))
    wanted = torch.from_numpy(painted_photo(model, 60.0, SIDE)[0]).permute(2, 0, 1) / 255
    on_face = (posed.parts.sum(1) > 0) & (posed.shown[:, 0] > 0)
    difference = (posed.rgb[0] - wanted).abs().mean(0)[on_face[0]]
    assert on_face.float().mean() > 0.05
    assert difference.mean() < 0.08
    assert difference.mean() < 0.5 * (head.rgb[0] - wanted).abs().mean(0)[on_face[0]].mean()
    assert posed.head[0, 0].mean() == pytest.approx(0.35, abs=0.15)
    assert posed.shown[0, 0][posed.head[0, 0] > 0].mean() < 0.9  # the back of the head is made up


def test_what_the_jaw_does_leaves_the_hair_alone(model: MorphableModel) -> None:
    head = head_at(model, 0.0)
    shape = model.mean.clone()
    below = shape[:, 1] < shape[:, 1].mean()
    shape[below, 1] -= 0.15 * (shape[:, 1].mean() - shape[below, 1])
    target = mesh_at(model, 0.0, shape)
    drawn = draw_head(model, head, target)
    moved = drawn.displacement[0].norm(dim=0) * drawn.covered[0, 0]
    chin = int((target[0, 152, 1] + 1) * SIDE / 2)
    assert moved[:30].max() < 0.35 * moved[chin - 6 : chin - 2, SIDE // 2].mean()


def test_only_a_turned_source_needs_its_mirror_image(model: MorphableModel) -> None:
    assert mirror_turned(model, head_at(model, MIRROR_DEG - 5)) is None
    profile = head_at(model, 65.0)
    mirrored = mirror_turned(model, profile)
    assert mirrored is not None
    posed, alone = (pose_head(model, profile, each, mesh_at(model, 0.0)) for each in (mirrored, None))
    hidden = (posed.parts.sum(1, keepdim=True) > 0) & (posed.shown == 0)
    assert hidden.float().mean() > 0.03
    assert posed.mirrored_shown[hidden].mean() > 0.6
    assert alone.mirrored_shown.max() == 0
    torch.testing.assert_close(alone.mirrored, alone.rgb)


def test_the_mirror_of_the_mirror_is_the_head(model: MorphableModel) -> None:
    head = head_at(model, 40.0)
    mirrored = mirror_head(model, head)
    assert mirrored.yaw_deg == pytest.approx(-head.yaw_deg, abs=0.5)
    again = mirror_head(model, mirrored)
    torch.testing.assert_close(again.shape.shape, head.shape.shape, atol=1e-3, rtol=0)
    assert torch.equal(again.colours, head.colours)
    meshes = mesh_at(model, 10.0), mesh_at(model, 10.0)[:, torch.from_numpy(mesh_mirror())] * torch.tensor([-1, 1, 1])
    drawn = [draw_head(model, *each) for each in zip((head, mirrored), meshes, strict=True)]
    difference = (drawn[0].rgb - drawn[1].rgb.flip(-1)).abs()[..., 5:-5, 5:-5]
    assert difference.mean() < 3 / 255


def test_a_batch_is_its_frames_one_by_one(model: MorphableModel) -> None:
    head = head_at(model, 30.0)
    mirrored, meshes = mirror_turned(model, head), torch.cat([mesh_at(model, yaw) for yaw in (-50.0, 5.0)])
    together = pose_head(model, head, mirrored, meshes)
    for i in range(2):
        alone = pose_head(model, head, mirrored, meshes[i : i + 1])
        for name in PosedHead._fields:
            torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[i])


def test_a_profile_has_a_back_of_hair_and_a_neck_of_skin(model: MorphableModel) -> None:
    """Behind the face is hair, and under the ear the neck, where the photo shows the background."""
    head = build_head(model, *painted_photo(model, 0.0, side=256))
    mesh = mesh_at(model, 75.0)
    drawn = draw_head(model, head, mesh)
    x, y = (((mesh[0, 234, :2] + 1) * 128).long()).tolist()
    back = drawn.covered[0, 0, y - 60 : y - 40, x - 30 : x]
    assert back.mean() > 0.9
    nape = (0, slice(None), slice(y + 83, y + 87), slice(x + 24, x + 30))
    before, after = (picture[nape].mean((1, 2)) for picture in (head.rgb, drawn.rgb))
    assert before[0] < before[2] - 0.2  # sky
    assert after[0] > after[2]  # skin
