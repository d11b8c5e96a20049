"""A photo's head moved by its mesh, on a painted one."""

import numpy as np
import pytest
import torch
from torch import Tensor

from reenact.geometry.head import (
    MIRROR_DEG,
    Head,
    PosedHead,
    build_head,
    draw_head,
    mirror_head,
    mirror_turned,
    move_vertices,
    pose_head,
)
from reenact.geometry.morphable import MorphableModel, load_morphable
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
    photo = torch.from_numpy(head.rgb).permute(2, 0, 1) / 255
    assert (posed.rgb[0] - photo).abs().mean() < 2 / 255
    assert posed.shown.mean() > 0.97
    assert posed.displacement.abs().max() < 0.02


def test_a_turned_mesh_takes_the_whole_head_along(model: MorphableModel) -> None:
    """From frontal to profile: what is drawn where the mesh is agrees with the mesh painted there."""
    head = head_at(model, 0.0)
    posed = pose_head(model, head, None, mesh_at(model, 60.0))
    wanted = torch.from_numpy(painted_photo(model, 60.0, SIDE)[0]).permute(2, 0, 1) / 255
    on_face = (posed.parts.sum(1) > 0) & (posed.shown[:, 0] > 0)
    difference = (posed.rgb[0] - wanted).abs().mean(0)[on_face[0]]
    assert on_face.float().mean() > 0.05
    assert difference.mean() < 0.08
    moved = torch.from_numpy(head.rgb).permute(2, 0, 1) / 255
    assert difference.mean() < 0.5 * (moved - wanted).abs().mean(0)[on_face[0]].mean()
    assert posed.head[0, 0].mean() == pytest.approx(0.35, abs=0.15)
    assert posed.shown[0, 0][posed.head[0, 0] > 0].mean() < 0.9  # the back of the head is made up


def test_what_the_jaw_does_leaves_the_hair_alone(model: MorphableModel) -> None:
    head = head_at(model, 0.0)
    shape = model.mean.clone()
    below = shape[:, 1] < shape[:, 1].mean()
    shape[below, 1] -= 0.15 * (shape[:, 1].mean() - shape[below, 1])
    target_px = (mesh_at(model, 0.0, shape) + torch.tensor([1.0, 1.0, 0.0])) * (SIDE / 2)
    moved, turn_deg = move_vertices(model, head, target_px)
    change = (moved[0] - head.vertices_px).norm(dim=1)
    hair = (head.sheet == 0) & (head.vertices_px[:, 1] < 30)
    chin = (head.sheet == 0) & (head.vertices_px[:, 1] > head.mesh_px[:, 1].max() - 3)
    assert change[hair].max() < 0.35 * change[chin].max()
    assert turn_deg[0] < 5


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
    torch.testing.assert_close(again.vertices_px, head.vertices_px, atol=1e-3, rtol=0)
    assert torch.equal(again.triangles, head.triangles)
    drawn = [draw_head(each, each.vertices_px, turned=1.0, repainted=1.0) for each in (head, mirrored)]
    difference = np.abs(drawn[0].rgb - drawn[1].rgb[:, ::-1])[5:-5, 5:-5]
    assert difference.mean() < 3


def test_a_batch_is_its_frames_one_by_one(model: MorphableModel) -> None:
    head = head_at(model, 30.0)
    mirrored, meshes = mirror_turned(model, head), torch.cat([mesh_at(model, yaw) for yaw in (-50.0, 5.0)])
    together = pose_head(model, head, mirrored, meshes)
    for i in range(2):
        alone = pose_head(model, head, mirrored, meshes[i : i + 1])
        for name in PosedHead._fields:
            torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[i])


def test_a_neck_is_drawn_upwards_in_its_own_colours_and_darkens_under_the_jaw(model: MorphableModel) -> None:
    rgb, mesh_px, parsing = painted_photo(model, 0.0, side=256)
    rgb[(rgb == (200, 150, 130)).all(-1) & (np.arange(256) < 128)] = (120, 90, 80)  # a side in the dark
    ground = build_head(model, rgb, mesh_px, parsing).ground.astype(float)
    chin, middle = int(mesh_px[152, 1]), int(mesh_px[[132, 361], 0].mean())
    dark, bright = ground[:, middle - 12], ground[:, middle + 12]
    assert (bright[chin - 4] > dark[chin - 4] + 20).all()  # each side as below
    for column, below in ((dark, (120, 90, 80)), (bright, (200, 150, 130))):
        assert (column[chin - 12] < column[chin + 2]).all()
        assert (column[chin - 12] > 0.5 * np.array(below)).all()
