"""`E_w` learns to invert real pictures; the generator is frozen (section 3.3).

Random people, whose w is known, teach it along: it finds its way before real pictures can be compared.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.data.faces import FaceData
from train.pairs.aligned import AlignedPairConfig
from train.recipes.latent_directions.parts import MovedStep, PartTask, PartTaskConfig
from train.recipes.task import find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_PEOPLE = 2
"""Random people for each picture of a batch."""


class InversionStep(MovedStep):
    """Pictures of sources, and the w that is read in them and in random people."""

    def forward(self, source: Float[Tensor, "f 3 s s"], people: Float[Tensor, "k 3 s s"]) -> dict[str, Tensor]:  # type: ignore[override]
        w, base = self.system.encoder(torch.cat([source, people]))
        return {"pictures": self.system.generator(w[: len(source)]), "w": w, "base": base}


class InversionTask(PartTask):
    """Pictures with themselves."""

    trained = ("encoder",)
    input_names = ("source", "people")

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        return InversionStep(system, self.trained).train()

    @torch.no_grad()
    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        z = torch.from_numpy(rng.standard_normal((_PEOPLE * size, self.network_config.latent), np.float32)).to(device)
        w = self.frozen.to(device).sample_w(z)
        people = self.frozen.generator(w).clamp(0, 1).contiguous(memory_format=torch.channels_last)
        return super().sample_batch(rng, size, device) | {"people": people, "people_w": w}

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module | None) -> Losses:
        read = outputs["w"][len(batch["source"]) :]
        codes = (read - batch["people_w"]).square().mean()
        return super().compute_losses(outputs, batch, critic) | {"codes": self.config.codes * codes}


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[InversionTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives the generator."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    config = PartTaskConfig(pairs=AlignedPairConfig(same_share=1.0))
    task = InversionTask(train, val, network, config, options.cache)
    task.start_from(options.init)
    return task, part_loop(2000)


def part_loop(steps: int) -> LoopConfig:
    """What the recipes with a frozen generator share."""
    return LoopConfig(
        steps=steps,
        batch_size=16,
        learning_rate=1e-3,
        final_rate=0.1,
        weight_decay=0.0,
        warmup_steps=50,
        clip_norm=5.0,
        ema_decay=0.98,
        log_every=25,
        validate_every=500,
        save_every=100,
    )
