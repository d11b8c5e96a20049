"""Recipe: FACEGAN's face reenactor G_r, by self-reenactment of clips (section 3.2, equations 5 to 8).

The target's own landmarks stand in for L_T's: both pictures are of one person, so the result is known.
"""

import dataclasses
import pathlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize, warp
from reenact.systems.facegan.conditions import target_maps
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.networks import DrawnFace, FaceReenactor, TargetMaps, compose_face
from reenact.systems.facegan.rig import LandmarkRig
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.losses import reconstruction
from train.losses.adversarial import LOG, MultiScaleDiscriminator
from train.losses.facegan import foreground_of, reconstruction_loss, segment_loss
from train.losses.perceptual import PictureFeatures, perceptual_loss, picture_features
from train.pairs.frames import PairConfig
from train.pairs.heads import head_share, move_heads
from train.readers import FaceReaders
from train.recipes.facegan import PAPER_LOOP, PARTS
from train.recipes.task import Figures, PairTask, channels_last, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReenactorTaskConfig:
    """Pairs, and weights of the losses, which are means over pixels and so the same at every side."""

    pairs: PairConfig = dataclasses.field(default_factory=lambda: PairConfig(expressive_share=0.4))
    """Openings of mouth and eyes are what G_r has to draw."""
    reconstruction: float = 10.0
    """Weight of equation 5."""
    perceptual: float = 1.0
    """Weight of equation 6."""
    adversarial: float = 0.0
    """Weight of equation 7; 0 trains without a critic."""
    matching: float = 0.0
    """Weight of the distance between the critic's features, which pix2pixHD adds to equation 7."""
    segments: float = 0.5
    """Weight of the cross entropy."""
    detail_weight: float = 8.0
    """Weight of mouth and eye openings and their rim, over the rest of the head, in equation 5."""
    outside_weight: float = 0.3
    """Weight of all that is neither face nor hair, over the head, with `source_warp`: ears follow the head. The paper's
    G_r does not see them (0)."""
    critic_width: int = 64
    """Channels of the discriminators' first layers."""


class PairReenactor(nn.Module):
    """Source encoder and G_r as one forward, so that distributed wrappers see the whole."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.reenactor = FaceReenactor(config)

    def forward(self, source: Tensor, *target: Tensor) -> DrawnFace:
        maps = TargetMaps(*target, *[None] * (4 - len(target)))
        return self.reenactor(self.reenactor.encode_source(source), source, maps)


class FaceLosses:
    """Equations 5 and 6 and the cross entropy; with `source_warp` also losses of the flow."""

    def __init__(self, config: ReenactorTaskConfig, features: PictureFeatures) -> None:
        self.config, self.features = config, features

    def compute(self, outputs: DrawnFace, batch: Batch) -> Losses:
        """All weighted terms; `batch` has target, classes and maps."""
        config, target = self.config, batch["target"]
        foreground = foreground_of(batch["target_classes"])
        picture = compose_face(outputs, batch["source"])
        weight = self.weight_map(batch, foreground)
        losses = {
            "reconstruction": config.reconstruction * reconstruction_loss(picture, target, weight),
            "segments": config.segments * segment_loss(outputs.segments, batch["target_classes"]),
        }
        if config.perceptual:
            features = self.features.to(target.device)
            distance = perceptual_loss(features, picture * foreground, target * foreground)
            losses["perceptual"] = config.perceptual * distance
        if outputs.displacement is not None:
            losses |= self._warp_losses(outputs, picture - target, batch, weight)
        return losses

    def _warp_losses(self, outputs: DrawnFace, difference: Tensor, batch: Batch, weight: Tensor) -> Losses:
        """The flow is judged by the pixels it brings, the drawn share by its own."""
        assert outputs.displacement is not None
        source, target, small_weight = batch["source"], batch["target"], functional.avg_pool2d(weight, 2)
        return {
            "scales": 4 * reconstruction.multi_scale_l1(difference * (weight > 0)),
            "gradient": 2 * (weight[..., 1:, 1:] * reconstruction.gradient_l1(difference)).mean(),
            "warped": reconstruction.warp_l1(source, target, outputs.displacement, small_weight),
            "warped_coarse": 2 * reconstruction.coarse_warp_l1(source, target, outputs.displacement),
            "drawn": 1.5 * reconstruction.half_size_l1(outputs.colour, target, small_weight),
            "smooth": 0.3 * reconstruction.smoothness(outputs.displacement - batch["displacement"]),
        }

    def weight_map(self, batch: Batch, foreground: Tensor) -> Tensor:
        """(f, 1, s, s) with mean 1: openings of mouth and eyes with a rim, the head, the rest."""
        outside = self.config.outside_weight if "parts" in batch else 0.0
        weight = outside + (1 - outside) * foreground
        if "parts" in batch:
            near = functional.interpolate(reconstruction.with_rim(batch["parts"][:, 1:]), scale_factor=2.0)
            weight = weight + (self.config.detail_weight - 1) * near * foreground
        return weight / weight.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)


class FaceReenactorTask(PairTask):
    """Pairs of frames of one clip: the pixels of one with the landmarks of the other."""

    parts = PARTS
    input_names = ("source", "heat", "displacement", "visible", "parts")

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: FaceganConfig,
        config: ReenactorTaskConfig,
        own: FaceData | None = None,
        vgg19: pathlib.Path | None = None,
    ) -> None:
        super().__init__(train, val, config.pairs, own)
        self.network_config, self.config = network, config
        self.networks = PairReenactor(network)
        if config.adversarial:
            self.critic = MultiScaleDiscriminator(3, width=config.critic_width)
        self.rig, self.readers = LandmarkRig(load_morphable()), FaceReaders()
        self.losses = FaceLosses(config, picture_features(vgg19).to(memory_format=torch.channels_last))

    def prepare(self, batch: Batch) -> Batch:
        """H_t and, with `source_warp`, the flow to the mesh rigged to the target's landmarks."""
        return add_target_maps(self.rig, batch, source_warp=self.network_config.source_warp)

    def compute_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        losses, config = self.losses.compute(outputs, batch), self.config
        if critic is None:
            return losses
        face, wanted = heads_of(outputs, batch)
        return losses | LOG.teach(critic, face, wanted, adversarial=config.adversarial, matching=config.matching)

    def compute_critic_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        return LOG.train_critic(critic, *heads_of(outputs, batch))

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Of the head alone, which G_r draws: PSNR, L1 and AKD; `_copy` is the source, `_rig_warp` the rig's warp."""
        figures, readers = Figures(), self.readers.to(device)
        for batch in self.validation_batches(device):
            foreground = foreground_of(batch["target_classes"])
            drawn = networks(*self.inputs(batch))
            pictures = {"": compose_face(drawn, batch["source"]), "_copy": batch["source"]}
            if "displacement" in batch:
                pictures["_rig_warp"] = rig_warp(batch)
            crops, _ = readers.crops_of(batch["target_mesh"], self.side)
            wanted = readers.landmarks(batch["target"], crops)
            count = foreground.mean((1, 2, 3)).clamp(min=1e-6)
            for ending, picture in pictures.items():
                difference = (picture - batch["target"]) * foreground
                mse = difference.square().mean((1, 2, 3)) / count
                figures.add(f"head_psnr{ending}", -10 * mse.clamp(min=1e-10).log10())
                figures.add(f"head_l1{ending}", difference.abs().mean((1, 2, 3)) / count)
                figures.add(f"akd_px{ending}", readers.akd_px(picture, crops, wanted))
            right = drawn.segments.argmax(1) == batch["target_classes"]
            figures.add("segments_right", right.float().mean((1, 2)))
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, target, rig's warp, I_fr, I'_fr, warped share, segments (red face, green hair, blue rest)."""
        drawn = networks(*self.inputs(one))
        result = compose_face(drawn, one["source"])
        warped, share = ([], []) if drawn.matte is None else ([rig_warp(one)], [drawn.matte])
        segments = torch.softmax(drawn.segments, 1)[:, [1, 2, 0]] * one["heat"].new_tensor([1, 1, 0.3])[:, None, None]
        return [one["source"], one["target"], *warped, result, result * drawn.foreground, *share, segments]

    def facts(self) -> dict[str, Any]:
        return {"perceptual": self.losses.features.name}


def heads_of(outputs: DrawnFace, batch: Batch) -> tuple[Tensor, Tensor]:
    """I'_fr and F_d: drawn and real head without their background."""
    foreground = foreground_of(batch["target_classes"])
    return compose_face(outputs, batch["source"]) * foreground, batch["target"] * foreground


def rig_warp(batch: Batch) -> Tensor:
    """The source warped by the rig's flow alone."""
    return warp(batch["source"], resize(batch["displacement"], batch["source"].shape[-1]))


@torch.no_grad()
def add_target_maps(rig: LandmarkRig, batch: Batch, *, source_warp: bool) -> Batch:
    """The batch with G_r's conditions; of the target's mesh only its 68 landmarks and its pose are used."""
    rig = rig.to(batch["target_mesh"].device)
    side, source, target = batch["source"].shape[-1], batch["source_mesh"], batch["target_mesh"]
    landmarks, flow = target[:, list(LANDMARKS_68), :2], None
    if source_warp:
        moved = rig.move(rig.take_apart(source), landmarks, rig.model.fit(target).pose)
        flow = move_heads(rig.model, source, head_share(batch["source_classes"]), moved, side // 2)
    maps = target_maps(landmarks, flow, side)
    return channels_last(batch | {name: value for name, value in maps._asdict().items() if value is not None})


TINY_LOOP = LoopConfig(steps=9000, batch_size=8, learning_rate=1e-3, validate_every=1000, save_every=250)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[FaceReenactorTask, LoopConfig]:
    """First at 128 px (``--side 128``), then from those weights (``--init``) at 256, as section 4 says.

    ``--preset paper`` takes the paper's networks and losses; ``--teacher FILE.pth`` gives VGG-19's weights.
    """
    config, loop = ReenactorTaskConfig(), TINY_LOOP
    if options.preset == "paper":
        config = ReenactorTaskConfig(perceptual=10.0, adversarial=1.0, matching=10.0, outside_weight=0.0)
        loop = PAPER_LOOP
    pairs = dataclasses.replace(config.pairs, side=options.side or 256, resident=options.resident)
    own = with_own_meshes(train, options.cache, "train") if options.own_meshes else None
    network = find_preset(PRESETS, options.preset, "facegan")
    task = FaceReenactorTask(train, val, network, dataclasses.replace(config, pairs=pairs), own, options.teacher)
    task.start_from(options.init)
    return task, loop
