"""A critic on frozen features of EfficientNet-Lite0 (Sauer et al., "Projected GANs Converge Faster", 2021).

picture ─▶ frozen stages ─▶ 1/4  1/8  1/16  1/32 of the side
           random 1x1 and 3x3 convolutions mix channels, then scales from coarse to fine       (never trained)
           one small discriminator on each scale ─▶ logits
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from train.losses.perceptual import EfficientNetFeatures

_SCALES = ((1, 24), (2, 40), (4, 112), (6, 320))
"""Stage and channels of each scale."""


class ProjectedFeatures(nn.Module):
    """Features in which pictures are judged, and those in which they are compared; frozen."""

    def __init__(self, width: int = 48, seed: int = 0) -> None:
        """Load the weights.

        Args:
            width: channels of each scale after the random projections.
            seed: of the projections.

        Raises:
            MissingDependencyError: the package that holds the weights is not installed.
        """
        super().__init__()
        self.network = EfficientNetFeatures(whole=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.channels = nn.ModuleList(nn.Conv2d(count, width, 1) for _, count in _SCALES)
            self.scales = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in _SCALES)
            for conv in (*self.channels, *self.scales):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
                nn.init.zeros_(conv.bias)
        self.requires_grad_(False).eval()

    def forward(self, rgb: Float[Tensor, "f 3 h w"]) -> tuple[list[Tensor], list[Tensor]]:
        """Projected features, the finest first; and the stem's and first stages', for `layer_gaps`."""
        x = self.network.stem(rgb * 2 - 1)
        stages = [x]
        for stage in self.network.stages:
            x = self.network.through(stage, x)
            stages.append(x)
        coarser, projected = None, []
        for (stage, _), mix, scale in reversed(list(zip(_SCALES, self.channels, self.scales, strict=True))):
            mixed = mix(stages[stage + 1])
            if coarser is not None:
                mixed = mixed + functional.interpolate(coarser, scale_factor=2, mode="nearest")
            coarser = scale(mixed)
            projected.append(coarser)
        return projected[::-1], stages[:4]


class ProjectedCritic(nn.Module):
    """A discriminator for each scale of `ProjectedFeatures`; each halves its features down to 4 x 4, then judges."""

    def __init__(self, side: int, width: int = 48) -> None:
        """Build the discriminators.

        Args:
            side: of the pictures.
            width: of `ProjectedFeatures`.
        """
        super().__init__()
        self.heads = nn.ModuleList(_head(width, side // 4 // 2**level) for level in range(len(_SCALES)))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Logits of each scale."""
        return [head(x) for head, x in zip(self.heads, features, strict=True)]


def _head(width: int, side: int) -> nn.Sequential:
    norm = nn.utils.parametrizations.spectral_norm
    layers: list[nn.Module] = [norm(nn.Conv2d(width, 64, 3, padding=1)), nn.LeakyReLU(0.2)]
    while side > 4:
        layers += [norm(nn.Conv2d(64, 64, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        side //= 2
    return nn.Sequential(*layers, norm(nn.Conv2d(64, 1, 3, padding=1)))
