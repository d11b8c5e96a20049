"""Fréchet distance of two sets of feature vectors, modelled as Gaussians."""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet_distance(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> float:
    """``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (Heusel et al., 2017, eq. 6), in float64.

    With Inception's 2,048 features this is the FID. It falls with the number of pictures: compare only sets of equal
    size, with more pictures than features if the absolute value matters.

    Args:
        first: at least two rows.
        second: at least two rows.
    """
    first, second = first.double(), second.double()
    return frechet_of_moments(first.mean(0), _covariance(first), second.mean(0), _covariance(second))


def frechet_of_moments(
    first_mean: Float[Tensor, "d"],
    first_covariance: Float[Tensor, "d d"],
    second_mean: Float[Tensor, "d"],
    second_covariance: Float[Tensor, "d d"],
) -> float:
    """`frechet_distance` from means and covariances."""
    root = _symmetric_root(first_covariance)
    # (C1 C2)^(1/2) has the trace of (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric
    middle = torch.linalg.eigvalsh(root @ second_covariance @ root).clamp(min=0).sqrt().sum()
    gap = (first_mean - second_mean).square().sum()
    return max(float(gap + first_covariance.trace() + second_covariance.trace() - 2 * middle), 0.0)


def _covariance(features: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def _symmetric_root(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T
