"""What the recipes of latent directions share: pairs of aligned crops, weights of places, validation, samples."""

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize
from reenact.perception.identity import similarity
from reenact.systems.latent_directions.aligned import ANGLE_UNIT_DEG, read_state
from reenact.systems.latent_directions.config import LatentDirectionsConfig
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.data.aligned import AlignedFaces, align_faces
from train.data.faces import FaceData
from train.evaluate.metrics import psnr_db
from train.evaluate.metrics.kernel import squared_mmd
from train.losses.projected import ProjectedFeatures
from train.pairs.aligned import AlignedPairConfig, AlignedPairs, validation_rows
from train.readers import FaceReaders
from train.recipes.parts import Parts
from train.recipes.task import Figures, RecipeTask, picture_rows
from train.run.loop import Batch

PARTS = Parts(
    system="latent_directions",
    recipes={
        "mapping": "latent_directions_generator",
        "generator": "latent_directions_generator",
        "encoder": "latent_directions_inversion",
        "directions": "latent_directions_directions",
        "feature_encoder": "latent_directions_refine",
    },
    networks=LatentDirectionsNetworks,
)

_AT_ONCE = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """How much is measured."""

    per_clip: int = 6
    """Pairs of each validation clip, for reenactment."""
    stills: int = 96
    """Validation stills, for inversion."""
    drawn: int = 384
    """Pictures of random people, and training stills they are compared with; no more than there are."""


def weigh_places(side: int) -> Float[Tensor, "1 {side} {side}"]:
    """1 on the face, falling to 0.3 around it, where most is background."""
    line = (torch.arange(side) + 0.5) * (2 / side) - 1
    radius = (line[None, :] / 0.65).square() + ((line[:, None] - 0.05) / 0.8).square()
    return (0.3 + 0.7 * ((1.3 - radius) / 0.6).clamp(0, 1))[None]


class LatentTask(RecipeTask):
    """Aligned pairs in, pictures of the whole system out.

    `side` is that of the drawn pictures, the generator's or less; the encoder always sees the generator's.
    """

    parts = PARTS
    input_names = ("source", "change")

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: LatentDirectionsConfig,
        pairs: AlignedPairConfig,
        validation: ValidationConfig,
        cache: pathlib.Path | None = None,
        side: int | None = None,
    ) -> None:
        self.network_config, self.validation, self.cache = network, validation, cache
        self.side = side or network.side
        self.pairs = AlignedPairs(self.align(train), pairs)
        self.val = AlignedPairs(self.align(val), pairs)
        self.networks = LatentDirectionsNetworks(network)
        self.features = ProjectedFeatures().to(memory_format=torch.channels_last)
        self.readers = FaceReaders()

    def align(self, faces: FaceData) -> AlignedFaces:
        """Aligned crops of the generator's side."""
        config = self.network_config
        return align_faces(faces, load_morphable(), config.side, config.expressions, self.cache)

    @property
    def train(self) -> FaceData:
        """The split that pairs are drawn from."""
        return self.pairs.faces

    def start_from(self, init: pathlib.Path | None) -> None:
        self.carried = PARTS.fill(self.shipped(self.networks), PARTS.read(init), self.network_config, init)

    def shipped(self, networks: nn.Module) -> nn.Module:
        return networks.system if hasattr(networks, "system") else networks  # type: ignore[return-value]

    def facts(self) -> dict[str, Any]:
        return {"perceptual": self.features.network.name}

    def use_data(self, train: FaceData) -> None:
        self.pairs = AlignedPairs(self.align(train), self.pairs.config)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        return self.prepare(self.pairs.sample(rng, size, device))

    def prepare(self, batch: Batch) -> Batch:
        """Add what the losses read."""
        self.readers.to(batch["mesh"].device)
        batch["target"] = resize(batch["target"], self.side).contiguous(memory_format=torch.channels_last)
        batch["tracker_crop"], batch["identity_crop"] = self.readers.crops_of(batch["mesh"], self.side)
        return batch

    @functools.cached_property
    def place_weight(self) -> Float[Tensor, "1 s s"]:
        return weigh_places(self.side)

    @functools.lru_cache(maxsize=1)  # noqa: B019 - a task lives as long as its run, and refinement moves heads here
    def validation_batches(self, device: torch.device) -> tuple[list[Batch], list[Batch]]:
        """Pairs of clips and stills with themselves, a few at once."""
        found = []
        for rows in validation_rows(self.val.faces, self.validation.per_clip, self.validation.stills):
            batches = []
            for first in range(0, len(rows), _AT_ONCE):
                part = rows[first : first + _AT_ONCE]
                plain = np.zeros(part.shape, bool), np.ones(len(part), np.float32)
                batch = self.val.cut(part, *plain, device)
                batches.append(self.prepare(batch | {"measured": torch.tensor(True)}))
            found.append(batches)
        return found[0], found[1]

    def draw(self, system: LatentDirectionsNetworks, batch: Batch) -> dict[str, Tensor]:
        """Pictures by their endings in the figures: the drawn target, here without refinement."""
        w, _ = system.encoder(batch["source"])
        return {"": system.generator(w + system.directions(batch["change"]), side=self.side)}

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Reenactment of clips, inversion of stills, and the kernel distance of random people."""
        system, figures = self.shipped(networks), Figures()
        readers = self.readers.to(device)
        for kind, batches in zip(("moved", "inverted"), self.validation_batches(device), strict=True):
            for batch in batches:
                target, read = batch["target"], _Reading(readers, load_morphable().to(device), batch)
                wanted = readers.embed(target, batch["identity_crop"])
                true = read.state(target)
                for ending, picture in self.draw(system, batch).items():  # type: ignore[arg-type]
                    figures.add(f"{kind}_psnr{ending}", psnr_db(picture.clamp(0, 1), target))
                    embedded = readers.embed(picture, batch["identity_crop"])
                    figures.add(f"{kind}_identity{ending}", similarity(embedded, wanted))
                    difference = read.state(picture) - true
                    figures.add(f"{kind}_pose_deg{ending}", difference[:, :2].norm(dim=1) * ANGLE_UNIT_DEG)
                    figures.add(f"{kind}_expression{ending}", difference[:, 3:].abs().mean(1))
        return figures.means() | {"kernel_distance": self.kernel_distance(system, device)}  # type: ignore[arg-type]

    def kernel_distance(self, system: LatentDirectionsNetworks, device: torch.device) -> float:
        """Of random people against training stills, on EfficientNet-Lite0's features."""
        features = self.features.to(device).network
        seeded = torch.Generator(device).manual_seed(0)
        rows = self.pairs.stills if len(self.pairs.stills) else np.arange(len(self.pairs.faces))
        rows = np.random.default_rng(0).permutation(rows)[: self.validation.drawn]
        real, fake = [], []
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            pictures = resize(self.pairs.pictures(part, np.zeros(len(part), bool)).to(device), self.side)
            real.append(features.pool(features(pictures)[-1]))
            z = torch.randn(len(part), self.network_config.latent, generator=seeded, device=device)
            drawn = system.generator(system.sample_w(z), side=self.side).clamp(0, 1)
            fake.append(features.pool(features(drawn)[-1]))
        return squared_mmd(torch.cat(fake), torch.cat(real))

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Source, target, results of validation pairs; then random people."""
        system: Any = self.shipped(networks)
        rows: list[list[Tensor]] = []
        for batches in self.validation_batches(device):
            for batch in batches:
                drawn = self.draw(system, batch)
                for i in range(0, len(batch["target"]), 8):
                    parts = [resize(batch["source"], self.side), batch["target"], *drawn.values()]
                    rows.append([part[i : i + 1].clamp(0, 1) for part in parts])
        columns = max(1, 16 // max(len(rows[0]), 1)) if rows else 1
        lines = [[p for row in rows[i : i + columns] for p in row] for i in range(0, len(rows), columns)]
        lines = [line for line in lines if len(line) == len(lines[0])]
        z = torch.randn(64, self.network_config.latent, generator=torch.Generator(device).manual_seed(1), device=device)
        people = list(system.generator(system.sample_w(z), side=self.side).clamp(0, 1)[:, None])
        count = len(lines[0]) if lines else 16
        lines += [people[i : i + count] for i in range(0, len(people) - count + 1, count)]
        return picture_rows(lines)


class _Reading:
    """State that the tracker reads in drawn pictures, at the places of a batch's targets."""

    def __init__(self, readers: FaceReaders, morphable: Any, batch: Batch) -> None:
        self.readers, self.morphable, self.crops = readers, morphable, batch["tracker_crop"]
        self.expressions = batch["state"].shape[1] - 8

    def state(self, pictures: Tensor) -> Float[Tensor, "f p"]:
        mesh = self.readers.read(pictures, self.crops).mesh
        return read_state(self.morphable, mesh.float(), self.expressions).values
