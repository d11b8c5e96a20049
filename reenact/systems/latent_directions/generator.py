"""StyleGAN2's generator.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020), section 2 and figure 2c; skip
connections of figure 7b.

    z ─▶ normalise ─▶ MappingNetwork ─▶ w
    constant 4x4 ─▶ styled conv ─▶ (x2: styled conv with upsampling ─▶ styled conv) ...    each takes a row of W+
                        └▶ to RGB ──▶ + upsampled ──▶ + ... ─▶ picture                          skip connections
"""

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import ShapeError

_BLUR = (1.0, 3.0, 3.0, 1.0)
"""Taps of the filter that follows an upsampling."""


def modulate(x: Float[Tensor, "f c h w"], style: Float[Tensor, "f c"]) -> Float[Tensor, "f c h w"]:
    """Equation 1, w'_ijk = s_i w_ijk, on the input instead of the weights: the result is the same."""
    return x * style[:, :, None, None].to(x.dtype)


def demodulation(weight: Float[Tensor, "o c k k"], style: Float[Tensor, "f c"]) -> Float[Tensor, "f o"]:
    """Equation 3, the factor 1 / sqrt(sum_ik w'_ijk^2) of each output channel."""
    with torch.autocast(style.device.type, enabled=False):
        energy = style.float().square() @ weight.float().square().sum((2, 3)).T
        return torch.rsqrt(energy + 1e-8)


def upsample_and_blur(x: Float[Tensor, "f c h w"], weight: Float[Tensor, "o c 3 3"]) -> Float[Tensor, "f o i j"]:
    """Convolution at twice the side: transposed, then the filter of `_BLUR` (Karras et al., 2019)."""
    wide = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return _filter(wide, padding=1)


def upsample(rgb: Float[Tensor, "f c h w"]) -> Float[Tensor, "f c i j"]:
    """Twice the side: zeros between the pixels, then the filter of `_BLUR`."""
    spread = rgb.new_zeros(*rgb.shape[:2], rgb.shape[2], 2, rgb.shape[3], 2)
    spread[:, :, :, 0, :, 0] = rgb
    spread = functional.pad(spread.flatten(4).flatten(2, 3), (2, 1, 2, 1))
    return _filter(spread, padding=0)


def _filter(x: Tensor, padding: int) -> Tensor:
    taps = x.new_tensor(_BLUR)
    kernel = (taps[:, None] * taps) * (4 / taps.sum() ** 2)
    return functional.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), padding=padding, groups=x.shape[1])


class EqualLinear(nn.Module):
    """Linear layer whose weights are stored at unit variance and scaled at run time (equalised learning rate)."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0, act: bool = False) -> None:
        """Build the layer.

        Args:
            inputs: length of the input.
            outputs: length of the output.
            bias: initial bias.
            rate: factor of its learning rate.
            act: whether a leaky ReLU follows.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate, self.act = rate / math.sqrt(inputs), rate, act

    def forward(self, x: Float[Tensor, "*f i"]) -> Float[Tensor, "*f o"]:
        y = functional.linear(x, self.weight * self.scale, self.bias * self.rate)
        return functional.leaky_relu(y, 0.2) * math.sqrt(2) if self.act else y


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style."""

    def __init__(
        self, inputs: int, outputs: int, latent: int, kernel: int, *, demodulated: bool = True, upsampled: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.style = EqualLinear(latent, inputs, bias=1.0)
        self.demodulated, self.upsampled = demodulated, upsampled

    def forward(self, x: Float[Tensor, "f c h w"], w: Float[Tensor, "f l"]) -> Float[Tensor, "f o i j"]:
        style, weight = self.style(w), self.weight * self.scale
        x, kernel = modulate(x, style), weight.to(x.dtype)
        if self.upsampled:
            y = upsample_and_blur(x, kernel)
        else:
            y = functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
        return modulate(y, demodulation(weight, style)) if self.demodulated else y


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, latent: int, *, upsampled: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, latent, 3, upsampled=upsampled)
        self.noise_strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """`noise`: (f, 1, h, w) of unit variance; None leaves it out."""
        y = self.conv(x, w)
        if noise is not None:
            y = y + (self.noise_strength * noise).to(y.dtype)
        return functional.leaky_relu(y + self.bias[:, None, None].to(y.dtype), 0.2) * math.sqrt(2)


class ToRgb(nn.Module):
    """Colours of one level, added to those of the level before."""

    def __init__(self, inputs: int, latent: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, latent, 1, demodulated=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor, before: Tensor | None) -> Tensor:
        rgb = self.conv(x, w).float() + self.bias[:, None, None]
        return rgb if before is None else rgb + upsample(before)


class MappingNetwork(nn.Module):
    """z to w: normalisation, then linear layers of a lower learning rate."""

    mean_w: Tensor
    row_offsets: Tensor

    def __init__(self, latent: int, layers: int, rate: float, rows: int) -> None:
        """Build the layers.

        Args:
            latent: length of z and w.
            layers: their number.
            rate: factor of their learning rate.
            rows: of W+; `row_offsets` is what each adds to w on average, 0 as published.
        """
        super().__init__()
        self.register_buffer("mean_w", torch.zeros(latent))
        self.register_buffer("row_offsets", torch.zeros(rows, latent))
        self.layers = nn.Sequential(*(EqualLinear(latent, latent, rate=rate, act=True) for _ in range(layers)))

    def forward(self, z: Float[Tensor, "f l"]) -> Float[Tensor, "f l"]:
        return self.layers(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))

    def sample(self, z: Float[Tensor, "f l"], truncation: float = 1.0) -> Float[Tensor, "f n l"]:
        """W+ of random people, drawn towards the mean by `truncation` < 1."""
        w = torch.lerp(self.mean_w.expand(len(z), -1), self(z).float(), truncation)
        return w[:, None] + self.row_offsets


class Generator(nn.Module):
    """W+ to pictures."""

    def __init__(self, widths: Sequence[int], latent: int) -> None:
        """Build the layers.

        Args:
            widths: channels at 4, 8, 16 ... pixels.
            latent: length of each layer's w.
        """
        super().__init__()
        self.widths = tuple(widths)
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.first = StyledConv(widths[0], widths[0], latent)
        self.first_rgb = ToRgb(widths[0], latent)
        pairs = list(itertools.pairwise(widths))
        self.rises = nn.ModuleList(StyledConv(a, b, latent, upsampled=True) for a, b in pairs)
        self.convs = nn.ModuleList(StyledConv(b, b, latent) for _, b in pairs)
        self.to_rgbs = nn.ModuleList(ToRgb(b, latent) for _, b in pairs)

    @property
    def layers(self) -> int:
        """Rows of W+ that the generator reads."""
        return 2 * len(self.widths)

    def make_noise(self, frames: int, like: Tensor, seeded: torch.Generator | None = None) -> list[Tensor]:
        """Noise of every styled convolution, the coarsest first."""
        sides = [4] + [4 * 2**level for level in range(1, len(self.widths)) for _ in range(2)]
        return [torch.randn(frames, 1, side, side, generator=seeded, device=like.device) for side in sides]

    def forward(
        self,
        w: Float[Tensor, "f n l"],
        noise: Sequence[Tensor] | None = None,
        shift: Float[Tensor, "f c s s"] | None = None,
        side: int | None = None,
    ) -> Float[Tensor, "f 3 h h"]:
        """Draw pictures, RGB in about [0, 1].

        Args:
            w: a row for each layer.
            noise: of `make_noise`; None leaves noise out.
            shift: what is added to the features of its side, after that level's last convolution (`E_F`).
            side: of the pictures. Less than the last level's leaves the levels beyond out.

        Raises:
            ShapeError: `w` has another number of rows.
        """
        if w.shape[1] != self.layers:
            raise ShapeError(f"this generator has {self.layers} layers, w has {w.shape[1]} rows")
        given = [None] * (self.layers - 1) if noise is None else list(noise)
        x = self.constant.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.first(x, w[:, 0], given[0])
        rgb = self.first_rgb(x, w[:, 1], None)
        for level, (rise, conv, to_rgb) in enumerate(zip(self.rises, self.convs, self.to_rgbs, strict=True)):
            x = rise(x, w[:, 2 * level + 1], given[2 * level + 1])
            x = conv(x, w[:, 2 * level + 2], given[2 * level + 2])
            if shift is not None and shift.shape[-1] == x.shape[-1]:
                x = x + shift.to(x.dtype)
            rgb = to_rgb(x, w[:, 2 * level + 3], rgb)
            if rgb.shape[-1] == side:
                break
        return rgb * 0.5 + 0.5
