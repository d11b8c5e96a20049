"""Kernel distance of two sets of feature vectors (Binkowski et al., "Demystifying MMD GANs", 2018)."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SUBSETS = 100
LARGEST = 1000
"""Most vectors of a subset."""


def squared_mmd(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"]) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel ``(x . y / d + 1)^3``, in float64.

    ``mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)``. It is near 0, and may be
    below it, for two samples of one distribution.
    """
    return _discrepancy(_kernel(torch.cat([first, second])))


def kernel_distances(
    results: Float[Tensor, "n d"], real: Float[Tensor, "n d"], seed: int = 0
) -> Float[np.ndarray, "subsets"]:
    """`squared_mmd` of random subsets, whose mean is the KID.

    In every subset the pairs are split in two halves: the results of the one are compared with the real pictures of the
    other, so that no result is compared with its own true frame. Real pictures given twice are thus compared with
    others of their kind.

    Args:
        results: features of at least four results.
        real: features of the real pictures of the same pairs, in the same order.
        seed: of the subsets.
    """
    rng, count = np.random.default_rng(seed), len(results)
    kernel, size = _kernel(torch.cat([results, real])), min(count // 2, LARGEST)
    distances = []
    for _ in range(SUBSETS):
        order = rng.permutation(count)
        chosen = torch.from_numpy(np.concatenate([order[:size], count + order[size : 2 * size]]))
        distances.append(_discrepancy(kernel[chosen][:, chosen]))
    return np.array(distances)


def _kernel(features: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    features = features.double()
    return (features @ features.T / features.shape[1] + 1) ** 3


def _discrepancy(kernel: Float[Tensor, "n n"]) -> float:
    """Of the first and the second half of the rows."""
    size = len(kernel) // 2
    within = sum(
        (part.sum() - part.trace()) / (size * (size - 1)) for part in (kernel[:size, :size], kernel[size:, size:])
    )
    return float(within - 2 * kernel[:size, size:].mean())
