"""Recipe: FACEGAN end to end (section 4: modules apart, then together), from the exports of their recipes.

    accelerate launch -m train facegan --data DATA --out RUN --init L_T/export:G_r/export:G_b/export

G_b is only in preset `paper`. ``--steps 0`` only joins the modules in one folder and measures them.
"""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reenact.errors import ConfigError
from reenact.geometry.morphable import Pose, load_morphable
from reenact.portrait.head import HeadFlow
from reenact.systems.facegan.conditions import target_maps
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.landmarks import motion_vector, normalise_landmarks, place_landmarks
from reenact.systems.facegan.networks import (
    DrawnFace,
    FaceganNetworks,
    MixedPicture,
    compose_face,
    mix,
)
from reenact.systems.facegan.rig import LandmarkRig, RiggedFace
from reenact.types import head_angles_rad
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.losses.adversarial import LOG, MultiScaleDiscriminator, logits_of
from train.losses.facegan import connectivity_loss, foreground_of, landmark_loss, movement_penalty
from train.losses.perceptual import perceptual_loss, picture_features
from train.pairs.frames import PairConfig
from train.pairs.heads import head_share, move_heads
from train.readers import FaceReaders
from train.recipes.facegan import PARTS
from train.recipes.facegan.background import (
    BackgroundTaskConfig,
    background_change,
    background_losses,
    widen,
)
from train.recipes.facegan.reenactor import ReenactorTaskConfig, face_losses
from train.recipes.layered import add_layers, draw_window
from train.recipes.task import Figures, PairTask, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndToEndTaskConfig:
    """Pairs and losses; those of the modules themselves are weighted as in their own recipes."""

    pairs: PairConfig = dataclasses.field(default_factory=PairConfig)
    """Frames of one clip."""
    landmarks: float = 10.0
    """Weight of equations 1 and 3: with pixels alone, L_T's landmarks would no longer be those of a face."""
    movement: float = 0.01
    """lambda_lr, inside equation 1."""
    adversarial: float = 0.0
    """Weight of D_r and D_b; 0 trains without critics."""
    critic_width: int = 64
    """Channels of the discriminators' first layers."""


class Rendering(NamedTuple):
    """All stages between a source and I_r."""

    delta: Tensor
    landmarks: Tensor
    """l_t, normalised."""
    wanted: Tensor
    """l_d, normalised."""
    flow: HeadFlow | None
    """Of the head under l_t; None without `source_warp`."""
    drawn: DrawnFace
    face: Tensor
    """I_fr."""
    mixed: MixedPicture | None
    """None of layered networks."""
    picture: Tensor | None
    """I_r; None of layered networks, whose head is laid over the true frame's ground."""


class TwoCritics(nn.Module):
    """D_r on the head without its background, D_b on the whole picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.face = MultiScaleDiscriminator(3, width=width)
        self.picture = MultiScaleDiscriminator(3, width=width)

    def forward(self, face: Tensor, picture: Tensor) -> list[Tensor]:
        """Logits of all scales of both."""
        return logits_of(self.face(face)) + logits_of(self.picture(picture))


class EndToEnd(nn.Module):
    """L_T, G_r and, unless layered, G_b in one forward, as at inference: Action Units and angles come from the driver.

    So do the head's place and size, which L_T does not decide.
    """

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.config = config
        self.facegan = FaceganNetworks(config)
        self.rigs = (LandmarkRig(load_morphable()),)  # in a tuple: its constants are no weights

    def forward(
        self,
        source: Tensor,
        source_mesh: Tensor,
        target_mesh: Tensor,
        source_units: Tensor,
        target_units: Tensor,
        source_head: Tensor,
        hole: Tensor,
    ) -> Rendering:
        rig, nets, config = self.rigs[0].to(source.device), self.facegan, self.config
        with torch.no_grad(), torch.autocast(source.device.type, enabled=False):
            face, pose = rig.take_apart(source_mesh), rig.model.fit(target_mesh).pose
            own = normalise_landmarks(source_mesh, face.pose)
            wanted = normalise_landmarks(target_mesh, pose)
        motion, own_motion = (
            motion_vector(units, head_angles_rad(of.rotation), config.sides)
            for units, of in ((target_units, pose), (source_units, face.pose))
        )
        delta = nets.transformer(own, motion, own_motion).float()
        flow, drawn = self.draw(source, source_mesh, source_head, face, own + delta, pose)
        head = compose_face(drawn, source)
        if nets.mixer is None:
            mixed, picture = None, None
        else:
            mixed = nets.mixer(head, drawn.foreground, source, hole)
            picture = mix(mixed, source * (1 - hole))
        return Rendering(delta, own + delta, wanted, flow, drawn, head, mixed, picture)

    def draw(
        self,
        source: Tensor,
        source_mesh: Tensor,
        source_head: Tensor,
        face: RiggedFace,
        landmarks: Tensor,
        pose: Pose,
    ) -> tuple[HeadFlow | None, DrawnFace]:
        """G_r's flow and output, from normalised landmarks and the head's pose."""
        nets, side = self.facegan, source.shape[-1]
        placed = place_landmarks(landmarks, pose)
        flow = None
        if self.config.source_warp:
            moved = self.rigs[0].move(face, placed.detach(), pose)
            flow = move_heads(self.rigs[0].model, source_mesh, source_head, moved, side // 2)
        maps = target_maps(placed, flow, side)
        return flow, nets.reenactor(nets.reenactor.encode_source(source), source, maps)


class EndToEndTask(PairTask):
    """Pairs of frames of one clip."""

    parts = PARTS
    input_names = (
        "source",
        "source_mesh",
        "target_mesh",
        "source_units",
        "target_units",
        "source_head",
        "hole",
    )
    per_clip = 4

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: FaceganConfig,
        config: EndToEndTaskConfig,
        own: FaceData | None = None,
        vgg19: pathlib.Path | None = None,
    ) -> None:
        super().__init__(train, val, config.pairs, own)
        self.network_config, self.config = network, config
        self.networks = EndToEnd(network)
        if config.adversarial:
            self.critic = TwoCritics(config.critic_width)
        self.readers, self.background = FaceReaders(), BackgroundTaskConfig()
        self.features = picture_features(vgg19).to(memory_format=torch.channels_last)
        weights = ReenactorTaskConfig(adversarial=0.0, feature_matching=0.0)
        self.face_losses = face_losses(network, weights, vgg19)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return super().sample_batch(rng, size, device) | draw_window(rng, self.side)

    def start_from(self, init: pathlib.Path | None) -> None:
        """Load all modules.

        Raises:
            ConfigError: one is missing.
            CheckpointError: they cannot be read, or are of other sizes.
        """
        modules = PARTS.read(init)
        wanted = {name: recipe for name, recipe in PARTS.recipes.items() if getattr(self.networks.facegan, name)}
        missing = [f"{name} (recipe {recipe})" for name, recipe in wanted.items() if name not in modules]
        if missing:
            raise ConfigError(
                f"recipe facegan starts from all modules; --init {init} lacks {', '.join(missing)}. Give the "
                "export folders of the recipes, joined by a colon"
            )
        PARTS.fill(self.networks.facegan, modules, self.network_config, init)

    def prepare(self, batch: Batch) -> Batch:
        """Add the source's head and the hole in its background."""
        return batch | {
            "source_head": head_share(batch["source_classes"]),
            "hole": widen(foreground_of(batch["source_classes"]), self.background.rim),
        }

    def picture(self, outputs: Rendering, batch: Batch) -> Tensor:
        """I_r, or the head on the true frame's ground."""
        if outputs.picture is not None:
            return outputs.picture
        return self.face_losses.picture(outputs.drawn, with_layers(outputs, batch))

    def compute_losses(self, outputs: Rendering, batch: Batch, critic: nn.Module | None) -> Losses:
        """Equations 1, 3, 8 and 11 together."""
        config, target = self.config, batch["target"]
        losses = {
            "landmarks": config.landmarks * landmark_loss(outputs.landmarks, outputs.wanted),
            "movement": config.landmarks * config.movement * movement_penalty(outputs.delta),
            "connectivity": config.landmarks * connectivity_loss(outputs.landmarks, outputs.wanted),
        }
        of_face = self.face_losses.compute(outputs.drawn, with_layers(outputs, batch), None)
        losses |= {f"face_{name}": value for name, value in of_face.items()}
        if outputs.mixed is not None and outputs.picture is not None:
            mixed = background_losses(outputs.mixed.mask, outputs.picture, target, self.background)
            losses |= {f"picture_{name}": value for name, value in mixed.items()}
            distance = perceptual_loss(self.features.to(target.device), outputs.picture, target)
            losses["picture_perceptual"] = self.background.perceptual * distance
        if critic is not None:
            judged = critic(outputs.face * foreground_of(batch["target_classes"]), self.picture(outputs, batch))
            losses["adversarial"] = config.adversarial * LOG.generator(judged)
        return losses

    def compute_critic_losses(self, outputs: Rendering, batch: Batch, critic: nn.Module) -> Losses:
        foreground, target = foreground_of(batch["target_classes"]), batch["target"]
        faces = torch.cat([target, outputs.face.detach()]) * foreground.repeat(2, 1, 1, 1)
        return LOG.judge(critic(faces, torch.cat([target, self.picture(outputs, batch).detach()])))

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR, L1 and AKD of I_r and of the source, landmark error; with G_b, change of the background in 255ths."""
        figures, readers = Figures(), self.readers.to(device)
        for batch in self.validation_batches(device):
            found = networks(*self.inputs(batch))
            pictures = {"": self.picture(found, batch), "_copy": batch["source"]}
            figures.add_pictures(pictures, batch["target"])
            crops, _ = readers.crops_of(batch["target_mesh"], self.side)
            wanted = readers.landmarks(batch["target"], crops)
            for ending, picture in pictures.items():
                figures.add(f"akd_px{ending}", readers.akd_px(picture, crops, wanted))
            figures.add("landmark_error", (found.landmarks - found.wanted).norm(dim=-1).mean(1))
            if found.mixed is not None:
                figures.add("background_change_255", background_change(pictures[""], batch))
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, target, I_fr, I'_fr, M of G_b, I_r."""
        found = networks(*self.inputs(one))
        faces = [found.face, found.face * found.drawn.foreground]
        masks = [] if found.mixed is None else [found.mixed.mask]
        return [one["source"], one["target"], *faces, *masks, self.picture(found, one)]

    def shipped(self, networks: nn.Module) -> nn.Module:
        return networks.facegan

    def facts(self) -> dict[str, Any]:
        return {"perceptual": self.face_losses.features}


def with_layers(outputs: Rendering, batch: Batch) -> Batch:
    """`add_layers`, if G_r warps the source."""
    return batch if outputs.flow is None else add_layers(batch, outputs.flow)


LOOPS = {
    "tiny": LoopConfig(steps=2000, batch_size=4, learning_rate=2e-4, validate_every=500, save_every=250),
    "paper": LoopConfig(
        steps=100_000, batch_size=1, learning_rate=2e-4, betas=(0.5, 0.999), validate_every=10_000, save_every=250
    ),
}
"""Few steps at a low rate: the modules are to fit one another, not to learn from the start."""


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[EndToEndTask, LoopConfig]:
    """All modules from ``--init``."""
    network = find_preset(PRESETS, options.preset, "facegan")
    pairs = PairConfig(side=options.side or 256, resident=options.resident)
    config = EndToEndTaskConfig(pairs=pairs, adversarial=1.0 if options.preset == "paper" else 0.0)
    own = with_own_meshes(train, options.cache, "train") if options.own_meshes else None
    task = EndToEndTask(train, val, network, config, own, options.teacher)
    task.start_from(options.init)
    return task, LOOPS[options.preset or "tiny"]
