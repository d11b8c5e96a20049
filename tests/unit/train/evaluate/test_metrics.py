"""Every measure on inputs with known results."""

import builtins
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from reenact.errors import MissingDependencyError
from reenact.types import head_angles_rad
from tests.synthetic import rotation_of
from train.evaluate.metrics import (
    ace_px,
    akd_px,
    au_error,
    csim,
    ed,
    frechet_distance,
    l1,
    lsim,
    mse,
    pose_error_deg,
    psim,
    psnr_db,
    ssim,
    temporal_jitter_px,
)
from train.evaluate.metrics.frechet import frechet_of_moments


def pictures(count: int = 2, side: int = 32) -> Tensor:
    """Noise from 0.2 to 0.8, each row with another mean."""
    return 0.2 + 0.5 * torch.rand(count, 3, side, side) + 0.1 * torch.arange(count)[:, None, None, None] / count


def faces(count: int = 2) -> Tensor:
    """(count, 68, 2) points spread over a 256 px crop, the eyes 60 px apart."""
    points = 60 + 130 * torch.rand(count, 68, 2)
    points[:, 36:42] = torch.tensor([98.0, 110.0]) + torch.randn(6, 2)
    points[:, 42:48] = torch.tensor([158.0, 110.0]) + torch.randn(6, 2)
    return points


def test_equal_pictures_have_no_error() -> None:
    picture = pictures()
    assert torch.equal(l1(picture, picture), torch.zeros(2))
    assert torch.equal(mse(picture, picture), torch.zeros(2))
    torch.testing.assert_close(ssim(picture, picture), torch.ones(2))
    assert torch.equal(psnr_db(picture, picture), torch.full((2,), 100.0))


@pytest.mark.parametrize("offset", [0.1, -0.02])
def test_a_constant_offset_is_measured_for_each_picture_alone(offset: float) -> None:
    picture = pictures()
    moved = picture + torch.tensor([offset, 2 * offset])[:, None, None, None]
    expected = torch.tensor([abs(offset), 2 * abs(offset)])
    torch.testing.assert_close(l1(moved, picture), expected)
    torch.testing.assert_close(mse(moved, picture), expected.square())
    torch.testing.assert_close(psnr_db(moved, picture), -20 * expected.log10(), rtol=1e-4, atol=1e-3)


def test_structural_similarity_of_flat_pictures_is_that_of_their_means() -> None:
    a, b = torch.full((1, 3, 32, 32), 0.4), torch.full((1, 3, 32, 32), 0.6)
    constant = 0.01**2
    expected = (2 * 0.4 * 0.6 + constant) / (0.4**2 + 0.6**2 + constant)
    torch.testing.assert_close(ssim(a, b), torch.tensor([expected]), rtol=1e-3, atol=1e-3)


def test_structural_similarity_of_noise_is_low_and_row_by_row() -> None:
    picture = pictures(3, 64)
    other = torch.stack([picture[0], torch.rand(3, 64, 64), picture[2]])
    value = ssim(picture, other)
    assert value[0] > 0.999
    assert value[1] < 0.2
    assert value[2] > 0.999
    torch.testing.assert_close(ssim(picture[1:2], other[1:2]), value[1:2])


@pytest.mark.parametrize("metric", [psnr_db, ssim])
def test_without_torchmetrics_the_extra_is_named(metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("torchmetrics"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingDependencyError, match=r'needs torchmetrics.*pip install -e "\.\[train\]"'):
        metric(pictures(), pictures())


@pytest.mark.parametrize("pixels", [0.0, 1.0, 7.5])
def test_landmarks_shifted_by_n_pixels_are_n_pixels_off(pixels: float) -> None:
    points = faces()
    along_x, along_both = torch.tensor([pixels, 0.0]), torch.tensor([pixels, -pixels])
    torch.testing.assert_close(akd_px(points + along_x, points), torch.full((2,), pixels), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ace_px(points + along_both, points), torch.full((2,), pixels), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ace_px(points + along_x, points), torch.full((2,), pixels / 2), rtol=1e-4, atol=1e-4)


def test_depth_counts_for_the_coordinate_error_alone() -> None:
    flat = faces()
    solid = torch.cat([flat, torch.zeros(2, 68, 1)], dim=2)
    deeper = solid + torch.tensor([0.0, 0.0, 6.0])
    assert torch.equal(akd_px(deeper, solid), torch.zeros(2))
    torch.testing.assert_close(ace_px(deeper, solid), torch.full((2,), 2.0))


def test_landmark_similarity_forgets_the_place_and_counts_half_sides() -> None:
    points = faces()
    place = torch.tensor([31.0, -12.0])
    torch.testing.assert_close(lsim(points + place, points), torch.zeros(2), rtol=0, atol=1e-9)
    moved = points.clone()
    moved[:, 0:17, 0] += 12.8  # a tenth of a half-side, one coordinate of 17 in 68 points
    torch.testing.assert_close(lsim(moved, points), torch.full((2,), 0.01 * 17 / 136))
    torch.testing.assert_close(lsim(moved, points, side_px=512), torch.full((2,), 0.0025 * 17 / 136))


def test_jitter_is_motion_that_the_driver_does_not_have() -> None:
    face = faces(1)
    path = torch.tensor([[0.0, 0.0], [3.0, 1.0], [9.0, -2.0], [4.0, 4.0], [0.0, 1.0]])
    driving = face + path[:, None]
    assert temporal_jitter_px(driving + 20, driving).abs().max() < 1e-4
    twice = (driving - 128) * 2
    assert temporal_jitter_px(twice, driving).abs().max() < 1e-4
    shaken = driving.clone()
    shaken[2, :, 0] += 3  # one frame off by 3 px: accelerations of 3, 6 and 3
    torch.testing.assert_close(temporal_jitter_px(shaken, driving), torch.tensor([3.0, 6.0, 3.0]), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("degrees", [0.0, 0.5, 25.0, 90.0, 179.0])
@pytest.mark.parametrize("axis", ["pitch_deg", "yaw_deg", "roll_deg"])
def test_a_turned_head_is_off_by_its_turn(degrees: float, axis: str) -> None:
    head = rotation_of(10, 20, -5)
    turned = rotation_of(**{axis: degrees}) @ head
    error = pose_error_deg(turned[None], head[None])
    torch.testing.assert_close(error, torch.tensor([degrees]), rtol=1e-3, atol=1e-2)


def test_pose_similarity_is_the_cosine_of_the_head_angles() -> None:
    angles = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0], [0.1, 0.1, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    other = torch.tensor([[0.3, 0.0, 0.0], [0.0, -0.1, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.2, 0.0]])
    expected = torch.tensor([1.0, -1.0, math.sqrt(0.5), 1.0, 0.0])
    torch.testing.assert_close(psim(angles, other), expected)
    rotations = torch.stack([rotation_of(5, 30, 2), rotation_of(-8, -20, 0)])
    others = torch.stack([rotation_of(4, 25, 0), rotation_of(3, 10, 1)])
    torch.testing.assert_close(psim(rotations, others), psim(head_angles_rad(rotations), head_angles_rad(others)))


def test_expression_difference_is_euclidean_and_the_unit_error_in_facs_steps() -> None:
    neutral = torch.zeros(2, 17)
    smile = neutral.clone()
    smile[0, 8], smile[1, 8], smile[1, 13] = 0.6, 0.3, 0.4
    torch.testing.assert_close(ed(smile, neutral), torch.tensor([0.6, 0.5]))
    torch.testing.assert_close(au_error(smile, neutral), torch.tensor([0.6, 0.7]) * 5 / 17)


def test_similarity_of_embeddings_is_their_cosine() -> None:
    first = torch.nn.functional.normalize(torch.randn(3, 16), dim=1)
    torch.testing.assert_close(csim(first, first), torch.ones(3))
    torch.testing.assert_close(csim(first, -first), -torch.ones(3))
    torch.testing.assert_close(csim(torch.eye(2), torch.eye(2).flip(0)), torch.zeros(2))


def test_distance_of_two_gaussians() -> None:
    """With diagonal covariances the distance is ``|m1 - m2|^2 + sum (s1 - s2)^2``."""
    mean_a, mean_b = torch.tensor([1.0, 2.0, 0.0]).double(), torch.tensor([0.0, 0.0, 2.0]).double()
    spread_a, spread_b = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([3.0, 2.0, 0.1]).double()
    got = frechet_of_moments(mean_a, spread_a.square().diag(), mean_b, spread_b.square().diag())
    assert got == pytest.approx(9.0 + 4.0 + 0.16)


def test_distance_of_correlated_gaussians_matches_the_plain_square_root() -> None:
    generator = torch.Generator().manual_seed(1)
    mix_a, mix_b = torch.randn(2, 5, 5, generator=generator, dtype=torch.float64)
    first, second = mix_a @ mix_a.T, mix_b @ mix_b.T
    values = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    expected = float(first.trace() + second.trace() - 2 * values)
    zero = torch.zeros(5, dtype=torch.float64)
    assert frechet_of_moments(zero, first, zero, second) == pytest.approx(expected)


def test_distance_of_sets_is_nil_for_one_set_and_the_shift_squared_for_a_moved_one() -> None:
    features = torch.randn(50, 8)
    assert frechet_distance(features, features.flip(0)) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(features, features + 3) == pytest.approx(9 * 8, rel=1e-5)
