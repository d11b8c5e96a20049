"""Recipe: the face generator (RFG) of the dual generator, by self-reenactment of clips (section 3.2)."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.head import PosedHead
from reenact.geometry.landmarks import edge_map, landmarks68_of
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import load_morphable
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.dual_generator.networks import DualGeneratorNetworks, FaceGenerator
from train.data.faces import FaceData
from train.evaluate.metrics import csim, l1, ssim
from train.losses.adversarial import log_discriminator_loss, log_generator_loss
from train.losses.dual_generator import (
    FaceCritic,
    attribute_loss,
    gradient_penalty,
    identity_loss,
    landmark_loss,
    style_loss,
)
from train.pairs.frames import PairConfig, PairSampler, validation_pairs
from train.pairs.turned import pose_sources, posed_of
from train.readers import FaceReaders
from train.recipes.dual_generator.parts import export_part, network_of, start_parts
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceTaskConfig:
    """Weights of equation (15); 0 leaves a loss out."""

    side: int = 256
    """Side of the training crops, a multiple of 64."""
    attribute: float = 10.0
    """λ_at."""
    identity: float = 10.0
    """λ_id."""
    style: float = 1.0
    """λ_st."""
    landmarks: float = 1.0
    """λ_lm."""
    critics: bool = True
    """Whether anything is judged: without, `D_f` and `D_s` are left out and the other losses stand alone."""
    shape_critic: bool = True
    """Whether `D_s` judges the landmarks found in the pictures, besides `D_f`."""
    cross_share: float = 0.0
    """Pairs whose reference is another person; the paper trains on such after self-reenactment."""
    r1: float = 1.0
    """Gradient penalty of `D_f`. The paper names none; StarGAN v2, on which its generator is built, trains with 1."""


class DrawnTarget(NamedTuple):
    """One forward of the RFG as it is trained."""

    rgb: Float[Tensor, "f 3 s s"]
    """Î_t."""
    style: Float[Tensor, "f d"]
    """`E_s(I_s)`."""
    drawn_style: Float[Tensor, "f d"] | None
    """`E_s(Î_t)`; None if no loss asks for it."""
    colour: Float[Tensor, "f 3 s s"] | None = None
    """What was drawn, before the moved source was mixed in."""


class FaceModel(nn.Module):
    """Source, target and the result's style as one forward, so that distributed wrappers see it whole."""

    def __init__(self, net: FaceGenerator, *, restyle: bool) -> None:
        super().__init__()
        self.net, self.restyle = net, restyle

    def forward(self, source: Tensor, landmark_map: Tensor, *posed: Tensor) -> DrawnTarget:
        code = self.net.encode_source(source)
        drawn = self.net(landmark_map, code, PosedHead(*posed) if posed else None)
        restyled = self.net.encode_style(drawn.rgb) if self.restyle else None
        return DrawnTarget(rgb=drawn.rgb, style=code.style, drawn_style=restyled, colour=drawn.colour)


class FaceTask:
    """A source picture under the target's landmarks."""

    def __init__(
        self, sampler: PairSampler, val: FaceData, network: DualGeneratorConfig, config: FaceTaskConfig
    ) -> None:
        self.sampler, self.val, self.config = sampler, val, config
        self.model = load_morphable()
        self.readers = FaceReaders()
        self.whole = DualGeneratorNetworks(network)
        self.others: frozenset[str] = frozenset()
        self.networks = FaceModel(self.whole.face, restyle=config.style > 0)
        self.critic = FaceCritic(network, config.side, shape=config.shape_critic) if config.critics else None

    def use_data(self, train: FaceData) -> None:
        """Draw from another part of the set from now on."""
        self.sampler = PairSampler(train, self.sampler.config)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        sampler = self.sampler  # `use_data` may replace it meanwhile
        draws = sampler.draw(rng, size)
        cross = rng.random(size) < self.config.cross_share
        rows = draws.rows.copy()
        rows[cross, 1] = rng.permutation(rows[:, 1])[cross]
        cross = sampler.data.person[rows[:, 0]] != sampler.data.person[rows[:, 1]]
        batch = sampler.cut(dataclasses.replace(draws, rows=rows), device)
        names = [" > ".join(sampler.data.names[row] for row in pair) for pair in rows]
        known = torch.from_numpy((~cross).astype(np.float32)).to(device)
        return self.add_maps(batch | {"known": known}) | {"names": names}  # type: ignore[dict-item]

    @torch.no_grad()
    def add_maps(self, batch: Batch) -> Batch:
        """The target's landmarks, their map, and what the losses and the variant read.

        A pair of two people has no target picture: its target mesh is the source's with the reference's expression
        and rotation, standing where the source stands. Self pairs take the target's own mesh, as the paper takes l_t.
        """
        side, device = self.config.side, batch["source"].device
        model, readers = self.model.to(device), self.readers.to(device)
        source, reference = batch["source_mesh"], batch["target_mesh"]
        target = reference
        if not bool(batch["known"].all()):
            motion = read_mesh_motion(model, reference)
            matched = match_identity(model, split_identity(model, source), motion, motion)
            target = torch.where(batch["known"][:, None, None] > 0, reference, matched)
        landmarks = landmarks68_of(target)
        made = {"landmarks": landmarks, "landmark_map": self.draw(landmarks)}
        made["tracker_crop"], made["identity_crop"] = readers.crops_of(target, side)
        made["real_tracker_crop"], _ = readers.crops_of(reference, side)
        _, made["source_identity_crop"] = readers.crops_of(source, side)
        if self.whole.config.source_features and "posed_rgb" not in batch:
            made |= pose_sources(batch["source"], source, batch["source_classes"], target)
        return batch | made

    def draw(self, landmarks: Float[Tensor, "f 68 3"]) -> Float[Tensor, "f 1 s s"]:
        """The landmark map: lines between neighbours, 1 on a line and 0 off it, with a soft edge."""
        side = self.config.side
        return edge_map((landmarks[..., :2] + 1) * (side / 2), side, side)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        posed = tuple(posed_of(batch)) if "posed_rgb" in batch else ()
        return (batch["source"], batch["landmark_map"], *posed)

    def compute_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module | None) -> Losses:
        config, rgb = self.config, outputs.rgb
        losses = {"attribute": config.attribute * attribute_loss(rgb, batch["target"], batch["known"])}
        if config.identity:
            with torch.no_grad():
                source = self.readers.embed(batch["source"], batch["source_identity_crop"])
            losses["identity"] = config.identity * identity_loss(
                self.readers.embed(rgb, batch["identity_crop"]), source
            )
        if outputs.drawn_style is not None:
            losses["style"] = config.style * style_loss(outputs.drawn_style, outputs.style)
        found = None
        if config.landmarks or (critic is not None and config.shape_critic):
            found = self.readers.landmarks(rgb, batch["tracker_crop"])
        if config.landmarks and found is not None:
            losses["landmarks"] = config.landmarks * landmark_loss(found[..., :2], batch["landmarks"][..., :2])
        if critic is None:
            return losses
        face, shape = critic((rgb, self.draw(found) if config.shape_critic and found is not None else None))
        losses["adversarial"] = log_generator_loss([face])
        if shape is not None:
            losses["adversarial_shape"] = log_generator_loss([shape])
        return losses

    def compute_critic_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module) -> Losses:
        real, fake = batch["target"].detach().requires_grad_(self.config.r1 > 0), outputs.rgb.detach()
        maps = None
        if self.config.shape_critic:
            with torch.no_grad():
                found = [
                    self.readers.landmarks(real, batch["real_tracker_crop"]),
                    self.readers.landmarks(fake, batch["tracker_crop"]),
                ]
                maps = self.draw(torch.cat(found))
        face, shape = critic((torch.cat([real, fake]), maps))
        losses = {"critic": log_discriminator_loss(*([logits] for logits in face.chunk(2)))}
        if shape is not None:
            losses["critic_shape"] = log_discriminator_loss(*([logits] for logits in shape.chunk(2)))
        if self.config.r1:
            losses["critic_r1"] = self.config.r1 * gradient_penalty(face.chunk(2)[0], real)
        return losses

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Self-reenactment of validation people: SSIM, L1, CSIM (embedded encoder), AKD at 256 px (embedded tracker).

        The source itself stands beside the result as `_copy`; `csim_real` is that of the target's own picture.
        """
        sums: dict[str, list[float]] = {}
        for batch in self.validation_batches(device):
            source = self.readers.embed(batch["source"], batch["source_identity_crop"])
            result = networks(*self.inputs(batch)).rgb
            for name, rgb in (("", result), ("_copy", batch["source"])):
                sums.setdefault("ssim" + name, []).extend(ssim(rgb, batch["target"]).tolist())
                sums.setdefault("l1" + name, []).extend(l1(rgb, batch["target"]).tolist())
                found = self.readers.landmarks(rgb, batch["tracker_crop"])
                distance = (found - batch["landmarks"])[..., :2].norm(dim=-1).mean(1) * 128
                sums.setdefault("akd_px" + name, []).extend(distance.tolist())
            for name, rgb in (("csim", result), ("csim_real", batch["target"])):
                found = self.readers.embed(rgb, batch["identity_crop"])
                sums.setdefault(name, []).extend(csim(found, source).tolist())
        return {name: float(np.mean(values)) for name, values in sums.items()}

    def validation_batches(self, device: torch.device, per_clip: int = 6) -> list[Batch]:
        pairs = validation_pairs(self.val, self.config.side, per_clip, device)
        return [self.add_maps(batch | {"known": torch.ones(len(batch["source"]), device=device)}) for batch in pairs]

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: source, landmark map, result, target."""
        rows = []
        for k, batch in enumerate(self.validation_batches(device)):
            one = {key: value[2 + k % 3 : 3 + k % 3] for key, value in batch.items()}
            result = networks(*self.inputs(one)).rgb
            lines = one["landmark_map"].expand(-1, 3, -1, -1)
            rows.append(torch.cat([one["source"], lines, result, one["target"]], dim=3)[0])
        if not rows:
            return None
        picture = torch.cat(rows, dim=1).permute(1, 2, 0).clamp(0, 1)
        return (picture.cpu().float().numpy() * 255).astype(np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        export_part(self.whole, self.others, "face", networks.net, folder, facts)


def build(train: FaceData, val: FaceData, arguments: Any, *, cross_share: float = 0.0) -> tuple[FaceTask, LoopConfig]:
    """Self-reenactment, the paper's form. ``--init`` with the export of dual_generator_shape joins both parts.

    The variant that reads the moved source is learned by dual_generator_turned.

    Paper preset: batch, rate and moments of section 4.1. Tiny: four times the batch and five times the rate.
    """
    side = arguments.side or 256
    network = dataclasses.replace(network_of(arguments), source_features=False)
    sampler = PairSampler(train, PairConfig(side=side, resident=arguments.resident))
    task = FaceTask(sampler, val, network, FaceTaskConfig(side=side, cross_share=cross_share))
    task.others = start_parts(task.whole, arguments.init)
    loop = LoopConfig(
        steps=20_000, batch_size=16, learning_rate=5e-4, critic_learning_rate=5e-4, weight_decay=0.0, save_every=250
    )
    if arguments.preset == "paper":
        loop = LoopConfig(
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
        )
    return task, loop
