"""Recipe: FACEGAN's face reenactor G_r, by self-reenactment of clips (section 3.2, equations 5 to 8).

The target's own landmarks stand in for L_T's: both pictures are of one person, so the result is known. With
`source_warp` the head is laid over the true frame's ground and judged there (`train.recipes.layered`); the paper's G_r
by its equations.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from reenact.systems.facegan.conditions import target_maps
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.networks import DrawnFace, FaceReenactor, TargetMaps, mix_face
from reenact.systems.facegan.rig import LandmarkRig
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.losses.adversarial import LOG, MultiScaleDiscriminator
from train.losses.facegan import foreground_of, reconstruction_loss, segment_loss
from train.losses.perceptual import EfficientNetFeatures, perceptual_loss, picture_features
from train.pairs.frames import PairConfig
from train.pairs.heads import head_share, move_heads
from train.readers import FaceReaders
from train.recipes.facegan import PAPER_LOOP, PARTS
from train.recipes.layered import (
    LayersConfig,
    Look,
    add_layers,
    draw_window,
    lay_head,
    layer_losses,
    measure_layers,
    move_colours,
)
from train.recipes.task import Figures, PairTask, channels_last, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReenactorTaskConfig(LayersConfig):
    """Pairs, and weights of the losses, which are means over pixels and so the same at every side.

    The paper's G_r takes the weights of `LookConfig` for equations 6 and 7 and for what pix2pixHD adds to 7.
    """

    pairs: PairConfig = dataclasses.field(default_factory=lambda: PairConfig(expressive_share=0.4))
    """Openings of mouth and eyes are what G_r has to draw."""
    reconstruction: float = 10.0
    """Weight of equation 5, for the paper's G_r."""
    segments: float = 0.5
    """Weight of the cross entropy."""


class PairReenactor(nn.Module):
    """Source encoder and G_r as one forward, so that distributed wrappers see the whole."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.reenactor = FaceReenactor(config)

    def forward(self, source: Tensor, *target: Tensor) -> DrawnFace:
        maps = TargetMaps(*target, *[None] * (4 - len(target)))
        return self.reenactor(self.reenactor.encode_source(source), source, maps)


class LayeredLosses:
    """Of a G_r with `source_warp`: its head on the true frame's ground, and the cross entropy."""

    def __init__(self, config: ReenactorTaskConfig) -> None:
        self.config, self.look = config, Look(config)
        self.critic = self.look.make_critic()
        self.features = EfficientNetFeatures.name if config.perceptual else ""

    def picture(self, outputs: DrawnFace, batch: Batch) -> Tensor:
        """The drawn head and the body that follows it; `batch` is that of `add_layers`."""
        assert outputs.displacement is not None
        return lay_head(batch, mix_face(outputs, move_colours(batch, outputs.displacement)), outputs.displacement)

    def compute(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        assert outputs.displacement is not None
        result, segments = self.picture(outputs, batch), segment_loss(outputs.segments, batch["target_classes"])
        return (
            layer_losses(self.config, batch, result, outputs.colour, outputs.displacement)
            | {"segments": self.config.segments * segments}
            | self.look.compute(batch, result, batch["target"], critic)
        )

    def train_critic(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        return self.look.train_critic(batch, self.picture(outputs, batch), batch["target"], critic)


class PaperLosses:
    """Equations 5 to 7 and the cross entropy, of heads without their background."""

    def __init__(self, config: ReenactorTaskConfig, vgg19: pathlib.Path | None) -> None:
        self.config, self._features = config, picture_features(vgg19).to(memory_format=torch.channels_last)
        self.critic = MultiScaleDiscriminator(3, width=config.critic_width) if config.adversarial else None
        self.features = self._features.name

    def picture(self, outputs: DrawnFace, batch: Batch) -> Tensor:
        """I'_fr on the true frame's ground."""
        return torch.lerp(batch["target"], outputs.colour, foreground_of(batch["target_classes"]))

    def compute(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        config, foreground = self.config, foreground_of(batch["target_classes"])
        face, wanted = outputs.colour * foreground, batch["target"] * foreground
        weight = foreground / foreground.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
        losses = {
            "reconstruction": config.reconstruction * reconstruction_loss(face, wanted, weight),
            "segments": config.segments * segment_loss(outputs.segments, batch["target_classes"]),
        }
        if config.perceptual:
            distance = perceptual_loss(self._features.to(face.device), face, wanted)
            losses["perceptual"] = config.perceptual * distance
        if critic is None:
            return losses
        return losses | LOG.teach(
            critic, face, wanted, adversarial=config.adversarial, matching=config.feature_matching
        )

    def train_critic(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        foreground = foreground_of(batch["target_classes"])
        return LOG.train_critic(critic, outputs.colour * foreground, batch["target"] * foreground)


def face_losses(
    network: FaceganConfig, config: ReenactorTaskConfig, vgg19: pathlib.Path | None
) -> LayeredLosses | PaperLosses:
    """The losses of a G_r; `vgg19`, for the paper's, is a file of VGG-19's weights."""
    return LayeredLosses(config) if network.source_warp else PaperLosses(config, vgg19)


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
        self.rig, self.readers = LandmarkRig(load_morphable()), FaceReaders()
        self.losses = face_losses(network, config, vgg19)
        self.critic = self.losses.critic

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return super().sample_batch(rng, size, device) | draw_window(rng, self.side)

    def prepare(self, batch: Batch) -> Batch:
        """H_t and, with `source_warp`, layers and flow of the head on the mesh rigged to the target's landmarks."""
        return add_target_maps(self.rig, batch, source_warp=self.network_config.source_warp)

    def compute_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        return self.losses.compute(outputs, batch, critic)

    def compute_critic_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        return self.losses.train_critic(outputs, batch, critic)

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR, L1 and AKD on the true frame's ground; `_copy` is the source, `_rig_warp` the rig's warp."""
        figures, readers = Figures(), self.readers.to(device)
        for batch in self.validation_batches(device):
            drawn, target = networks(*self.inputs(batch)), batch["target"]
            pictures = {"": self.losses.picture(drawn, batch)}
            if isinstance(self.losses, LayeredLosses):
                pictures["_rig_warp"] = move_colours(batch, batch["displacement"])
                measure_layers(self.losses.look, figures, batch, pictures, drawn.displacement)
            else:
                pictures["_copy"] = torch.lerp(target, batch["source"], foreground_of(batch["target_classes"]))
                figures.add_pictures(pictures, target)
            crops, _ = readers.crops_of(batch["target_mesh"], self.side)
            wanted = readers.landmarks(target, crops)
            for ending, picture in pictures.items():
                figures.add(f"akd_px{ending}", readers.akd_px(picture, crops, wanted))
            right = drawn.segments.argmax(1) == batch["target_classes"]
            figures.add("segments_right", right.float().mean((1, 2)))
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, target, rig's warp, result, warped share, segments (red face, green hair, blue rest)."""
        drawn = networks(*self.inputs(one))
        result = self.losses.picture(drawn, one)
        moved, share = ([], []) if drawn.matte is None else ([move_colours(one, one["displacement"])], [drawn.matte])
        segments = torch.softmax(drawn.segments, 1)[:, [1, 2, 0]] * one["heat"].new_tensor([1, 1, 0.3])[:, None, None]
        return [one["source"], one["target"], *moved, result, *share, segments]

    def facts(self) -> dict[str, Any]:
        return {"perceptual": self.losses.features}


@torch.no_grad()
def add_target_maps(rig: LandmarkRig, batch: Batch, *, source_warp: bool) -> Batch:
    """The batch with G_r's conditions; of the target's mesh only its 68 landmarks and its pose are used."""
    rig = rig.to(batch["target_mesh"].device)
    side, source, target = batch["source"].shape[-1], batch["source_mesh"], batch["target_mesh"]
    landmarks, flow = target[:, list(LANDMARKS_68), :2], None
    if source_warp:
        moved = rig.move(rig.take_apart(source), landmarks, rig.model.fit(target).pose)
        flow = move_heads(rig.model, source, head_share(batch["source_classes"]), moved, side // 2)
        batch = add_layers(batch, flow)
    maps = target_maps(landmarks, flow, side)
    return channels_last(batch | {name: value for name, value in maps._asdict().items() if value is not None})


TINY_LOOP = LoopConfig(steps=9000, batch_size=8, learning_rate=1e-3, validate_every=1000, save_every=250)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[FaceReenactorTask, LoopConfig]:
    """First at 128 px (``--side 128``), then from those weights (``--init``) at 256, as section 4 says.

    ``--preset paper`` takes the paper's networks and losses; ``--teacher FILE.pth`` gives VGG-19's weights.
    """
    config, loop = ReenactorTaskConfig(), TINY_LOOP
    if options.preset == "paper":
        config = ReenactorTaskConfig(perceptual=10.0, adversarial=1.0, feature_matching=10.0, critic_width=64)
        loop = PAPER_LOOP
    pairs = dataclasses.replace(config.pairs, side=options.side or 256, resident=options.resident)
    own = with_own_meshes(train, options.cache, "train") if options.own_meshes else None
    network = find_preset(PRESETS, options.preset, "facegan")
    task = FaceReenactorTask(train, val, network, dataclasses.replace(config, pairs=pairs), own, options.teacher)
    task.start_from(options.init)
    return task, loop
