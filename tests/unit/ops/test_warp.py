"""Warping and resizing."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from reenact.ops.warp import identity_grid, resize, warp


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(8, 8), (5, 12)])
def test_no_displacement_is_the_picture_itself(mode: str, size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, *size), mode), image, atol=1e-5, rtol=0)


@given(st.integers(-3, 3), st.integers(-3, 3), st.sampled_from(["bilinear", "bicubic"]))
def test_whole_pixels_shift_as_roll_does(dx: int, dy: int, mode: str) -> None:
    height, width = 12, 16
    image = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(0))
    displacement = torch.empty(1, 2, height, width)
    displacement[:, 0], displacement[:, 1] = dx * 2 / width, dy * 2 / height
    shifted = warp(image, displacement, mode)
    rolled = image.roll((-dy, -dx), dims=(2, 3))
    inside = (..., slice(5, height - 5), slice(5, width - 5))
    torch.testing.assert_close(shifted[inside], rolled[inside], atol=1e-4, rtol=0)


def test_beyond_the_border_the_border_is_repeated() -> None:
    image = torch.arange(4.0).expand(1, 1, 4, 4).contiguous()
    displacement = torch.zeros(1, 2, 4, 4)
    displacement[:, 0] = 10
    assert (warp(image, displacement) == 3).all()


def test_the_result_has_the_size_of_the_displacement() -> None:
    assert warp(torch.rand(1, 3, 32, 32), torch.zeros(1, 2, 8, 10)).shape == (1, 3, 8, 10)


def test_the_grid_spans_the_outer_edges() -> None:
    x, y = identity_grid(2, 4, like=torch.zeros(1))
    assert x[0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert y[:, 0].tolist() == [-0.5, 0.5]


def test_a_displacement_holds_at_any_size() -> None:
    """Half a side to the left is half a side at 8 and at 32 pixels."""
    for side in (8, 32):
        ramp = identity_grid(side, side, like=torch.zeros(1))[:1][None]
        moved = warp(ramp, torch.full((1, 2, side, side), 0.5))
        torch.testing.assert_close(moved[..., : side // 2], ramp[..., : side // 2] + 0.5)


def test_resize_to_the_same_side_changes_nothing() -> None:
    field = torch.rand(1, 2, 16, 16)
    assert resize(field, 16) is field


@pytest.mark.parametrize("side", [4, 7, 16, 33])
def test_resize_keeps_constants_and_bounds(side: int) -> None:
    assert resize(torch.full((1, 1, 16, 16), 0.3), side).sub(0.3).abs().max() < 1e-6
    field = torch.rand(1, 2, 16, 16)
    resized = resize(field, side)
    assert resized.shape == (1, 2, side, side)
    assert resized.min() >= field.min() - 1e-6
    assert resized.max() <= field.max() + 1e-6


@pytest.mark.parametrize("side", [4, 8, 32])
def test_resize_keeps_the_middle_of_a_ramp(side: int) -> None:
    ramp = identity_grid(16, 16, like=torch.zeros(1))[None]
    expected = identity_grid(side, side, like=torch.zeros(1))[None]
    inner = slice(side // 4, side - side // 4)
    torch.testing.assert_close(resize(ramp, side)[..., inner, inner], expected[..., inner, inner], atol=0.02, rtol=0)


def test_smaller_pictures_average_what_they_replace() -> None:
    checkers = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float()[None, None]
    assert resize(checkers, 8).sub(0.5).abs().max() < 0.02
