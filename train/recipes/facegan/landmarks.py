"""Recipe: FACEGAN's landmark transformer L_T with the regressor L_a (section 3.1): minutes on a CPU."""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from reenact.errors import ConfigError
from reenact.facs import ACTION_UNITS
from reenact.geometry.landmarks import EDGES_68
from reenact.geometry.morphable import load_morphable
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.landmarks import motion_vector
from reenact.systems.facegan.networks import LandmarkTransformer
from train.data.faces import FaceData
from train.losses.facegan import (
    ActionUnitRegressor,
    action_unit_loss,
    connectivity_loss,
    landmark_loss,
    movement_penalty,
)
from train.pairs.landmarks import LandmarkTable, Motions, PairShares
from train.recipes.facegan import PARTS
from train.recipes.task import RecipeTask, find_preset, tile_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class LandmarkTaskConfig:
    """Weights of equation 4, and kinds of pairs."""

    landmarks: float = 10.0
    """lambda_l1."""
    movement: float = 0.01
    """lambda_lr, inside equation 1: large values keep faces from moving."""
    action_units: float = 0.3
    """lambda_l2."""
    connectivity: float = 10.0
    """lambda_l3."""
    shares: PairShares = dataclasses.field(default_factory=PairShares)
    """Kinds of pairs; both shares 0 are the paper's training."""
    landmark_noise: float = 0.004
    """Standard deviation added to the source's landmarks, eye distances: trackers are noisy."""
    unit_noise: float = 0.02
    """Standard deviation added to Action Units."""


class Transformed(NamedTuple):
    """Output of both networks."""

    delta: Tensor
    transformed: Tensor
    units_of_transformed: Tensor
    units_of_wanted: Tensor


class LandmarkModel(nn.Module):
    """L_T and L_a as one forward."""

    def __init__(self, config: FaceganConfig) -> None:
        super().__init__()
        self.transformer = LandmarkTransformer(config)
        self.regressor = ActionUnitRegressor(config.motion_length)

    def forward(self, source: Tensor, motion: Tensor, own_motion: Tensor, wanted: Tensor) -> Transformed:
        delta = self.transformer(source, motion, own_motion)
        transformed = source + delta
        found = self.regressor(torch.cat([transformed, wanted])).chunk(2)
        return Transformed(delta, transformed, *found)


class LandmarkTask(RecipeTask):
    """Landmarks of one face with the motion of another."""

    parts = PARTS
    input_names = ("source", "motion", "own_motion", "wanted")

    def __init__(self, train: FaceData, val: FaceData, network: FaceganConfig, config: LandmarkTaskConfig) -> None:
        self.network_config, self.config = network, config
        self.networks = LandmarkModel(network)
        self.morphable = load_morphable()
        self.use_data(train)
        self.val = LandmarkTable(val, self.morphable)

    def use_data(self, train: FaceData) -> None:
        """Fit the faces of other training data and draw from them from now on.

        Raises:
            ConfigError: it has no clips.
        """
        if not train.clip_ranges:
            raise ConfigError("recipe facegan_landmarks learns from clips and the data has none; add clips to it")
        self.table = LandmarkTable(train, self.morphable)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        source, target = self.table.sample(rng, size, self.config.shares)
        noise, shake = self.config.landmark_noise, self.config.unit_noise

        def noisy(units: Tensor) -> Tensor:
            return (units + torch.from_numpy(rng.normal(0, shake, units.shape)).to(units)).clamp(0, 1)

        moved = source.landmarks + torch.from_numpy(rng.normal(0, noise, source.landmarks.shape)).to(source.landmarks)
        batch = {
            "source": moved,
            "motion": self.motion(target._replace(units=noisy(target.units))),
            "own_motion": self.motion(source._replace(units=noisy(source.units))),
            "wanted": target.landmarks,
            "wanted_motion": self.motion(target),
        }
        return {name: value.to(device) for name, value in batch.items()}

    def motion(self, faces: Motions) -> Tensor:
        return motion_vector(faces.units, faces.angles, self.network_config.sides)

    def compute_losses(self, outputs: Transformed, batch: Batch, critic: nn.Module | None) -> Losses:
        """Equation 4. Where the pair is made up, the rig's landmarks are l_d."""
        config, wanted, motion = self.config, batch["wanted"], batch["wanted_motion"]
        return {
            "landmarks": config.landmarks * landmark_loss(outputs.transformed, wanted),
            "movement": config.landmarks * config.movement * movement_penalty(outputs.delta),
            "units_transformed": config.action_units * action_unit_loss(outputs.units_of_transformed, motion),
            "units_wanted": config.action_units * action_unit_loss(outputs.units_of_wanted, motion),
            "connectivity": config.connectivity * connectivity_loss(outputs.transformed, wanted),
        }

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean distance of normalised landmarks, as a share of the eye distance: of L_T, and of the unmoved source.

        clip: another frame of the same clip drives; the figure that counts. rig, cross: made-up pairs.
        """
        figures = {}
        rng = np.random.default_rng(0)
        for kind in self._kinds():
            source, target = getattr(self.val, f"{kind}_pairs")(rng, 4000)
            found = self.transform(networks, source, target, device)
            error, copied = ((points - target.landmarks).norm(dim=-1).mean(1) for points in (found, source.landmarks))
            figures[f"{kind}_error"] = float(error.mean())
            figures[f"{kind}_error_copy"] = float(copied.mean())
        return figures

    def _kinds(self) -> tuple[str, ...]:
        """Kinds of pairs that the validation people offer."""
        return ("clip", "rig", "cross") if self.val.clip_ranges else ("rig", "cross")

    def transform(self, networks: nn.Module, source: Motions, target: Motions, device: torch.device) -> Tensor:
        """l_t of the transformer for these pairs."""
        inputs = (source.landmarks, self.motion(target), self.motion(source))
        return source.landmarks + networks.transformer(*(one.to(device) for one in inputs)).cpu()

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        """Above: source, then the truth with the result over it. Below: each unit at 0 and 1, each angle at -30, 30."""
        rng, cells = np.random.default_rng(1), []
        for kind in self._kinds():
            source, target = getattr(self.val, f"{kind}_pairs")(rng, 6)
            found = self.transform(networks, source, target, device)
            for k in range(len(found)):
                cells += [draw([source.landmarks[k]]), draw([target.landmarks[k], found[k]])]
        first = self.val.rows(np.zeros(1, np.int64))
        for which in range(20):
            cells += self._sweep(networks, first, which, device)
        return tile_pictures(cells, columns=12)

    def _sweep(self, networks: nn.Module, face: Motions, which: int, device: torch.device) -> list[np.ndarray]:
        """Two pictures: one unit (or, from 17 on, angle) low and high, over the face itself."""
        cells = []
        for value in (0.0, 1.0):
            units, angles = face.units.clone(), face.angles.clone()
            if which < 17:
                units[:, which] = value
            else:
                angles[:, which - 17] = (value - 0.5) * np.pi / 3
            moved = self.transform(networks, face, Motions(face.landmarks, units, angles), device)
            name = f"AU{ACTION_UNITS[which]}" if which < 17 else ("pitch", "yaw", "roll")[which - 17]
            cells.append(draw([face.landmarks[0], moved[0]], f"{name} {value:.0f}"))
        return cells


def draw(faces: list[Tensor], text: str = "", side: int = 160) -> np.ndarray:
    """Lines of faces over each other, the first grey, the second red, on white."""
    picture = np.full((side, side, 3), 255, np.uint8)
    for landmarks, colour in zip(faces, ((150, 150, 150), (220, 30, 30)), strict=False):
        points = (landmarks.numpy() * side / 2.6 + side / 2) * 16
        for a, b in EDGES_68:
            ends = [tuple(int(v) for v in points[i]) for i in (a, b)]
            cv2.line(picture, ends[0], ends[1], colour, 1, cv2.LINE_AA, shift=4)
    cv2.putText(picture, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return picture


TINY_LOOP = LoopConfig(
    steps=8_000,
    batch_size=256,
    learning_rate=1e-3,
    mixed_precision="no",
    validate_every=2000,
    save_every=2000,
    log_every=500,
)
LOOPS = {
    "tiny": TINY_LOOP,
    "paper": dataclasses.replace(TINY_LOOP, steps=100_000, batch_size=32, learning_rate=2e-4, validate_every=10_000),
}


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[LandmarkTask, LoopConfig]:
    """`tiny` by default; ``--preset paper`` learns as the paper does: clip pairs only, 17 units, no anchor."""
    network, paper = find_preset(PRESETS, options.preset, "facegan"), PairShares(rig=0.0, cross=0.0)
    config = LandmarkTaskConfig(shares=paper) if options.preset == "paper" else LandmarkTaskConfig()
    task = LandmarkTask(train, val, network, config)
    task.start_from(options.init)
    return task, LOOPS[options.preset or "tiny"]
