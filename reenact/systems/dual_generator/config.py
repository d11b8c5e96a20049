"""Sizes of the dual generator's networks."""

import dataclasses
from typing import Literal

from reenact.errors import ConfigError
from reenact.types import CropSpec

PresetName = Literal["paper", "tiny"]

LEVELS = 4
"""Blocks that halve the side in `G_f`, and blocks that double it again (paper, section 3.2)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DualGeneratorConfig:
    """See `networks.py`."""

    crop: CropSpec = CropSpec()
    """How source and driving crops are cut."""
    landmark_width: int = 192
    """Neurons of the inner layers of `E_l`, and of `D_l` and `C_l`, which are built like it."""
    action_code: int = 64
    """Length of the action code, a bottleneck: identity has to come from the face ID code instead."""
    decoder_width: int = 192
    """Neurons of the inner layers of `R_l`."""
    face_code: int = 256
    """Length of the face ID code; the embedded identity encoder's."""
    width: int = 48
    """Channels of `G_f` at its finest level; doubled at each of the four coarser ones up to `max_width`."""
    max_width: int = 88
    """Most channels of `G_f`: what its coarse levels cost in weights."""
    stem: Literal[1, 2, 4] = 4
    """Pixels per side that `G_f` folds into channels at its entry and exit; 4 spares a CPU the full side."""
    style: int = 64
    """Length of the facial style code."""
    style_px: int = 128
    """Side to which `E_s` brings its picture; six halvings leave a 64th of it."""
    style_width: int = 8
    """Channels of `E_s` at its finest level; doubled by each block up to `style_max_width`."""
    style_max_width: int = 64
    """Most channels of `E_s`."""
    source_features: bool = True
    """Also feed spatial features of the source, moved to the target by geometry and gated by visibility, and mix its
    pixels with the drawn ones: a style code alone cannot carry a face that was never seen in training. False is the
    paper's form."""

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
            raise ConfigError("widths and code lengths count neurons and channels: each must be 1 or more")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of `G_f` from its finest level to its coarsest, `LEVELS` + 1 of them."""
        return tuple(min(self.width * 2**level, self.max_width) for level in range(LEVELS + 1))


PRESETS: dict[PresetName, DualGeneratorConfig] = {
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
"""tiny: embedded, for a CPU, with source features. paper: the blocks that section 3 counts, at the widths of the
StarGAN v2 generator it builds on (64 channels at 256 px, 512 at most); the landmark networks are as wide as their input
(68 x 3), the decoder 512. The paper gives no table of widths, nor the length of the style code."""
