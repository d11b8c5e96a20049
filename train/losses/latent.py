"""Losses of generators and of their latent codes."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def sliced_distance(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"], directions: int = 128) -> Tensor:
    """Squared Wasserstein distance of two samples along random directions, on average (Rabin et al., 2011).

    Unlike distances of whole vectors it also sees directions in which one sample hardly varies.
    """
    along = functional.normalize(torch.randn(directions, first.shape[1], device=first.device), dim=1)
    one, other = (torch.sort(values.float() @ along.T, dim=0).values for values in (first, second))
    return (one - other).square().mean()


def gradient_penalty(logits: Tensor, real: Sequence[Tensor]) -> Tensor:
    """R1 (Mescheder et al., 2018): half the squared gradient of the critic at real inputs, which require gradients."""
    gradients = torch.autograd.grad(logits, list(real), create_graph=True)
    return torch.stack([each.square().sum() / (2 * len(each)) for each in gradients]).sum()


def path_length_loss(
    pictures: Float[Tensor, "f 3 h w"], w: Float[Tensor, "f n l"], mean_length: Tensor
) -> tuple[Tensor, Tensor]:
    """(|J^T y| - a)^2 of Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", equation 4.

    Args:
        pictures: drawn of `w`, which requires gradients.
        w: of each layer.
        mean_length: a, the moving average of the lengths.

    Returns:
        The loss, and the moving average after this batch.
    """
    noise = torch.randn_like(pictures) / math.sqrt(pictures.shape[2] * pictures.shape[3])
    (gradient,) = torch.autograd.grad((pictures * noise).sum(), w, create_graph=True)
    lengths = gradient.square().sum(2).mean(1).sqrt()
    updated = torch.lerp(mean_length, lengths.mean().detach(), 0.01)
    return (lengths - updated).square().mean(), updated
