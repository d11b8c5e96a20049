"""Sizes of the correspondence system's networks."""

import dataclasses

from reenact.errors import ConfigError
from reenact.types import CropSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrespondenceConfig:
    """See `networks.py`."""

    crop: CropSpec = CropSpec()
    """How source and driving crops are cut."""
    widths: tuple[int, int, int] = (48, 96, 144)
    """Channels at 1/4, 1/8 and 1/16 of the crop's side."""
    blocks: int = 1
    """Residual blocks per level of the decoder; the innermost level has twice as many."""
    match_width: int = 32
    """Length of the features that are correlated."""

    def __post_init__(self) -> None:
        if self.crop.network_px % 16:
            raise ConfigError(f"network_px is halved four times; {self.crop.network_px} is no multiple of 16")
        if min(*self.widths, self.blocks, self.match_width) < 1:
            raise ConfigError("widths, blocks and match_width must be 1 or more")


PRESETS: dict[str, CorrespondenceConfig] = {
    "tiny": CorrespondenceConfig(),
    "paper": CorrespondenceConfig(widths=(128, 256, 512), blocks=3, match_width=256),
}
"""tiny: embedded, 25 frames a second on two CPU cores. paper: channel counts of the SPADE-type generators that it
builds on (64 to 512); the paper gives none."""
