"""Normalised landmarks, Action Units and head angles of a whole split, and pairs of them in batches of tensors.

Three kinds of pairs teach the landmark transformer:

    clip    two frames of one clip, as in the paper (section 4)
    rig     one face, and the same face with some Action Units and the head's pose changed on the morphable model; each
            unit moves on its own there, which talking people do not show (`reenact/geometry/unit_movements.py`)
    cross   one person's neutral face with another's expression and pose, by the morphable model

The last two are not in the paper. They make each slider move its unit alone, and drivers work on other people.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.placement import rotation_of_angles
from reenact.geometry.unit_movements import UnitMovements, mirror_68
from reenact.systems.facegan.landmarks import normalise_landmarks
from reenact.types import head_angles_rad
from train.data.faces import FaceData
from train.pairs.frames import clip_shares

_FIT_ROWS = 1024

_TURN_RAD = (0.25, 0.4, 0.15)
"""Standard deviations of made-up changes of pitch, yaw and roll."""

_MOST_RAD = (0.6, 0.9, 0.6)
"""Pitch, yaw and roll beyond which no pose is made up."""


class Motions(NamedTuple):
    """Inputs of the transformer, of several faces."""

    landmarks: Float[Tensor, "f 68 2"]
    """Normalised."""
    units: Float[Tensor, "f 17 2"]
    """Left and right, 0 to 1."""
    angles: Float[Tensor, "f 3"]
    """Pitch, yaw, roll, radians."""


LandmarkPairs = tuple[Motions, Motions]
"""Sources and their targets."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairShares:
    """Kinds of pairs in a batch; the rest are clip pairs."""

    rig: float = 0.45
    """Made-up movements of one face."""
    cross: float = 0.15
    """One person's face with another's expression."""


class LandmarkTable:
    """All faces of a split, each also mirrored (rows n to 2n - 1), fitted once."""

    def __init__(self, data: FaceData, model: MorphableModel) -> None:
        """Fit the morphable model to every mesh: seconds for 20,000."""
        meshes = torch.from_numpy(np.array(data.mesh_px, np.float32))
        scores = torch.from_numpy(np.array(data.blendshapes, np.float32))
        parts = [
            _read(model, meshes[i : i + _FIT_ROWS], scores[i : i + _FIT_ROWS]) for i in range(0, len(data), _FIT_ROWS)
        ]
        read = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        swap = mirror_68(mesh_mirror())
        flip = {
            "landmarks": lambda x: x[:, swap] * x.new_tensor([-1, 1]),
            "shape": lambda x: x[:, swap] * x.new_tensor([-1, 1, 1]),
            "expression": lambda x: x[:, swap] * x.new_tensor([-1, 1, 1]),
            "units": lambda x: x.flip(2),
            "angles": lambda x: x * x.new_tensor([1, -1, -1]),
        }
        read = {key: torch.cat([value, flip[key](value)]) for key, value in read.items()}
        self.landmarks, self.units, self.angles = read["landmarks"], read["units"], read["angles"]
        self.shape, self.expression = read["shape"], read["expression"]
        self.count = len(data)
        self.clip_ranges = data.clip_ranges
        self.movements = UnitMovements(model)
        self.clip_share = clip_shares(data, np.array(data.clip_ranges, int).reshape(-1, 2))

    def rows(self, index: np.ndarray) -> Motions:
        at = torch.from_numpy(index)
        return Motions(self.landmarks[at], self.units[at], self.angles[at])

    def sample(self, rng: np.random.Generator, size: int, shares: PairShares) -> LandmarkPairs:
        """A batch: clip pairs first, then rig, then cross."""
        rig, cross = int(size * shares.rig), int(size * shares.cross)
        pairs = [self.clip_pairs(rng, size - rig - cross), self.rig_pairs(rng, rig), self.cross_pairs(rng, cross)]
        source, target = (
            Motions(*(torch.cat(field) for field in zip(*side, strict=True))) for side in zip(*pairs, strict=True)
        )
        return source, target

    def clip_pairs(self, rng: np.random.Generator, size: int) -> LandmarkPairs:
        clips = rng.choice(len(self.clip_ranges), size, p=self.clip_share)
        ranges = np.array(self.clip_ranges)[clips]
        mirrored = rng.integers(0, 2, size) * self.count
        first, second = (rng.integers(ranges[:, 0], ranges[:, 1]) + mirrored for _ in range(2))
        return self.rows(first), self.rows(second)

    def rig_pairs(self, rng: np.random.Generator, size: int) -> LandmarkPairs:
        """Faces, half of them turned to a made-up pose, and the same with one to three units and a pose changed."""
        index = rng.integers(0, 2 * self.count, size)
        own = self.rows(index)
        shape = self.shape[torch.from_numpy(index)]
        turned = _turned(own.angles, rng, share=0.5)
        source = Motions(project(shape, turned), own.units, turned)
        units = edited_units(own.units, rng)
        angles = _turned(turned, rng, share=0.5)
        moved = project(self.movements.move(shape, own.units, units), angles)
        return source, Motions(moved, units, angles)

    def cross_pairs(self, rng: np.random.Generator, size: int) -> LandmarkPairs:
        own, other = (torch.from_numpy(rng.integers(0, 2 * self.count, size)) for _ in range(2))
        shape = self.shape[own] - self.expression[own] + self.expression[other]
        target = Motions(project(shape, self.angles[other]), self.units[other], self.angles[other])
        return self.rows(own.numpy()), target


def project(shape: Float[Tensor, "f 68 3"], angles: Float[Tensor, "f 3"]) -> Float[Tensor, "f 68 2"]:
    """Normalised landmarks of a shape in head axes, turned: x right, y down."""
    return (shape @ rotation_of_angles(angles).transpose(1, 2))[..., :2] * shape.new_tensor([1, -1])


def edited_units(units: Float[Tensor, "f 17 2"], rng: np.random.Generator) -> Float[Tensor, "f 17 2"]:
    """One to three units of each face set to other values, two times in three on both sides alike."""
    frames, count, _ = units.shape
    chosen = rng.random((frames, count)).argsort(1).argsort(1) < rng.integers(1, 4, (frames, 1))
    value = rng.uniform(0, 1, (frames, count, 1)).repeat(2, axis=2)
    side = rng.random((frames, count, 2)) < 0.5
    both = rng.random((frames, count, 1)) < 0.67
    at = torch.from_numpy(chosen[..., None] & (both | side))
    return torch.where(at, torch.from_numpy(value).to(units), units)


def _turned(angles: Float[Tensor, "f 3"], rng: np.random.Generator, share: float) -> Float[Tensor, "f 3"]:
    change = rng.normal(0, 1, angles.shape) * _TURN_RAD * (rng.random((len(angles), 1)) < share)
    most = torch.maximum(angles.new_tensor(_MOST_RAD), angles.abs())
    return torch.maximum(torch.minimum(angles + torch.from_numpy(change).to(angles), most), -most)


def _read(model: MorphableModel, mesh_px: Tensor, blendshapes: Tensor) -> dict[str, Tensor]:
    at = list(LANDMARKS_68)
    fit = model.fit(mesh_px)
    return {
        "landmarks": normalise_landmarks(mesh_px, fit.pose),
        "units": read_action_unit_sides(blendshapes, mesh_px),
        "angles": head_angles_rad(fit.pose.rotation),
        "shape": fit.pose.invert(mesh_px)[:, at],
        "expression": model.expression_offset(fit.expression)[:, at],
    }
