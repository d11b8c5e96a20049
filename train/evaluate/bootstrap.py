"""Confidence intervals by a cluster bootstrap: people are drawn, since frames of one person are correlated."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

LEVEL = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its confidence interval."""

    mean: float
    low: float | None
    """Lower end of the 95 % interval; None with a single cluster, and for measures of sets."""
    high: float | None
    count: int
    """Number of values."""


def bootstrap_mean(
    values: Float[np.ndarray, "n"], clusters: Int[np.ndarray, "n"], draws: int, seed: int = 0
) -> Estimate:
    """The mean and its percentile interval from a cluster bootstrap.

    Each draw takes as many clusters as there are, with replacement, and averages all their values. A single cluster has
    no interval.

    Args:
        values: at least one.
        clusters: cluster (person) of each value.
        draws: number of draws.
        seed: of the draws.
    """
    mean, count = float(np.mean(values)), len(values)
    _, member = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(member, weights=values), np.bincount(member)
    if len(sizes) < 2:
        return Estimate(mean=mean, low=None, high=None, count=count)
    drawn = np.random.default_rng(seed).integers(len(sizes), size=(draws, len(sizes)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Estimate(mean=mean, low=float(low), high=float(high), count=count)
