"""Convolution blocks of the perception networks.

Dense 3x3 convolutions rather than depthwise ones: at these sizes a CPU is bound by memory traffic, and a dense
layer of the same run time learns more.
"""

from jaxtyping import Float
from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, activate: bool = True) -> nn.Sequential:
    """Convolution, batch norm and, if `activate`, SiLU; `stride` 2 halves an even height and width."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if activate:
        layers.append(nn.SiLU(inplace=True))
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_bn(channels, channels)
        self.second = conv_bn(channels, channels, activate=False)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.activation(x + self.second(self.first(x)))


class Stage(nn.Sequential):
    """Halve height and width, then `blocks` residual blocks."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__(conv_bn(inputs, outputs, stride=2), *(ResidualBlock(outputs) for _ in range(blocks)))
