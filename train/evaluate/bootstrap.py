"""Intervals that know that frames of one person are alike: people are drawn, not pairs."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

LEVEL = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and how sure it is."""

    mean: float
    low: float | None
    """Lower end of the 95 % interval; None where it cannot be told."""
    high: float | None
    count: int
    """Values behind the mean."""


def bootstrap_mean(
    values: Float[np.ndarray, "n"], clusters: Int[np.ndarray, "n"], draws: int, seed: int = 0
) -> Estimate:
    """The mean and its percentile interval from a cluster bootstrap.

    As many clusters as there are, drawn with replacement, each with all its values; the mean of all of these; and
    again. One cluster alone says nothing about others: no interval.

    Args:
        values: at least one.
        clusters: which belong together (a person's).
        draws: how often.
        seed: of the draws, so that the same values give the same interval.
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
