"""Recipe: flow and colours of the correspondence system's head, by self-reenactment of clips.

The head, and the body that follows it, are laid over the true frame's own background: what stands behind them is the
portrait's task, not the networks'.
"""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.geometry.flow import draw_face
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import load_morphable
from reenact.ops.fill import fill_hole
from reenact.ops.warp import resize, warp
from reenact.portrait.compose import border_fade
from reenact.systems.correspondence.config import PRESETS, CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, DrawnFace, mix
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.losses import reconstruction
from train.losses.adversarial import HINGE, MultiScaleDiscriminator
from train.losses.perceptual import EfficientNetFeatures, feature_distance
from train.pairs.frames import PairConfig
from train.pairs.heads import head_share, move_heads
from train.recipes.task import Figures, PairTask, channels_last, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrespondenceTaskConfig:
    """Pairs and weights of the losses."""

    pairs: PairConfig = dataclasses.field(default_factory=PairConfig)
    """The networks accept any side that is a multiple of 16."""
    detail_weight: float = 10.0
    """Weight of mouth and eye openings and their rim, over the background."""
    face_weight: float = 1.25
    """Weight of the face, over the background."""
    outline: float = 2.0
    """Weight of the difference between the moved head's share of each pixel and the true one, read by the parser: hair
    does not always follow the skull."""
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


class PairModel(nn.Module):
    """Source encoder and renderer as one forward, so that distributed wrappers see the whole."""

    def __init__(self, config: CorrespondenceConfig) -> None:
        super().__init__()
        self.net = CorrespondenceNetworks(config)

    def forward(self, source: Tensor, source_maps: Tensor, *rest: Tensor) -> DrawnFace:
        return self.net(self.net.encode_source(source, source_maps), source, *rest)


class CorrespondenceTask(PairTask):
    """Pairs of frames of one clip, driven as at inference."""

    model = "correspondence"
    input_names = ("source", "source_maps", "target_maps", "mesh_displacement", "visible")
    per_clip = 8

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: CorrespondenceConfig,
        config: CorrespondenceTaskConfig,
        own: FaceData | None = None,
    ) -> None:
        _require_clips(train)
        super().__init__(train, val, config.pairs, own)
        self.network_config, self.config = network, config
        self.networks = PairModel(network)
        if config.adversarial:
            self.critic = MultiScaleDiscriminator(3, scales=1, width=config.critic_width, norm="instance")
        self.features = EfficientNetFeatures().to(memory_format=torch.channels_last) if config.perceptual else None
        self.morphable = load_morphable()

    def use_data(self, train: FaceData) -> None:
        _require_clips(train)
        super().use_data(train)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        corner = torch.from_numpy(rng.integers(0, self.side // 2 + 1, 2))
        return super().sample_batch(rng, size, device) | {"window": corner}

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Batch:
        """Identity-matched target mesh, mesh flow and maps, as `CorrespondenceReenactor` makes them."""
        half, model = self.side // 2, self.morphable.to(batch["source"].device)
        target = matched_targets(model, batch["source_mesh"], batch["target_mesh"])
        own, true = (head_share(batch[f"{name}_classes"]) for name in ("source", "target"))
        flow = move_heads(model, batch["source_mesh"], own, target, half)
        head = torch.maximum(true, resize(flow.target.parts.amax(1, keepdim=True), self.side))
        known = own.amax((1, 2, 3), keepdim=True) > 0  # rows without a parsing
        beyond = torch.where(known, 1 - (own > 0.9).float(), torch.zeros_like(own))
        maps = {
            "head": head,
            "true_share": true,
            "own_share": own,
            "known": known.float(),
            "inside": flow.inside,
            "own_colours": fill_hole(batch["source"], beyond),
            "source_maps": draw_face(model, batch["source_mesh"], half).stacked,
            "target_maps": flow.target.stacked,
            "mesh_displacement": flow.displacement,
            "visible": flow.visible,
        }
        return channels_last(batch | maps)

    def compute_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        target, source, config = batch["target"], batch["own_colours"], self.config
        result = self.picture(outputs, batch)
        difference = result - target
        weight = self.weight_map(batch["target_maps"])
        weight_full = functional.interpolate(weight, scale_factor=2, mode="nearest")
        face = batch["target_maps"][:, 3:4] * batch["visible"]
        residual = outputs.displacement - batch["mesh_displacement"]
        small = outputs.matched.shape[-1]
        match_error = (outputs.matched - resize(batch["mesh_displacement"], small)).abs().sum(1, keepdim=True)
        losses = {
            "l1": 5 * (weight_full * difference.abs()).mean(),
            "scales": 4 * reconstruction.multi_scale_l1(difference),
            "gradient": 2 * (weight_full[..., 1:, 1:] * reconstruction.gradient_l1(difference)).mean(),
            "warped": reconstruction.warp_l1(source, target, outputs.displacement, weight),
            "warped_coarse": 2 * reconstruction.coarse_warp_l1(source, target, outputs.displacement),
            "colour": 1.5 * reconstruction.half_size_l1(outputs.colour, target, weight),
            "prior": 0.5 * (residual.abs().sum(1, keepdim=True) * face).mean(),
            "match": 0.5 * (match_error * resize(face, small)).mean(),
            "smooth": 0.3 * reconstruction.smoothness(residual),
            "outline": config.outline * outline_error(outputs, batch).mean(),
            "generated": 0.02 * (functional.avg_pool2d(outputs.generated, 2) * face).mean(),
        }
        if self.features is not None:
            distance = feature_distance(self.features.to(target.device), *self.windows(batch, result, target))
            losses["perceptual"] = config.perceptual * distance.mean()
        if critic is None:
            return losses
        fake, real = self.windows(batch, result, target)
        return losses | HINGE.teach(
            critic, fake, real, adversarial=config.adversarial, matching=config.feature_matching
        )

    def picture(self, outputs: DrawnFace, batch: Batch) -> Tensor:
        """The drawn head and the body that follows it, on the true frame's background."""
        colours, displacement = batch["own_colours"], resize(outputs.displacement, self.side)
        drawn = mix(outputs, warp(colours, displacement))
        body = warp(batch["source"], displacement * border_fade(displacement))
        return torch.lerp(torch.lerp(batch["target"], body, batch["target_body"]), drawn, batch["head"])

    def windows(self, batch: Batch, *pictures: Tensor) -> list[Tensor]:
        """A quarter of each picture: features of the whole cost more than the networks. Each batch has another one."""
        (top, left), half = batch["window"].tolist(), self.side // 2
        cut = (each[..., top : top + half, left : left + half] for each in pictures)
        return [each.contiguous(memory_format=torch.channels_last) for each in cut]

    def weight_map(self, target_maps: Tensor) -> Tensor:
        """(f, 1, h, w) with mean 1: openings of mouth and eyes with a rim, then the face, then the rest."""
        near, face = reconstruction.with_rim(target_maps[:, 4:6]), target_maps[:, 3:6].amax(1, keepdim=True)
        weight = 1 + (self.config.face_weight - 1) * face + (self.config.detail_weight - self.config.face_weight) * near
        return weight / weight.mean((1, 2, 3), keepdim=True)

    def compute_critic_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        return HINGE.train_critic(critic, *self.windows(batch, self.picture(outputs, batch), batch["target"]))

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR, L1 and feature distance of first frames driven by later ones, of the source and of the mesh warp."""
        figures = Figures()
        for batch in self.validation_batches(device):
            drawn, target = networks(*self.inputs(batch)), batch["target"]
            result = self.picture(drawn, batch)
            person = torch.maximum(batch["head"], batch["target_body"])
            pictures = {"": result, "_copy": batch["source"], "_mesh_warp": mesh_warp(batch)}
            pictures = {name: torch.lerp(target, each, person) for name, each in pictures.items()}
            figures.add_pictures(pictures, target)
            figures.add("outline", outline_error(drawn, batch))
            if self.features is not None:
                for name, each in pictures.items():
                    figures.add(f"features{name}", feature_distance(self.features.to(device), each, target))
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, target, mesh warp, result, share of generated colours."""
        drawn = networks(*self.inputs(one))
        return [one["source"], one["target"], mesh_warp(one), self.picture(drawn, one), drawn.generated]

    def shipped(self, networks: nn.Module) -> nn.Module:
        return networks.net


def outline_error(outputs: DrawnFace, batch: Batch) -> Tensor:
    """(f,) mean difference between the share of the moved head and the true one; 0 for sources without a parsing."""
    moved = warp(batch["own_share"], resize(outputs.displacement, batch["own_share"].shape[-1]))
    share = torch.maximum(moved, resize(batch["inside"], moved.shape[-1]))
    return ((share - batch["true_share"]).abs() * batch["known"]).mean((1, 2, 3))


def mesh_warp(batch: Batch) -> Tensor:
    """The source warped by the meshes' flow alone."""
    return warp(batch["own_colours"], resize(batch["mesh_displacement"], batch["source"].shape[-1]))


def matched_targets(model: Any, source: Tensor, driving: Tensor) -> Tensor:
    """Target meshes of self-reenactment: the source frame is the driver's neutral frame."""
    fits = read_mesh_motion(model, torch.cat([source, driving]))
    count = len(source)
    neutral, motion = fits[slice(0, count)], fits[slice(count, 2 * count)]
    return match_identity(model, split_identity(model, source), motion, neutral)


def _require_clips(train: FaceData) -> None:
    if not train.clip_ranges:
        raise ConfigError("recipe correspondence learns from clips and the data has none; add clips to it")


LOOPS = {
    "tiny": LoopConfig(steps=20_000, batch_size=8, learning_rate=1e-3, validate_every=1_000, save_every=250),
    "paper": LoopConfig(steps=200_000, batch_size=8, learning_rate=2e-4, validate_every=10_000, save_every=1_000),
}
"""The paper's schedule is not published. `paper` has sixteen times the weights and gets ten times the steps."""


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[CorrespondenceTask, LoopConfig]:
    """`tiny`, the embedded preset, by default. Train at 128 px first (``--side 128``), then from there at 256."""
    network = find_preset(PRESETS, options.preset, "correspondence")
    own = with_own_meshes(train, options.cache, "train") if options.own_meshes else None
    pairs = PairConfig(side=options.side or 256, resident=options.resident)
    task = CorrespondenceTask(train, val, network, CorrespondenceTaskConfig(pairs=pairs), own)
    task.start_from(options.init)
    return task, LOOPS[options.preset or "tiny"]
