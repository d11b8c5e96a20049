"""Patch discriminators on one or several scales, and their adversarial losses.

A discriminator returns the features of each of its layers, the last of them the logits: one number per patch, positive
for "real". Losses take the logits of all scales (`logits_of`) and average over scales and patches. `HINGE` and `LOG`
are the two games that recipes play.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["instance", "spectral"]
Scales = Sequence[Sequence[Tensor]]
"""Features of each layer, for each scale: the answer of a `MultiScaleDiscriminator`."""
Losses = dict[str, Tensor]


class PatchDiscriminator(nn.Module):
    """Three convolutions of stride 2, then one logit per patch of 54 x 54 pixels (PatchGAN; Isola et al., 2017)."""

    def __init__(self, inputs: int, *, width: int, norm: Norm) -> None:
        """Build the layers.

        Args:
            inputs: channels of the picture, conditions included.
            width: channels after the first layer; doubled by each further one, up to 8 times as many.
            norm: "instance" as published, or "spectral" for hinge losses on small batches.
        """
        super().__init__()
        stages: list[nn.Module] = [nn.Sequential(_conv(inputs, width, 2, norm), nn.LeakyReLU(0.2))]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            stages.append(_stage(factor * width, 2 * factor * width, stride, norm))
        stages.append(_conv(8 * width, 1, 1, norm))
        self.stages = nn.ModuleList(stages)

    def forward(self, picture: Float[Tensor, "f c h w"]) -> list[Tensor]:
        """Features of each layer; the last are the logits, (f, 1, h', w')."""
        features, x = [], picture
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class MultiScaleDiscriminator(nn.Module):
    """A `PatchDiscriminator` for each of the sides 1, 1/2, 1/4 ... (Wang et al., 2018, pix2pixHD)."""

    def __init__(self, inputs: int, *, scales: int = 3, width: int = 64, norm: Norm = "instance") -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(inputs, width=width, norm=norm) for _ in range(scales))

    def forward(self, picture: Float[Tensor, "f c h w"]) -> list[list[Tensor]]:
        """Features of each scale, the finest first."""
        found, x = [], picture
        for i, discriminator in enumerate(self.scales):
            x = functional.avg_pool2d(x, 2) if i else x
            found.append(discriminator(x))
        return found


def logits_of(scales: Scales) -> list[Tensor]:
    """The logits of each scale of a `MultiScaleDiscriminator`'s answer."""
    return [features[-1] for features in scales]


def feature_matching_loss(real: Scales, fake: Scales) -> Tensor:
    """Mean L1 between the features of real and generated pictures, logits left out; `real` gets no gradient."""
    terms = [
        (a.detach().float() - b.float()).abs().mean()
        for of_real, of_fake in zip(real, fake, strict=True)
        for a, b in zip(of_real[:-1], of_fake[:-1], strict=True)
    ]
    return _mean(terms)


class Game(NamedTuple):
    """An adversarial loss: three functions of logits, each averaged over scales and patches."""

    on_real: Callable[[Tensor], Tensor]
    """What the discriminator minimises on real pictures,"""
    on_fake: Callable[[Tensor], Tensor]
    """and on generated ones."""
    on_own: Callable[[Tensor], Tensor]
    """What the generator minimises on its own pictures."""

    def generator(self, fake: Sequence[Tensor]) -> Tensor:
        """Loss of the generator, of the logits of its pictures."""
        return _mean([self.on_own(logits.float()).mean() for logits in fake])

    def discriminator(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
        """Loss of the discriminator."""
        of_real = _mean([self.on_real(logits.float()).mean() for logits in real])
        return of_real + _mean([self.on_fake(logits.float()).mean() for logits in fake])

    def teach(self, critic: nn.Module, fake: Tensor, real: Tensor, *, adversarial: float, matching: float) -> Losses:
        """Weighted losses of the generator.

        Args:
            critic: a `MultiScaleDiscriminator`.
            fake: generated pictures.
            real: the pictures they should look like.
            adversarial: weight of the generator's loss.
            matching: weight of the distance between the critic's features; 0 leaves it out.
        """
        judged = critic(fake)
        losses = {"adversarial": adversarial * self.generator(logits_of(judged))}
        if matching:
            with torch.no_grad():
                of_real = critic(real)
            losses["matching"] = matching * feature_matching_loss(of_real, judged)
        return losses

    def train_critic(self, critic: nn.Module, fake: Tensor, real: Tensor) -> Losses:
        """Loss of a `MultiScaleDiscriminator`, which sees both kinds in one batch."""
        return self.judge(logits_of(critic(torch.cat([real, fake.detach()]))))

    def judge(self, logits: Sequence[Tensor]) -> Losses:
        """Loss of a discriminator, of logits whose first half is of real pictures."""
        real, fake = zip(*(each.chunk(2) for each in logits), strict=True)
        return {"critic": self.discriminator(real, fake)}


HINGE = Game(lambda x: functional.relu(1 - x), lambda x: functional.relu(1 + x), lambda x: -x)
"""Lim and Ye, 2017: 0 for a discriminator beyond the margins, 2 where it says 0."""
LOG = Game(lambda x: functional.softplus(-x), functional.softplus, lambda x: functional.softplus(-x))
"""Goodfellow et al., 2014, D being the sigmoid of the logits; the generator minimises the non-saturating -log D."""


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
