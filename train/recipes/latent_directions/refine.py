"""`E_F` learns what the moved source shows and the generator's picture does not (section 3.5).

The generator learns along: unlike the paper's, the embedded one is young. `E_w` and A are frozen.
"""

import dataclasses
import pathlib

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.ops.warp import resize, warp
from reenact.systems.latent_directions.config import PRESETS, LatentDirectionsConfig
from reenact.systems.latent_directions.networks import Drawn, LatentDirectionsNetworks, blend
from train.data.cache import digest, keep_folder
from train.data.faces import FaceData
from train.pairs.aligned import AlignedPairConfig, AlignedPairs
from train.pairs.heads import move_heads
from train.recipes.latent_directions.inversion import part_loop
from train.recipes.latent_directions.parts import MovedStep, PartTask, PartTaskConfig
from train.recipes.task import find_preset, to_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_AT_ONCE = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefineTaskConfig(PartTaskConfig):
    """Data, and weights of the losses."""

    pool: int = 0
    """Pairs that are moved once, beforehand, and drawn from: moving a head costs more than the networks. 0 moves those
    of each batch."""
    drawn: float = 2.0
    """Of the mean absolute difference of what is drawn, wherever the source's own pixels are shown."""


_POOLED = ("rows", "mirrored", "trust", "warped", "seen")


def _bytes(shares: Tensor) -> Tensor:
    return (shares * 255).round().clamp(0, 255).byte()


class RefineStep(MovedStep):
    """Refined pictures, and how much of each pixel they are."""

    def forward(
        self,
        source: Float[Tensor, "f 3 s s"],
        change: Float[Tensor, "f p"],
        warped: Float[Tensor, "f 3 s s"],
        seen: Float[Tensor, "f 1 s s"],
    ) -> Drawn:
        w, _ = self.system.encoder(source)
        return self.system.refine(w + self.system.directions(change), warped, seen)


class RefineTask(PartTask):
    """Pairs of frames, the source moved to the target as at inference."""

    trained = ("generator", "feature_encoder")
    input_names = ("source", "change", "warped", "seen")
    config: RefineTaskConfig

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: LatentDirectionsConfig,
        config: RefineTaskConfig,
        cache: pathlib.Path | None = None,
    ) -> None:
        super().__init__(train, val, network, config, cache)
        self.pool = self.move_pool() if config.pool else None

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        return RefineStep(system, self.trained).train()

    def use_data(self, train: FaceData) -> None:
        super().use_data(train)
        self.pool = self.move_pool() if self.config.pool else None

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        if self.pool is None:
            return super().sample_batch(rng, size, device)
        chosen = rng.integers(0, len(self.pool["rows"]), size)
        rows, mirrored, trust, warped, seen = (self.pool[name][chosen] for name in _POOLED)
        batch = super().prepare(self.pairs.cut(rows, mirrored, trust, device))
        shares = torch.from_numpy(seen).to(device)[:, None].float() / 255
        return batch | {"warped": to_pictures(warped, device), "seen": shares}

    def prepare(self, batch: Batch) -> Batch:
        pairs = self.val if batch.get("measured", False) else self.pairs
        return super().prepare(batch) | self.moved(pairs, batch)

    @torch.no_grad()
    def moved(self, pairs: AlignedPairs, batch: Batch) -> Batch:
        """The sources moved to the targets by geometry, and where they show the surface."""
        side = self.network_config.side
        rows, mirrored = (batch[name][:, 0].cpu().numpy() for name in ("rows", "mirrored"))
        heads = pairs.heads(rows, mirrored, side).to(batch["source"].device)
        flow = move_heads(pairs.model.to(heads.device), batch["source_mesh"], heads, batch["mesh"], side // 2)
        warped = warp(batch["source"], resize(flow.displacement, side))
        return {"warped": warped, "seen": resize(flow.visible, side)}

    def move_pool(self) -> dict[str, np.ndarray]:
        """Pairs, and what `moved` makes of them; kept in the cache."""
        draws = self.pairs.draw(np.random.default_rng(0), self.config.pool)

        def make(folder: pathlib.Path) -> None:
            found: dict[str, list[np.ndarray]] = {"warped": [], "seen": []}
            for first in range(0, self.config.pool, _AT_ONCE):
                part = (each[first : first + _AT_ONCE] for each in draws)
                moved = self.moved(self.pairs, self.pairs.cut(*part, torch.device("cpu")))
                found["warped"].append(_bytes(moved["warped"]).permute(0, 2, 3, 1).numpy())
                found["seen"].append(_bytes(moved["seen"])[:, 0].numpy())
            for name, values in (*found.items(), *zip(_POOLED, ([each] for each in draws), strict=False)):
                np.save(folder / f"{name}.npy", np.concatenate(values))

        assert self.cache is not None, "a pool is kept in the cache"
        config = dataclasses.asdict(self.pairs.config)
        parts = [self.pairs.faces.content_key, str((self.config.pool, self.network_config.side, config))]
        folder = keep_folder(self.cache, "moved", digest(parts), make)
        return {name: np.load(folder / f"{name}.npy") for name in _POOLED}

    def compute_losses(self, outputs: Drawn, batch: Batch, critic: nn.Module | None) -> Losses:
        losses = self.picture_losses(blend(batch["warped"], outputs.rgb, outputs.share), batch)
        weight = self.place_weight.to(outputs.rgb.device)
        alone = ((outputs.rgb - batch["target"]).abs().mean(1) * weight).mean()
        return losses | {"drawn": self.config.drawn * alone}

    def draw(self, system: LatentDirectionsNetworks, batch: Batch) -> dict[str, Tensor]:
        w, _ = system.encoder(batch["source"])
        moved = w + system.directions(batch["change"])
        drawn = system.refine(moved, batch["warped"], batch["seen"])
        return {
            "": blend(batch["warped"], drawn.rgb, drawn.share),
            "_refined": drawn.rgb,
            "_plain": system.generator(moved),
            "_warped": batch["warped"],
        }


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[RefineTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives all other parts."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    config = RefineTaskConfig(pairs=AlignedPairConfig(same_share=0.25), pool=1200)
    task = RefineTask(train, val, network, config, options.cache)
    task.start_from(options.init)
    return task, part_loop(1500)
