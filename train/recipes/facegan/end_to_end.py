"""Recipe: FACEGAN end to end (section 4: modules apart, then together), from the exports of its three recipes.

    accelerate launch -m train facegan --data DATA --out RUN --init L_T/export:G_r/export:G_b/export

``--steps 0`` only puts the three into one folder and measures them.
"""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from reenact.errors import ConfigError
from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.morphable import Pose, load_morphable
from reenact.systems.facegan.conditions import target_maps
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.landmarks import motion_vector, normalise_landmarks, place_landmarks
from reenact.systems.facegan.networks import (
    DrawnFace,
    FaceganNetworks,
    MixedPicture,
    TargetMaps,
    compose_face,
    mix,
)
from reenact.systems.facegan.rig import LandmarkRig, RiggedFace
from reenact.types import head_angles_rad
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.losses.adversarial import MultiScaleDiscriminator, log_discriminator_loss, log_generator_loss, logits_of
from train.losses.facegan import connectivity_loss, foreground_of, landmark_loss, movement_penalty
from train.losses.perceptual import perceptual_loss
from train.pairs.frames import PairConfig, PairSampler, validation_pairs
from train.recipes.facegan.background import BackgroundTaskConfig, background_losses, widen
from train.recipes.facegan.modules import RECIPE_OF, fill_modules, preset_config, read_modules, write_modules
from train.recipes.facegan.reenactor import FaceReenactorTask, ReenactorTaskConfig
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndToEndTaskConfig:
    """Shares of the modules' own losses (their weights are the three recipes')."""

    landmarks: float = 10.0
    """Of equations 1 and 3: pixels alone would let L_T drift from what a landmark is."""
    movement: float = 0.01
    """lambda_lr, inside equation 1."""
    adversarial: float = 0.0
    """Of D_r and D_b; 0 trains without critics."""
    critic_width: int = 64
    """Channels of the discriminators' first layers."""


class Rendering(NamedTuple):
    """All that comes up between a source and I_r."""

    delta: torch.Tensor
    landmarks: torch.Tensor
    """l_t, normalised."""
    wanted: torch.Tensor
    """l_d, normalised."""
    maps: TargetMaps
    drawn: DrawnFace
    face: torch.Tensor
    """I_fr."""
    mixed: MixedPicture
    picture: torch.Tensor
    """I_r."""


class TwoCritics(nn.Module):
    """D_r on the head without its background, D_b on the whole picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.face = MultiScaleDiscriminator(3, width=width)
        self.picture = MultiScaleDiscriminator(3, width=width)

    def forward(self, face: torch.Tensor, picture: torch.Tensor) -> list[torch.Tensor]:
        """Logits of both, of all scales."""
        return logits_of(self.face(face)) + logits_of(self.picture(picture))


class EndToEnd(nn.Module):
    """L_T, G_r and G_b in one forward, as at inference: only Action Units and angles come from the driver.

    Where the head stands and how large it is are the driver's as well; neither is L_T's to say.
    """

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.config = config
        self.facegan = FaceganNetworks(config)
        self.rigs = (LandmarkRig(load_morphable()),)  # a tuple, so that its constants are no weights of this module

    def forward(
        self,
        source: torch.Tensor,
        source_mesh: torch.Tensor,
        target_mesh: torch.Tensor,
        source_units: torch.Tensor,
        target_units: torch.Tensor,
        hole: torch.Tensor,
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
        return Rendering(delta, own + delta, wanted, *self.draw(source, source_mesh, face, own + delta, pose, hole))

    def draw(
        self,
        source: torch.Tensor,
        source_mesh: torch.Tensor,
        face: RiggedFace,
        landmarks: torch.Tensor,
        pose: Pose,
        hole: torch.Tensor,
    ) -> tuple[TargetMaps, DrawnFace, torch.Tensor, MixedPicture, torch.Tensor]:
        """The last five fields of `Rendering`, from normalised landmarks and where the head shall stand."""
        nets, side = self.facegan, source.shape[-1]
        placed = place_landmarks(landmarks, pose)
        maps = target_maps(self.rigs[0], source_mesh, face, placed, pose, side, source_warp=self.config.source_warp)
        drawn = nets.reenactor(nets.reenactor.encode_source(source), source, maps)
        head = compose_face(drawn, source)
        mixed = nets.mixer(head, drawn.foreground, source, hole)
        return maps, drawn, head, mixed, mix(mixed, head, source * (1 - hole))


class EndToEndTask:
    """Pairs of frames of one clip."""

    def __init__(
        self,
        sampler: PairSampler,
        val: FaceData,
        network: FaceganConfig,
        config: EndToEndTaskConfig,
        side: int,
        vgg19: pathlib.Path | None = None,
    ) -> None:
        self.sampler, self.val, self.network_config, self.config = sampler, val, network, config
        self.networks = EndToEnd(network)
        self.critic = TwoCritics(config.critic_width) if config.adversarial else None
        self.faces = FaceReenactorTask(sampler, val, network, ReenactorTaskConfig(side=side), vgg19)
        self.background = BackgroundTaskConfig(side=side)
        self.units, self.val_units = _units_of(sampler.data), _units_of(val)

    def use_data(self, train: FaceData) -> None:
        """Draw from another part of the set from now on."""
        self.sampler = self.faces.sampler = PairSampler(train, self.sampler.config)
        self.units = _units_of(train)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.add_inputs(self.sampler.sample(rng, size, device), self.units)

    def add_inputs(self, batch: Batch, units: torch.Tensor) -> Batch:
        """Action Units of both faces, and the hole in the source's background."""
        batch = dict(batch)
        for name in ("source", "target"):
            rows = units.to(batch["flipped"].device)[batch[f"{name}_row"]]
            batch[f"{name}_units"] = torch.where(batch["flipped"][:, None, None], rows.flip(2), rows)
        batch["hole"] = widen(foreground_of(batch["source_classes"]), self.background.rim)
        return batch

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        names = ("source", "source_mesh", "target_mesh", "source_units", "target_units", "hole")
        return tuple(batch[name] for name in names)

    def compute_losses(self, outputs: Rendering, batch: Batch, critic: nn.Module | None) -> Losses:
        """Equations 1, 3, 8 and 11 together."""
        config, maps = self.config, outputs.maps
        told = {name: value.detach() for name, value in maps._asdict().items() if value is not None}
        losses = {
            "landmarks": config.landmarks * landmark_loss(outputs.landmarks, outputs.wanted),
            "movement": config.landmarks * config.movement * movement_penalty(outputs.delta),
            "connectivity": config.landmarks * connectivity_loss(outputs.landmarks, outputs.wanted),
        }
        of_face = self.faces.compute_losses(outputs.drawn, batch | told, None)
        losses |= {f"face_{name}": value for name, value in of_face.items()}
        mixed = background_losses(outputs.mixed.mask, outputs.picture, batch["target"], self.background)
        losses |= {f"picture_{name}": value for name, value in mixed.items()}
        features = self.faces.features.to(outputs.picture.device)
        perceptual = perceptual_loss(features, outputs.picture, batch["target"])
        losses["picture_perceptual"] = self.background.perceptual * perceptual
        if critic is not None:
            judged = critic(outputs.face * foreground_of(batch["target_classes"]), outputs.picture)
            losses["adversarial"] = config.adversarial * log_generator_loss(judged)
        return losses

    def compute_critic_losses(self, outputs: Rendering, batch: Batch, critic: nn.Module) -> Losses:
        foreground, target = foreground_of(batch["target_classes"]), batch["target"]
        faces = torch.cat([target, outputs.face.detach()]) * foreground.repeat(2, 1, 1, 1)
        found = critic(faces, torch.cat([target, outputs.picture.detach()]))
        real, fake = zip(*(logits.chunk(2) for logits in found), strict=True)
        return {"critic": log_discriminator_loss(real, fake)}

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR, L1 and AKD of I_r and of the source, landmark error, change of the still background in 255ths."""
        sums: dict[str, list[float]] = {}
        readers = self.faces.readers.to(device)
        for batch in self.validation_batches(device):
            found = networks(*self.inputs(batch))
            for name, picture in (("", found.picture), ("_copy", batch["source"])):
                difference = picture - batch["target"]
                psnr = -10 * difference.square().mean((1, 2, 3)).clamp(min=1e-10).log10()
                sums.setdefault("psnr" + name, []).extend(psnr.tolist())
                sums.setdefault("l1" + name, []).extend(difference.abs().mean((1, 2, 3)).tolist())
                distance = readers.landmark_distance_px(picture, batch["target"], batch["target_mesh"])
                sums.setdefault("akd_px" + name, []).extend(distance.tolist())
            error = (found.landmarks - found.wanted).norm(dim=-1).mean(1)
            sums.setdefault("landmark_error", []).extend(error.tolist())
            head = torch.maximum(foreground_of(batch["target_classes"]), batch["hole"])
            away = 1 - widen(head, 0.1)
            changed = ((found.picture - batch["source"]).abs() * away).mean((1, 2, 3)) / away.mean((1, 2, 3)).clamp(
                min=1e-6
            )
            sums.setdefault("background_change_255", []).extend((changed * 255).tolist())
        return {name: float(np.mean(values)) for name, values in sums.items()}

    def validation_batches(self, device: torch.device, per_clip: int = 4) -> list[Batch]:
        pairs = validation_pairs(self.val, self.background.side, per_clip, device)
        return [self.add_inputs(batch, self.val_units) for batch in pairs]

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: source, target, I_fr, I'_fr, M, I_r."""
        rows = []
        for k, batch in enumerate(self.validation_batches(device)):
            pick = slice(1 + k % 3, 2 + k % 3)
            one = {key: value[pick] for key, value in batch.items()}
            found = networks(*self.inputs(one))
            shown = [one["source"], one["target"], found.face, found.face * found.drawn.foreground]
            shown += [found.mixed.mask.expand(-1, 3, -1, -1), found.picture]
            rows.append(torch.cat(shown, dim=3)[0])
        if not rows:
            return None
        picture = torch.cat(rows, dim=1).permute(1, 2, 0).clamp(0, 1)
        return (picture.cpu().float().numpy() * 255).astype(np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        facts = facts | {"perceptual": self.faces.features.name}
        write_modules(networks.facegan, {}, self.network_config, folder, facts)


def _units_of(data: FaceData) -> torch.Tensor:
    """(N, 17, 2) Action Units of a split."""
    parts = [
        read_action_unit_sides(
            torch.from_numpy(np.array(data.blendshapes[i : i + 1024], np.float32)),
            torch.from_numpy(np.array(data.mesh_px[i : i + 1024], np.float32)),
        )
        for i in range(0, len(data), 1024)
    ]
    return torch.cat(parts)


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[EndToEndTask, LoopConfig]:
    """Few steps at a low rate: the modules are to fit one another, not to learn anew.

    Raises:
        ConfigError: ``--init`` does not bring all three modules.
    """
    network, side = preset_config(arguments.preset), arguments.side or 256
    modules = read_modules(arguments.init)
    missing = [f"{name} (recipe {recipe})" for name, recipe in RECIPE_OF.items() if name not in modules]
    if missing:
        raise ConfigError(
            f"recipe facegan starts from all three modules; --init {arguments.init} lacks {', '.join(missing)}. "
            "Give the export folders of the recipes, joined by a colon"
        )
    config = EndToEndTaskConfig()
    loop = LoopConfig(steps=2000, batch_size=4, learning_rate=2e-4, validate_every=500, save_every=250)
    if arguments.preset == "paper":
        config = EndToEndTaskConfig(adversarial=1.0)
        loop = dataclasses.replace(loop, steps=100_000, batch_size=1, betas=(0.5, 0.999), validate_every=10_000)
    own = with_own_meshes(train, arguments.cache, "train") if arguments.own_meshes else None
    sampler = PairSampler(train, PairConfig(side=side, resident=arguments.resident), own)
    task = EndToEndTask(sampler, val, network, config, side, arguments.teacher)
    fill_modules(task.networks.facegan, modules, arguments.init)
    return task, loop
