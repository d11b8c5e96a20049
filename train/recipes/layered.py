"""What the recipes of heads on a portrait's layers share (`reenact/portrait/`).

The head, and the body that follows it, are laid over the true frame's own background: what stands behind them is the
portrait's task, not the networks'. Features and a critic judge how the result looks.
"""

import dataclasses

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.ops.fill import fill_hole
from reenact.ops.warp import resize, warp
from reenact.portrait.compose import border_fade
from reenact.portrait.head import HeadFlow
from train.losses import reconstruction
from train.losses.adversarial import HINGE, MultiScaleDiscriminator
from train.losses.perceptual import EfficientNetFeatures, feature_distance
from train.pairs.heads import head_share
from train.recipes.task import Figures
from train.run.loop import Batch, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookConfig:
    """Weights of the losses on how a picture looks."""

    perceptual: float = 1.0
    """Weight of the distance in EfficientNet-Lite0's features; 0 needs no such network."""
    adversarial: float = 0.05
    """Weight of the hinge loss; 0 trains without a critic."""
    feature_matching: float = 0.5
    """Weight of the distance between the critic's features of result and target; only with `adversarial`."""
    critic_width: int = 32
    """Channels of the critic's first layer."""

    def __post_init__(self) -> None:
        if self.feature_matching and not self.adversarial:
            raise ConfigError("feature_matching compares a critic's features; set adversarial above 0 as well")


class Look:
    """Features and critic, on a quarter of each picture: features of the whole cost more than the networks."""

    def __init__(self, config: LookConfig) -> None:
        self.config = config
        self.features = EfficientNetFeatures().to(memory_format=torch.channels_last) if config.perceptual else None

    def make_critic(self) -> nn.Module | None:
        """A new critic; None if the config has no adversarial loss."""
        config = self.config
        if not config.adversarial:
            return None
        return MultiScaleDiscriminator(3, scales=1, width=config.critic_width, norm="instance")

    def compute(self, batch: Batch, result: Tensor, target: Tensor, critic: nn.Module | None) -> Losses:
        """Weighted terms of pictures (f, 3, s, s)."""
        config, losses = self.config, Losses()
        fake, real = windows(batch, result, target)
        if self.features is not None:
            distance = feature_distance(self.features.to(target.device), fake, real)
            losses["perceptual"] = config.perceptual * distance.mean()
        if critic is None:
            return losses
        return losses | HINGE.teach(
            critic, fake, real, adversarial=config.adversarial, matching=config.feature_matching
        )

    def train_critic(self, batch: Batch, result: Tensor, target: Tensor, critic: nn.Module) -> Losses:
        return HINGE.train_critic(critic, *windows(batch, result, target))

    def measure(self, figures: Figures, pictures: dict[str, Tensor], target: Tensor) -> None:
        """`Figures.add_pictures`, and the feature distance of each."""
        figures.add_pictures(pictures, target)
        if self.features is not None:
            features = self.features.to(target.device)
            for name, each in pictures.items():
                figures.add(f"features{name}", feature_distance(features, each, target))


def draw_window(rng: np.random.Generator, side: int) -> Batch:
    """Corner of the quarter that features and critic see, as "window": another one in each batch."""
    return {"window": torch.from_numpy(rng.integers(0, side // 2 + 1, 2))}


def windows(batch: Batch, *pictures: Tensor) -> list[Tensor]:
    """The quarter of each picture whose corner is "window"."""
    (top, left), half = batch["window"].tolist(), pictures[0].shape[-1] // 2
    cut = (each[..., top : top + half, left : left + half] for each in pictures)
    return [each.contiguous(memory_format=torch.channels_last) for each in cut]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayersConfig(LookConfig):
    """Weights of the losses of networks that move a head by a flow."""

    detail_weight: float = 10.0
    """Weight of mouth and eye openings and their rim, over the background."""
    face_weight: float = 1.25
    """Weight of the face, over the background."""
    outline: float = 2.0
    """Weight of the difference between the moved head's share of each pixel and the true one, read by the parser: hair
    does not always follow the skull."""


def add_layers(batch: Batch, flow: HeadFlow) -> Batch:
    """The batch with what `lay_head` and the losses read.

    Args:
        batch: with "source", "source_classes" and "target_classes".
        flow: of the sources' heads to the targets, at half the side.
    """
    own, true = (head_share(batch[f"{name}_classes"]) for name in ("source", "target"))
    known = own.amax((1, 2, 3), keepdim=True) > 0  # rows without a parsing
    beyond = torch.where(known, 1 - (own > 0.9).float(), torch.zeros_like(own))
    return batch | {
        "head": torch.maximum(true, resize(flow.target.parts.amax(1, keepdim=True), true.shape[-1])),
        "true_share": true,
        "own_share": own,
        "known": known.float(),
        "inside": flow.inside,
        "own_colours": fill_hole(batch["source"], beyond),
        "parts": flow.target.parts,
        "displacement": flow.displacement,
        "visible": flow.visible,
    }


def move_colours(batch: Batch, displacement: Float[Tensor, "f 2 h h"]) -> Float[Tensor, "f 3 s s"]:
    """The source's head, its colours continued beyond its outline, moved."""
    return warp(batch["own_colours"], resize(displacement, batch["own_colours"].shape[-1]))


def lay_head(
    batch: Batch, head: Float[Tensor, "f 3 s s"], displacement: Float[Tensor, "f 2 h h"]
) -> Float[Tensor, "f 3 s s"]:
    """The drawn head and the body that follows it, on the true frame's background."""
    displacement = resize(displacement, head.shape[-1])
    body = warp(batch["source"], displacement * border_fade(displacement))
    return torch.lerp(torch.lerp(batch["target"], body, batch["target_body"]), head, batch["head"])


def outline_error(batch: Batch, displacement: Float[Tensor, "f 2 h h"]) -> Float[Tensor, "f"]:
    """Mean difference between the share of the moved head and the true one; 0 for sources without a parsing."""
    moved = warp(batch["own_share"], resize(displacement, batch["own_share"].shape[-1]))
    share = torch.maximum(moved, resize(batch["inside"], moved.shape[-1]))
    return ((share - batch["true_share"]).abs() * batch["known"]).mean((1, 2, 3))


def layer_losses(
    config: LayersConfig,
    batch: Batch,
    result: Float[Tensor, "f 3 s s"],
    colour: Float[Tensor, "f 3 s s"],
    displacement: Float[Tensor, "f 2 h h"],
) -> Losses:
    """Weighted terms of pixels, flow and outline.

    Args:
        config: weights.
        batch: of `add_layers`.
        result: of `lay_head`.
        colour: what the network draws: judged by itself as well, like the pixels that the flow brings.
        displacement: the refined flow.
    """
    target, source, weight = batch["target"], batch["own_colours"], weight_map(config, batch["parts"])
    difference = result - target
    weight_full = functional.interpolate(weight, scale_factor=2, mode="nearest")
    return {
        "l1": 5 * (weight_full * difference.abs()).mean(),
        "scales": 4 * reconstruction.multi_scale_l1(difference),
        "gradient": 2 * (weight_full[..., 1:, 1:] * reconstruction.gradient_l1(difference)).mean(),
        "warped": reconstruction.warp_l1(source, target, displacement, weight),
        "warped_coarse": 2 * reconstruction.coarse_warp_l1(source, target, displacement),
        "colour": 1.5 * reconstruction.half_size_l1(colour, target, weight),
        "smooth": 0.3 * reconstruction.smoothness(displacement - batch["displacement"]),
        "outline": config.outline * outline_error(batch, displacement).mean(),
    }


def weight_map(config: LayersConfig, parts: Float[Tensor, "f 3 h h"]) -> Float[Tensor, "f 1 h h"]:
    """Weights with mean 1: openings of mouth and eyes with a rim, then the face, then the rest."""
    near, face = reconstruction.with_rim(parts[:, 1:]), parts.amax(1, keepdim=True)
    weight = 1 + (config.face_weight - 1) * face + (config.detail_weight - config.face_weight) * near
    return weight / weight.mean((1, 2, 3), keepdim=True)


def measure_layers(
    look: Look, figures: Figures, batch: Batch, pictures: dict[str, Tensor], displacement: Tensor
) -> None:
    """`Look.measure` of pictures and the source ("_copy") where head or body stand, and the error of the outline."""
    target, person = batch["target"], torch.maximum(batch["head"], batch["target_body"])
    pictures = {
        name: torch.lerp(target, each, person) for name, each in (pictures | {"_copy": batch["source"]}).items()
    }
    look.measure(figures, pictures, target)
    figures.add("outline", outline_error(batch, displacement))
