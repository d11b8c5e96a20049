"""The one-euro filter: smooth when the signal is still, fast when it moves.

Casiez, Roussel and Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems",
CHI 2012. The cutoff frequency of a low-pass rises with the signal's own (filtered) speed.
"""

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneEuroConfig:
    """Parameters of the filter, in the units of its signal."""

    min_cutoff_hz: float
    """Cutoff at rest: lower is steadier."""
    beta: float
    """Rise of the cutoff, in Hz, per unit of speed: higher lags less."""
    speed_cutoff_hz: float = 4.0
    """Cutoff of the speed itself; higher reacts sooner to motion, lower rejects more noise."""

    def steadier(self, factor: float) -> "OneEuroConfig":
        """The filter with cutoffs divided by a factor."""
        return dataclasses.replace(self, min_cutoff_hz=self.min_cutoff_hz / factor, beta=self.beta / factor)


class OneEuroFilter:
    """Filters n vectors of any length frame by frame; each vector has its own speed and cutoff."""

    def __init__(self, config: OneEuroConfig, fps: float) -> None:
        self.config, self.fps = config, fps
        self.value: Tensor | None = None
        self.speed: Tensor | None = None

    def reset(self) -> None:
        """Forget earlier frames: the next one passes unchanged."""
        self.value = self.speed = None

    def __call__(self, signal: Float[Tensor, "n d"], unit: float = 1.0) -> Float[Tensor, "n d"]:
        """The filtered frame.

        Args:
            signal: the next frame.
            unit: length that counts as 1 for the speed, so that `beta` holds at any scale.
        """
        if self.value is None or self.speed is None:
            self.value, self.speed = signal, torch.zeros_like(signal)
            return signal
        speed = (signal - self.value) * (self.fps / unit)
        self.speed = self.speed + self._share(self.config.speed_cutoff_hz) * (speed - self.speed)
        cutoff = self.config.min_cutoff_hz + self.config.beta * self.speed.norm(dim=-1, keepdim=True)
        # equation 3 of the paper: share of the new frame in the exponential average
        share = 1 / (1 + self.fps / (2 * math.pi * cutoff))
        self.value = self.value + share * (signal - self.value)
        return self.value

    def _share(self, cutoff_hz: float) -> float:
        return 1 / (1 + self.fps / (2 * math.pi * cutoff_hz))
