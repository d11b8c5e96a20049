"""An adjustment of the square around a face, by the user."""

import dataclasses

from reenact.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropBox:
    """The square around a face, adjusted."""

    scale: float = 1.0
    """Its side over that of the system's square, 0.6 to 2."""
    right: float = 0.0
    """Shift to the right, -0.3 to 0.3 of the side."""
    down: float = 0.0
    """Shift downwards, -0.3 to 0.3 of the side."""

    def __post_init__(self) -> None:
        if not 0.6 <= self.scale <= 2:
            raise ConfigError(f"The scale of the crop is {self.scale:g}; give a factor from 0.6 to 2.")
        for shift in (self.right, self.down):
            if not -0.3 <= shift <= 0.3:
                raise ConfigError(f"The crop is shifted by {shift:g}; give a share of its side from -0.3 to 0.3.")
