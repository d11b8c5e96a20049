"""Largest and smallest values around each pixel."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def grow(values: Float[Tensor, "f c h w"], reach: int) -> Float[Tensor, "f c h w"]:
    """The largest value within `reach` pixels along both axes."""
    return largest_of_squares(functional.pad(values, (reach,) * 4, value=-math.inf), 2 * reach + 1)


def shrink(values: Float[Tensor, "f c h w"], reach: int) -> Float[Tensor, "f c h w"]:
    """The smallest value within `reach` pixels along both axes."""
    return -grow(-values, reach)


def largest_of_squares(values: Float[Tensor, "f c h w"], side: int) -> Float[Tensor, "f c i j"]:
    """The largest value of each square of `side` pixels inside the picture; `max_pool2d` compares all pairs instead.

    Maxima of overlapping runs are combined, which doubles their length each time.
    """
    for axis in (2, 3):
        length = 1
        while length < side:
            step = min(length, side - length)
            count = values.shape[axis] - step
            values = torch.maximum(values.narrow(axis, 0, count), values.narrow(axis, step, count))
            length += step
    return values
