"""`E_F` learns what the moved source shows and the generator's picture does not (section 3.5); the rest is frozen."""

from jaxtyping import Float
from torch import Tensor, nn

from reenact.ops.warp import resize, warp
from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.networks import Drawn, LatentDirectionsNetworks, blend
from train.data.faces import FaceData
from train.pairs.aligned import AlignedPairConfig
from train.pairs.heads import move_heads
from train.recipes.latent_directions.inversion import part_loop
from train.recipes.latent_directions.parts import MovedStep, PartTask, PartTaskConfig
from train.recipes.task import find_preset
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


class RefineStep(MovedStep):
    """Refined pictures, and how much of each pixel they are."""

    def forward(
        self,
        source: Float[Tensor, "f 3 s s"],
        change: Float[Tensor, "f p"],
        warped: Float[Tensor, "f 3 s s"],
        seen: Float[Tensor, "f 1 s s"],
    ) -> Drawn:
        w, _ = self.system.encoder(source)
        return self.system.refine(w + self.system.directions(change), warped, seen)


class RefineTask(PartTask):
    """Pairs of frames, the source moved to the target as at inference."""

    trained = ("feature_encoder",)
    input_names = ("source", "change", "warped", "seen")

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        return RefineStep(system, self.trained).train()

    def prepare(self, batch: Batch) -> Batch:
        batch = super().prepare(batch)
        pairs = self.val if batch.get("measured", False) else self.pairs
        side, half = self.network_config.side, self.network_config.side // 2
        rows, mirrored = batch["rows"][:, 0].cpu().numpy(), batch["mirrored"][:, 0].cpu().numpy()
        heads = pairs.heads(rows, mirrored, side).to(batch["source"].device)
        model = self.pairs.model.to(heads.device)
        flow = move_heads(model, batch["source_mesh"], heads, batch["mesh"], half)
        warped = warp(batch["source"], resize(flow.displacement, side))
        return batch | {"warped": warped, "seen": resize(flow.visible, side)}

    def compute_losses(self, outputs: Drawn, batch: Batch, critic: nn.Module | None) -> Losses:
        result = blend(batch["warped"], outputs.rgb, outputs.share)
        losses = self.picture_losses(result, batch)
        alone = ((outputs.rgb - batch["target"]).abs().mean(1) * self.place_weight.to(result.device)).mean()
        return losses | {"drawn": 0.5 * self.config.pixel * alone}

    def draw(self, system: LatentDirectionsNetworks, batch: Batch) -> dict[str, Tensor]:
        w, _ = system.encoder(batch["source"])
        moved = w + system.directions(batch["change"])
        drawn = system.refine(moved, batch["warped"], batch["seen"])
        return {
            "": blend(batch["warped"], drawn.rgb, drawn.share),
            "_refined": drawn.rgb,
            "_plain": system.generator(moved),
            "_warped": batch["warped"],
        }


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[RefineTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives all other parts."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    config = PartTaskConfig(pairs=AlignedPairConfig(same_share=0.25))
    task = RefineTask(train, val, network, config, options.cache)
    task.start_from(options.init)
    return task, part_loop(1500)
