"""Where the 68 landmarks lie, and maps drawn from them."""

import pytest
import torch

from reenact.geometry import landmarks as lm
from reenact.geometry.morphable import MorphableModel, load_morphable

JAW, RIGHT_BROW, LEFT_BROW = slice(0, 17), slice(17, 22), slice(22, 27)
BRIDGE, BASE, RIGHT_EYE, LEFT_EYE = slice(27, 31), slice(31, 36), slice(36, 42), slice(42, 48)
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def points(model: MorphableModel) -> torch.Tensor:
    """(68, 3) of the mean face: x to the person's left, y up."""
    return lm.landmarks68_of(model.mean[None])[0]


def test_there_are_68_different_ones() -> None:
    assert len(lm.LANDMARKS_68) == len(set(lm.LANDMARKS_68)) == 68
    assert max(lm.LANDMARKS_68) < 468


def test_the_jaw_runs_from_the_right_ear_by_the_chin_to_the_left_ear(points: torch.Tensor) -> None:
    jaw = points[JAW]
    assert (jaw[:, 0].diff() > -0.02).all(), "the face is widest a little below the temples"
    assert (jaw[2:15, 0].diff() > 0).all()
    assert (jaw[:9, 1].diff() < 0).all()
    assert (jaw[8:, 1].diff() > 0).all()
    assert jaw[8, 0].abs() < 0.02
    assert lm.LANDMARKS_68[8] == lm.CHIN


def test_parts_lie_above_and_beside_each_other(points: torch.Tensor) -> None:
    centre = {name: points[part].mean(0) for name, part in globals().items() if isinstance(part, slice)}
    for right, left in (("RIGHT_BROW", "LEFT_BROW"), ("RIGHT_EYE", "LEFT_EYE")):
        assert centre[right][0] < -0.1 < 0.1 < centre[left][0]
    order = ["RIGHT_BROW", "RIGHT_EYE", "BRIDGE", "BASE", "OUTER_LIPS", "JAW"]
    heights = [float(centre[name][1]) for name in order[:-1]] + [float(points[8, 1])]
    assert heights == sorted(heights, reverse=True)
    assert (points[BRIDGE, 1].diff() < 0).all()
    assert points[30, 2] == points[:, 2].max(), "the nose tip is nearest"


@pytest.mark.parametrize("part", [RIGHT_BROW, LEFT_BROW, BASE])
def test_rows_run_from_right_to_left(points: torch.Tensor, part: slice) -> None:
    assert (points[part, 0].diff() > 0).all()


@pytest.mark.parametrize("start", [36, 42])
def test_eyes_begin_at_their_right_corner_and_run_over_the_upper_lid(points: torch.Tensor, start: int) -> None:
    eye = points[start : start + 6]
    assert eye[:, 0].argmin() == 0
    assert eye[:, 0].argmax() == 3
    assert eye[1:3, 1].min() > eye[4:6, 1].max()
    assert lm.LANDMARKS_68[36] == lm.RIGHT_EYE_OUTER
    assert lm.LANDMARKS_68[45] == lm.LEFT_EYE_OUTER


def test_the_inner_lips_lie_within_the_outer_ones(points: torch.Tensor) -> None:
    outer, inner = points[OUTER_LIPS, :2], points[INNER_LIPS, :2]
    assert (inner.amin(0) >= outer.amin(0)).all()
    assert (inner.amax(0) <= outer.amax(0)).all()
    assert outer[:, 0].argmin() == 0
    assert outer[:, 0].argmax() == 6
    assert outer[3, 1] > outer[9, 1]


def test_left_and_right_mirror_each_other(points: torch.Tensor) -> None:
    swapped = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    swapped += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    swapped += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    mirrored = points[swapped] * torch.tensor([-1.0, 1, 1])
    assert (mirrored - points).abs().max() < 0.03


def test_rings_go_round_what_they_name(model: MorphableModel) -> None:
    for ring, iris in ((lm.RIGHT_EYE_RING, lm.RIGHT_IRIS), (lm.LEFT_EYE_RING, lm.LEFT_IRIS)):
        x, centre = model.mean[list(ring), 0], model.mean[iris[0], 0]
        assert x.min() < centre < x.max()
    assert (model.mean[list(lm.RIGHT_EYE_RING), 0] < 0).all()
    assert set(lm.RIGHT_EYE) <= set(lm.RIGHT_EYE_RING)
    assert set(lm.LEFT_EYE) <= set(lm.LEFT_EYE_RING)
    assert set(lm.INNER_LIPS) <= set(lm.INNER_LIP_RING)
    oval = model.mean[list(lm.FACE_OVAL), :2]
    inner = model.mean[list(lm.RIGHT_EYE_RING + lm.INNER_LIP_RING), :2]
    assert (inner > oval.amin(0)).all()
    assert (inner < oval.amax(0)).all()


def test_eye_distance_does_not_shrink_when_the_head_turns(model: MorphableModel) -> None:
    flat = model.mean[None] * 50
    turned = flat @ torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    torch.testing.assert_close(lm.eye_distance_px(turned), lm.eye_distance_px(flat))


def test_gaussian_maps_are_1_at_their_landmark_and_fall_off_with_sigma() -> None:
    places = torch.tensor([[[10.5, 4.5], [3.5, 20.5], [-50.0, 0.0]]])
    maps = lm.gaussian_maps(places, 24, 16, sigma_px=2.0)
    assert maps.shape == (1, 3, 24, 16)
    assert maps[0, 0, 4, 10] == 1
    assert maps[0, 1, 20, 3] == 1
    assert maps[0, 0].argmax() == 4 * 16 + 10
    assert maps[0, 0, 4, 12].item() == pytest.approx(torch.tensor(-0.5).exp().item())
    assert maps[0, 2].max() < 1e-6
    assert maps.min() >= 0


def test_edges_are_1_on_their_lines_and_0_away_from_them() -> None:
    assert len(set(lm.EDGES_68)) == len(lm.EDGES_68) == 16 + 4 + 4 + 3 + 4 + 6 + 6 + 12 + 8
    points = torch.full((1, 68, 2), 4.5)
    points[0, 0] = torch.tensor([4.5, 12.5])  # the one edge of any length
    drawn = lm.edge_map(points, 16, 10)
    assert drawn.shape == (1, 1, 16, 10)
    assert (drawn[0, 0, 4:13, 4] == 1).all()
    assert drawn[0, 0, :, 6:].max() == 0
    assert drawn[0, 0, 14:].max() == 0


def test_edges_can_be_differentiated(points: torch.Tensor) -> None:
    places = (points[None, :, :2] * torch.tensor([10.0, -10.0]) + 12).requires_grad_()
    lm.edge_map(places, 24, 24).sum().backward()
    assert places.grad is not None
    assert torch.isfinite(places.grad).all()
    assert places.grad.abs().sum() > 0


@pytest.mark.parametrize("lips", [lm.OUTER_LIPS, lm.INNER_LIPS], ids=["outer", "inner"])
def test_a_lip_does_not_carry_the_other_along(model: MorphableModel, lips: tuple[int, ...]) -> None:
    """With distances measured on closed lips, each inner lip followed the other for a third of the way."""
    spread, half = lm.landmark_spread(model.lips_apart), len(lips) // 2
    upper, lower = (list(lips[i : i + half - 1]) for i in (1, half + 1))
    for own, other in ((upper, lower), (lower, upper)):
        own_rows, other_rows = ([lm.LANDMARKS_68.index(point) for point in side] for side in (own, other))
        assert spread[own][:, own_rows].sum(1).min() > 0.75
        assert spread[own][:, other_rows].abs().max() < 0.08
