"""Similarity of identities."""

from jaxtyping import Float
from torch import Tensor


def csim(result: Float[Tensor, "n e"], source: Float[Tensor, "n e"]) -> Float[Tensor, "n"]:
    """Cosine similarity of identity embeddings, -1 to 1: the result's with the *source's* (Dual-Generator, section 4).

    The scale depends on the encoder: compare with the similarity of two real frames of one person.

    Args:
        result: unit vectors.
        source: unit vectors.
    """
    return (result * source).sum(dim=1)
