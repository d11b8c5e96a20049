"""Whether it is still the same person."""

from jaxtyping import Float
from torch import Tensor


def csim(result: Float[Tensor, "n e"], source: Float[Tensor, "n e"]) -> Float[Tensor, "n"]:
    """Cosine similarity of identity embeddings, -1 to 1: the result's with the *source's* (Dual-Generator, section 4).

    Its scale is the encoder's own: two real frames of one person say what can be reached.

    Args:
        result: unit vectors.
        source: unit vectors.
    """
    return (result * source).sum(dim=1)
