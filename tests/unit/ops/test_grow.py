"""Largest and smallest values around each pixel."""

import pytest
import torch
from torch.nn import functional

from reenact.ops.grow import grow, largest_of_squares, shrink


@pytest.mark.parametrize("reach", [0, 1, 2, 6, 40])
def test_they_are_those_of_pooling(reach: int) -> None:
    values = torch.randn(2, 3, 31, 24)
    assert torch.equal(grow(values, reach), functional.max_pool2d(values, 2 * reach + 1, 1, reach))
    assert torch.equal(shrink(values, reach), -functional.max_pool2d(-values, 2 * reach + 1, 1, reach))


@pytest.mark.parametrize("side", [1, 2, 3, 7, 20])
def test_squares_inside_the_picture(side: int) -> None:
    values = torch.randn(1, 2, 20, 26)
    assert torch.equal(largest_of_squares(values, side), functional.max_pool2d(values, side, 1))
