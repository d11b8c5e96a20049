"""A learns from synthetic pairs (section 3.2): everything else is frozen.

z, z' ─▶ two random people ─▶ tracker ─▶ p, p' ─▶ Δp ─▶ w + A Δp ─▶ generator ─▶ does what z' does?

Before, A is fitted in closed form to real pairs: `E_w` reads how w changes with p. ``--steps 0`` exports that A.
"""

import copy
import functools

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.identity import similarity
from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.networks import DIRECTION_RATE, LatentDirectionsNetworks
from train.data.faces import FaceData
from train.losses.perceptual import layer_gaps, mean_gap
from train.pairs.aligned import AlignedPairConfig, AlignedPairs
from train.recipes.latent_directions.inversion import part_loop
from train.recipes.latent_directions.parts import MovedStep, PartTask, PartTaskConfig, drive
from train.recipes.task import find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_FITTED = 3000
"""Real pairs that A is fitted to, at most,"""
_AT_ONCE = 50
"""so many at once."""
_TRUNCATION = 0.8
"""Of the random people."""


class ShiftStep(MovedStep):
    """Pictures of given W+, shifted."""

    def forward(self, w: Float[Tensor, "f n l"], change: Float[Tensor, "f p"]) -> dict[str, Tensor]:  # type: ignore[override]
        return {"pictures": self.system.generator(w + self.system.directions(change))}


class DirectionsTask(PartTask):
    """Random people, driven by others."""

    trained = ("directions",)
    input_names = ("w", "change")

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        return ShiftStep(system, self.trained).train()

    @functools.cached_property
    def frozen(self) -> LatentDirectionsNetworks:
        """A copy that the sampling thread may use; generator and mapping never change."""
        return copy.deepcopy(self.shipped(self.networks)).eval().requires_grad_(False)  # type: ignore[return-value]

    @functools.cached_property
    def mean_mesh(self) -> Float[Tensor, "1 478 3"]:
        """Where faces lie in aligned crops."""
        rows = np.linspace(0, len(self.pairs.data) - 1, min(500, len(self.pairs.data))).astype(int)
        return torch.from_numpy(self.pairs.data.mesh[rows].astype(np.float32).mean(0, keepdims=True))

    @torch.no_grad()
    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        system, model, side = self.frozen.to(device), self.pairs.model.to(device), self.network_config.side
        seeded = torch.Generator().manual_seed(int(rng.integers(2**62)))
        z = torch.randn(2 * size, self.network_config.latent, generator=seeded).to(device)
        w = system.sample_w(z, _TRUNCATION)
        pictures = system.generator(w).clamp(0, 1)
        crops, _ = self.readers.to(device).crops_of(self.mean_mesh.to(device).expand(2 * size, -1, -1), side)
        meshes = self.readers.read(pictures, crops).mesh.float()
        change, wanted = drive(model, meshes[:size], meshes[size:], self.network_config.expressions)
        tracker_crop, identity_crop = self.readers.crops_of(wanted, side)
        _, own_crop = self.readers.crops_of(meshes[:size], side)
        return {
            "w": w[:size],
            "change": change,
            "wanted_mesh": wanted,
            "source": pictures[:size],
            "embedding": self.readers.embed(pictures[:size], own_crop),
            "tracker_crop": tracker_crop,
            "identity_crop": identity_crop,
        }

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module | None) -> Losses:
        picture, config = outputs["pictures"], self.config
        _, layers = self.features.to(picture.device)(picture)
        with torch.no_grad():
            _, own = self.features(batch["source"])
        unlike = 1 - similarity(self.readers.embed(picture, batch["identity_crop"]), batch["embedding"])
        return {
            "shape": self.shape_loss(picture, batch),
            "identity": config.identity * unlike.mean(),
            "perceptual": 0.2 * config.perceptual * mean_gap(layer_gaps(layers, own)).mean(),
        }


@torch.no_grad()
def fit_directions(system: LatentDirectionsNetworks, pairs: AlignedPairs, count: int, ridge: float = 0.02) -> None:
    """Set A to the least-squares solution of w' - w = A Δp on real pairs, w and w' as `E_w` reads them.

    Args:
        system: its `E_w` is read, its A is set.
        pairs: to draw from.
        count: number of pairs.
        ridge: added to the mean square of each value of Δp, against values that hardly vary.
    """
    encoder, directions, config = copy.deepcopy(system.encoder).eval(), system.directions, system.config
    rng, device = np.random.default_rng(0), directions.matrix.device
    changes, shifts = [], []
    for _ in range(0, count, _AT_ONCE):
        batch = pairs.sample(rng, _AT_ONCE, device)
        changes.append(directions.limited(batch["change"]))
        shifts.append((encoder(batch["target"])[0] - encoder(batch["source"])[0])[:, : config.directed_layers])
    change, shift = torch.cat(changes).double(), torch.cat(shifts).double()
    square = change.T @ change / len(change)
    square += ridge * torch.eye(len(square), dtype=square.dtype, device=device)
    solved = torch.linalg.solve(square, change.T @ shift.flatten(1) / len(change))
    directions.matrix.copy_(solved.unflatten(1, shift.shape[1:]).permute(1, 2, 0) / DIRECTION_RATE)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[DirectionsTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives the generator."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    task = DirectionsTask(train, val, network, PartTaskConfig(), options.cache)
    task.start_from(options.init)
    pairs = AlignedPairs(task.pairs.data, AlignedPairConfig(same_share=0.0, still_share=0.3))
    fit_directions(task.networks.system, pairs, min(_FITTED, 10 * len(train)))  # type: ignore[arg-type]
    return task, part_loop(1000)
