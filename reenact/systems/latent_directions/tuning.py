"""The generator, optimised for one source (the paper's "w/ opt.", figure 2): `w_s` stays, the generator's weights move.

The refined and the plain picture of `w_s` are brought near to the aligned source. There is no noise: the same source
gives the same generator.
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.systems.base import Progress
from reenact.systems.latent_directions.generator import Generator
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks

_RATE, _FINAL, _WARMUP = 2e-3, 0.1, 5
"""Adam's learning rate, what is left of it at the end, and the steps in which it rises."""
_PLAIN = 0.5
"""Weight of the picture without refinement."""
_EDGES = 0.5
"""Weight of the differences between neighbouring pixels, which are small, but make the face."""
_AROUND = 0.3
"""Weight of what surrounds the face."""


def tune_generator(
    networks: LatentDirectionsNetworks,
    w: Float[Tensor, "1 n l"],
    source: Float[Tensor, "1 3 s s"],
    steps: int,
    progress: Progress,
) -> Generator:
    """A copy of the generator, tuned.

    Args:
        networks: stay as they are.
        w: of the source.
        source: its aligned crop, RGB in [0, 1].
        steps: of the optimisation.
        progress: called after every step.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        w, source = w.clone(), source.clone()
        generator = copy.deepcopy(networks.generator).requires_grad_(True)
        optimiser = torch.optim.Adam(generator.parameters(), lr=_RATE, betas=(0.9, 0.99))
        seen, weight = torch.ones_like(source[:, :1]), _face_weight(source)
        for step in range(steps):
            left = 1 - (1 - _FINAL) * step / steps
            for group in optimiser.param_groups:
                group["lr"] = _RATE * left * min((step + 1) / _WARMUP, 1)
            plain = generator(w)
            shift, _ = networks.feature_encoder(source, plain, seen)
            refined = generator(w, shift=shift)
            loss = _gap(refined, source, weight) + _PLAIN * _gap(plain, source, weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            progress(step + 1, steps, "tuning")
    return generator.requires_grad_(False)


def _gap(drawn: Tensor, source: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference, most on the face, and that of the edges."""
    difference = drawn - source
    edges = sum(difference.diff(dim=dim).abs().mean() for dim in (-1, -2))
    return (difference.abs() * weight).mean() + _EDGES * edges


def _face_weight(like: Float[Tensor, "1 3 s s"]) -> Float[Tensor, "s s"]:
    """1 on the face of an aligned crop, falling to `_AROUND`."""
    line = (torch.arange(like.shape[-1], device=like.device) + 0.5) * (2 / like.shape[-1]) - 1
    radius = (line[None, :] / 0.65).square() + ((line[:, None] - 0.05) / 0.8).square()
    return _AROUND + (1 - _AROUND) * ((1.3 - radius) / 0.6).clamp(0, 1)
