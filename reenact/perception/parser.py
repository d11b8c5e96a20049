"""The face parser: which pixel of a crop is face, hair, clothes, other skin or background.

    s -> s/2 -> s/4 -> s/8 -> s/16
          |      |      |      |
         out <-- + <--- + <--- +        concatenated, then convolved (Ronneberger et al., "U-Net", 2015)

Fully convolutional: any square crop whose side is a multiple of 16, best near the 128 px of its training.
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.layers import Stage, conv_bn

PARSER_CROP_PX = 128
"""Side at which the network was trained: the face takes about half of it."""

PARSER_CLASSES = ("background", "face", "hair", "clothes", "skin")
"""Order of the logits; skin is the neck's, the ears' and the hands'."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParserConfig:
    """Sizes of the parser network."""

    widths: tuple[int, int, int, int] = (24, 48, 96, 128)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the crop."""
    decoder: tuple[int, int, int] = (96, 48, 24)
    """Channels on the way back at 1/8, 1/4 and 1/2."""
    blocks: tuple[int, int, int] = (1, 1, 1)
    """Residual blocks of each stage down."""


class ParserNetwork(nn.Module):
    """Logits of `PARSER_CLASSES` at half the crop's size."""

    def __init__(self, config: ParserConfig) -> None:
        super().__init__()
        self.config = config
        widths, decoder = config.widths, config.decoder
        self.stem = conv_bn(3, widths[0], stride=2)
        self.stages = nn.ModuleList(Stage(widths[i], widths[i + 1], blocks) for i, blocks in enumerate(config.blocks))
        below = (widths[3], *decoder[:2])
        self.merges = nn.ModuleList(
            conv_bn(below[i] + beside, decoder[i]) for i, beside in enumerate(reversed(widths[:3]))
        )
        self.to_logits = nn.Conv2d(decoder[2], len(PARSER_CLASSES), 1)

    def forward(self, rgb: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 5 s//2 s//2"]:
        """`rgb`: RGB in [0, 1]."""
        levels = [self.stem(rgb * 2 - 1)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        x = levels[-1]
        for merge, beside in zip(self.merges, reversed(levels[:3]), strict=True):
            x = merge(torch.cat([nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"), beside], dim=1))
        return self.to_logits(x).float()
