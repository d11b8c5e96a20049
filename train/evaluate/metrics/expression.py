"""Difference of two expressions in the 17 Action Units."""

from jaxtyping import Float
from torch import Tensor

FACS_FULL = 5.0
"""FACS intensity of an Action Unit of 1.0."""


def ed(result: Float[Tensor, "n 17"], target: Float[Tensor, "n 17"]) -> Float[Tensor, "n"]:
    """Expression difference (FACEGAN, section 5.1): Euclidean distance of the Action Units, intensities 0 to 1.

    From 0 to the square root of 17. FACEGAN's units come from OpenFace; its scale is not stated.
    """
    return (result - target).norm(dim=1)


def au_error(result: Float[Tensor, "n 17"], target: Float[Tensor, "n 17"]) -> Float[Tensor, "n"]:
    """Mean absolute error of the 17 units in FACS intensities, 0 to 5.

    Args:
        result: intensities 0 to 1.
        target: intensities 0 to 1.
    """
    return (result - target).abs().mean(dim=1) * FACS_FULL
