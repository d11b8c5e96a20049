"""Recipe: the shape generator (IDSG) of the dual generator, on landmarks alone."""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.errors import ConfigError
from reenact.geometry.landmarks import edge_map
from reenact.geometry.morphable import load_morphable
from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig
from reenact.systems.dual_generator.networks import ShapeGenerator
from train.data.faces import FaceData
from train.losses.adversarial import LOG
from train.losses.dual_generator import (
    ShapeCritic,
    action_loss,
    gradient_penalty,
    localization_loss,
    subject_class_loss,
    visible_local_shape_loss,
)
from train.pairs.shapes import ShapePairConfig, ShapePairs
from train.recipes.dual_generator import PARTS
from train.recipes.dual_generator.shape_validation import shape_figures, validation_pairs
from train.recipes.task import RecipeTask, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


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
    """Both estimates as one forward, so that distributed wrappers see the whole."""

    def __init__(self, config: DualGeneratorConfig) -> None:
        super().__init__()
        self.shape = ShapeGenerator(config)

    def forward(self, reference: Tensor, source_code: Tensor, reference_code: Tensor) -> ShapeEstimates:
        action = self.shape.encode(reference)
        target = self.shape.decode(action, source_code)
        own = self.shape.decode(action, reference_code)
        return ShapeEstimates(target=target, reference=own, action=action, target_action=self.shape.encode(target))


class ShapeTask(RecipeTask):
    """Reference landmarks on the source's shape; self pairs have a ground truth, cross pairs the other losses."""

    parts = PARTS
    input_names = ("reference", "source_code", "reference_code")

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: DualGeneratorConfig,
        config: ShapeTaskConfig,
        pairs: ShapePairs | None = None,
    ) -> None:
        """`pairs` are those of `train`, if they exist already."""
        self.val, self.network_config, self.config = val, network, config
        self.morphable = load_morphable()
        self.pairs = pairs or ShapePairs(train, self.morphable, config.pairs)
        self.networks = ShapeModel(network)
        self.critic = ShapeCritic(network, len(self.pairs.subjects))

    def use_data(self, train: FaceData) -> None:
        """Refuse other people: the classes of `C_l` are those of the first data.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"the subject classifier knows the {len(self.pairs.subjects)} people of the first data, and a stream "
            "brings others; leave --stream out (landmarks are small), or train on a part of the set"
        )

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.pairs.sample(rng, size, device)

    def compute_losses(self, outputs: ShapeEstimates, batch: Batch, critic: nn.Module | None) -> Losses:
        assert critic is not None
        config, reference, same = self.config, batch["reference"], batch["same"]
        logits, classes = critic(torch.cat([outputs.target, outputs.reference]))
        subjects = torch.cat([batch["source_subject"], batch["reference_subject"]])
        losses = {
            "adversarial": LOG.generator([logits[: len(reference)]]),
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
        losses = LOG.judge([logits])
        losses["critic_subject"] = subject_class_loss(classes[:count], batch["reference_subject"])
        if self.config.r1:
            losses["critic_r1"] = self.config.r1 * gradient_penalty(logits[:count], real)
        return losses

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """See `shape_figures`, on people of the validation split."""
        return shape_figures(validation_pairs(self.val, self.morphable), networks.shape, self.morphable, device)

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: landmarks of the reference, estimate, wanted; self pairs, turned and cross pairs from left to right."""
        columns = []
        for pair in validation_pairs(self.val, self.morphable):
            one = slice(0, 1)
            estimate = networks.shape(pair.reference[one].to(device), pair.source_code[one].to(device)).landmarks.cpu()
            shown = torch.cat([pair.reference[one], estimate, pair.target[one]])
            lines = edge_map((shown + 0.5) * 128, 128, 128, thickness_px=1.5)
            columns.append(torch.cat(list(lines[:, 0])))
        if not columns:
            return None
        picture = (torch.cat(columns[:24], dim=1).clamp(0, 1).numpy() * 255).astype(np.uint8)
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)


TINY_LOOP = LoopConfig(
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
"""16 times the paper's batch at 50 times its rate, for minutes on a CPU."""

LOOPS = {
    "tiny": TINY_LOOP,
    "paper": dataclasses.replace(
        TINY_LOOP,
        steps=1_000_000,
        batch_size=4,
        learning_rate=1e-5,
        critic_learning_rate=1e-5,
        final_rate=1.0,
        validate_every=20_000,
    ),
}
"""paper: batch and rate of section 4.1."""


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[ShapeTask, LoopConfig]:
    """Self- and cross-reenactment together.

    On clips, where l_t is l_r, self-reenactment alone would let the decoder do without the face ID code.
    """
    network = find_preset(PRESETS, options.preset, "dual_generator")
    task = ShapeTask(train, val, network, ShapeTaskConfig())
    task.start_from(options.init)
    return task, LOOPS[options.preset or "tiny"]
