"""Layers that several systems use.

Convolutions are dense: on CPUs without a neural unit, memory bandwidth limits depthwise ones.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["batch", "instance"]
"""batch: folds into the convolution for inference. instance: for networks that train with one picture at a time."""


def conv_norm(inputs: int, outputs: int, stride: int = 1, norm: Norm = "batch") -> nn.Sequential:
    """3x3 convolution, norm, SiLU."""
    normed = nn.BatchNorm2d(outputs) if norm == "batch" else nn.InstanceNorm2d(outputs, affine=True)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), normed, nn.SiLU())


def zero_conv(inputs: int, outputs: int) -> nn.Conv2d:
    """3x3 convolution whose weights start at zero."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(x))))."""

    def __init__(self, channels: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.first = conv_norm(channels, channels, norm=norm)
        self.second = zero_conv(channels, channels)

    def forward(self, x: Float[Tensor, "f c h w"]) -> Float[Tensor, "f c h w"]:
        return x + self.second(self.first(x))


class GatedModulation(nn.Module):
    """Features modulated by source features: h (1 + g scale) + g shift.

    The gate g is computed from h and from the visibility of each place in the source (geometry-aware skip connection).
    """

    def __init__(self, channels: int, source: int, kernel: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels + 1, 1, 1)
        self.scale_shift = nn.Conv2d(source, 2 * channels, kernel, padding=kernel // 2)

    def forward(
        self, h: Float[Tensor, "f c h w"], source: Float[Tensor, "f d h w"], visible: Float[Tensor, "f 1 h w"]
    ) -> Float[Tensor, "f c h w"]:
        gate = torch.sigmoid(self.gate(torch.cat([h, visible], 1)))
        scale, shift = self.scale_shift(source).chunk(2, dim=1)
        return h * (1 + gate * scale) + gate * shift


class UNet(nn.Module):
    """Encoder and decoder with skip connections (Ronneberger et al., 2015).

        x -> e0 -> e1 -> ... -> en          each level at half the side of the one before
             |     |            |
        h <- d0 <- d1 <- ... <- dn          joined by concatenation; with `beside`, further features join each level

    Returns the decoder's features of the finest level.
    """

    def __init__(
        self, inputs: int, widths: tuple[int, ...], *, blocks: int = 1, beside: bool = False, norm: Norm = "batch"
    ) -> None:
        """Build the layers.

        Args:
            inputs: channels of the input.
            widths: channels of each level, the finest first.
            blocks: residual blocks in each level of the decoder; the innermost has twice as many.
            beside: whether the decoder takes further features of `widths` channels at every level.
            norm: of all convolutions.
        """
        super().__init__()
        self.encoder = Encoder(inputs, widths, norm=norm)
        joins, stacks = [], []
        for level, width in enumerate(widths):
            innermost = level == len(widths) - 1
            coarser = 0 if innermost else widths[level + 1]
            joins.append(conv_norm(coarser + width * (2 if beside else 1), width, norm=norm))
            count = blocks * (2 if innermost else 1)
            stacks.append(nn.Sequential(*(ResidualBlock(width, norm) for _ in range(count))))
        self.joins, self.blocks = nn.ModuleList(joins), nn.ModuleList(stacks)

    def forward(self, x: Float[Tensor, "f c h w"]) -> Float[Tensor, "f d h w"]:
        h = None
        levels = self.encoder(x)
        for level in reversed(range(len(levels))):
            h = self.decode(level, h, levels[level])
        assert h is not None
        return h

    def decode(self, level: int, coarser: Tensor | None, skip: Tensor, beside: Tensor | None = None) -> Tensor:
        """Decoder features of one level from those of the coarser one (None at the innermost)."""
        parts = [skip]
        if coarser is not None:
            parts.insert(0, functional.interpolate(coarser, scale_factor=2, mode="nearest"))
        if beside is not None:
            parts.append(beside)
        return self.blocks[level](self.joins[level](torch.cat(parts, 1)))


class Encoder(nn.Module):
    """Features of each level: the first at the input's side, each next one at half the side."""

    def __init__(self, inputs: int, widths: tuple[int, ...], *, norm: Norm = "batch") -> None:
        super().__init__()
        before = (inputs, *widths[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(conv_norm(before[i], width, 2 if i else 1, norm), ResidualBlock(width, norm))
            for i, width in enumerate(widths)
        )

    def forward(self, x: Float[Tensor, "f c h w"]) -> list[Tensor]:
        found: list[Tensor] = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found
