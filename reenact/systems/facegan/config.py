"""Sizes and choices of the FACEGAN system's networks."""

import dataclasses

from reenact.errors import ConfigError
from reenact.systems.layers import Norm
from reenact.types import CropSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceganConfig:
    """See `networks.py`."""

    crop: CropSpec = CropSpec()
    """How source and driving crops are cut."""
    sides: int = 2
    """2 gives every Action Unit a left and a right half (a wink is a half of AU45); 1 is the paper's 17."""
    anchored: bool = True
    """Subtract the transformer's output for the source's own motion, so that unchanged motion moves nothing. False is
    the paper's transformer, which does not know the source's motion."""
    transformer_width: int = 384
    """Neurons of each hidden layer of L_T."""
    transformer_layers: int = 3
    """Hidden layers of L_T."""
    source_warp: bool = True
    """Give G_r the source's pixels and features warped along source -> target landmarks. False is the paper's G_r,
    which sees source and landmarks only."""
    reduction: int = 4
    """Side of the crop over the side of the networks' finest level. On a CPU wide layers are cheap from 1/4 on."""
    widths: tuple[int, ...] = (40, 80, 128)
    """Channels of G_r's levels, the finest first."""
    blocks: int = 1
    """Residual blocks in each level of both decoders; the innermost has twice as many."""
    layered: bool = True
    """Lay G_r's head over the ground of the portrait. False is the paper: G_b joins head and background."""
    mixer_widths: tuple[int, ...] = (32, 48, 64, 80)
    """Channels of G_b's levels, the finest first."""
    norm: Norm = "batch"
    """See `Norm`; instance is for the paper's batches of one."""

    def __post_init__(self) -> None:
        if self.sides not in {1, 2}:
            raise ConfigError(f"sides counts the halves of a face that move on their own: 1 or 2, got {self.sides}")
        if self.reduction not in {1, 2, 4, 8}:
            raise ConfigError(f"reduction halves the side a whole number of times: 1, 2, 4 or 8, got {self.reduction}")
        if self.source_warp and self.reduction < 2:
            raise ConfigError("source_warp draws its maps at half the crop's side: reduction must be 2 or more")
        if self.layered and not self.source_warp:
            raise ConfigError("layered moves the head's matte along G_r's flow: it needs source_warp")
        deepest = self.reduction * 2 ** (max(len(self.widths), len(self.mixer_widths)) - 1)
        if self.crop.network_px % deepest:
            raise ConfigError(f"the innermost level lies at 1/{deepest}; {self.crop.network_px} is no multiple of that")
        sizes = (*self.widths, *self.mixer_widths, self.transformer_width, self.transformer_layers, self.blocks)
        if min(sizes) < 1 or not self.widths or not self.mixer_widths:
            raise ConfigError("widths, layers and blocks must be 1 or more")

    @property
    def motion_length(self) -> int:
        """Length of AU_d: the units, once or per side, and three angles."""
        return 17 * self.sides + 3


PRESETS: dict[str, FaceganConfig] = {
    "tiny": FaceganConfig(),
    "paper": FaceganConfig(
        sides=1,
        anchored=False,
        transformer_width=1024,
        transformer_layers=4,
        source_warp=False,
        reduction=1,
        widths=(64, 128, 256, 512, 512),
        layered=False,
        mixer_widths=(64, 128, 256, 512, 512),
        norm="instance",
    ),
}
"""tiny: embedded, for two CPU cores. paper: section 3, which names U-Nets and fully connected layers without channel
counts; those of pix2pixHD are used, on whose progressive training section 4 builds."""
