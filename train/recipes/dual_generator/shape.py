"""Recipe: the shape generator (IDSG) of the dual generator, on landmarks alone."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.errors import ConfigError
from reenact.geometry.landmarks import edge_map
from reenact.geometry.morphable import load_morphable
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.dual_generator.networks import DualGeneratorNetworks, ShapeGenerator
from train.data.faces import FaceData
from train.losses.adversarial import log_discriminator_loss, log_generator_loss
from train.losses.dual_generator import (
    ShapeCritic,
    action_loss,
    gradient_penalty,
    localization_loss,
    subject_class_loss,
    visible_local_shape_loss,
)
from train.pairs.shapes import ShapePairConfig, ShapePairs
from train.recipes.dual_generator.parts import export_part, network_of, start_parts
from train.recipes.dual_generator.shape_validation import ValidationPairs, shape_figures, validation_pairs
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeTaskConfig:
    """Weights of equation (7), and how pairs are drawn."""

    pairs: ShapePairConfig = dataclasses.field(default_factory=ShapePairConfig)
    """Self- and cross-reenactment, turned heads."""
    localization: float = 0.5
    """λ_l; 0 leaves L_l out."""
    subject: float = 1.0
    """λ_c."""
    local_shape: float = 10.0
    """λ_vls; 0 leaves L_vls out."""
    action: float = 1.0
    """λ_a; 0 leaves L_a out."""
    r1: float = 1.0
    """Gradient penalty of `D_l`. The paper names none; without, `D_l` soon tells any two sets of numbers apart."""


class ShapeEstimates(NamedTuple):
    """One forward of the IDSG as it is trained."""

    target: Float[Tensor, "f 68 3"]
    """`l̂_t`: the reference's action on the source's shape."""
    reference: Float[Tensor, "f 68 3"]
    """`l̂_r`: the reference's action on its own shape."""
    action: Float[Tensor, "f a"]
    """`E_l(l_r)`."""
    target_action: Float[Tensor, "f a"]
    """`E_l(l̂_t)`."""


class ShapeModel(nn.Module):
    """Both estimates as one forward, so that distributed wrappers see it whole."""

    def __init__(self, net: ShapeGenerator) -> None:
        super().__init__()
        self.net = net

    def forward(self, reference: Tensor, source_code: Tensor, reference_code: Tensor) -> ShapeEstimates:
        action = self.net.encode(reference)
        target = self.net.decode(action, source_code)
        own = self.net.decode(action, reference_code)
        return ShapeEstimates(target=target, reference=own, action=action, target_action=self.net.encode(target))


class ShapeTask:
    """Reference landmarks on the source's shape; self pairs have a ground truth, cross pairs the other losses."""

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: DualGeneratorConfig,
        config: ShapeTaskConfig,
        pairs: ShapePairs | None = None,
    ) -> None:
        """Task of one set.

        Args:
            train: draws pairs from it.
            val: people of the figures.
            network: sizes.
            config: losses and pairs.
            pairs: of the same `train`, where they have been made already.
        """
        self.val, self.config = val, config
        self.model = load_morphable()
        self.pairs = pairs or ShapePairs(train, self.model, config.pairs)
        self.whole = DualGeneratorNetworks(network)
        self.others: frozenset[str] = frozenset()
        self.networks = ShapeModel(self.whole.shape)
        self.critic = ShapeCritic(network, len(self.pairs.subjects))

    def use_data(self, train: FaceData) -> None:
        """Refuse other people: the classes of `C_l` are those of the first data.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"the subject classifier knows the {len(self.pairs.subjects)} people it began with, and a stream brings "
            "others; leave --stream out (landmarks are small), or train on a part of the set"
        )

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.pairs.sample(rng, size, device)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return batch["reference"], batch["source_code"], batch["reference_code"]

    def compute_losses(self, outputs: ShapeEstimates, batch: Batch, critic: nn.Module | None) -> Losses:
        assert critic is not None
        config, reference, same = self.config, batch["reference"], batch["same"]
        logits, classes = critic(torch.cat([outputs.target, outputs.reference]))
        subjects = torch.cat([batch["source_subject"], batch["reference_subject"]])
        losses = {
            "adversarial": log_generator_loss([logits[: len(reference)]]),
            "subject": config.subject * subject_class_loss(classes, subjects),
        }
        if config.localization:  # l_t is known where source and reference are one person: it is l_r
            both = localization_loss(outputs.target, reference) * same + localization_loss(outputs.reference, reference)
            losses["localization"] = config.localization * both.mean()
        if config.action:
            losses["action"] = config.action * action_loss(outputs.target_action, outputs.action)
        if config.local_shape:
            each = visible_local_shape_loss(reference, batch["visible"], outputs.reference, outputs.target, same)
            losses["local_shape"] = config.local_shape * each.mean()
        return losses

    def compute_critic_losses(self, outputs: ShapeEstimates, batch: Batch, critic: nn.Module) -> Losses:
        real = batch["reference"].detach().requires_grad_(self.config.r1 > 0)
        logits, classes = critic(torch.cat([real, outputs.target.detach()]))
        count = len(real)
        losses = {
            "critic": log_discriminator_loss([logits[:count]], [logits[count:]]),
            "critic_subject": subject_class_loss(classes[:count], batch["reference_subject"]),
        }
        if self.config.r1:
            losses["critic_r1"] = self.config.r1 * gradient_penalty(logits[:count], real)
        return losses

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """See `shape_figures`, on people of the validation split."""
        return shape_figures(self.validation_pairs(), networks.net, self.model, device)

    def validation_pairs(self) -> list[ValidationPairs]:
        """Fixed pairs of the validation split; none where it has no clips."""
        return validation_pairs(self.val, self.model)

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: landmarks of the reference, estimate, wanted; self pairs, turned and cross pairs from left to right."""
        columns = []
        for pair in self.validation_pairs():
            one = slice(0, 1)
            estimate = networks.net(pair.reference[one].to(device), pair.source_code[one].to(device)).landmarks.cpu()
            shown = torch.cat([pair.reference[one], estimate, pair.target[one]])
            lines = edge_map((shown + 0.5) * 128, 128, 128, thickness_px=1.5)
            columns.append(torch.cat(list(lines[:, 0])))
        if not columns:
            return None
        picture = (torch.cat(columns[:24], dim=1).clamp(0, 1).numpy() * 255).astype(np.uint8)
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        export_part(self.whole, self.others, "shape", networks.net, folder, facts)


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[ShapeTask, LoopConfig]:
    """Paper preset: batch and rate of section 4.1. Tiny: 16 times the batch at 50 times the rate, for minutes on a CPU.

    Both train self- and cross-reenactment together: on clips, where l_t is l_r, self-reenactment alone would let the
    decoder do without the face ID code.
    """
    network = network_of(arguments)
    task = ShapeTask(train, val, network, ShapeTaskConfig())
    task.others = start_parts(task.whole, arguments.init)
    loop = LoopConfig(
        steps=20_000,
        batch_size=64,
        learning_rate=5e-4,
        critic_learning_rate=5e-4,
        betas=(0.01, 0.99),
        critic_betas=(0.01, 0.99),
        weight_decay=0.0,
        clip_norm=10.0,
        mixed_precision="no",
        validate_every=2_000,
        save_every=1_000,
    )
    if arguments.preset == "paper":
        rates = {"learning_rate": 1e-5, "critic_learning_rate": 1e-5, "final_rate": 1.0}
        loop = dataclasses.replace(loop, steps=1_000_000, batch_size=4, validate_every=20_000, **rates)
    return task, loop
