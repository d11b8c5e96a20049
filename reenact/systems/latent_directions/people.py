"""People who do not exist, from a generator that was trained for them alone (`latent_directions_people`).

The system's own generator learned to redraw: its random people are coloured blurs.
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.ops.warp import resize
from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.generator import Generator, MappingNetwork
from reenact.systems.latent_directions.networks import Directions


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeopleConfig:
    """Sizes, see `LatentDirectionsConfig`."""

    widths: tuple[int, ...] = PRESETS["people"].widths
    latent: int = PRESETS["people"].latent
    mapping_layers: int = PRESETS["people"].mapping_layers
    directed_layers: int = PRESETS["people"].directed_layers
    expressions: int = PRESETS["people"].expressions
    picture_px: int = 128
    """Side of the pictures; those of a smaller generator are enlarged."""


class RandomPeople(nn.Module):
    """Mapping network, generator and directions; a system's networks have them under the same names."""

    def __init__(self, config: PeopleConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config.latent, config.mapping_layers, 1.0, 2 * len(config.widths))
        self.generator = Generator(config.widths, config.latent)
        self.directions = Directions(
            layers=self.generator.layers,
            directed=config.directed_layers,
            latent=config.latent,
            expressions=config.expressions,
        )

    def draw_person(self, seed: int, truncation: float) -> Float[Tensor, "1 3 s s"]:
        """See `Reenactor.draw_person`."""
        z = seeded_z(seed, self.config.latent).to(self.mapping.mean_w.device)
        drawn = self.generator(self.mapping.sample(z, truncation))
        return resize(drawn, self.config.picture_px).clamp(0, 1)


def seeded_z(seed: int, latent: int) -> Float[Tensor, "1 l"]:
    """z of a seed; made on the CPU, so that it means the same person on every device."""
    return torch.randn(1, latent, generator=torch.Generator().manual_seed(seed))
