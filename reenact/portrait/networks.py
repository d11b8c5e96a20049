"""The painter of a part: inpainting, told where lips, lids and iris shall lie and what the source shows.

hidden surroundings ┐
mask, maps, x and y ┴─ unshuffle 2 ─▶ U-Net ─▶ shuffle 2 ─▶ RGB
"""

import dataclasses
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.portrait.parts import Part

PaintedPart = Part | Literal["side"]
"""A mouth, an eye, or the side of a head."""
MAPS = 7
"""Channels beside surroundings and mask. Mouth: outer lips; the driver's mouth and whether it is given; the source's
RGB; its inner lips. Eye: lids, iris; the source's RGB; its lids and iris. Side of a head: hair; RGB that was made up;
RGB that the source hardly shows. A picture that is not given is all 0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PainterConfig:
    """Of one painter."""

    part: PaintedPart
    """What it paints."""
    widths: tuple[int, ...] = (24, 48, 88)
    """Channels at 1/2, 1/4 and 1/8 of the crop."""


class Painter(nn.Module):
    """Paints the masked inside of a crop."""

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        self.config = config
        self.body = _Level(4 * (3 + 1 + MAPS + 2), config.widths)
        self.head = nn.Conv2d(config.widths[0], 12, 3, padding=1)

    def forward(
        self, rgb: Float[Tensor, "f 3 h w"], mask: Float[Tensor, "f 1 h w"], maps: Float[Tensor, "f 7 h w"]
    ) -> Float[Tensor, "f 3 h w"]:
        """RGB in [0, 1] of the whole crop; only what lies under the mask means something."""
        height, width = rgb.shape[-2:]
        seen = (mask <= 0).to(rgb.dtype)
        mean = (rgb * seen).sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True).clamp(min=1)
        hidden = rgb * (1 - mask) + mean * mask
        x = torch.linspace(-1, 1, width).to(rgb).expand(len(rgb), 1, height, width)
        y = torch.linspace(-1, 1, height).to(rgb)[:, None].expand_as(x)
        features = self.body(functional.pixel_unshuffle(torch.cat([hidden * 2 - 1, mask, maps, x, y], 1), 2))
        return torch.sigmoid(2 * functional.pixel_shuffle(self.head(features), 2).float())


class _Level(nn.Module):
    """One level of a U-Net (Ronneberger et al., 2015) and, within it, the coarser ones."""

    def __init__(self, inputs: int, widths: tuple[int, ...], stride: int = 1) -> None:
        super().__init__()
        width, coarser = widths[0], widths[1:]
        self.enter = nn.Sequential(_conv(inputs, width, stride), _Residual(width))
        self.inner = _Level(width, coarser, 2) if coarser else None
        self.leave = nn.Sequential(_conv(width + coarser[0], width) if coarser else nn.Identity(), _Residual(width))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        if self.inner is not None:
            x = torch.cat([functional.interpolate(self.inner(x), scale_factor=2.0, mode="nearest"), x], 1)
        return self.leave(x)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.SiLU())
