"""Backward warping: a displacement field says, for each target pixel, where in the source to look.

Displacements are in half-sides of the picture: +1 in x is half its width, as in `torch.nn.functional.grid_sample`.
They hold at any resolution.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def identity_grid(height: int, width: int, like: Tensor) -> Float[Tensor, "2 {height} {width}"]:
    """x and y of every pixel centre, from -1 to 1 at the outer edges (``align_corners=False``)."""
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * (2 / height) - 1
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * (2 / width) - 1
    return torch.stack([x[None].expand(height, -1), y[:, None].expand(-1, width)])


def warp(
    image: Float[Tensor, "f c h w"],
    displacement: Float[Tensor, "f 2 i j"],
    mode: Literal["bilinear", "bicubic"] = "bilinear",
) -> Float[Tensor, "f c i j"]:
    """``result[p] = image[p + displacement[p]]``, the border repeated; the result has the displacement's size."""
    grid = displacement + identity_grid(*displacement.shape[-2:], like=displacement)
    return functional.grid_sample(
        image, grid.permute(0, 2, 3, 1).to(image.dtype), mode=mode, padding_mode="border", align_corners=False
    )


def resize(field: Float[Tensor, "f c h w"], side: int) -> Float[Tensor, "f c {side} {side}"]:
    """Bilinear to `side` x `side`; smaller pictures are averaged over the pixels they replace."""
    if field.shape[-1] == side and field.shape[-2] == side:
        return field
    return functional.interpolate(
        field, size=(side, side), mode="bilinear", align_corners=False, antialias=field.shape[-1] > side
    )
