"""Mapping network and generator learn random people from stills alone, and `E_w` reads along: the first stage.

Every still has a fixed z, its linear code: principal components, each with the values of a normal distribution. So the
generator knows from the first step which people lie where, and people between them only have to become realistic.

    still ─▶ linear code ─▶ mapping ─▶ w ─▶ generator ─▶ still         coarse pixels, features, critic
              random z ─▶ mapping ─▶ w ─▶ generator ─▶ random person   critic
    still ─▶ E_w ─▶ w of its code                                      squared difference

Below 64 px, pixels alone are compared: many fast steps, after which the codes say where people differ.
"""

import dataclasses
import functools
import math
import pathlib

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.ops.warp import resize
from reenact.systems.latent_directions.config import PRESETS, LatentDirectionsConfig
from reenact.systems.latent_directions.generator import EqualLinear
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.augment.differentiable import Augmentation
from train.data.faces import FaceData
from train.evaluate.metrics import psnr_db
from train.losses.adversarial import HINGE
from train.losses.perceptual import layer_gaps, mean_gap
from train.pairs.aligned import AlignedPairConfig
from train.recipes.latent_directions.generator import ProjectedJudge
from train.recipes.latent_directions.task import LatentTask, ValidationConfig, weigh_places
from train.recipes.task import find_preset, picture_rows
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_CODED_PX = 32
"""Side at which pictures are coded, and at which the pixels of what is drawn of a code are compared."""
_LAST = {"pixel": 10.0, "realism": 0.1, "people": 0.25}
"""Weights of the losses at the generator's own side: there the critic has most to say."""
_JUDGED_PX = 64
"""Least side at which features are compared, the critic looks and `E_w` learns."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeopleTaskConfig:
    """Data, and weights of the losses."""

    validation: ValidationConfig = dataclasses.field(default_factory=ValidationConfig)
    pixel: float = 20.0
    """Of the mean absolute difference at `_CODED_PX`, most on the face."""
    perceptual: float = 1.0
    """Of the distance in EfficientNet-Lite0's features."""
    realism: float = 0.05
    """Of the critic's judgement of coded stills,"""
    people: float = 0.1
    """and of random people."""
    people_share: float = 0.5
    """Random people for each still of a batch."""
    encoder: float = 1.0
    """Of the squared difference between the w that `E_w` reads in a still and the w of its code."""
    colours: float = 1.0
    """Of colours beyond black and white, where the critic's features are flat."""


def linear_codes(rows: Float[Tensor, "n d"], length: int) -> tuple[Float[Tensor, "n l"], Float[Tensor, "l"]]:
    """Principal components of each row, the strongest first, each replaced by the normal value of its rank.

    Returns:
        The codes, and the standard deviations of the components, 1 in square mean.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        components, strengths, _ = torch.svd_lowrank(rows - rows.mean(0), min(length, *rows.shape), niter=3)
        missing = length - components.shape[1]
        components = torch.cat([components, torch.randn(len(rows), missing)], 1)
    ranks = components.argsort(0).argsort(0)
    strengths = functional.pad(strengths, (0, missing))
    codes = torch.erfinv((ranks + 0.5) / len(rows) * 2 - 1) * math.sqrt(2)
    return codes, strengths / strengths.square().mean().sqrt().clamp(min=1e-8)


class PeopleStep(nn.Module):
    """Pictures of z, and the w that is read in the stills among them."""

    def __init__(self, system: LatentDirectionsNetworks, side: int) -> None:
        super().__init__()
        self.system, self.side = system, side
        for part in (system.directions, system.feature_encoder):
            part.requires_grad_(False)

    def forward(self, z: Float[Tensor, "f l"], source: Float[Tensor, "k 3 n n"] | None = None) -> dict[str, Tensor]:
        mapping = self.system.mapping
        w = mapping(z).float()
        if self.training:
            with torch.no_grad():
                mapping.mean_w.lerp_(w.mean(0), 0.01)
                mapping.row_offsets.zero_()
        rows = w[:, None].expand(-1, self.system.config.layers, -1)
        outputs = {"pictures": self.system.generator(rows, side=self.side)}
        if source is not None:
            outputs |= {"w": rows[: len(source)], "read": self.system.encoder(source)[0]}
        return outputs


class PeopleTask(LatentTask):
    """See the module."""

    input_names = ("z", "source")

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: LatentDirectionsConfig,
        config: PeopleTaskConfig,
        cache: pathlib.Path | None = None,
        side: int | None = None,
    ) -> None:
        super().__init__(train, val, network, AlignedPairConfig(), config.validation, cache, side)
        self.config = config
        system = self.networks
        assert isinstance(system, LatentDirectionsNetworks)
        self.networks = PeopleStep(system, self.side)
        self.judged = self.side >= min(_JUDGED_PX, network.side)
        self.critic = ProjectedJudge(self.side) if self.judged else None
        system.mapping.requires_grad_(not self.judged)  # a critic would draw the people together
        strengths = self.code_stills()
        with torch.no_grad():  # what differs most between people moves w most, from the first step
            first = system.mapping.layers[0]
            assert isinstance(first, EqualLinear)
            first.weight.mul_(strengths)

    def start_from(self, init: pathlib.Path | None) -> None:
        """Levels beyond `side` add no colours until they are trained."""
        super().start_from(init)
        system: LatentDirectionsNetworks = self.shipped(self.networks)  # type: ignore[assignment]
        level = round(math.log2(self.side / 8))
        with torch.no_grad():
            for beyond in system.generator.to_rgbs[level + 1 :]:
                for name in ("conv.weight", "bias"):
                    beyond.get_parameter(name).zero_()

    def use_data(self, train: FaceData) -> None:
        super().use_data(train)
        self.code_stills()

    def code_stills(self) -> Tensor:
        """Code all stills and their mirror images, or all pictures if there are no stills; strengths of the codes."""
        rows = self.pairs.stills if len(self.pairs.stills) else np.arange(len(self.pairs.faces))
        self.rows = np.concatenate([rows, rows])
        self.mirrored = np.repeat([False, True], len(rows))
        side = min(_CODED_PX, self.network_config.side)
        coded = torch.cat(
            [
                resize(self.pairs.pictures(self.rows[first : first + 64], self.mirrored[first : first + 64]), side)
                for first in range(0, len(self.rows), 64)
            ]
        )
        coded = coded * weigh_places(side)  # the same codes at every `self.side`
        self.codes, strengths = linear_codes(coded.flatten(1), self.network_config.latent)
        return strengths

    @functools.cached_property
    def coarse_weight(self) -> Float[Tensor, "1 c c"]:
        """`place_weight` where pixels are compared."""
        return weigh_places(min(_CODED_PX, self.side))

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        chosen = rng.integers(0, len(self.rows), size)
        count = max(2, round(size * self.config.people_share)) if self.judged else 0
        random = torch.from_numpy(rng.standard_normal((count, self.network_config.latent), np.float32))
        source = self.pairs.pictures(self.rows[chosen], self.mirrored[chosen]).to(device)
        z = torch.cat([self.codes[chosen], random]).to(device)
        batch = {"target": resize(source, self.side), "z": z, "weight": self.coarse_weight.to(device)}
        if not self.judged:
            return batch
        self.features.to(device)
        return batch | {"source": source}

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module | None) -> Losses:
        config, target, pictures = self.config, batch["target"], outputs["pictures"]
        count, coarse = len(target), batch["weight"].shape[-1]
        difference = (resize(pictures[:count], coarse) - resize(target, coarse)).abs().mean(1)
        losses = {
            "pixel": config.pixel * (difference * batch["weight"]).mean(),
            "colours": config.colours * ((pictures - 0.5).abs() - 0.5).clamp(min=0).mean(),
        }
        if critic is None:
            return losses
        assert isinstance(critic, ProjectedJudge)
        change = Augmentation.draw(len(pictures), critic.probability.value, pictures)
        of_still = Augmentation(place=change.place[:count], gain=change.gain[:count], level=change.level[:count])
        projected, layers = self.features(change.apply(pictures))
        with torch.no_grad():
            real, true = self.features(of_still.apply(target))
        gaps = mean_gap(layer_gaps([layer[:count] for layer in layers], true))
        batch["judged"] = [x.detach() for x in projected], real  # type: ignore[assignment]
        logits = critic(projected)
        return losses | {
            "perceptual": config.perceptual * gaps.mean(),
            "adversarial": config.realism * HINGE.generator([each[:count] for each in logits]),
            "adversarial_people": config.people * HINGE.generator([each[count:] for each in logits]),
            "encoder": config.encoder * (outputs["read"] - outputs["w"].detach()).square().mean(),
        }

    def compute_critic_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module) -> Losses:
        assert isinstance(critic, ProjectedJudge)
        fake, real = batch.pop("judged")
        of_real, of_fake = critic(real), critic(fake)
        critic.probability.follow(of_real)
        return {"critic": HINGE.discriminator(of_real, of_fake)}

    @torch.no_grad()
    def coded(self, system: LatentDirectionsNetworks, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Some stills, and what is drawn of their codes."""
        chosen = np.linspace(0, len(self.rows) - 1, min(count, len(self.rows))).astype(int)
        still = resize(self.pairs.pictures(self.rows[chosen], self.mirrored[chosen]), self.side).to(device)
        drawn = system.generator(system.sample_w(self.codes[chosen].to(device)), side=self.side)
        return still, drawn.clamp(0, 1)

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """How well stills are drawn of their codes, and the kernel distance of random people."""
        system: LatentDirectionsNetworks = self.shipped(networks)  # type: ignore[assignment]
        still, drawn = self.coded(system, self.validation.stills, device)
        psnr = float(psnr_db(drawn, still).mean())
        judged = {"kernel_distance": self.kernel_distance(system, device)} if self.judged else {}
        return {"coded_psnr": psnr} | judged

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Stills above what is drawn of their codes; then random people, at truncation 1 and 0.7."""
        system: LatentDirectionsNetworks = self.shipped(networks)  # type: ignore[assignment]
        rows = list(self.coded(system, 16, device))
        seeded = torch.Generator(device).manual_seed(1)
        z = torch.randn(16 * 4, self.network_config.latent, generator=seeded, device=device)
        for truncation in (1.0, 0.7):
            people = system.generator(system.sample_w(z, truncation), side=self.side).clamp(0, 1)
            rows += people.split(16)
        return picture_rows([list(row.split(1)) for row in rows if len(row) == len(rows[0])])


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[PeopleTask, LoopConfig]:
    """`tiny` by default; `people` draws random people alone.

    ``--side 16`` first, then 32, 64, and all of it, each from the export before.
    """
    network = find_preset(PRESETS, options.preset, "latent_directions")
    weights = _LAST if options.side in (None, network.side) else {}
    task = PeopleTask(train, val, network, PeopleTaskConfig(**weights), options.cache, options.side)
    task.start_from(options.init)
    loop = LoopConfig(
        steps=3000,
        batch_size=8,
        learning_rate=2e-3,
        final_rate=0.3,
        critic_learning_rate=1e-3,
        betas=(0.5, 0.99),
        critic_betas=(0.0, 0.99),
        weight_decay=0.0,
        warmup_steps=30,
        clip_norm=5.0,
        ema_decay=0.99,
        log_every=25,
        validate_every=250,
        save_every=100,
    )
    return task, loop
