"""Pixel differences of two pictures."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from reenact.errors import MissingDependencyError

PSNR_CAP_DB = 100.0
"""Upper limit, reached by pictures that differ by 1e-5 of the range; equal ones would have an infinite PSNR."""


def l1(result: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """Mean absolute difference, 0 to 1."""
    return (result - target).abs().mean(dim=(1, 2, 3))


def mse(result: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """Mean squared difference, 0 to 1."""
    return (result - target).square().mean(dim=(1, 2, 3))


def psnr_db(result: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """Peak signal-to-noise ratio of each picture, ``-10 log10(MSE)``, at most `PSNR_CAP_DB`.

    Raises:
        MissingDependencyError: torchmetrics is not installed.
    """
    ratio = _torchmetrics("PSNR").peak_signal_noise_ratio(
        result, target, data_range=1.0, reduction="none", dim=(1, 2, 3)
    )
    return ratio.clamp(max=PSNR_CAP_DB)


def ssim(result: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """Structural similarity (Wang et al., 2004), 1 for equal pictures: a Gaussian window of 11 px, sigma 1.5, on RGB.

    Raises:
        MissingDependencyError: torchmetrics is not installed.
    """
    measure = _torchmetrics("SSIM").structural_similarity_index_measure
    value: Tensor = measure(result, target, sigma=1.5, data_range=1.0, reduction="none")
    return value.reshape(len(result))


def _torchmetrics(metric: str) -> Any:
    try:
        from torchmetrics.functional import image
    except ImportError as error:
        raise MissingDependencyError(
            f'{metric} needs torchmetrics, which is not installed; install it with: pip install -e ".[train]"'
        ) from error
    return image
