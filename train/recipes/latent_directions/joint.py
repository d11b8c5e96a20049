"""`E_w` and A learn together on real pairs (section 3.4), so that no source needs its own optimisation.

Half of each batch is driven by another frame of the same person, which is the truth, and by another person: there the
tracker, the identity and the way back to the source (cycle) judge. The generator is frozen.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.perception.identity import similarity
from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.data.faces import FaceData
from train.losses.perceptual import layer_gaps, mean_gap
from train.pairs.aligned import AlignedPairConfig
from train.recipes.latent_directions.inversion import part_loop
from train.recipes.latent_directions.parts import MovedStep, PartTask, PartTaskConfig, drive
from train.recipes.task import find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


class JointStep(MovedStep):
    """Self-reenactment of all sources; of the first ones also cross-reenactment and the way back."""

    def forward(
        self,
        source: Float[Tensor, "f 3 s s"],
        change: Float[Tensor, "f p"],
        cross_change: Float[Tensor, "k p"],
    ) -> dict[str, Tensor]:
        system, crossed = self.system, len(cross_change)
        w, base = system.encoder(source)
        moved = torch.cat([w + system.directions(change), w[:crossed] + system.directions(cross_change)])
        pictures = system.generator(moved)
        cross = pictures[len(source) :]
        back, _ = system.encoder(cross)
        returned = system.generator(back + system.directions(-cross_change))
        return {"pictures": pictures[: len(source)], "cross": cross, "returned": returned, "w": w, "base": base}


class JointTask(PartTask):
    """Real pairs of one person and of two."""

    trained = ("encoder", "directions")
    input_names = ("source", "change", "cross_change")

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        return JointStep(system, self.trained).train()

    def prepare(self, batch: Batch) -> Batch:
        batch = super().prepare(batch)
        crossed = max(1, len(batch["source"]) // 2)
        others = batch["mesh"].roll(1, 0)[:crossed]
        own = batch["source_mesh"][:crossed]
        model = self.pairs.model.to(own.device)
        batch["cross_change"], batch["cross_mesh"] = drive(model, own, others, self.network_config.expressions)
        side = self.network_config.side
        batch["cross_tracker"], batch["cross_identity"] = self.readers.crops_of(batch["cross_mesh"], side)
        _, batch["own_identity"] = self.readers.crops_of(own, side)
        return batch

    def compute_losses(self, outputs: dict[str, Tensor], batch: Batch, critic: nn.Module | None) -> Losses:
        losses, config, crossed = super().compute_losses(outputs, batch, critic), self.config, len(outputs["cross"])
        losses["shape"] = self.shape_loss(outputs["pictures"], batch | {"wanted_mesh": batch["mesh"]})
        cross = {"tracker_crop": batch["cross_tracker"], "wanted_mesh": batch["cross_mesh"]}
        losses["cross_shape"] = self.shape_loss(outputs["cross"], cross)
        source = batch["source"][:crossed]
        _, layers = self.features(outputs["returned"])
        with torch.no_grad():
            own = self.readers.embed(source, batch["own_identity"])
            _, true = self.features(source)
        unlike = 1 - similarity(self.readers.embed(outputs["cross"], batch["cross_identity"]), own)
        losses["cross_identity"] = config.identity * unlike.mean()
        weight = self.place_weight.to(source.device)
        pixel = ((outputs["returned"] - source).abs().mean(1) * weight).mean()
        features = mean_gap(layer_gaps(layers, true)).mean()
        losses["cycle"] = config.cycle * (config.pixel * pixel + config.perceptual * features)
        return losses


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[JointTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives generator, `E_w` and A."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    config = PartTaskConfig(pairs=AlignedPairConfig(same_share=0.25))
    task = JointTask(train, val, network, config, options.cache)
    task.start_from(options.init)
    return task, part_loop(1500)
