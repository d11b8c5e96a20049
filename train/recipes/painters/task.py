"""Painters learn by inpainting: mouths and eyes of stills and frames that show them open or closed, sides of heads.

Surroundings of mouths and eyes are partly the set's own pixels, partly another frame warped along the meshes, blurred
and displaced as the systems' results are. The truth is always the real picture.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reenact.portrait.networks import PaintedPart, Painter, PainterConfig
from train.data.faces import FaceData
from train.losses.adversarial import PatchDiscriminator
from train.losses.lids import LidReader
from train.losses.perceptual import EfficientNetFeatures, feature_distance
from train.pairs.parts import PartSampler
from train.pairs.sides import SideSampler
from train.run.export import start_from, write_model
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_CONDITIONS = {"mouth": 1, "eye": 2, "side": 1}
"""First maps that the critic sees: lips, lids and iris, or hair."""
_SHOWN = {"mouth": 3, "eye": 2, "side": 4}
"""First of the maps with what the source shows."""
_CRITIC = {"mouth": 0.2, "eye": 0.05, "side": 0.2}
"""Weight of the critic. Painted lids get their fine detail from the source (`reenact.portrait.painters`)."""
_ENLARGED = {"mouth": 1.5, "eye": 1.5, "side": 1.0}
"""Size at which features are compared, over the crop's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PainterTaskConfig:
    """Weights of the losses, all inside the mask or on the crop with the mask filled in."""

    adversarial: float
    """Of the hinge critic. Its norm is "instance": with spectral norms it learned too slowly to tell anything apart."""
    colour: float = 2.0
    """Of the mean absolute difference."""
    perceptual: float = 0.7
    """Of the distance in EfficientNet-Lite0's features."""
    matching: float = 0.5
    """Of the mean absolute difference of the critic's features (pix2pixHD)."""
    lids: float = 2.0
    """Of the mean absolute difference of an eye's opening over its width, as the tracker reads it."""
    validation: int = 48
    """Crops of validation people, the same ones every time."""


class PainterTask:
    """Surroundings and maps to what lies under the mask."""

    def __init__(self, train: FaceData, val: FaceData, network: PainterConfig, config: PainterTaskConfig) -> None:
        self.part: PaintedPart = network.part
        self.network_config, self.config = network, config
        self.sampler, self.val = (_make_sampler(data, self.part) for data in (train, val))
        self.networks = Painter(network)
        self.critic = PatchDiscriminator(3 + 1 + _CONDITIONS[self.part], width=32, norm="instance")
        self.features = EfficientNetFeatures().to(memory_format=torch.channels_last)
        self.lids = LidReader() if self.part == "eye" else None

    def use_data(self, train: FaceData) -> None:
        self.sampler = _make_sampler(train, self.part)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        batch = self.sampler.sample(rng, size, device)
        return {name: value.contiguous(memory_format=torch.channels_last) for name, value in batch.items()}

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return batch["near"], batch.get("hole", batch["mask"]), batch["maps"]

    def compute_losses(self, outputs: Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
        assert critic is not None
        mask, target, config = batch["mask"], batch["target"], self.config
        picture = target * (1 - mask) + outputs * mask
        fake = critic(self.judged(picture, batch))
        with torch.no_grad():
            real = critic(self.judged(target, batch))
        matching = [functional.l1_loss(a.float(), b.float()) for a, b in zip(fake[:-1], real[:-1], strict=True)]
        losses = {
            "colour": config.colour * masked_difference(outputs, target, mask),
            "perceptual": config.perceptual * self.distance(picture, target).mean(),
            "adversarial": config.adversarial * _near_mask(-fake[-1], mask),
            "matching": config.matching * torch.stack(matching).sum(),
        }
        return (
            losses if self.lids is None else losses | {"lids": config.lids * self._misread(self.lids, picture, batch)}
        )

    def _misread(self, lids: LidReader, picture: Tensor, batch: Batch) -> Tensor:
        """Mean absolute difference of the openings that the tracker reads, from those in the true picture."""
        where = batch["mask"], batch["face"], batch["face_from_eyes"]
        reader = lids.to(picture.device)
        with torch.no_grad():
            wanted = reader(batch["target"], *where)
        return functional.l1_loss(reader(picture, *where), wanted)

    def compute_critic_losses(self, outputs: Tensor, batch: Batch, critic: nn.Module) -> Losses:
        mask, target = batch["mask"], batch["target"]
        picture = (target * (1 - mask) + outputs * mask).detach()
        real, fake = critic(torch.cat([self.judged(target, batch), self.judged(picture, batch)]))[-1].float().chunk(2)
        return {"critic": _near_mask(functional.relu(1 - real) + functional.relu(1 + fake), mask)}

    def judged(self, picture: Tensor, batch: Batch) -> Tensor:
        """What the critic sees."""
        shown = torch.cat([picture * 2 - 1, batch["mask"], batch["maps"][:, : _CONDITIONS[self.part]]], 1)
        return shown.contiguous(memory_format=torch.channels_last)

    def distance(self, picture: Tensor, target: Tensor) -> Tensor:
        """Feature distance of each crop."""
        zoom, pair = _ENLARGED[self.part], (picture, target)
        if zoom != 1:
            pair = (functional.interpolate(each, scale_factor=zoom, mode="bilinear") for each in pair)
        return feature_distance(self.features.to(picture.device), *pair)

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Differences to the true frame, for the painter and for the surroundings alone ("_warped")."""
        figures = {}
        for name, batch in self.validation_batches(device).items():
            mask, target = batch["mask"], batch["target"]
            drawn = networks(*self.inputs(batch))
            for kind, inside in (("", drawn), ("_warped", batch["near"])):
                figures[f"colour{name}{kind}"] = float(masked_difference(inside, target, mask))
                picture = target * (1 - mask) + inside * mask
                figures[f"features{name}{kind}"] = float(self.distance(picture, target).mean())
                if self.lids is not None:
                    figures[f"lids{name}{kind}"] = float(self._misread(self.lids, picture, batch))
        return figures

    def validation_batches(self, device: torch.device) -> dict[str, Batch]:
        """The sampler's, by ending of the figures' names."""
        cuts = self.val.validation(self.config.validation)
        return {name: {key: value.to(device) for key, value in cut.items()} for name, cut in cuts.items()}

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows of 12: what the source shows, surroundings, painted (for mouths without and with the driver), truth."""
        batches = self.validation_batches(device)
        one = next(iter(batches.values()))
        first = _SHOWN[self.part]
        rows = [one["maps"][:, first : first + 3] / 2 + 0.5, one["near"]]
        for batch in batches.values():
            rows.append(torch.lerp(batch["near"], networks(*self.inputs(batch)), batch["mask"]))
        stacked = torch.cat([*rows, one["target"]], 2).clamp(0, 1)
        lines = [torch.cat(list(chunk), 2) for chunk in stacked.split(12) if len(chunk) == 12]
        picture = torch.cat(lines, 1).permute(1, 2, 0).cpu().float().numpy()
        return (picture * 255).astype(np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        facts = facts | {"perceptual": self.features.name}
        config = {"model": f"{self.part}_painter", "network": dataclasses.asdict(self.network_config)}
        write_model(networks, folder, config, facts)


def _make_sampler(data: FaceData, part: PaintedPart) -> PartSampler | SideSampler:
    return SideSampler(data) if part == "side" else PartSampler(data, part)


def masked_difference(picture: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference under the mask."""
    return ((picture - target).abs() * mask).sum() / (3 * mask.sum()).clamp(min=1)


def _near_mask(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over patches, weighted by how much of each is painted."""
    weight = functional.interpolate(mask, size=values.shape[-2:], mode="area") + 0.05
    return (values.float() * weight).sum() / weight.sum()


def build_painter(
    part: PaintedPart, train: FaceData, val: FaceData, options: RecipeOptions
) -> tuple[PainterTask, LoopConfig]:
    """What both recipes build."""
    task = PainterTask(train, val, PainterConfig(part=part), PainterTaskConfig(adversarial=_CRITIC[part]))
    start_from(task.networks, options.init)
    loop = LoopConfig(
        steps=1600,
        batch_size=16,
        learning_rate=6e-4,
        betas=(0.5, 0.99),
        warmup_steps=100,
        ema_decay=0.995,
        validate_every=200,
        save_every=100,
    )
    return task, loop
