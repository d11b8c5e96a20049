"""Recipe: FACEGAN's background mixer G_b (section 3.3, equations 9 to 11), before it has met G_r.

The target's own head, cut out along its parsing, stands in for G_r's. Clips give a background with the hole of another
pose; stills give one with the hole of a made-up pose.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.geometry.morphable import load_morphable
from reenact.ops.grow import grow
from reenact.ops.warp import resize, warp
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.networks import BackgroundMixer, MixedPicture, mix
from reenact.systems.facegan.rig import LandmarkRig
from train.data.faces import FaceData
from train.losses.adversarial import LOG, MultiScaleDiscriminator
from train.losses.facegan import foreground_of, mask_size, mask_smoothness, reconstruction_loss
from train.losses.perceptual import perceptual_loss, picture_features
from train.pairs.frames import PairConfig
from train.recipes.facegan import PAPER_LOOP, PARTS
from train.recipes.facegan.reenactor import add_target_maps
from train.recipes.task import Figures, PairTask, channels_last, find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackgroundTaskConfig:
    """Pairs, and weights of equations 10 and 11, which are means over pixels."""

    pairs: PairConfig = dataclasses.field(default_factory=lambda: PairConfig(still_share=0.35))
    """Many stills: their background is known everywhere."""
    smoothness: float = 1.0
    """lambda_b1, of M's differences between neighbours."""
    size: float = 0.1
    """lambda_b2, of M itself: where the background's own pixels serve, they are kept."""
    perceptual: float = 1.0
    """lambda_b3."""
    adversarial: float = 0.0
    """lambda_b4; 0 trains without a critic."""
    reconstruction: float = 10.0
    """lambda_b5."""
    made_up_shift: float = 0.06
    """Standard deviation of the hole's displacement on stills, as a share of the side."""
    rim: float = 0.012
    """Width by which holes exceed the parsing, which misses the ends of hair; a share of the side."""
    critic_width: int = 64
    """Channels of the discriminators' first layers."""


class Mixer(nn.Module):
    """G_b under its name in the system."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.mixer = BackgroundMixer(config)

    def forward(self, *inputs: Tensor) -> MixedPicture:
        return self.mixer(*inputs)


class BackgroundTask(PairTask):
    """One picture from a head and from a picture with the hole of a head elsewhere."""

    parts = PARTS
    input_names = ("face", "foreground", "background", "hole")
    per_clip = 4

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: FaceganConfig,
        config: BackgroundTaskConfig,
        vgg19: pathlib.Path | None = None,
    ) -> None:
        super().__init__(train, val, config.pairs)
        self.network_config, self.config = network, config
        self.networks = Mixer(network)
        if config.adversarial:
            self.critic = MultiScaleDiscriminator(3, width=config.critic_width)
        self.rig = LandmarkRig(load_morphable())
        self.features = picture_features(vgg19).to(memory_format=torch.channels_last)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        batch = self.sampler.sample(rng, size, device)
        shift = rng.normal(0, 2 * self.config.made_up_shift, (size, 2))
        return self.prepare(batch, torch.from_numpy(shift).float().to(device))

    @torch.no_grad()
    def prepare(self, batch: Batch, shift: Tensor | None = None) -> Batch:
        """I_fr (the target's head, around it the moved source), its foreground, I_b and the hole.

        Args:
            batch: of `PairSampler`.
            shift: (f, 2) displacement in half-sides of the made-up pose, for pairs of a still with itself; None for no
                displacement.
        """
        side = batch["source"].shape[-1]
        shift = batch["source"].new_zeros(len(batch["source"]), 2) if shift is None else shift
        foreground, hole = foreground_of(batch["target_classes"]), foreground_of(batch["source_classes"])
        moved = add_target_maps(self.rig, batch, source_warp=True)["displacement"]
        still = (batch["source_row"] == batch["target_row"])[:, None, None, None]
        moved = torch.where(still, shift[:, :, None, None].expand_as(moved), moved)
        carried = warp(batch["source"], resize(moved, side))
        elsewhere = torch.maximum(hole, warp(hole, shift[:, :, None, None].expand(-1, -1, side, side).contiguous()))
        hole = torch.where(still, elsewhere, hole)
        inputs = {
            "face": foreground * batch["target"] + (1 - foreground) * carried,
            "foreground": soften(foreground, side),
            "background": batch["source"],
            "hole": widen(hole, self.config.rim),
        }
        return channels_last(batch | inputs)

    def compute_losses(self, outputs: MixedPicture, batch: Batch, critic: nn.Module | None) -> Losses:
        picture, target, config = mixed_picture(outputs, batch), batch["target"], self.config
        losses = background_losses(outputs.mask, picture, target, config)
        losses["perceptual"] = config.perceptual * perceptual_loss(self.features.to(target.device), picture, target)
        if critic is None:
            return losses
        return losses | LOG.teach(critic, picture, target, adversarial=config.adversarial, matching=0.0)

    def compute_critic_losses(self, outputs: MixedPicture, batch: Batch, critic: nn.Module) -> Losses:
        return LOG.train_critic(critic, mixed_picture(outputs, batch), batch["target"])

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR and L1 of I_r, of the source (`_copy`) and of plain pasting; change of the far background in 255ths."""
        figures = Figures()
        for batch in self.validation_batches(device):
            foreground = foreground_of(batch["target_classes"])
            pasted = foreground * batch["target"] + (1 - foreground) * batch["source"]
            result = mixed_picture(networks(*self.inputs(batch)), batch)
            figures.add_pictures({"": result, "_copy": batch["source"], "_paste": pasted}, batch["target"])
            figures.add("background_change_255", background_change(result, batch))
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, target, I_fr, I_b, M, I_r."""
        mixed = networks(*self.inputs(one))
        background = one["background"] * (1 - one["hole"])
        return [one["source"], one["target"], one["face"], background, mixed.mask, mixed_picture(mixed, one)]

    def facts(self) -> dict[str, Any]:
        return {"perceptual": self.features.name}


def mixed_picture(outputs: MixedPicture, batch: Batch) -> Tensor:
    """I_r."""
    return mix(outputs, batch["background"] * (1 - batch["hole"]))


def background_losses(mask: Tensor, picture: Tensor, wanted: Tensor, config: BackgroundTaskConfig) -> Losses:
    """Equation 10 and the reconstruction of equation 11."""
    return {
        "mask_smoothness": config.smoothness * mask_smoothness(mask),
        "mask_size": config.size * mask_size(mask),
        "reconstruction": config.reconstruction * reconstruction_loss(picture, wanted),
    }


def background_change(picture: Tensor, batch: Batch) -> Tensor:
    """(f,) mean change of the source, in 255ths, farther than 0.1 sides from both heads."""
    away = 1 - widen(torch.maximum(foreground_of(batch["target_classes"]), batch["hole"]), 0.1)
    changed = ((picture - batch["source"]).abs() * away).mean((1, 2, 3))
    return 255 * changed / away.mean((1, 2, 3)).clamp(min=1e-6)


def widen(mask: Tensor, share: float) -> Tensor:
    """A mask grown by a share of the side in each direction."""
    reach = max(round(share * mask.shape[-1]), 1)
    return grow(mask, reach)


def soften(foreground: Tensor, side: int) -> Tensor:
    """A mask with the soft edge of G_r's segmentation."""
    reach = max(side // 128, 1)
    return functional.avg_pool2d(foreground, 2 * reach + 1, 1, reach, count_include_pad=False)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[BackgroundTask, LoopConfig]:
    """Preset `paper`; the layered preset has no G_b.

    Raises:
        ConfigError: of a layered preset.
    """
    network = find_preset(PRESETS, options.preset, "facegan")
    if network.layered:
        raise ConfigError("preset tiny lays the head over the portrait's ground and has no G_b; give --preset paper")
    config = BackgroundTaskConfig(perceptual=10.0, adversarial=1.0)
    loop = dataclasses.replace(PAPER_LOOP, steps=200_000)
    pairs = dataclasses.replace(config.pairs, side=options.side or 256, resident=options.resident)
    task = BackgroundTask(train, val, network, dataclasses.replace(config, pairs=pairs), options.teacher)
    task.start_from(options.init)
    return task, loop
