"""A learns from synthetic pairs (section 3.2): everything else is frozen.

z, z' ─▶ two random people ─▶ tracker ─▶ p, p' ─▶ Δp ─▶ w + A Δp ─▶ generator ─▶ does what z' does?

Before, A is fitted in closed form: how w differs between random people whose p differ. ``--steps 0`` exports that A.
"""

import functools

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.identity import similarity
from reenact.systems.latent_directions.aligned import ANGLE_UNIT_DEG, read_state
from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.networks import DIRECTION_RATE, LatentDirectionsNetworks
from train.data.faces import FaceData
from train.losses.perceptual import layer_gaps, mean_gap
from train.recipes.latent_directions.inversion import part_loop
from train.recipes.latent_directions.parts import MovedStep, PartTask, PartTaskConfig, drive
from train.recipes.latent_directions.task import PARTS
from train.recipes.task import find_preset, picture_rows
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_FITTED = 4096
"""Random people that A is fitted to, at most; of a small set ten for each of its pictures."""
_RIDGE = 0.001
"""Added to the mean square of each value of p, against values that hardly vary."""
_VALIDATED = 192
"""People that are measured, half of them driven by the other half."""
_AT_ONCE = 32
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
    def mean_mesh(self) -> Float[Tensor, "1 478 3"]:
        """Where faces lie in aligned crops."""
        rows = np.linspace(0, len(self.pairs.data) - 1, min(500, len(self.pairs.data))).astype(int)
        return torch.from_numpy(self.pairs.data.mesh[rows].astype(np.float32).mean(0, keepdims=True))

    @torch.no_grad()
    def meet(self, count: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """W+, pictures and meshes (half-sides) of random people."""
        system, side, found = self.frozen.to(device), self.network_config.side, []
        seeded = torch.Generator().manual_seed(seed)
        for first in range(0, count, _AT_ONCE):
            z = torch.randn(min(_AT_ONCE, count - first), self.network_config.latent, generator=seeded).to(device)
            w = system.sample_w(z, _TRUNCATION)
            pictures = system.generator(w).clamp(0, 1)
            crops, _ = self.readers.to(device).crops_of(self.mean_mesh.to(device).expand(len(z), -1, -1), side)
            found.append((w, pictures, self.readers.read(pictures, crops).mesh.float()))
        w, pictures, mesh = (torch.cat(each) for each in zip(*found, strict=True))
        return w, pictures, mesh

    @torch.no_grad()
    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.pair(*self.meet(2 * size, int(rng.integers(2**62)), device))

    @torch.no_grad()
    def pair(self, w: Tensor, pictures: Tensor, meshes: Tensor) -> Batch:
        """The first half of the people, driven by the second."""
        size, side = len(w) // 2, self.network_config.side
        model = self.pairs.model.to(w.device)
        change, wanted = drive(model, meshes[:size], meshes[size:], self.network_config.expressions)
        tracker_crop, identity_crop = self.readers.crops_of(wanted, side)
        _, own_crop = self.readers.crops_of(meshes[:size], side)
        return {
            "w": w[:size],
            "change": change,
            "wanted_mesh": wanted,
            "source_mesh": meshes[:size],
            "source": pictures[:size],
            "driver": pictures[size:],
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
    def fit(self, count: int) -> None:
        """Set A to the least-squares solution of w - mean w = A (p - mean p) over random people."""
        directions = self.shipped(self.networks).directions  # type: ignore[union-attr]
        w, p = [], []
        for seed in range(0, count, _AT_ONCE):
            rows, _, mesh = self.meet(_AT_ONCE, seed, directions.matrix.device)
            w.append(rows[:, : self.network_config.directed_layers])
            p.append(read_state(self.pairs.model, mesh, self.network_config.expressions).values)
        directions.matrix.copy_(least_squares(torch.cat(p), torch.cat(w)) / DIRECTION_RATE)

    @functools.lru_cache(maxsize=1)  # noqa: B019 - a task lives as long as its run
    def validation_pairs(self, device: torch.device) -> Batch:
        """The same people every time."""
        return self.pair(*self.meet(_VALIDATED, -1, device))

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Of random people driven by others: pose error, correlation of wanted and drawn changes, identity."""
        system, batch = self.shipped(networks), self.validation_pairs(device)
        model, expressions = self.pairs.model.to(device), self.network_config.expressions
        own = read_state(model, batch["source_mesh"], expressions).values
        moved, identity = [], []
        for rows in torch.arange(len(own)).split(_AT_ONCE):
            picture = system.generator(batch["w"][rows] + system.directions(batch["change"][rows])).clamp(0, 1)  # type: ignore[operator]
            mesh = self.readers.read(picture, batch["tracker_crop"][rows]).mesh.float()
            moved.append(read_state(model, mesh, expressions).values - own[rows])
            identity.append(
                similarity(self.readers.embed(picture, batch["identity_crop"][rows]), batch["embedding"][rows])
            )
        change, drawn = batch["change"], torch.cat(moved)
        off, far = ((each[:, :2].norm(dim=1) * ANGLE_UNIT_DEG).mean() for each in (drawn - change, change))
        return {
            "pose_deg": float(off),
            "pose_deg_unmoved": float(far),
            "expression": float(torch.corrcoef(torch.stack([drawn[:, 3:].flatten(), change[:, 3:].flatten()]))[0, 1]),
            "identity": float(torch.cat(identity).mean()),
        }

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Person, driver, result, several times a row."""
        system, batch = self.shipped(networks), self.validation_pairs(device)
        rows = slice(0, 24)
        drawn = system.generator(batch["w"][rows] + system.directions(batch["change"][rows])).clamp(0, 1)  # type: ignore[operator]
        parts = [
            one for three in zip(batch["source"][rows], batch["driver"][rows], drawn, strict=True) for one in three
        ]
        return picture_rows([[one[None] for one in parts[i : i + 12]] for i in range(0, len(parts), 12)])


def least_squares(p: Float[Tensor, "n p"], w: Float[Tensor, "n d l"]) -> Float[Tensor, "d l p"]:
    """The linear map from differences of p to differences of w that fits n people best."""
    p, w = (p - p.mean(0)).double(), (w - w.mean(0)).double()
    square = p.T @ p / len(p) + _RIDGE * torch.eye(p.shape[1], dtype=p.dtype, device=p.device)
    return torch.linalg.solve(square, p.T @ w.flatten(1) / len(p)).unflatten(1, w.shape[1:]).permute(1, 2, 0).float()


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[DirectionsTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives the generator."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    task = DirectionsTask(train, val, network, PartTaskConfig(), options.cache)
    task.start_from(options.init)
    if "directions" not in PARTS.read(options.init):
        task.fit(min(_FITTED, 10 * len(train)))
    return task, part_loop(1000)
