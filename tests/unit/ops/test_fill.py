"""Holes closed from their rim."""

import torch

from reenact.ops.fill import fill_hole


def square_hole(side: int, first: int, last: int) -> torch.Tensor:
    hole = torch.zeros(1, 1, side, side)
    hole[..., first:last, first:last] = 1
    return hole


def test_what_is_known_stays_and_what_is_not_is_not_looked_at():
    rgb, hole = torch.rand(2, 3, 37, 37, generator=torch.Generator().manual_seed(1)), square_hole(37, 9, 30)
    filled = fill_hole(rgb, hole.expand(2, -1, -1, -1))
    assert torch.equal(filled * (1 - hole), rgb * (1 - hole))
    other = fill_hole(rgb + 5 * hole, hole.expand(2, -1, -1, -1))
    torch.testing.assert_close(filled, other)
    assert filled.min() >= 0 and filled.max() <= 1


def test_one_colour_is_filled_with_itself():
    rgb = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(1, 3, 64, 64)
    torch.testing.assert_close(fill_hole(rgb.contiguous(), square_hole(64, 10, 50)), rgb, atol=1e-5, rtol=0)


def test_each_side_of_a_hole_takes_the_colour_beside_it():
    rgb = (torch.arange(64) >= 32).float().expand(1, 1, 64, 64).contiguous()
    filled = fill_hole(rgb, square_hole(64, 20, 44))[0, 0, 32]
    assert filled[21] < 0.2 and filled[42] > 0.8
    assert (filled.diff() > -0.05).all()


def test_a_picture_that_is_all_hole_has_no_colour():
    assert fill_hole(torch.ones(1, 3, 8, 8), torch.ones(1, 1, 8, 8)).abs().max() == 0
