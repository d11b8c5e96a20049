"""Crops and maps of mouths and eyes."""

import numpy as np
import pytest
import torch

from reenact.geometry.landmarks import INNER_LIP_RING
from reenact.geometry.morphable import load_morphable
from reenact.portrait import parts
from tests.synthetic import random_clip


@pytest.fixture(scope="module")
def mesh() -> torch.Tensor:
    return random_clip(load_morphable(), np.random.default_rng(3), 2, 256)[0]


@pytest.mark.parametrize(("part", "left"), [("mouth", False), ("eye", False), ("eye", True)])
def test_a_crop_follows_a_face_that_moves_turns_and_grows(mesh: torch.Tensor, part: parts.Part, left: bool) -> None:
    turned = torch.tensor([[[1.2, -0.9, 30.0], [0.9, 1.2, -20.0]]]).expand(2, -1, -1)
    moved = torch.cat([parts.place(turned, mesh), mesh[..., 2:] * 1.5], -1)
    first, second = (parts.place(parts.crop_part(each, part, left=left), each) for each in (mesh, moved))
    assert torch.allclose(first, second, atol=1e-2)


def test_a_left_eye_is_mirrored_into_a_right_one(mesh: torch.Tensor) -> None:
    for left, outer, inner in ((False, 33, 133), (True, 263, 362)):
        points = parts.place(parts.crop_part(mesh, "eye", left=left), mesh)
        assert (points[:, outer, 0] < points[:, inner, 0]).all()


def test_transforms_invert_and_chain(mesh: torch.Tensor) -> None:
    matrix = parts.crop_part(mesh, "mouth")
    there = parts.place(matrix, mesh)
    assert torch.allclose(parts.place(parts.invert(matrix), there), mesh[..., :2], atol=1e-2)
    assert torch.allclose(parts.place(parts.chain(matrix, matrix), mesh), parts.place(matrix, there), atol=1e-2)


@pytest.mark.parametrize("zoom", [0.3, 1.0, 2.5])
def test_sampling_keeps_a_gradient(zoom: float) -> None:
    """A picture whose colours are its coordinates shows where each pixel was taken from."""
    at = torch.arange(128) + 0.5
    picture = torch.stack([at.expand(128, -1), at[:, None].expand(-1, 128)])[None]
    matrix = torch.tensor([[[zoom, 0.0, -20 * zoom], [0.0, zoom, -30 * zoom]]])
    x, y = parts.sample(picture, matrix, (16, 20))[0]
    assert torch.allclose(x[3], 20 + (torch.arange(20) + 0.5) / zoom, atol=1e-2)
    assert torch.allclose(y[:, 3], 30 + (torch.arange(16) + 0.5) / zoom, atol=1e-2)


def test_distance_to_a_square() -> None:
    square = torch.tensor([[[16.0, 12.0], [48.0, 12.0], [48.0, 36.0], [16.0, 36.0]]])
    distance = parts.signed_distance(square, (48, 64))[0, 0]
    assert float(distance[24, 20]) == pytest.approx(4.5, abs=0.3)
    assert float(distance[24, 8]) == pytest.approx(-7.5, abs=0.3)
    assert float(parts.coverage(distance).sum()) == pytest.approx(32 * 24, rel=0.02)


def test_affine_fit_finds_the_transform_and_survives_a_line() -> None:
    points = torch.randn(1, 20, 2, generator=torch.Generator().manual_seed(0)) * 9
    matrix = torch.tensor([[[1.1, 0.1, 5.0], [-0.1, 0.9, 2.0]]])
    assert torch.allclose(parts.fit_affine(points, parts.place(matrix, points)), matrix, atol=0.05)
    assert torch.isfinite(parts.fit_affine(points * torch.tensor([1.0, 0.0]), points)).all()


def test_the_drivers_mouth_lies_on_the_targets(mesh: torch.Tensor) -> None:
    """A driver whose inner lips are bright: the brightness fills the target's lips, and is that of the skin beside."""
    driver, target = mesh[:1] * 0.5, parts.place(parts.crop_part(mesh[1:], "mouth"), mesh[1:])
    onto = parts.crop_part(driver, "mouth")
    inside = parts.signed_distance(parts.place(onto, driver)[:, list(INNER_LIP_RING)], parts.SIZE)
    picture = parts.sample(0.4 + 0.4 * (inside > -1).float(), parts.invert(onto), (128, 128)).expand(-1, 3, -1, -1)
    grey = parts.driver_mouth(picture, driver, target)
    wanted = parts.coverage(parts.signed_distance(target[:, list(INNER_LIP_RING)], parts.SIZE))
    assert float(grey[wanted > 0.9].mean()) > 1.6
    assert float(grey[..., :4, :].mean()) == pytest.approx(1, abs=0.05)
