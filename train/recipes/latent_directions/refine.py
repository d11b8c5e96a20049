"""`E_F` learns what the moved source shows and the generator's picture does not (section 3.5).

The generator learns along: unlike the paper's, the embedded one is young. Its random people stay as they were.
`E_w` and A are frozen.
"""

import copy
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
    people: float = 4.0
    """Of the mean absolute difference of random people from those that the first generator drew."""
    people_share: float = 0.5
    """Random people for each pair of a batch."""


_POOLED = ("rows", "mirrored", "trust", "warped", "seen")


def _bytes(shares: Tensor) -> Tensor:
    return (shares * 255).round().clamp(0, 255).byte()


class RefineStep(MovedStep):
    """Refined pictures, how much of each pixel they are, and random people."""

    def forward(  # type: ignore[override]
        self,
        source: Float[Tensor, "f 3 s s"],
        change: Float[Tensor, "f p"],
        warped: Float[Tensor, "f 3 s s"],
        seen: Float[Tensor, "f 1 s s"],
        z: Float[Tensor, "k l"],
    ) -> tuple[Drawn, Float[Tensor, "k 3 s s"]]:
        w, _ = self.system.encoder(source)
        drawn = self.system.refine(w + self.system.directions(change), warped, seen)
        return drawn, self.system.generator(self.system.sample_w(z))


class RefineTask(PartTask):
    """Pairs of frames, the source moved to the target as at inference."""

    trained = ("generator", "feature_encoder")
    input_names = ("source", "change", "warped", "seen", "z")
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
        self.start_from(None)
        self.pool = self.move_pool() if config.pool else None

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        return RefineStep(system, self.trained).train()

    def use_data(self, train: FaceData) -> None:
        super().use_data(train)
        self.pool = self.move_pool() if self.config.pool else None

    def start_from(self, init: pathlib.Path | None) -> None:
        super().start_from(init)
        self.first = copy.deepcopy(self.shipped(self.networks)).eval().requires_grad_(False)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        batch = self.sample_pairs(rng, size, device)
        count = max(2, round(size * self.config.people_share))
        z = rng.standard_normal((count, self.network_config.latent), np.float32)
        return batch | {"z": torch.from_numpy(z).to(device)}

    def sample_pairs(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """Pairs, moved now or beforehand."""
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
                rows, mirrored, trust = (each[first : first + _AT_ONCE] for each in draws)
                moved = self.moved(self.pairs, self.pairs.cut(rows, mirrored, trust, torch.device("cpu")))
                found["warped"].append(_bytes(moved["warped"]).permute(0, 2, 3, 1).numpy())
                found["seen"].append(_bytes(moved["seen"])[:, 0].numpy())
            for name, values in (*found.items(), *zip(_POOLED, ([each] for each in draws), strict=False)):
                np.save(folder / f"{name}.npy", np.concatenate(values))

        assert self.cache is not None, "a pool is kept in the cache"
        config = dataclasses.asdict(self.pairs.config)
        parts = [self.pairs.faces.content_key, str((self.config.pool, self.network_config.side, config))]
        folder = keep_folder(self.cache, "moved", digest(parts), make)
        return {name: np.load(folder / f"{name}.npy") for name in _POOLED}

    def compute_losses(self, outputs: tuple[Drawn, Tensor], batch: Batch, critic: nn.Module | None) -> Losses:
        drawn, people = outputs
        losses = self.picture_losses(blend(batch["warped"], drawn.rgb, drawn.share), batch)
        weight = self.place_weight.to(people.device)
        alone = ((drawn.rgb - batch["target"]).abs().mean(1) * weight).mean()
        first: LatentDirectionsNetworks = self.first.to(people.device)  # type: ignore[assignment]
        with torch.no_grad():
            before = first.generator(first.sample_w(batch["z"]))
        kept = (people - before).abs().mean()
        return losses | {"drawn": self.config.drawn * alone, "people": self.config.people * kept}

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
