"""Recipe: the face generator (RFG) of the dual generator, by self-reenactment of clips (section 3.2)."""

import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.landmarks import edge_map, landmarks68_of
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import load_morphable
from reenact.portrait.posed import PosedHead
from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig
from reenact.systems.dual_generator.networks import FaceGenerator
from train.data.faces import FaceData
from train.evaluate.metrics import csim, l1, ssim
from train.losses.adversarial import LOG
from train.losses.dual_generator import (
    FaceCritic,
    attribute_loss,
    gradient_penalty,
    identity_loss,
    landmark_loss,
    style_loss,
)
from train.pairs.frames import PairConfig
from train.pairs.turned import pose_sources, posed_of
from train.readers import FaceReaders
from train.recipes.dual_generator import PARTS
from train.recipes.task import Figures, PairTask, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceTaskConfig:
    """Pairs, and weights of equation (15); 0 leaves a loss out."""

    pairs: PairConfig = dataclasses.field(default_factory=PairConfig)
    """The side is a multiple of 64."""
    attribute: float = 10.0
    """λ_at."""
    identity: float = 10.0
    """λ_id."""
    style: float = 1.0
    """λ_st."""
    landmarks: float = 1.0
    """λ_lm."""
    critics: bool = True
    """Train with the discriminators `D_f` and `D_s`."""
    shape_critic: bool = True
    """Train with `D_s`, which judges the landmarks found in the pictures, besides `D_f`."""
    cross_share: float = 0.0
    """Pairs whose reference is another person; the paper trains on such pairs after self-reenactment."""
    r1: float = 1.0
    """Gradient penalty of `D_f`. The paper names none; StarGAN v2, on which its generator is built, trains with 1."""


class DrawnTarget(NamedTuple):
    """One forward of the RFG in training."""

    rgb: Float[Tensor, "f 3 s s"]
    """Î_t."""
    style: Float[Tensor, "f d"]
    """`E_s(I_s)`."""
    drawn_style: Float[Tensor, "f d"] | None
    """`E_s(Î_t)`; None if no loss asks for it."""
    colour: Float[Tensor, "f 3 s s"] | None = None
    """What was drawn, before the moved source was mixed in."""


class FaceModel(nn.Module):
    """Source, target and the result's style as one forward, so that distributed wrappers see the whole."""

    def __init__(self, config: DualGeneratorConfig, *, restyle: bool) -> None:
        super().__init__()
        self.face, self.restyle = FaceGenerator(config), restyle

    def forward(self, source: Tensor, landmark_map: Tensor, *posed: Tensor) -> DrawnTarget:
        style = self.face.encode_style(source)
        drawn = self.face(landmark_map, style, PosedHead(*posed) if posed else None)
        restyled = self.face.encode_style(drawn.rgb) if self.restyle else None
        return DrawnTarget(rgb=drawn.rgb, style=style, drawn_style=restyled, colour=drawn.colour)


def face_inputs(batch: Batch) -> tuple[Tensor, ...]:
    """What `FaceModel` is given."""
    posed = tuple(posed_of(batch)) if "posed_rgb" in batch else ()
    return (batch["source"], batch["landmark_map"], *posed)


def landmark_map(landmarks: Float[Tensor, "f 68 3"], side: int) -> Float[Tensor, "f 1 {side} {side}"]:
    """Lines between neighbouring landmarks (half-sides), 1 on a line and 0 off it, with a soft edge."""
    return edge_map((landmarks[..., :2] + 1) * (side / 2), side, side)


class FaceTask(PairTask):
    """A source picture redrawn with the target's landmarks."""

    parts = PARTS

    def __init__(self, train: FaceData, val: FaceData, network: DualGeneratorConfig, config: FaceTaskConfig) -> None:
        super().__init__(train, val, config.pairs)
        self.network_config, self.config = network, config
        self.morphable, self.readers = load_morphable(), FaceReaders()
        self.networks = FaceModel(network, restyle=config.style > 0)
        if config.critics:
            self.critic = FaceCritic(network, self.side, shape=config.shape_critic)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """Pairs of which `cross_share` get the target of another pair; "known" is 1 where both are one person."""
        sampler = self.sampler
        draws = sampler.draw(rng, size)
        rows, cross = draws.rows.copy(), rng.random(size) < self.config.cross_share
        rows[cross, 1] = rng.permutation(rows[:, 1])[cross]
        known = sampler.data.person[rows[:, 0]] == sampler.data.person[rows[:, 1]]
        batch = sampler.cut(dataclasses.replace(draws, rows=rows), device)
        batch["known"] = torch.from_numpy(known.astype(np.float32)).to(device)
        return self.prepare(batch) | {"names": sampler.names_of(rows)}  # type: ignore[dict-item]

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Batch:
        """The target's landmarks, their map, and the crops and moved source that losses and the variant read.

        A pair of two people has no target picture: its target mesh is the source's with the reference's expression and
        rotation, in the source's place. Self pairs take the target's own mesh, as the paper takes l_t.
        """
        source, reference, side = batch["source_mesh"], batch["target_mesh"], self.side
        known = batch.get("known", torch.ones(len(source), device=source.device))
        model, readers = self.morphable.to(source.device), self.readers.to(source.device)
        target = reference
        if not bool(known.all()):
            motion = read_mesh_motion(model, reference)
            matched = match_identity(model, split_identity(model, source), motion, motion)
            target = torch.where(known[:, None, None] > 0, reference, matched)
        landmarks = landmarks68_of(target)
        made = {"known": known, "landmarks": landmarks, "landmark_map": landmark_map(landmarks, side)}
        made["tracker_crop"], made["identity_crop"] = readers.crops_of(target, side)
        made["real_tracker_crop"], _ = readers.crops_of(reference, side)
        _, made["source_identity_crop"] = readers.crops_of(source, side)
        if self.network_config.source_features:
            made |= pose_sources(batch["source"], source, batch["source_classes"], target)
        return batch | made

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return face_inputs(batch)

    def compute_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module | None) -> Losses:
        config, rgb = self.config, outputs.rgb
        losses = {"attribute": config.attribute * attribute_loss(rgb, batch["target"], batch["known"])}
        if config.identity:
            with torch.no_grad():
                source = self.readers.embed(batch["source"], batch["source_identity_crop"])
            found = self.readers.embed(rgb, batch["identity_crop"])
            losses["identity"] = config.identity * identity_loss(found, source)
        if outputs.drawn_style is not None:
            losses["style"] = config.style * style_loss(outputs.drawn_style, outputs.style)
        drawn_map, judged = None, critic is not None and config.shape_critic
        if config.landmarks or judged:
            found = self.readers.landmarks(rgb, batch["tracker_crop"])
            drawn_map = landmark_map(found, self.side) if judged else None
            if config.landmarks:
                losses["landmarks"] = config.landmarks * landmark_loss(found[..., :2], batch["landmarks"][..., :2])
        if critic is None:
            return losses
        face, shape = critic((rgb, drawn_map))
        losses["adversarial"] = LOG.generator([face])
        if shape is not None:
            losses["adversarial_shape"] = LOG.generator([shape])
        return losses

    def compute_critic_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module) -> Losses:
        real, fake = batch["target"].detach().requires_grad_(self.config.r1 > 0), outputs.rgb.detach()
        maps = None
        if self.config.shape_critic:
            with torch.no_grad():
                crops = torch.cat([batch["real_tracker_crop"], batch["tracker_crop"]])
                maps = landmark_map(self.readers.landmarks(torch.cat([real, fake]), crops), self.side)
        face, shape = critic((torch.cat([real, fake]), maps))
        losses = LOG.judge([face])
        if shape is not None:
            losses["critic_shape"] = LOG.judge([shape])["critic"]
        if self.config.r1:
            losses["critic_r1"] = self.config.r1 * gradient_penalty(face.chunk(2)[0], real)
        return losses

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Self-reenactment of validation people: SSIM, L1, CSIM (embedded encoder), AKD at 256 px (embedded tracker).

        `_copy` are the figures of the source itself; `csim_real` is that of the target's own picture.
        """
        figures = Figures()
        for batch in self.validation_batches(device):
            source = self.readers.embed(batch["source"], batch["source_identity_crop"])
            result = networks(*self.inputs(batch)).rgb
            for ending, rgb in (("", result), ("_copy", batch["source"])):
                figures.add(f"ssim{ending}", ssim(rgb, batch["target"]))
                figures.add(f"l1{ending}", l1(rgb, batch["target"]))
                akd_px = self.readers.akd_px(rgb, batch["tracker_crop"], batch["landmarks"])
                figures.add(f"akd_px{ending}", akd_px)
            for name, rgb in (("csim", result), ("csim_real", batch["target"])):
                figures.add(name, csim(self.readers.embed(rgb, batch["identity_crop"]), source))
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, landmark map, result, target."""
        return [one["source"], one["landmark_map"], networks(*self.inputs(one)).rgb, one["target"]]


LOOPS = {
    "tiny": LoopConfig(
        steps=20_000, batch_size=16, learning_rate=5e-4, critic_learning_rate=5e-4, weight_decay=0.0, save_every=250
    ),
    "paper": LoopConfig(
        steps=200_000,
        batch_size=4,
        learning_rate=1e-4,
        final_rate=1.0,
        critic_learning_rate=1e-4,
        betas=(0.01, 0.99),
        critic_betas=(0.01, 0.99),
        weight_decay=0.0,
        validate_every=5_000,
        save_every=1_000,
    ),
}
"""paper: batch, rate and moments of section 4.1. tiny: four times the batch and five times the rate."""


def build(
    train: FaceData, val: FaceData, options: RecipeOptions, *, cross_share: float = 0.0
) -> tuple[FaceTask, LoopConfig]:
    """Self-reenactment in the paper's form; dual_generator_turned trains the variant that reads the moved source.

    ``--init`` with the export of dual_generator_shape joins both parts in one checkpoint.
    """
    network = dataclasses.replace(find_preset(PRESETS, options.preset, "dual_generator"), source_features=False)
    pairs = PairConfig(side=options.side or 256, resident=options.resident)
    task = FaceTask(train, val, network, FaceTaskConfig(pairs=pairs, cross_share=cross_share))
    task.start_from(options.init)
    return task, LOOPS[options.preset or "tiny"]
