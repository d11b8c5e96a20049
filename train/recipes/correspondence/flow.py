"""Recipe: flow and colours of the correspondence system's head, by self-reenactment of clips (`recipes/layered.py`)."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.geometry.flow import draw_face
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize
from reenact.systems.correspondence.config import PRESETS, CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, DrawnFace, mix
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.pairs.frames import PairConfig
from train.pairs.heads import head_share, move_heads
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
class CorrespondenceTaskConfig(LayersConfig):
    """Pairs and weights of the losses."""

    pairs: PairConfig = dataclasses.field(default_factory=PairConfig)
    """The networks accept any side that is a multiple of 16."""


class PairModel(nn.Module):
    """Source encoder and renderer as one forward, so that distributed wrappers see the whole."""

    def __init__(self, config: CorrespondenceConfig) -> None:
        super().__init__()
        self.net = CorrespondenceNetworks(config)

    def forward(self, source: Tensor, source_maps: Tensor, *rest: Tensor) -> DrawnFace:
        return self.net(self.net.encode_source(source, source_maps), source, *rest)


class CorrespondenceTask(PairTask):
    """Pairs of frames of one clip, driven as at inference."""

    model = "correspondence"
    input_names = ("source", "source_maps", "target_maps", "displacement", "visible")
    per_clip = 8

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: CorrespondenceConfig,
        config: CorrespondenceTaskConfig,
        own: FaceData | None = None,
    ) -> None:
        _require_clips(train)
        super().__init__(train, val, config.pairs, own)
        self.network_config, self.config = network, config
        self.networks = PairModel(network)
        self.look = Look(config)
        self.critic = self.look.make_critic()
        self.morphable = load_morphable()

    def use_data(self, train: FaceData) -> None:
        _require_clips(train)
        super().use_data(train)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        window = draw_window(rng, self.side)
        return super().sample_batch(rng, size, device) | window

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Batch:
        """Identity-matched target mesh, mesh flow and maps, as `CorrespondenceReenactor` makes them."""
        half, model = self.side // 2, self.morphable.to(batch["source"].device)
        target = matched_targets(model, batch["source_mesh"], batch["target_mesh"])
        flow = move_heads(model, batch["source_mesh"], head_share(batch["source_classes"]), target, half)
        source_maps = draw_face(model, batch["source_mesh"], half).stacked
        maps = {"source_maps": source_maps, "target_maps": flow.target.stacked}
        return channels_last(add_layers(batch, flow) | maps)

    def compute_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        result, mesh_flow = self.picture(outputs, batch), batch["displacement"]
        face = batch["parts"][:, :1] * batch["visible"]
        residual, small = outputs.displacement - mesh_flow, outputs.matched.shape[-1]
        match_error = (outputs.matched - resize(mesh_flow, small)).abs().sum(1, keepdim=True)
        losses = layer_losses(self.config, batch, result, outputs.colour, outputs.displacement) | {
            "prior": 0.5 * (residual.abs().sum(1, keepdim=True) * face).mean(),
            "match": 0.5 * (match_error * resize(face, small)).mean(),
            "generated": 0.02 * (functional.avg_pool2d(outputs.generated, 2) * face).mean(),
        }
        return losses | self.look.compute(batch, result, batch["target"], critic)

    def picture(self, outputs: DrawnFace, batch: Batch) -> Tensor:
        """The drawn head and the body that follows it, on the true frame's background."""
        return lay_head(batch, mix(outputs, move_colours(batch, outputs.displacement)), outputs.displacement)

    def compute_critic_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module) -> Losses:
        return self.look.train_critic(batch, self.picture(outputs, batch), batch["target"], critic)

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR, L1 and feature distance of first frames driven by later ones, of the source and of the mesh warp."""
        figures = Figures()
        for batch in self.validation_batches(device):
            drawn = networks(*self.inputs(batch))
            pictures = {"": self.picture(drawn, batch), "_mesh_warp": move_colours(batch, batch["displacement"])}
            measure_layers(self.look, figures, batch, pictures, drawn.displacement)
        return figures.means()

    def show(self, networks: nn.Module, one: Batch) -> list[Tensor]:
        """Source, target, mesh warp, result, share of generated colours."""
        drawn, moved = networks(*self.inputs(one)), move_colours(one, one["displacement"])
        return [one["source"], one["target"], moved, self.picture(drawn, one), drawn.generated]

    def shipped(self, networks: nn.Module) -> nn.Module:
        return networks.net


def matched_targets(model: Any, source: Tensor, driving: Tensor) -> Tensor:
    """Target meshes of self-reenactment: the source frame is the driver's neutral frame."""
    fits = read_mesh_motion(model, torch.cat([source, driving]))
    count = len(source)
    neutral, motion = fits[slice(0, count)], fits[slice(count, 2 * count)]
    return match_identity(model, split_identity(model, source), motion, neutral)


def _require_clips(train: FaceData) -> None:
    if not train.clip_ranges:
        raise ConfigError("recipe correspondence learns from clips and the data has none; add clips to it")


LOOPS = {
    "tiny": LoopConfig(steps=20_000, batch_size=8, learning_rate=1e-3, validate_every=1_000, save_every=250),
    "paper": LoopConfig(steps=200_000, batch_size=8, learning_rate=2e-4, validate_every=10_000, save_every=1_000),
}
"""The paper's schedule is not published. `paper` has sixteen times the weights and gets ten times the steps."""


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[CorrespondenceTask, LoopConfig]:
    """`tiny`, the embedded preset, by default. Train at 128 px first (``--side 128``), then from there at 256."""
    network = find_preset(PRESETS, options.preset, "correspondence")
    own = with_own_meshes(train, options.cache, "train") if options.own_meshes else None
    pairs = PairConfig(side=options.side or 256, resident=options.resident)
    task = CorrespondenceTask(train, val, network, CorrespondenceTaskConfig(pairs=pairs), own)
    task.start_from(options.init)
    return task, LOOPS[options.preset or "tiny"]
