"""Recipe: FACEGAN's face reenactor G_r, by self-reenactment of clips (section 3.2, equations 5 to 8).

The target's own landmarks take L_T's place: both come from one frame of the same person, so the picture is known.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize, warp
from reenact.systems.facegan.conditions import target_view
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.networks import DrawnFace, FaceReenactor, TargetMaps, compose_face
from reenact.systems.facegan.rig import LandmarkRig
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.losses.adversarial import (
    MultiScaleDiscriminator,
    feature_matching_loss,
    log_discriminator_loss,
    log_generator_loss,
    logits_of,
)
from train.losses.facegan import foreground_of, reconstruction_loss, segment_loss
from train.losses.perceptual import perceptual_loss, picture_features
from train.losses.reconstruction import (
    coarse_warp_l1,
    gradient_l1,
    half_size_l1,
    multi_scale_l1,
    smoothness,
    warp_l1,
    with_rim,
)
from train.pairs.frames import PairConfig, PairSampler, validation_pairs
from train.readers import FaceReaders
from train.recipes.facegan.modules import Weights, fill_modules, preset_config, read_modules, write_modules
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReenactorTaskConfig:
    """Weights of the losses; means over pixels, so that they hold at every side."""

    side: int = 256
    """Side of the training crops."""
    reconstruction: float = 10.0
    """Of equation 5."""
    perceptual: float = 1.0
    """Of equation 6."""
    adversarial: float = 0.0
    """Of equation 7; 0 trains without a critic."""
    matching: float = 0.0
    """Of the critic's feature distance, which pix2pixHD adds to equation 7."""
    segments: float = 0.5
    """Of the cross entropy."""
    detail_weight: float = 8.0
    """Of mouth and eye openings and their rim, over the rest of the head, in equation 5."""
    outside_weight: float = 0.3
    """Of all that is neither face nor hair, over the head, with `source_warp`: neck and ears follow the head there,
    and the mixer takes them over. The paper's G_r is not told of them (0)."""
    critic_width: int = 64
    """Channels of the discriminators' first layers."""


class PairReenactor(nn.Module):
    """Source encoder and G_r as one forward, so that distributed wrappers see it whole."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.reenactor = FaceReenactor(config)

    def forward(self, source: torch.Tensor, *target: torch.Tensor) -> DrawnFace:
        maps = TargetMaps(*target, *[None] * (4 - len(target)))
        return self.reenactor(self.reenactor.encode_source(source), source, maps)


class FaceReenactorTask:
    """Pairs of frames of one clip: the one's pixels under the other's landmarks."""

    def __init__(
        self,
        sampler: PairSampler,
        val: FaceData,
        network: FaceganConfig,
        config: ReenactorTaskConfig,
        vgg19: pathlib.Path | None = None,
    ) -> None:
        self.sampler, self.val, self.network_config, self.config = sampler, val, network, config
        self.others: dict[str, Weights] = {}
        self.networks = PairReenactor(network)
        self.critic = MultiScaleDiscriminator(3, width=config.critic_width) if config.adversarial else None
        self.rig = LandmarkRig(load_morphable())
        self.features = picture_features(vgg19).to(memory_format=torch.channels_last)
        self.readers = FaceReaders()

    def use_data(self, train: FaceData) -> None:
        """Draw from another part of the set from now on."""
        self.sampler = PairSampler(train, self.sampler.config)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.add_maps(self.sampler.sample(rng, size, device))

    def add_maps(self, batch: Batch) -> Batch:
        """H_t and, with `source_warp`, the flow to the mesh rigged under the target's landmarks."""
        return add_target_maps(self.rig, batch, source_warp=self.network_config.source_warp)

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        names = ("source", "heat", "displacement", "visible", "parts")
        return tuple(batch[name] for name in names if name in batch)

    def compute_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        config, target = self.config, batch["target"]
        foreground = foreground_of(batch["target_classes"])
        picture = compose_face(outputs, batch["source"])
        face, wanted = picture * foreground, target * foreground
        weight = self.weight_map(batch, foreground)
        losses = {
            "reconstruction": config.reconstruction * reconstruction_loss(picture, target, weight),
            "segments": config.segments * segment_loss(outputs.segments, batch["target_classes"]),
        }
        if config.perceptual:
            losses["perceptual"] = config.perceptual * perceptual_loss(self.features.to(target.device), face, wanted)
        if outputs.displacement is not None:
            losses |= self._warp_losses(outputs, picture - target, batch, weight)
        if critic is not None:
            fake = critic(face)
            losses["adversarial"] = config.adversarial * log_generator_loss(logits_of(fake))
            if config.matching:
                with torch.no_grad():
                    real = critic(wanted)
                losses["matching"] = config.matching * feature_matching_loss(real, fake)
        return losses

    def _warp_losses(self, outputs: DrawnFace, difference: torch.Tensor, batch: Batch, weight: torch.Tensor) -> Losses:
        """What the warp variant adds: the flow is judged by the pixels it brings, the drawn share by its own."""
        assert outputs.displacement is not None
        source, target, small_weight = batch["source"], batch["target"], functional.avg_pool2d(weight, 2)
        return {
            "scales": 4 * multi_scale_l1(difference * (weight > 0)),
            "gradient": 2 * (weight[..., 1:, 1:] * gradient_l1(difference)).mean(),
            "warped": warp_l1(source, target, outputs.displacement, small_weight),
            "warped_coarse": 2 * coarse_warp_l1(source, target, outputs.displacement),
            "drawn": 1.5 * half_size_l1(outputs.colour, target, small_weight),
            "smooth": 0.3 * smoothness(outputs.displacement - batch["displacement"]),
        }

    def weight_map(self, batch: Batch, foreground: torch.Tensor) -> torch.Tensor:
        """(f, 1, s, s) with mean 1: openings of mouth and eyes with a rim, the head, the rest."""
        outside = self.config.outside_weight if "parts" in batch else 0.0
        weight = outside + (1 - outside) * foreground
        if "parts" in batch:
            near = functional.interpolate(with_rim(batch["parts"][:, 1:]), scale_factor=2.0)
            weight = weight + (self.config.detail_weight - 1) * near * foreground
        return weight / weight.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)

    def compute_critic_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        foreground = foreground_of(batch["target_classes"])
        face = compose_face(outputs, batch["source"]).detach() * foreground
        found = critic(torch.cat([batch["target"] * foreground, face]))
        real, fake = zip(*(logits.chunk(2) for logits in logits_of(found)), strict=True)
        return {"critic": log_discriminator_loss(real, fake)}

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Of the head alone (what G_r is for): PSNR, L1 and AKD; the source itself and the rig's warp beside it."""
        sums: dict[str, list[float]] = {}
        for batch in self.validation_batches(device):
            foreground = foreground_of(batch["target_classes"])
            drawn = networks(*self.inputs(batch))
            pictures = {"": compose_face(drawn, batch["source"]), "_copy": batch["source"]}
            if "displacement" in batch:
                side = batch["source"].shape[-1]
                pictures["_rig_warp"] = warp(batch["source"], resize(batch["displacement"], side))
            count = foreground.mean((1, 2, 3)).clamp(min=1e-6)
            for name, picture in pictures.items():
                difference = (picture - batch["target"]) * foreground
                mse = difference.square().mean((1, 2, 3)) / count
                sums.setdefault("head_psnr" + name, []).extend((-10 * mse.clamp(min=1e-10).log10()).tolist())
                sums.setdefault("head_l1" + name, []).extend((difference.abs().mean((1, 2, 3)) / count).tolist())
                distance = self.readers.to(device).landmark_distance_px(picture, batch["target"], batch["target_mesh"])
                sums.setdefault("akd_px" + name, []).extend(distance.tolist())
            right = drawn.segments.argmax(1) == batch["target_classes"]
            sums.setdefault("segments_right", []).extend(right.float().mean((1, 2)).tolist())
        return {name: float(np.mean(values)) for name, values in sums.items()}

    def validation_batches(self, device: torch.device, per_clip: int = 6) -> list[Batch]:
        return [self.add_maps(batch) for batch in validation_pairs(self.val, self.config.side, per_clip, device)]

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: source, target, rig's warp, I_fr, I'_fr, warped share, segments (red face, green hair, blue rest)."""
        rows = []
        for k, batch in enumerate(self.validation_batches(device)):
            pick = slice(2 + k % 3, 3 + k % 3)
            one = {key: value[pick] for key, value in batch.items()}
            drawn = networks(*self.inputs(one))
            result = compose_face(drawn, one["source"])
            shown = [one["source"], one["target"]]
            if drawn.matte is not None:
                shown.append(warp(one["source"], resize(one["displacement"], self.config.side)))
            shown += [result, result * drawn.foreground]
            if drawn.matte is not None:
                shown.append(drawn.matte.expand(-1, 3, -1, -1))
            shown.append(
                torch.softmax(drawn.segments, 1)[:, [1, 2, 0]] * one["heat"].new_tensor([1, 1, 0.3])[:, None, None]
            )
            rows.append(torch.cat(shown, dim=3)[0])
        if not rows:
            return None
        picture = torch.cat(rows, dim=1).permute(1, 2, 0).clamp(0, 1)
        return (picture.cpu().float().numpy() * 255).astype(np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        facts = facts | {"perceptual": self.features.name}
        write_modules(networks, self.others, self.network_config, folder, facts)


@torch.no_grad()
def add_target_maps(rig: LandmarkRig, batch: Batch, *, source_warp: bool) -> Batch:
    """The batch with what G_r is told; of the target's mesh only its 68 landmarks and its pose are used."""
    rig = rig.to(batch["target_mesh"].device)
    maps = target_view(
        rig,
        batch["source_mesh"],
        rig.take_apart(batch["source_mesh"]),
        batch["target_mesh"][:, list(LANDMARKS_68), :2],
        rig.model.fit(batch["target_mesh"]).pose,
        batch["source"].shape[-1],
        source_warp=source_warp,
        head=foreground_of(batch["source_classes"]),
    ).maps
    batch = batch | {name: value for name, value in maps._asdict().items() if value is not None}
    return {
        key: value.contiguous(memory_format=torch.channels_last)
        if isinstance(value, torch.Tensor) and value.ndim == 4
        else value
        for key, value in batch.items()
    }


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[FaceReenactorTask, LoopConfig]:
    """First at 128 px (``--side 128``), then from those weights (``--init``) at 256, as section 4 says.

    ``--preset paper`` takes the paper's networks and losses; VGG-19's weights may be given as ``--teacher FILE.pth``.
    """
    side = arguments.side or 256
    config = ReenactorTaskConfig(side=side)
    loop = LoopConfig(steps=9000, batch_size=8, learning_rate=1e-3, validate_every=1000, save_every=250)
    if arguments.preset == "paper":
        config = dataclasses.replace(config, perceptual=10.0, adversarial=1.0, matching=10.0, outside_weight=0.0)
        loop = LoopConfig(
            steps=400_000,
            batch_size=1,
            learning_rate=2e-4,
            critic_learning_rate=2e-4,
            betas=(0.5, 0.999),
            validate_every=10_000,
            save_every=2_000,
        )
    own = with_own_meshes(train, arguments.cache, "train") if arguments.own_meshes else None
    pairs = PairConfig(side=side, resident=arguments.resident, expressive_share=0.4)
    sampler = PairSampler(train, pairs, own)
    task = FaceReenactorTask(sampler, val, preset_config(arguments.preset), config, arguments.teacher)
    task.others = fill_modules(task.networks, read_modules(arguments.init), arguments.init)
    return task, loop
