"""Fine detail of a result over that of the true frame."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (Rec. 601)."""
_FLOOR = 1e-6
"""Least detail of a true frame: a tenth of a grey level in amplitude, so that flat areas do not divide by zero."""


def luma(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Brightness, 0 to 1."""
    return (rgb * rgb.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def sharpness_ratio(
    result: Float[Tensor, "n 3 h w"],
    target: Float[Tensor, "n 3 h w"],
    weight: Float[Tensor, "n h w"] | None = None,
) -> Float[Tensor, "n"]:
    """Mean square of the Laplacian (4 neighbours) of the brightness, the result's over the target's; 1: equally sharp.

    Args:
        result: pictures in [0, 1].
        target: true pictures.
        weight: of each pixel; None: all alike.
    """
    return laplacian_energy(result, weight) / laplacian_energy(target, weight).clamp(min=_FLOOR)


def laplacian_energy(rgb: Float[Tensor, "n 3 h w"], weight: Float[Tensor, "n h w"] | None = None) -> Float[Tensor, "n"]:
    """Weighted mean square of the brightness's Laplacian; 0 where no pixel counts."""
    kernel = rgb.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    energy = functional.conv2d(functional.pad(luma(rgb), (1, 1, 1, 1), mode="replicate"), kernel)[:, 0].square()
    if weight is None:
        return energy.mean((1, 2))
    return (energy * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-3)
