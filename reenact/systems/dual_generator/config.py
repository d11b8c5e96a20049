"""Sizes of the dual generator's networks."""

import dataclasses
from typing import Literal

from reenact.errors import ConfigError
from reenact.types import CropSpec

LEVELS = 4
"""Blocks of `G_f` that halve the side, and blocks that double it again (paper, section 3.2)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DualGeneratorConfig:
    """See `networks.py`."""

    crop: CropSpec = CropSpec()
    """How source and driving crops are cut."""
    landmark_width: int = 192
    """Neurons of the inner layers of `E_l`, `D_l` and `C_l`."""
    action_code: int = 64
    """Length of the action code. It is a bottleneck, so that identity comes from the face ID code."""
    decoder_width: int = 192
    """Neurons of the inner layers of `R_l`."""
    face_code: int = 256
    """Length of the face ID code of the embedded identity encoder."""
    width: int = 48
    """Channels of `G_f` at its finest level; each coarser level doubles them, up to `max_width`."""
    max_width: int = 88
    """Most channels of `G_f`; limits the weights of the coarse levels."""
    stem: Literal[1, 2, 4] = 4
    """Pixels per side that `G_f` folds into channels at entry and exit; 4 keeps a CPU off the full side."""
    style: int = 64
    """Length of the facial style code."""
    style_px: int = 128
    """Side of the picture that `E_s` sees; it halves it six times."""
    style_width: int = 8
    """Channels of `E_s` at its finest level; each block doubles them, up to `style_max_width`."""
    style_max_width: int = 64
    """Most channels of `E_s`."""
    source_features: bool = True
    """Also use spatial features and pixels of the source, moved to the target by geometry: a style code alone cannot
    carry a face that was not in the training set. False is the paper's form."""

    def __post_init__(self) -> None:
        coarsest = self.stem * 2**LEVELS
        if self.crop.network_px % coarsest:
            raise ConfigError(
                f"the generator folds {self.stem} pixels and halves the side {LEVELS} times; network_px is "
                f"{self.crop.network_px}, make it a multiple of {coarsest}"
            )
        if self.style_px % 64:
            raise ConfigError(
                f"E_s halves its picture six times; style_px is {self.style_px}, make it a multiple of 64"
            )
        sizes = (self.landmark_width, self.action_code, self.decoder_width, self.face_code, self.width, self.style)
        if min(*sizes, self.style_width, self.style_max_width, self.max_width) < 1:
            raise ConfigError("widths and code lengths must be 1 or more")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of `G_f` from its finest level to its coarsest, `LEVELS` + 1 of them."""
        return tuple(min(self.width * 2**level, self.max_width) for level in range(LEVELS + 1))


PRESETS: dict[str, DualGeneratorConfig] = {
    "tiny": DualGeneratorConfig(),
    "paper": DualGeneratorConfig(
        landmark_width=204,
        action_code=204,
        decoder_width=512,
        width=64,
        max_width=512,
        stem=1,
        style=512,
        style_px=256,
        style_width=64,
        style_max_width=512,
        source_features=False,
    ),
}
"""tiny: embedded, for a CPU. paper: the blocks of section 3 at the widths of StarGAN v2 (64 channels at 256 px, at most
512), on which it builds; landmark networks as wide as their input (68 x 3), the decoder 512. The paper gives neither
widths nor the length of the style code."""
