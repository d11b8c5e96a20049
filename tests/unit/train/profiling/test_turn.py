"""Face profiling, on made-up heads: a painted mesh with a cap of hair on a plain ground."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.head_sheets import BACKGROUND, FACE, HAIR, SKIN
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.rasterise import rasterise
from reenact.types import head_angles_rad
from tests.synthetic import face_set, paint, pose_of, rotation_of
from train.profiling.turn import build_head, draw_yaw_deg, profile_face, profile_row, turn_head, turn_mesh

SIDE = 128
Photo = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def photo(model: MorphableModel, yaw_deg: float) -> Photo:
    """Picture, mesh and parsing: the model's mean face under a dark disc of hair, on grey, above a neck."""
    pose = pose_of([rotation_of(0, yaw_deg, 0)], scale=34, centre=(64, 68))
    mesh = pose.apply(model.mean[None])
    face = (paint(model, mesh, SIDE)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    middle = mesh[0, :, 0].mean().item()
    hair = (np.hypot(x - middle, y - 58) < 44) & (y < 72)
    neck = (np.abs(x - middle) < 14) & (y > 72)
    on_mesh = paint(model, mesh, SIDE)[0].numpy() != paint(model, mesh + 1000, SIDE)[0].numpy()
    on_mesh = on_mesh.any(0)
    rgb = np.full((SIDE, SIDE, 3), (90, 130, 160), np.uint8)
    rgb[neck] = (200, 150, 130)
    rgb[hair] = (40, 25, 20)
    rgb[on_mesh] = face[on_mesh]
    parsing = np.full((SIDE, SIDE), BACKGROUND, np.uint8)
    parsing[neck], parsing[hair], parsing[on_mesh] = SKIN, HAIR, FACE
    return rgb, mesh[0].numpy(), parsing[::2, ::2]


def yaw_deg(model: MorphableModel, mesh_px: np.ndarray) -> float:
    return float(head_angles_rad(model.fit(torch.from_numpy(mesh_px)[None]).pose.rotation)[0, 1].rad2deg())


@pytest.mark.parametrize("own_deg", [0.0, 15.0])
def test_at_its_own_yaw_the_photo_comes_back_bit_for_bit(model: MorphableModel, own_deg: float):
    rgb, mesh_px, parsing = photo(model, own_deg)
    head = build_head(model, rgb, mesh_px, parsing)
    assert head.yaw_deg == pytest.approx(own_deg, abs=0.1)
    same = turn_head(head, head.yaw_deg)
    assert np.array_equal(same.rgb, rgb)
    assert np.allclose(same.mesh_px, mesh_px, atol=1e-4)
    assert same.visible.min() == 1


@pytest.mark.parametrize("wanted_deg", [-90.0, -45.0, 20.0, 60.0, 85.0])
def test_the_mesh_reaches_the_wanted_yaw_and_nothing_else_changes(model: MorphableModel, wanted_deg: float):
    rgb, mesh_px, parsing = photo(model, 10.0)
    turned = profile_face(model, rgb, mesh_px, parsing, wanted_deg)
    assert yaw_deg(model, turned.mesh_px) == pytest.approx(wanted_deg, abs=0.2)
    before, after = mesh_px[::9], turned.mesh_px[::9]
    for mesh in (before, after):
        mesh -= mesh[0]
    assert np.allclose(np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1), atol=1e-3)
    assert np.allclose(after[:, 1], before[:, 1], atol=1e-4)


def test_the_same_photo_and_yaw_give_the_same_picture(model: MorphableModel):
    first, second = (profile_face(model, *photo(model, 5.0), 50.0) for _ in range(2))
    assert np.array_equal(first.rgb, second.rgb)
    assert np.array_equal(first.visible, second.visible)


def test_what_the_photo_hides_is_marked(model: MorphableModel):
    rgb, mesh_px, parsing = photo(model, 0.0)
    profile = profile_face(model, rgb, mesh_px, parsing, 80.0)
    corner = profile.visible[:8, :8]
    assert corner.min() == 1  # the ground stands still, and is the photo's
    assert np.array_equal(profile.rgb[:8, :8], rgb[:8, :8])
    left, right = profile.mesh_px[:, 0].min(), profile.mesh_px[:, 0].max()
    behind_the_ear = profile.visible[40:60, int(left) - 14 : int(left) - 6]
    assert behind_the_ear.mean() < 0.1  # the back of the head, made up
    tip = profile.mesh_px[1]
    assert tip[0] == pytest.approx(right, abs=2)  # the nose points to the right
    assert 0.2 < profile.visible.mean() < 0.95


def test_the_face_moves_as_its_mesh_does(model: MorphableModel):
    """The colour of a mesh point that both pictures show stays with the point."""
    rgb, mesh_px, parsing = photo(model, 0.0)
    turned = profile_face(model, rgb, mesh_px, parsing, 25.0)
    points = [1, 4, 9, 50, 151, 168, 205]
    before = rgb[mesh_px[points, 1].astype(int), mesh_px[points, 0].astype(int)].astype(int)
    at = turned.mesh_px[points].astype(int)
    assert turned.visible[at[:, 1], at[:, 0]].mean() > 0.8
    assert np.abs(turned.rgb[at[:, 1], at[:, 0]] - before).mean() < 14


def test_rows_of_a_set_follow_the_seed(model: MorphableModel):
    data = face_set(model, np.random.default_rng(0), clips=0, frames=1, stills=2)
    covered = rasterise(torch.from_numpy(data.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    data = dataclasses.replace(data, parsing=covered.astype(np.uint8), has_parsing=np.array([True, False]))
    first, again, other = (profile_row(model, data, 0, seed) for seed in (4, 4, 5))
    assert np.array_equal(first.rgb, again.rgb)
    assert first.yaw_deg == again.yaw_deg != other.yaw_deg
    assert np.sign(first.yaw_deg) == np.sign(data.yaw_deg[0])
    with pytest.raises(ConfigError, match="has no parsing"):
        profile_row(model, data, 1, 4)


def test_turning_there_and_back_is_no_turn():
    mesh = torch.randn(2, 478, 3, generator=torch.Generator().manual_seed(0))
    turn, pivot = torch.tensor([0.7, -1.2]), torch.tensor([[0.1, 0.0, -0.5], [0.0, 1.0, 2.0]])
    assert torch.allclose(turn_mesh(turn_mesh(mesh, turn, pivot), -turn, pivot), mesh, atol=1e-5)


def test_yaws_fill_the_bins_evenly_and_follow_the_seed():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_yaw_deg(rng) for _ in range(3000)])
    shares = np.histogram(np.abs(drawn), [0, 30, 60, 90])[0] / len(drawn)
    assert np.allclose(shares, 1 / 3, atol=0.03)
    assert abs((drawn > 0).mean() - 0.5) < 0.03
    assert draw_yaw_deg(np.random.default_rng(7)) == draw_yaw_deg(np.random.default_rng(7))
    assert all(draw_yaw_deg(rng, towards=-12.0) <= 0 for _ in range(50))
