"""Generator, `E_w` and A learn together, from pairs of real pictures and a critic of random people.

The paper takes a generator that others trained, and finds directions in it. Hours on a CPU are too few for that order:
so the generator learns from the start to draw what `E_w` reads in real pictures, moved by A, and random people besides.

    source ─▶ E_w ─▶ + A Δp ─▶ generator ─▶ target      pixels, features, identity, critic
    z ─▶ mapping ─▶ w ─▶ generator ─▶ random person     critic
             w like those of the last real pictures      sliced distance, for the mapping network alone
"""

import dataclasses
import pathlib

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.identity import similarity
from reenact.systems.latent_directions.config import PRESETS, LatentDirectionsConfig
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.augment.differentiable import AdaptiveProbability, Augmentation
from train.data.faces import FaceData
from train.losses.adversarial import HINGE
from train.losses.latent import gradient_penalty, path_length_loss, sliced_distance
from train.losses.perceptual import layer_gaps, mean_gap
from train.losses.projected import ProjectedCritic
from train.pairs.aligned import AlignedPairConfig
from train.recipes.latent_directions.task import LatentTask, ValidationConfig
from train.recipes.task import find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorTaskConfig:
    """Data, and weights of the losses."""

    pairs: AlignedPairConfig = dataclasses.field(default_factory=AlignedPairConfig)
    validation: ValidationConfig = dataclasses.field(default_factory=ValidationConfig)
    pixel: float = 4.0
    """Of the mean absolute difference, most on the face."""
    perceptual: float = 0.6
    """Of the distance in EfficientNet-Lite0's features."""
    identity: float = 0.6
    """Of 1 - the similarity of face embeddings."""
    shape: float = 4.0
    """Of the distance of the tracker's mesh from the target's, half-sides: pose and expression."""
    realism: float = 0.1
    """Of the critic's judgement of moved and inverted pictures,"""
    people: float = 0.3
    """and of random people."""
    people_share: float = 0.5
    """Random people for each real picture of a batch."""
    prior: float = 2.0
    """Of the distance between the w of random people and of the last real ones."""
    offsets: float = 0.1
    """Of the squared offsets of W+ from one w: random people have none."""
    path_length: float = 0.0
    """Of StyleGAN2's path length regularisation; as published 2, and three times the cost of a step."""
    gradient_penalty: float = 0.0
    """Of R1 on the critic's features."""
    colours: float = 1.0
    """Of colours beyond black and white, where the critic's features are flat."""


_KEPT = 512
"""Last w of real pictures that random ones are compared with."""


class GeneratorStep(nn.Module):
    """Pictures of one step, so that one forward pass draws them all."""

    last_w: Tensor

    def __init__(self, system: LatentDirectionsNetworks, side: int) -> None:
        super().__init__()
        self.system, self.side = system, side
        self.register_buffer("last_w", torch.randn(_KEPT, system.config.latent))

    def forward(
        self, source: Float[Tensor, "f 3 s s"], change: Float[Tensor, "f p"], z: Float[Tensor, "k l"], people: Tensor
    ) -> dict[str, Tensor]:
        system = self.system
        w, base = system.encoder(source)
        random = system.mapping(z).float()
        if self.training:
            with torch.no_grad():
                system.mapping.mean_w.lerp_(random.mean(0), 0.02)
                system.mapping.row_offsets.lerp_((w - base[:, None]).mean(0), 0.02)
                self.last_w.copy_(torch.cat([base, self.last_w])[: len(self.last_w)])
        drawn = random[: len(people)].detach()[:, None] + system.mapping.row_offsets.clone()
        rows = torch.cat([w + system.directions(change), drawn])
        return {
            "pictures": system.generator(rows, side=self.side),
            "rows": rows,
            "w": w,
            "base": base,
            "random": random,
            "last_w": self.last_w.clone(),
        }


class ProjectedJudge(nn.Module):
    """The critic, how often its pictures are augmented, and the mean path length."""

    mean_length: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.critic, self.probability = ProjectedCritic(side), AdaptiveProbability()
        self.register_buffer("mean_length", torch.zeros(()))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return self.critic(features)


class GeneratorTask(LatentTask):
    """See the module."""

    input_names = ("source", "change", "z", "people")

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: LatentDirectionsConfig,
        config: GeneratorTaskConfig,
        cache: pathlib.Path | None = None,
        side: int | None = None,
    ) -> None:
        super().__init__(train, val, network, config.pairs, config.validation, cache, side)
        self.config = config
        self.networks = GeneratorStep(self.networks, self.side)  # type: ignore[arg-type]
        self.critic = ProjectedJudge(self.side)

    def prepare(self, batch: Batch) -> Batch:
        count = max(2, round(len(batch["source"]) * self.config.people_share))
        seeded = torch.Generator().manual_seed(int(batch["source"].mean() * 1e9))  # a function of the batch alone
        device = batch["source"].device
        batch["z"] = torch.randn(_KEPT, self.network_config.latent, generator=seeded).to(device)
        batch["people"] = torch.zeros(count, device=device)  # only their number counts
        batch["weight"] = self.place_weight.to(device)
        self.features.to(device)
        return super().prepare(batch)

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module | None) -> Losses:
        assert isinstance(critic, ProjectedJudge)
        config, target, trust, count = self.config, batch["target"], batch["trust"], len(batch["target"])
        pictures, features, readers = outputs["pictures"], self.features, self.readers
        moved = pictures[:count]
        weight = batch["weight"] * trust[:, None, None]
        difference = ((moved - target).abs().mean(1) * weight).mean()
        with torch.no_grad():
            wanted = readers.embed(target, batch["identity_crop"])
        found = readers.read(moved, batch["tracker_crop"]).mesh
        shape = (found - batch["mesh"])[..., :2].abs().mean((1, 2))
        unlike = 1 - similarity(readers.embed(moved, batch["identity_crop"]), wanted)

        change = Augmentation.draw(len(pictures), critic.probability.value, pictures)
        of_pair = Augmentation(place=change.place[:count], gain=change.gain[:count], level=change.level[:count])
        projected, layers = features(change.apply(pictures))
        with torch.no_grad():
            real, true = features(of_pair.apply(target))
        gaps = mean_gap(layer_gaps([layer[:count] for layer in layers], true))
        batch["judged"] = [x.detach() for x in projected], real  # type: ignore[assignment]
        logits = critic(projected)
        more = {}
        if config.path_length:
            length, mean = path_length_loss(pictures, outputs["rows"], critic.mean_length)
            critic.mean_length.copy_(mean)
            more["path_length"] = config.path_length * length
        return more | {
            "pixel": config.pixel * difference,
            "perceptual": config.perceptual * (gaps * trust).mean(),
            "identity": config.identity * unlike.mean(),
            "shape": config.shape * (shape * trust).mean(),
            "adversarial": config.realism * HINGE.generator([each[:count] for each in logits]),
            "adversarial_people": config.people * HINGE.generator([each[count:] for each in logits]),
            "prior": config.prior * sliced_distance(outputs["random"], outputs["last_w"]),
            "colours": config.colours * ((pictures - 0.5).abs() - 0.5).clamp(min=0).mean(),
            "offsets": config.offsets * (outputs["w"] - outputs["base"][:, None]).square().mean(),
        }

    def compute_critic_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module) -> Losses:
        assert isinstance(critic, ProjectedJudge)
        fake, real = batch.pop("judged")
        weight = self.config.gradient_penalty
        real = [features.detach().requires_grad_(weight > 0) for features in real]
        of_real, of_fake = critic(real), critic(fake)
        critic.probability.follow(of_real)
        losses = {"critic": HINGE.discriminator(of_real, of_fake)}
        if weight:
            penalty = gradient_penalty(torch.stack([each.float().sum() for each in of_real]).sum(), real)
            losses["gradient_penalty"] = weight * penalty
        return losses


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[GeneratorTask, LoopConfig]:
    """`tiny`, the embedded preset, by default. Half the side first (``--side 64``), then from there, learns faster."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    published = {"path_length": 2.0, "gradient_penalty": 1.0} if options.preset == "paper" else {}
    task = GeneratorTask(train, val, network, GeneratorTaskConfig(**published), options.cache, options.side)
    task.start_from(options.init)
    loop = LoopConfig(
        steps=4500,
        batch_size=16,
        learning_rate=2e-3,
        final_rate=0.05,
        critic_learning_rate=4e-4,
        betas=(0.5, 0.99),
        critic_betas=(0.0, 0.99),
        weight_decay=0.0,
        warmup_steps=100,
        clip_norm=5.0,
        ema_decay=0.995,
        log_every=25,
        validate_every=400,
        save_every=100,
    )
    return task, loop
