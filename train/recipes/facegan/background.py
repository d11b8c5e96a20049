"""Recipe: FACEGAN's background mixer G_b (section 3.3, equations 9 to 11), before it has met G_r.

The target's own head, cut out along its parsing, takes G_r's place. Clips give a background with the hole of another
pose; stills give it with the hole of a made-up one.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize, warp
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.networks import BackgroundMixer, MixedPicture, mix
from reenact.systems.facegan.rig import LandmarkRig
from train.data.faces import FaceData
from train.losses.adversarial import (
    MultiScaleDiscriminator,
    log_discriminator_loss,
    log_generator_loss,
    logits_of,
)
from train.losses.facegan import foreground_of, mask_size, mask_smoothness, reconstruction_loss
from train.losses.perceptual import perceptual_loss, picture_features
from train.pairs.frames import PairConfig, PairSampler, validation_pairs
from train.recipes.facegan.modules import Weights, fill_modules, preset_config, read_modules, write_modules
from train.recipes.facegan.reenactor import add_target_maps
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackgroundTaskConfig:
    """Weights of equations 10 and 11; means over pixels."""

    side: int = 256
    """Side of the training crops."""
    smoothness: float = 1.0
    """lambda_b1, of M's differences between neighbours."""
    size: float = 0.1
    """lambda_b2, of M itself: the background's own pixels wherever they will do."""
    perceptual: float = 1.0
    """lambda_b3."""
    adversarial: float = 0.0
    """lambda_b4; 0 trains without a critic."""
    reconstruction: float = 10.0
    """lambda_b5."""
    made_up_shift: float = 0.06
    """Standard deviation of the hole's displacement on stills, share of the side."""
    rim: float = 0.012
    """Width by which holes exceed the parsing, share of the side: hair ends are missed by it."""
    critic_width: int = 64
    """Channels of the discriminators' first layers."""


class Mixer(nn.Module):
    """G_b under its name in the system."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.mixer = BackgroundMixer(config)

    def forward(self, *inputs: torch.Tensor) -> MixedPicture:
        return self.mixer(*inputs)


class BackgroundTask:
    """A head, and a picture with the hole of a head elsewhere, to one picture."""

    def __init__(
        self,
        sampler: PairSampler,
        val: FaceData,
        network: FaceganConfig,
        config: BackgroundTaskConfig,
        vgg19: pathlib.Path | None = None,
    ) -> None:
        self.sampler, self.val, self.network_config, self.config = sampler, val, network, config
        self.others: dict[str, Weights] = {}
        self.networks = Mixer(network)
        self.critic = MultiScaleDiscriminator(3, width=config.critic_width) if config.adversarial else None
        self.rig = LandmarkRig(load_morphable())
        self.features = picture_features(vgg19).to(memory_format=torch.channels_last)

    def use_data(self, train: FaceData) -> None:
        """Draw from another part of the set from now on."""
        self.sampler = PairSampler(train, self.sampler.config)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        batch = self.sampler.sample(rng, size, device)
        shift = rng.normal(0, 2 * self.config.made_up_shift, (size, 2))  # half-sides
        return self.add_inputs(batch, torch.from_numpy(shift).float().to(device))

    @torch.no_grad()
    def add_inputs(self, batch: Batch, shift: torch.Tensor) -> Batch:
        """I_fr (the target's head, round it the source carried along), its foreground, I_b and the hole.

        Args:
            batch: of `PairSampler`.
            shift: (f, 2) displacement in half-sides of the made-up pose, for pairs of a still with itself.
        """
        side = batch["source"].shape[-1]
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
        return batch | {key: value.contiguous(memory_format=torch.channels_last) for key, value in inputs.items()}

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return batch["face"], batch["foreground"], batch["background"], batch["hole"]

    def compute_losses(self, outputs: MixedPicture, batch: Batch, critic: nn.Module | None) -> Losses:
        picture, config = self.picture(outputs, batch), self.config
        losses = background_losses(outputs.mask, picture, batch["target"], config)
        features = self.features.to(picture.device)
        losses["perceptual"] = config.perceptual * perceptual_loss(features, picture, batch["target"])
        if critic is not None:
            losses["adversarial"] = config.adversarial * log_generator_loss(logits_of(critic(picture)))
        return losses

    def picture(self, outputs: MixedPicture, batch: Batch) -> torch.Tensor:
        """I_r."""
        return mix(outputs, batch["face"], batch["background"] * (1 - batch["hole"]))

    def compute_critic_losses(self, outputs: MixedPicture, batch: Batch, critic: nn.Module) -> Losses:
        found = critic(torch.cat([batch["target"], self.picture(outputs, batch).detach()]))
        real, fake = zip(*(logits.chunk(2) for logits in logits_of(found)), strict=True)
        return {"critic": log_discriminator_loss(real, fake)}

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR and L1 of I_r, of the source, and of plain pasting; 255ths by which the untouched background changes."""
        sums: dict[str, list[float]] = {}
        for batch in self.validation_batches(device):
            mixed = networks(*self.inputs(batch))
            foreground, hole = foreground_of(batch["target_classes"]), batch["hole"]
            pasted = foreground * batch["target"] + (1 - foreground) * batch["source"]
            result = self.picture(mixed, batch)
            for name, picture in (("", result), ("_copy", batch["source"]), ("_paste", pasted)):
                difference = picture - batch["target"]
                psnr = -10 * difference.square().mean((1, 2, 3)).clamp(min=1e-10).log10()
                sums.setdefault("psnr" + name, []).extend(psnr.tolist())
                sums.setdefault("l1" + name, []).extend(difference.abs().mean((1, 2, 3)).tolist())
            away = 1 - widen(torch.maximum(foreground, hole), 0.1)
            changed = ((result - batch["source"]).abs() * away).mean((1, 2, 3)) / away.mean((1, 2, 3)).clamp(min=1e-6)
            sums.setdefault("background_change_255", []).extend((changed * 255).tolist())
        return {name: float(np.mean(values)) for name, values in sums.items()}

    def validation_batches(self, device: torch.device, per_clip: int = 4) -> list[Batch]:
        pairs = validation_pairs(self.val, self.config.side, per_clip, device)
        return [self.add_inputs(batch, torch.zeros(len(batch["source"]), 2, device=device)) for batch in pairs]

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: source, target, I_fr, I_b, M, what of I_fr is kept, I_r."""
        rows = []
        for k, batch in enumerate(self.validation_batches(device)):
            pick = slice(1 + k % 3, 2 + k % 3)
            one = {key: value[pick] for key, value in batch.items()}
            mixed = networks(*self.inputs(one))
            shown = [one["source"], one["target"], one["face"], one["background"] * (1 - one["hole"])]
            shares = [mixed.mask] if mixed.kept is None else [mixed.mask, mixed.kept * mixed.mask]
            shown += [share.expand(-1, 3, -1, -1) for share in shares] + [self.picture(mixed, one)]
            rows.append(torch.cat(shown, dim=3)[0])
        if not rows:
            return None
        picture = torch.cat(rows, dim=1).permute(1, 2, 0).clamp(0, 1)
        return (picture.cpu().float().numpy() * 255).astype(np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        facts = facts | {"perceptual": self.features.name}
        write_modules(networks, self.others, self.network_config, folder, facts)


def background_losses(
    mask: torch.Tensor, picture: torch.Tensor, wanted: torch.Tensor, config: BackgroundTaskConfig
) -> Losses:
    """Equation 10 and the reconstruction of equation 11."""
    return {
        "mask_smoothness": config.smoothness * mask_smoothness(mask),
        "mask_size": config.size * mask_size(mask),
        "reconstruction": config.reconstruction * reconstruction_loss(picture, wanted),
    }


def widen(mask: torch.Tensor, share: float) -> torch.Tensor:
    """A mask grown by a share of the side in each direction."""
    reach = max(round(share * mask.shape[-1]), 1)
    return functional.max_pool2d(mask, 2 * reach + 1, 1, reach)


def soften(foreground: torch.Tensor, side: int) -> torch.Tensor:
    """A mask with the soft edge that G_r's segmentation has."""
    reach = max(side // 128, 1)
    return functional.avg_pool2d(foreground, 2 * reach + 1, 1, reach, count_include_pad=False)


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[BackgroundTask, LoopConfig]:
    """First at 128 px (``--side 128``), then from those weights (``--init``) at 256."""
    network = preset_config(arguments.preset)
    side = arguments.side or 256
    config = BackgroundTaskConfig(side=side)
    loop = LoopConfig(steps=4000, batch_size=8, learning_rate=1e-3, validate_every=1000, save_every=250)
    if arguments.preset == "paper":
        config = dataclasses.replace(config, perceptual=10.0, adversarial=1.0)
        loop = LoopConfig(
            steps=200_000,
            batch_size=1,
            learning_rate=2e-4,
            critic_learning_rate=2e-4,
            betas=(0.5, 0.999),
            validate_every=10_000,
            save_every=2_000,
        )
    sampler = PairSampler(train, PairConfig(side=side, resident=arguments.resident, still_share=0.35))
    task = BackgroundTask(sampler, val, network, config, arguments.teacher)
    task.others = fill_modules(task.networks, read_modules(arguments.init), arguments.init)
    return task, loop
