"""Patch discriminators on one or several scales, and the adversarial losses that go with them.

A discriminator answers with the features of each of its layers, the last of them the logits: one number per patch,
positive for "real". Losses take the logits of all scales as a list (`logits_of`) and average over scales and patches.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["instance", "spectral", "none"]


class PatchDiscriminator(nn.Module):
    """Convolutions of stride 2, then one logit per patch (Isola et al., 2017)."""

    def __init__(self, inputs: int, *, width: int = 64, layers: int = 3, norm: Norm = "instance") -> None:
        """Draw up the layers.

        Args:
            inputs: channels of the picture, conditions included.
            width: channels after the first layer; doubled by each further one, up to 8 times as many.
            layers: halvings; 3 judge patches of 54 x 54 pixels.
            norm: "instance" as published, "spectral" for hinge losses on small batches, or "none".
        """
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        stages: list[nn.Module] = [nn.Sequential(_conv(inputs, widths[0], 2, norm), nn.LeakyReLU(0.2))]
        for i in range(1, layers + 1):
            stride = 2 if i < layers else 1
            stages.append(_stage(widths[i - 1], widths[i], stride, norm))
        stages.append(_conv(widths[-1], 1, 1, norm))
        self.stages = nn.ModuleList(stages)

    def forward(self, picture: Float[Tensor, "f c h w"]) -> list[Tensor]:
        """Features of each layer; the last are the logits, (f, 1, h', w')."""
        features, x = [], picture
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class MultiScaleDiscriminator(nn.Module):
    """The same discriminator, with weights of its own, at 1, 1/2, 1/4 ... of the side (Wang et al., pix2pixHD)."""

    def __init__(
        self, inputs: int, *, scales: int = 3, width: int = 64, layers: int = 3, norm: Norm = "instance"
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(inputs, width=width, layers=layers, norm=norm) for _ in range(scales)
        )

    def forward(self, picture: Float[Tensor, "f c h w"]) -> list[list[Tensor]]:
        """Features of each scale, the finest first."""
        found, x = [], picture
        for i, discriminator in enumerate(self.scales):
            x = functional.avg_pool2d(x, 2) if i else x
            found.append(discriminator(x))
        return found


def logits_of(scales: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The logits of each scale of a `MultiScaleDiscriminator`'s answer."""
    return [features[-1] for features in scales]


def hinge_discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """mean(relu(1 - D(real))) + mean(relu(1 + D(fake))): 0 where both are sure, 2 where D says 0."""
    return _mean([functional.relu(1 - logits.float()).mean() for logits in real]) + _mean(
        [functional.relu(1 + logits.float()).mean() for logits in fake]
    )


def hinge_generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """-mean(D(fake)); negative once the discriminator is fooled."""
    return _mean([-logits.float().mean() for logits in fake])


def lsgan_discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Half of mean((D(real) - 1)^2) + mean(D(fake)^2) (Mao et al., 2017, eq. 9)."""
    return 0.5 * _mean([(logits.float() - 1).square().mean() for logits in real]) + 0.5 * _mean(
        [logits.float().square().mean() for logits in fake]
    )


def lsgan_generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """Half of mean((D(fake) - 1)^2)."""
    return 0.5 * _mean([(logits.float() - 1).square().mean() for logits in fake])


def log_discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """-mean(log D(real)) - mean(log(1 - D(fake))) with D the sigmoid of the logits (Goodfellow et al., 2014)."""
    return _mean([functional.softplus(-logits.float()).mean() for logits in real]) + _mean(
        [functional.softplus(logits.float()).mean() for logits in fake]
    )


def log_generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """-mean(log D(fake)): the form of the same game whose gradient does not vanish early."""
    return _mean([functional.softplus(-logits.float()).mean() for logits in fake])


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean L1 between the features of real and generated pictures, logits left out; `real` gets no gradient."""
    terms = [
        (a.detach().float() - b.float()).abs().mean()
        for of_real, of_fake in zip(real, fake, strict=True)
        for a, b in zip(of_real[:-1], of_fake[:-1], strict=True)
    ]
    return _mean(terms)


def _mean(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).mean()


def _conv(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 4 if stride == 2 else 3, stride=stride, padding=1)
    return nn.utils.parametrizations.spectral_norm(conv) if norm == "spectral" else conv


def _stage(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = [_conv(inputs, outputs, stride, norm)]
    if norm == "instance":
        layers.append(nn.InstanceNorm2d(outputs, affine=True))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))
