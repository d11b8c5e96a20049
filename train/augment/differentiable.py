"""Augmentation that a critic sees, of real and generated pictures alike.

The probability follows how sure the critic is of real pictures, as in Karras et al., "Training Generative Adversarial
Networks with Limited Data" (2020).
"""

import dataclasses
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Shift, zoom and colour of n pictures; differentiable in the pictures."""

    place: Float[Tensor, "n 2 3"]
    """picture_from_result, half-sides."""
    gain: Float[Tensor, "n 3 1 1"]
    """Factor of each channel,"""
    level: Float[Tensor, "n 1 1 1"]
    """and what is added."""

    @classmethod
    def draw(cls, count: int, probability: Tensor, like: Tensor) -> Self:
        """A random one for each picture; with `1 - probability` it changes nothing.

        Args:
            count: number of pictures.
            probability: of a change, a scalar.
            like: for device; the global generator is used.
        """
        chosen = (torch.rand(count, 1, device=like.device) < probability).float()
        zoom = 1 + chosen * (torch.rand(count, 1, device=like.device) - 0.5) * 0.2
        shift = chosen * (torch.rand(count, 2, device=like.device) - 0.5) * 0.3
        place = torch.eye(2, device=like.device) * zoom[:, :, None]
        gain = 1 + chosen * (torch.rand(count, 3, device=like.device) - 0.5) * 0.3
        level = chosen * (torch.rand(count, 1, device=like.device) - 0.5) * 0.2
        return cls(
            place=torch.cat([place, shift[:, :, None]], 2), gain=gain[..., None, None], level=level[..., None, None]
        )

    def apply(self, rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """Pictures in [0, 1], the border mirrored."""
        grid = functional.affine_grid(self.place, list(rgb.shape), align_corners=False)
        moved = functional.grid_sample(rgb.float(), grid, "bilinear", "reflection", align_corners=False)
        return (moved * self.gain + self.level).contiguous(memory_format=torch.channels_last)


class AdaptiveProbability(nn.Module):
    """How often pictures are augmented: raised while the critic tells real pictures too well."""

    value: Tensor

    def __init__(self, target: float = 0.6, step: float = 2e-3, start: float = 0.2) -> None:
        """Set the start.

        Args:
            target: mean sign of the logits of real pictures that is held.
            step: change in each step.
            start: first probability.
        """
        super().__init__()
        self.register_buffer("value", torch.tensor(start))
        self.target, self.step = target, step

    @torch.no_grad()
    def follow(self, real_logits: list[Tensor]) -> None:
        """Move by one step towards the target."""
        sure = torch.stack([logits.float().sign().mean() for logits in real_logits]).mean()
        self.value.add_(torch.sign(sure - self.target) * self.step).clamp_(0, 0.8)
