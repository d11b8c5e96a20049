"""Recipes that train one part of the system while the others are frozen: their pictures, and losses on them."""

import copy
import dataclasses
import functools
import pathlib
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel
from reenact.perception.identity import similarity
from reenact.systems.latent_directions.aligned import move_mesh, read_state
from reenact.systems.latent_directions.config import LatentDirectionsConfig
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.data.faces import FaceData
from train.losses.perceptual import layer_gaps, mean_gap
from train.pairs.aligned import AlignedPairConfig
from train.recipes.latent_directions.task import LatentTask, ValidationConfig
from train.run.loop import Batch, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartTaskConfig:
    """Data, and weights of the losses; 0 leaves a loss out."""

    pairs: AlignedPairConfig = dataclasses.field(default_factory=AlignedPairConfig)
    validation: ValidationConfig = dataclasses.field(default_factory=ValidationConfig)
    pixel: float = 4.0
    """Of the mean absolute difference, most on the face."""
    perceptual: float = 0.6
    """Of the distance in EfficientNet-Lite0's features."""
    style: float = 0.2
    """Of the difference of the features' Gram matrices."""
    identity: float = 0.6
    """Of 1 - the similarity of face embeddings."""
    shape: float = 8.0
    """Of the distance of the tracker's mesh from the wanted one, half-sides: pose and expression."""
    cycle: float = 0.5
    """Of the way back to the source, against pixels and features."""
    codes: float = 1.0
    """Of the squared difference of the w read in random people from their own."""
    offsets: float = 0.02
    """Of the squared offsets of W+ from one w."""


class MovedStep(nn.Module):
    """Pictures of sources moved by A; only the named parts are trained."""

    def __init__(self, system: LatentDirectionsNetworks, trained: tuple[str, ...]) -> None:
        super().__init__()
        self.system, self.trained = system, trained
        for name, part in system.named_children():
            part.requires_grad_(name in trained)

    def train(self, mode: bool = True) -> "MovedStep":
        """Frozen parts stay as they are used."""
        super().train(mode)
        for name, part in self.system.named_children():
            part.train(mode and name in self.trained)
        return self

    def forward(self, source: Float[Tensor, "f 3 s s"], change: Float[Tensor, "f p"]) -> dict[str, Tensor]:
        w, base = self.system.encoder(source)
        return {"pictures": self.system.generator(w + self.system.directions(change)), "w": w, "base": base}


class PartTask(LatentTask):
    """A frozen generator, and losses on the pictures that the trained parts make it draw."""

    trained: tuple[str, ...]
    """Parts whose weights change."""

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: LatentDirectionsConfig,
        config: PartTaskConfig,
        cache: pathlib.Path | None = None,
    ) -> None:
        super().__init__(train, val, network, config.pairs, config.validation, cache)
        self.config = config
        self.networks = self.step_of(self.networks)  # type: ignore[arg-type]

    def step_of(self, system: LatentDirectionsNetworks) -> nn.Module:
        """The forward pass of a step."""
        return MovedStep(system, self.trained).train()

    @functools.cached_property
    def frozen(self) -> LatentDirectionsNetworks:
        """A copy that the sampling thread may use, of mapping and generator that never change."""
        return copy.deepcopy(self.shipped(self.networks)).eval().requires_grad_(False)  # type: ignore[return-value]

    def compute_losses(self, outputs: Any, batch: Batch, critic: nn.Module | None) -> Losses:
        losses = self.picture_losses(outputs["pictures"], batch)
        offsets = (outputs["w"] - outputs["base"][:, None]).square().mean()
        return losses | {"offsets": self.config.offsets * offsets}

    def picture_losses(self, picture: Float[Tensor, "f 3 s s"], batch: Batch) -> Losses:
        """Of pictures against the batch's targets."""
        config, target, trust = self.config, batch["target"], batch["trust"]
        weight = self.place_weight.to(target.device) * trust[:, None, None]
        _, layers = self.features.to(target.device)(picture)
        with torch.no_grad():
            _, true = self.features(target)
            wanted = self.readers.embed(target, batch["identity_crop"])
        unlike = 1 - similarity(self.readers.embed(picture, batch["identity_crop"]), wanted)
        return {
            "pixel": config.pixel * ((picture - target).abs().mean(1) * weight).mean(),
            "perceptual": config.perceptual * (mean_gap(layer_gaps(layers, true)) * trust).mean(),
            "style": config.style * style_distance(layers, true),
            "identity": config.identity * unlike.mean(),
        }

    def shape_loss(self, picture: Tensor, batch: Batch) -> Tensor:
        """Distance of what the tracker reads from ``batch["wanted_mesh"]``."""
        found = self.readers.read(picture, batch["tracker_crop"]).mesh
        return self.config.shape * (found - batch["wanted_mesh"])[..., :2].abs().mean()


def style_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Mean difference of the Gram matrices of features, layer by layer (Johnson et al., 2016, equation 4)."""
    return torch.stack([(_gram(a) - _gram(b)).abs().mean() for a, b in zip(first, second, strict=True)]).sum()


def _gram(features: Tensor) -> Tensor:
    flat = functional.normalize(features.float(), dim=1).flatten(2)
    return flat @ flat.mT / flat.shape[2]


@torch.no_grad()
def drive(
    model: MorphableModel, source: Float[Tensor, "f 478 3"], target: Float[Tensor, "f 478 3"], expressions: int
) -> tuple[Float[Tensor, "f p"], Float[Tensor, "f 478 3"]]:
    """Change of p and mesh of a source that does what another face does.

    Args:
        model: of the faces.
        source: meshes in half-sides of the aligned crop.
        target: likewise, of other people.
        expressions: number of expression coefficients in p.
    """
    motion = read_mesh_motion(model, target)
    matched = match_identity(model, split_identity(model, source), motion, motion)
    state = read_state(model, matched, expressions)
    return state.values - read_state(model, source, expressions).values, move_mesh(matched, state.aligned_from_mesh)
