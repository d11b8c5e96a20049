"""Which of the 68 landmarks a turned head hides: known beforehand for a head that is turned on purpose."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor

from reenact.geometry.flow import landmark_visibility
from reenact.geometry.landmarks import EDGES_68, LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from tests.synthetic import pose_of, random_coefficients, rotation_of

# the person's right lies on the left of the picture; a positive yaw turns the face to the right of the picture, so
# that it shows the person's right half
RIGHT_HALF = [*range(2, 8), *range(36, 42)]
"""Jaw between ear and chin, and the eye."""
LEFT_HALF = [*range(9, 15), *range(42, 48)]
MIRROR = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
MIRROR += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
MIRROR += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
CONTOUR = {i for edge in EDGES_68[:16] for i in edge}


def head(yaw_deg: float, pitch_deg: float = 0.0, *, seed: int | None = None) -> Tensor:
    """(1, 478, 3) in half-sides: the mean face, or somebody with an expression."""
    model = load_morphable()
    pose = pose_of([rotation_of(pitch_deg, yaw_deg, 0)], scale=0.55, centre=(0, 0))
    if seed is None:
        return pose.apply(model.mean[None])
    rng = np.random.default_rng(seed)
    identity = random_coefficients(rng, 1, len(model.identity_basis))
    expression = random_coefficients(rng, 1, len(model.expression_basis), spread=0.3)
    return model.assemble(identity, expression, pose)


@functools.cache
def seen(yaw_deg: float, pitch_deg: float = 0.0, *, seed: int | None = None, side: int = 128) -> tuple[bool, ...]:
    mesh = head(yaw_deg, pitch_deg, seed=seed)
    return tuple((landmark_visibility(load_morphable(), mesh, side)[0] > 0.5).tolist())


def share(visible: tuple[bool, ...], points: list[int]) -> float:
    return float(np.mean([visible[i] for i in points]))


def test_a_face_that_looks_ahead_shows_both_halves():
    visible = seen(0.0)
    assert share(visible, [i for i in range(68) if i not in CONTOUR]) == 1
    assert min(share(visible, half) for half in (RIGHT_HALF, LEFT_HALF)) > 0.8  # the jaw is seen edge-on


@pytest.mark.parametrize("yaw_deg", [60.0, 70.0, 80.0, 90.0])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_turned_head_hides_its_far_half(yaw_deg: float, seed: int | None):
    for sign, near, far in ((1, RIGHT_HALF, LEFT_HALF), (-1, LEFT_HALF, RIGHT_HALF)):
        visible = seen(sign * yaw_deg, seed=seed)
        assert share(visible, near) >= (0.9 if yaw_deg < 90 else 0.7), "in full profile the nose's root hides a corner"
        assert share(visible, [i for i in near if i in CONTOUR]) == 1
        assert share(visible, [i for i in far if i in CONTOUR]) == 0, "the far jaw lies behind the face"
        assert share(visible, far) <= (0.25 if yaw_deg < 80 else 0.1)


@pytest.mark.parametrize("yaw_deg", [15.0, 30.0, 45.0, 60.0, 75.0, 90.0])
def test_sides_mirror_each_other(yaw_deg: float):
    left, right = np.array(seen(yaw_deg)), np.array(seen(-yaw_deg))
    assert (left == right[MIRROR]).mean() >= 66 / 68  # the mean face is not quite symmetric


def test_the_further_the_turn_the_less_of_the_far_half():
    counts = [sum(seen(float(yaw))[i] for i in LEFT_HALF) for yaw in range(0, 91, 15)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0
    assert sum(seen(0.0)) - sum(seen(90.0)) >= 25


def test_pitch_alone_hides_no_half_more_than_the_other():
    for pitch_deg in (-30.0, 30.0):
        visible = seen(0.0, pitch_deg)
        assert abs(share(visible, RIGHT_HALF) - share(visible, LEFT_HALF)) <= 0.1


@pytest.mark.parametrize(("yaw_deg", "seed"), [(20.0, 2), (50.0, 3), (-70.0, 4), (85.0, 5)])
def test_rays_towards_the_viewer_agree(yaw_deg: float, seed: int):
    """The definition by another way: nothing lies between a landmark and the viewer, and its skin looks at him."""
    model, mesh = load_morphable(), head(yaw_deg, seed=seed)
    points, triangles = mesh[0].double().numpy(), model.triangles.numpy()
    wanted = np.array([_is_free(points, triangles, LANDMARKS_68[i]) for i in range(68)])
    assert (wanted == np.array(seen(yaw_deg, seed=seed))).mean() >= 62 / 68


@pytest.mark.parametrize("side", [64, 256])
def test_the_side_of_the_depth_map_hardly_matters(side: int):
    for yaw_deg in (-75.0, 40.0):
        differ = np.array(seen(yaw_deg, side=side)) != np.array(seen(yaw_deg))
        assert differ.sum() <= 3


def test_frames_of_a_batch_do_not_mix():
    model, yaws = load_morphable(), (-80.0, 0.0, 65.0)
    batch = landmark_visibility(model, torch.cat([head(yaw) for yaw in yaws]), 128) > 0.5
    assert [tuple(row) for row in batch.tolist()] == [seen(yaw) for yaw in yaws]


def _is_free(points: np.ndarray, triangles: np.ndarray, vertex: int) -> bool:
    own = (triangles == vertex).any(1)
    a, b, c = (points[triangles[own]][:, k] for k in range(3))
    normal = np.cross(b - a, c - a).sum(0)
    if normal[2] <= 0.1 * np.linalg.norm(normal):  # x right, y down, z away: clockwise corners face the viewer
        return False
    a, b, c = (points[triangles[~own]][:, k] for k in range(3))
    x, y, z = points[vertex]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    area = np.where(np.abs(area) < 1e-12, np.inf, area)
    v = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / area
    w = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / area
    inside = (v >= 0) & (w >= 0) & (v + w <= 1) & np.isfinite(area) & (area > 0)
    depth = a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2])
    height = points[:, 1].max() - points[:, 1].min()
    return not (inside & (depth < z - 0.1 * height)).any()
