"""Pixel losses that several recipes share: differences at several scales, of edges and of warped pictures.

Pictures are (f, 3, s, s) RGB in [0, 1]; displacements are half-sides, as `reenact.ops.warp.warp` takes them.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.ops.grow import grow
from reenact.ops.warp import resize, warp


def multi_scale_l1(difference: Float[Tensor, "f 3 s s"]) -> Tensor:
    """Mean L1 of a difference averaged over blocks of 4, 8 and 16 pixels."""
    terms, pooled = [], functional.avg_pool2d(difference, 2)
    for _ in range(3):
        pooled = functional.avg_pool2d(pooled, 2)
        terms.append(pooled.abs().mean())
    return torch.stack(terms).mean()


def gradient_l1(difference: Float[Tensor, "f 3 s s"]) -> Float[Tensor, "f 3 s-1 s-1"]:
    """L1 of the forward differences along x and y."""
    corner = difference[..., 1:, 1:]
    return (corner - difference[..., 1:, :-1]).abs() + (corner - difference[..., :-1, 1:]).abs()


def half_size_l1(
    picture: Float[Tensor, "f 3 s s"], target: Float[Tensor, "f 3 s s"], weight: Float[Tensor, "f 1 h w"]
) -> Tensor:
    """Weighted L1 at half the side."""
    return (weight * (functional.avg_pool2d(picture, 2) - functional.avg_pool2d(target, 2)).abs()).mean()


def warp_l1(
    source: Float[Tensor, "f 3 s s"],
    target: Float[Tensor, "f 3 s s"],
    displacement: Float[Tensor, "f 2 h w"],
    weight: Float[Tensor, "f 1 h w"],
) -> Tensor:
    """Weighted L1 of the warped source at half the side, where flows are computed."""
    warped = warp(functional.avg_pool2d(source, 2), displacement)
    return (weight * (warped - functional.avg_pool2d(target, 2)).abs()).mean()


def coarse_warp_l1(
    source: Float[Tensor, "f 3 s s"], target: Float[Tensor, "f 3 s s"], displacement: Float[Tensor, "f 2 h w"]
) -> Tensor:
    """Mean L1 of the warped source at 1/8 and 1/16 of the side: blurred pictures guide a flow that is far off."""
    terms = []
    small_source, small_target = functional.avg_pool2d(source, 4), functional.avg_pool2d(target, 4)
    for _ in range(2):
        small_source, small_target = functional.avg_pool2d(small_source, 2), functional.avg_pool2d(small_target, 2)
        terms.append((warp(small_source, resize(displacement, small_source.shape[-1])) - small_target).abs().mean())
    return torch.stack(terms).mean()


def smoothness(residual: Float[Tensor, "f 2 h h"]) -> Tensor:
    """Mean L1 between neighbours of a learned flow's residual; the same for one flow at any side."""
    return (residual.diff(dim=-1).abs().mean() + residual.diff(dim=-2).abs().mean()) * residual.shape[-1] / 64


def with_rim(openings: Float[Tensor, "f c h w"]) -> Float[Tensor, "f 1 h w"]:
    """Masks of mouth and eye openings merged, and widened by 1/64 of the side, where lips and lids lie."""
    return grow(openings.amax(1, keepdim=True), max(openings.shape[-1] // 64, 1))
