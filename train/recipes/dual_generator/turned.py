"""Recipe: the variant of the face generator that is embedded, across any turn of the head (`train/pairs/turned.py`).

The moved source does most of the work, so that little data and hours of a CPU suffice: what is learned is what geometry
cannot know - openings of mouth and eyes, seams, light, hair and neck. No critics: the losses are of pictures alone.
"""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.morphable import load_morphable
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.dual_generator.networks import DualGeneratorNetworks
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.evaluate.metrics import csim
from train.losses.perceptual import perceptual_loss, picture_features
from train.losses.reconstruction import gradient_l1, multi_scale_l1, with_rim
from train.pairs.turned import TurnedPairConfig, TurnedPairs, posed_of
from train.readers import FaceReaders
from train.recipes.dual_generator.face import DrawnTarget, FaceModel, FaceTask, FaceTaskConfig
from train.recipes.dual_generator.parts import network_of, start_parts
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnedTaskConfig:
    """Weights of the losses; means over pixels."""

    attribute: float = 10.0
    """λ_at, of the difference to the target's picture (equation 8)."""
    drawn: float = 2.0
    """The same of what is drawn alone, where the moved source does not show the target."""
    perceptual: float = 1.0
    """Of features of the embedded identity encoder."""
    scales: float = 4.0
    """Of differences at coarser sides."""
    gradient: float = 3.0
    """Of differences of edges."""
    detail_weight: float = 6.0
    """Of openings of mouth and eyes with a rim, over the rest."""
    validation_pairs: int = 96
    """Of validation people, drawn as in training; not more than there are pictures."""


class TurnedFaceTask(FaceTask):
    """A source, moved by geometry, and finished."""

    def __init__(
        self,
        pairs: TurnedPairs,
        val: FaceData,
        network: DualGeneratorConfig,
        config: TurnedTaskConfig,
    ) -> None:
        self.pairs, self.val, self.losses = pairs, val, config
        self.config = FaceTaskConfig(side=pairs.config.side, style=0.0)
        self.model, self.readers = load_morphable(), FaceReaders()
        self.whole, self.others = DualGeneratorNetworks(network), frozenset()
        self.networks, self.critic = FaceModel(self.whole.face, restyle=False), None
        self.features = picture_features(None).to(memory_format=torch.channels_last)
        self.kept_validation: list[Batch] = []

    def use_data(self, train: FaceData) -> None:
        """Draw from another part of the set from now on."""
        self.pairs = TurnedPairs(train, self.pairs.config, self.model)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        batch = self.pairs.sample(rng, size, device)
        return batch | {"landmark_map": self.draw(landmarks68_of(batch["target_mesh"]))}

    def compute_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module | None) -> Losses:
        config, target, weight = self.losses, batch["target"], self.weight_map(batch)
        difference = outputs.rgb - target
        hidden = batch["weight"] * (1 - batch["posed_shown"])
        assert outputs.colour is not None
        drawn = ((outputs.colour - target).abs() * hidden).mean((1, 2, 3)) / hidden.mean((1, 2, 3)).clamp(min=0.02)
        known = batch["weight"]
        return {
            "attribute": config.attribute * (weight * difference.abs()).mean(),
            "drawn": config.drawn * drawn.mean(),
            "perceptual": config.perceptual
            * perceptual_loss(self.features.to(target.device), target + difference * known, target),
            "scales": config.scales * multi_scale_l1(difference * known),
            "gradient": config.gradient * (known[..., 1:, 1:] * gradient_l1(difference)).mean(),
        }

    def weight_map(self, batch: Batch) -> Tensor:
        """(n, 1, s, s): the pair's own weight, more on openings of mouth and eyes."""
        near = with_rim(batch["posed_parts"][:, 1:])
        return batch["weight"] * (1 + (self.losses.detail_weight - 1) * near)

    def validation_batches(self, device: torch.device, per_clip: int = 6) -> list[Batch]:
        """Pairs of validation people as in training, the same at each call."""
        if not self.kept_validation:
            config = dataclasses.replace(
                self.pairs.config, pool=self.losses.validation_pairs, light=0.0, seed=1, photo_share=1.0
            )
            pairs, rows = TurnedPairs(self.val, config, self.model), range(min(config.pool, len(self.val)))
            self.kept_validation = [pairs.at(list(rows[i : i + 8]), torch.device("cpu")) for i in rows[::8]]
        found = [{key: value.to(device) for key, value in batch.items()} for batch in self.kept_validation]
        return [batch | {"landmark_map": self.draw(landmarks68_of(batch["target_mesh"]))} for batch in found]

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR, L1, AKD (pixels at 256) and CSIM to the target's picture, and those of the moved source itself."""
        sums: dict[str, list[float]] = {}
        for batch in self.validation_batches(device):
            target = batch["target"]
            tracker, identity = self.readers.crops_of(batch["target_mesh"], self.config.side)
            wanted, who = landmarks68_of(batch["target_mesh"]), self.readers.embed(target, identity)
            posed = posed_of(batch)
            shown = torch.maximum(posed.shown, 1 - posed.twin_shown)
            moved = shown * posed.rgb + (1 - shown) * posed.twin
            pictures = {"": networks(*self.inputs(batch)).rgb, "_moved": moved, "_real": target}
            for name, rgb in pictures.items():
                found = self.readers.landmarks(rgb, tracker)
                distance = (found - wanted)[..., :2].norm(dim=-1).mean(1) * 128
                sums.setdefault(f"akd_px{name}", []).extend(distance.tolist())
                if name != "_real":
                    mse = (rgb - target).square().mean((1, 2, 3)).clamp(min=1e-10)
                    sums.setdefault(f"psnr{name}", []).extend((-10 * mse.log10()).tolist())
                    sums.setdefault(f"l1{name}", []).extend((rgb - target).abs().mean((1, 2, 3)).tolist())
                    sums.setdefault(f"csim{name}", []).extend(csim(self.readers.embed(rgb, identity), who).tolist())
        return {name: float(np.mean(values)) for name, values in sums.items()}

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: source, moved source, its twin, drawn, result, target."""
        rows: list[Tensor] = []
        for batch in self.validation_batches(device):
            answer = networks(*self.inputs(batch))
            shown = (
                batch["source"],
                batch["posed_rgb"],
                batch["posed_twin"],
                answer.colour,
                answer.rgb,
                batch["target"],
            )
            rows += [torch.cat([picture[k] for picture in shown], dim=2) for k in range(0, len(answer.rgb), 4)]
        picture = torch.cat(rows[:24], dim=1).permute(1, 2, 0).clamp(0, 1)
        return (picture.cpu().float().numpy() * 255).astype(np.uint8)


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[TurnedFaceTask, LoopConfig]:
    """The variant alone: the paper's form is trained by dual_generator_face and dual_generator_face_cross."""
    network = dataclasses.replace(network_of(arguments), source_features=True)
    own = with_own_meshes(train, arguments.cache, "train") if arguments.own_meshes else None
    pairs = TurnedPairs(train, TurnedPairConfig(side=arguments.side or 256), load_morphable(), own)
    task = TurnedFaceTask(pairs, val, network, TurnedTaskConfig())
    task.others = start_parts(task.whole, arguments.init)
    loop = LoopConfig(
        steps=6_000,
        batch_size=4,
        learning_rate=1e-3,
        weight_decay=0.0,
        ema_decay=0.998,
        save_every=250,
        validate_every=500,
    )
    return task, loop
