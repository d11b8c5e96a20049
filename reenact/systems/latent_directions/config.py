"""Sizes of the latent directions system's networks."""

import dataclasses

from reenact.errors import ConfigError
from reenact.types import CropSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentDirectionsConfig:
    """See `networks.py`."""

    crop: CropSpec = CropSpec()
    """How source and driving crops are cut; the aligned crop of `aligned.py` is cut out of them."""
    widths: tuple[int, ...] = (96, 96, 96, 64, 40, 24)
    """Channels of the generator at 4, 8, 16 ... pixels; the last one's side is that of its pictures."""
    latent: int = 128
    """Length of z and of each layer's w."""
    mapping_layers: int = 4
    """Of the network from z to w."""
    mapping_rate: float = 1.0
    """Factor of its learning rate. As published it is 0.01; here it has to follow `E_w`."""
    encoder_widths: tuple[int, ...] = (32, 48, 64, 96, 96)
    """Channels of `E_w` at 1/2, 1/4, 1/8 ... of the picture's side, down to 4 pixels."""
    encoder_hidden: int = 160
    """Width of `E_w` between its last features and w."""
    directed_layers: int = 8
    """Layers whose w is shifted by A, the coarsest first: pose and expression are coarse, colour and texture fine."""
    expressions: int = 48
    """Expression coefficients of the morphable model that A takes, the strongest first."""
    feature_widths: tuple[int, int] = (32, 64)
    """Channels of `E_F` at 1/2 and at 1/4 and below."""
    refined_side: int = 32
    """Side of the generator's feature map that `E_F` refines."""
    own_pixels: bool = True
    """Keep the source's own pixels, moved by geometry, where `E_F` finds them better than drawn ones."""

    def __post_init__(self) -> None:
        side = self.side
        if len(self.widths) < 2 or min(*self.widths, self.latent, self.mapping_layers, self.encoder_hidden) < 1:
            raise ConfigError(
                "widths needs two levels or more; all widths, latent and mapping_layers must be 1 or more"
            )
        if 4 * 2 ** len(self.encoder_widths) != side:
            raise ConfigError(
                f"encoder_widths has {len(self.encoder_widths)} levels, each half the side of the one before; from "
                f"{side} to 4 pixels it takes {len(self.widths) - 1}"
            )
        if not 1 <= self.directed_layers <= self.layers:
            raise ConfigError(f"directed_layers is {self.directed_layers}; the generator has {self.layers} layers")
        if self.refined_side not in [4 * 2**level for level in range(1, len(self.widths) - 1)]:
            raise ConfigError(
                f"refined_side is {self.refined_side}; it must be a side of the generator's from 8 on, below the last"
            )

    @property
    def side(self) -> int:
        """Side of the generator's pictures."""
        return 4 * 2 ** (len(self.widths) - 1)

    @property
    def layers(self) -> int:
        """Modulated layers, and rows of W+: one at 4 pixels, two at each further level, one for the last colours."""
        return 2 * len(self.widths)


PRESETS: dict[str, LatentDirectionsConfig] = {
    "tiny": LatentDirectionsConfig(),
    "paper": LatentDirectionsConfig(
        widths=(512, 512, 512, 512, 512, 256, 128),
        latent=512,
        mapping_layers=8,
        mapping_rate=0.01,
        encoder_widths=(64, 128, 256, 512, 512, 512),
        encoder_hidden=512,
        directed_layers=8,
        feature_widths=(64, 128),
        refined_side=32,
        own_pixels=False,
    ),
    "people": LatentDirectionsConfig(widths=(128, 128, 128, 128, 96, 48), mapping_layers=4),
}
"""tiny: embedded, 128 px, trained in hours on a CPU. people: likewise, a wider generator, for random people alone.
paper: 256 px, the widths of the public StyleGAN2 checkpoints of that size (channel multiplier 2), which
`import_stylegan2.py` reads."""
