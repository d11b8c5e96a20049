"""Networks of the latent directions system.

After Bounareli et al., "One-shot Neural Face Reenactment via Finding Directions in GAN's Latent Space" (IJCV 2024).

    aligned source ─▶ E_w ─▶ w_s (W+)                                        once per source
    p of source and target ─▶ Δp ─▶ A Δp ──▶ w_r = w_s + A Δp ─▶ generator ─▶ picture
    aligned source, moved to the target ─▶ E_F ─▶ Δf ───────────────▲           feature-space refinement

A, the matrix of directions, is linear and the same for all people; only its layers, the coarsest ones, are shifted.
"""

import dataclasses
import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.ops.warp import resize
from reenact.systems.latent_directions.aligned import BESIDE_EXPRESSION
from reenact.systems.latent_directions.config import LatentDirectionsConfig
from reenact.systems.latent_directions.generator import Generator, MappingNetwork
from reenact.systems.layers import Encoder, ResidualBlock, conv_norm, zero_conv

DIRECTION_RATE = 0.1
"""Factor of A, so that it does not learn faster than the generator."""
_MOST = 3.0
"""Larger changes of p are cut off: they come from meshes that the tracker misread."""


class InversionEncoder(nn.Module):
    """`E_w`: a picture to W+, one w for all layers and an offset for each."""

    def __init__(self, config: LatentDirectionsConfig) -> None:
        super().__init__()
        self.layers, self.latent = config.layers, config.latent
        self.encoder = Encoder(12, config.encoder_widths)
        self.hidden = nn.Linear(16 * config.encoder_widths[-1], config.encoder_hidden)
        self.base = nn.Linear(config.encoder_hidden, config.latent)
        self.offsets = nn.Linear(config.encoder_hidden, config.layers * config.latent)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)

    def forward(self, rgb: Float[Tensor, "f 3 s s"]) -> tuple[Float[Tensor, "f n l"], Float[Tensor, "f l"]]:
        """W+ of a picture (RGB in [0, 1]), and the w that its rows deviate from."""
        x = self.encoder(functional.pixel_unshuffle(rgb * 2 - 1, 2))[-1]
        hidden = functional.silu(self.hidden(x.flatten(1)))
        base = self.base(hidden).float()
        return base[:, None] + self.offsets(hidden).float().unflatten(1, (self.layers, self.latent)), base


class Directions(nn.Module):
    """A: shift of W+ by a change of p, Δw = A Δp (section 3.2)."""

    def __init__(self, *, layers: int, directed: int, latent: int, expressions: int) -> None:
        """Zero; sizes as in `LatentDirectionsConfig`."""
        super().__init__()
        self.layers, self.directed = layers, directed
        self.matrix = nn.Parameter(torch.zeros(directed, latent, len(BESIDE_EXPRESSION) + expressions))

    @staticmethod
    def limited(change: Float[Tensor, "f p"]) -> Float[Tensor, "f p"]:
        """Changes of p, the large ones cut off."""
        return change.clamp(-_MOST, _MOST)

    def forward(self, change: Float[Tensor, "f p"]) -> Float[Tensor, "f n l"]:
        """Δw of each layer; zero in the layers that are not directed."""
        shift = DIRECTION_RATE * torch.einsum("nlp,fp->fnl", self.matrix, self.limited(change))
        return functional.pad(shift.float(), (0, 0, 0, self.layers - self.directed))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is drawn of f aligned crops."""

    rgb: Float[Tensor, "f 3 s s"]
    """The generator's picture, refined."""
    share: Float[Tensor, "f 1 s s"]
    """Share of it in the result; the rest are the source's own pixels, moved by geometry."""


class FeatureEncoder(nn.Module):
    """`E_F` (section 3.5): what the moved source shows and the generator's picture does not, as a shift of features.

    It also tells how much of each pixel should be drawn (`LatentDirectionsConfig.own_pixels`).
    """

    def __init__(self, config: LatentDirectionsConfig) -> None:
        super().__init__()
        fine, coarse = config.feature_widths
        self.own_pixels = config.own_pixels
        self.steps = round(math.log2(config.side / config.refined_side))
        widths = [7, fine, *[coarse] * (self.steps - 1)]
        self.down = nn.Sequential(*(conv_norm(a, b, 2) for a, b in itertools.pairwise(widths)))
        self.mix = nn.Sequential(conv_norm(coarse, coarse), ResidualBlock(coarse))
        self.to_shift = zero_conv(coarse, config.widths[round(math.log2(config.refined_side / 4))])
        if config.own_pixels:
            self.to_share = zero_conv(coarse, 4)

    def forward(
        self, warped: Float[Tensor, "f 3 s s"], drawn: Float[Tensor, "f 3 s s"], seen: Float[Tensor, "f 1 s s"]
    ) -> tuple[Float[Tensor, "f c r r"], Float[Tensor, "f 1 s s"]]:
        """Shift of the features, and the share that is drawn.

        Args:
            warped: the source moved to the target by geometry, RGB in [0, 1].
            drawn: what the generator draws without a shift.
            seen: 1 where the source shows this point of the surface.
        """
        h = self.mix(self.down(torch.cat([warped * 2 - 1, warped - drawn, seen], 1)))
        shift, side = self.to_shift(h).float(), warped.shape[-1]
        if not self.own_pixels:
            return shift, torch.ones_like(seen)
        share = functional.pixel_shuffle(self.to_share(h).float(), 2)
        hidden = resize(1 - seen, share.shape[-1])
        return shift, resize(torch.sigmoid(share * 2 + 3 * hidden - 1.5), side)


def blend(moved: Float[Tensor, "f 3 n n"], drawn: Float[Tensor, "f 3 n n"], share: Float[Tensor, "f 1 n n"]) -> Tensor:
    """The head's picture at any side n: the moved source, and the drawn one by its share."""
    return torch.lerp(moved, drawn, share)


class LatentDirectionsNetworks(nn.Module):
    """Generator with its mapping network, `E_w`, A and `E_F`."""

    def __init__(self, config: LatentDirectionsConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config.latent, config.mapping_layers, config.mapping_rate, config.layers)
        self.generator = Generator(config.widths, config.latent)
        self.encoder = InversionEncoder(config)
        self.directions = Directions(
            layers=config.layers,
            directed=config.directed_layers,
            latent=config.latent,
            expressions=config.expressions,
        )
        self.feature_encoder = FeatureEncoder(config)

    def refine(
        self,
        w: Float[Tensor, "f n l"],
        warped: Float[Tensor, "f 3 s s"],
        seen: Float[Tensor, "f 1 s s"],
        generator: Generator | None = None,
    ) -> Drawn:
        """Pictures of W+, refined by what the moved source shows; arguments of `FeatureEncoder`.

        `generator` is one that was tuned to the source; these networks' own if None.
        """
        generator = generator or self.generator
        shift, share = self.feature_encoder(warped, generator(w), seen)
        return Drawn(rgb=generator(w, shift=shift), share=share)

    def sample_w(self, z: Float[Tensor, "f l"], truncation: float = 1.0) -> Float[Tensor, "f n l"]:
        """See `MappingNetwork.sample`."""
        return self.mapping.sample(z, truncation)
