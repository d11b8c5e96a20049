"""Pairs for the shape generator: landmarks of a reference, face ID codes of source and reference, and their subjects.

A pool of landmarks is made once, with their visibility by geometry. Half of them are turned in depth to any yaw, for
real profiles are rare. Batches are drawn from the pool.
"""

import dataclasses

import numpy as np
import torch
from jaxtyping import Float

from reenact.geometry.flow import landmark_visibility
from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.unit_movements import mirror_68
from reenact.systems.dual_generator.networks import standardise
from train.data.faces import FaceData
from train.losses.dual_generator import NO_SUBJECT
from train.profiling.turn import turn_mesh
from train.run.loop import Batch

_HALF_SIDE_PX = 128
_VISIBILITY_SIDE_PX = 64
_ROWS_AT_ONCE = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapePairConfig:
    """How pairs are drawn."""

    pool: int = 8192
    """Landmark sets made once; each is drawn many times, with other sources."""
    turned_share: float = 0.5
    """Sets turned in depth to a yaw drawn evenly from -`max_yaw_deg` to `max_yaw_deg`."""
    max_yaw_deg: float = 90.0
    """Largest yaw."""
    cross_share: float = 0.5
    """Pairs whose source is another person than the reference; 0 is the paper's self-reenactment phase."""


class ShapePairs:
    """Draws batches of one split."""

    def __init__(self, data: FaceData, model: MorphableModel, config: ShapePairConfig, seed: int = 0) -> None:
        self.data, self.config = data, config
        rng = np.random.default_rng([seed, 68])
        self.rows_of = {int(p): np.flatnonzero(data.person == p) for p in np.unique(data.person)}
        several = [person for person, rows in self.rows_of.items() if len(rows) > 1]
        self.subjects = np.array(several or list(self.rows_of))
        self.subject_of = np.full(int(data.person.max()) + 1, NO_SUBJECT)
        self.subject_of[self.subjects] = np.arange(len(self.subjects))
        self.rows = _draw_rows(data, config.pool, rng)
        turn = rng.uniform(-config.max_yaw_deg, config.max_yaw_deg, len(self.rows))
        turn = np.where(rng.random(len(self.rows)) < config.turned_share, turn - data.yaw_deg[self.rows], 0)
        self.landmarks, self.visible = turned_landmarks(model, data.mesh_px[self.rows], np.radians(turn))
        self.mirror = mirror_68(mesh_mirror()).numpy()

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """`size` pairs.

        Returns:
            "reference" (standardised landmarks) and "visible"; "source_code" and "reference_code" (face ID codes);
            "source_subject" and "reference_subject" (classes of `C_l`); "same", 1 where both are one person.
        """
        picked = rng.integers(len(self.rows), size=size)
        same = rng.random(size) >= self.config.cross_share
        person = self.data.person[self.rows[picked]]
        source_person = np.where(same, person, self._others(person, rng))
        landmarks, visible = self.landmarks[picked], self.visible[picked]
        flip = rng.random(size) < 0.5
        landmarks = np.where(flip[:, None, None], landmarks[:, self.mirror] * [-1, 1, 1], landmarks)
        visible = np.where(flip[:, None], visible[:, self.mirror], visible)
        arrays = {
            "reference": landmarks.astype(np.float32),
            "visible": visible.astype(np.float32),
            "source_code": self._codes(source_person, self.rows[picked], rng),
            "reference_code": self._codes(person, self.rows[picked], rng),
            "source_subject": self.subject_of[source_person],
            "reference_subject": self.subject_of[person],
            "same": same.astype(np.float32),
        }
        return {name: torch.from_numpy(np.ascontiguousarray(value)).to(device) for name, value in arrays.items()}

    def _others(self, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each person another one that is a class of `C_l`."""
        drawn = rng.integers(len(self.subjects), size=len(person))
        clash = self.subjects[drawn] == person
        return self.subjects[np.where(clash, (drawn + 1) % len(self.subjects), drawn)]

    def _codes(self, people: np.ndarray, not_rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A face ID code of each person, from another picture than that in `not_rows` if there is one.

        The code of the reference's own picture would leak pose and expression past the action code.
        """
        rows = []
        for person, avoided in zip(people, not_rows, strict=True):
            choice = self.rows_of[int(person)]
            row = int(choice[rng.integers(len(choice))])
            if row == avoided:
                row = int(choice[(int(np.searchsorted(choice, row)) + 1) % len(choice)])
            rows.append(row)
        return self.data.embedding[rows].astype(np.float32)


def turned_landmarks(
    model: MorphableModel, mesh_px: np.ndarray, turn_rad: np.ndarray
) -> tuple[Float[np.ndarray, "n 68 3"], Float[np.ndarray, "n 68"]]:
    """Standardised landmarks and their visibility after a turn in depth."""
    landmarks, visible = [], []
    for first in range(0, len(mesh_px), _ROWS_AT_ONCE):
        mesh = torch.from_numpy(np.array(mesh_px[first : first + _ROWS_AT_ONCE], np.float32))
        turn = torch.from_numpy(turn_rad[first : first + _ROWS_AT_ONCE].astype(np.float32))
        turned = turn_mesh(mesh, turn, mesh.mean(1)) / _HALF_SIDE_PX - mesh.new_tensor([1, 1, 0])
        landmarks.append(standardise(landmarks68_of(turned))[0].numpy())
        visible.append(landmark_visibility(model, turned, _VISIBILITY_SIDE_PX).numpy())
    return np.concatenate(landmarks), np.concatenate(visible)


def _draw_rows(data: FaceData, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows for the pool; a clip's weight is four times the square root of its length, a still's is 1."""
    weight = np.ones(len(data))
    for first, last in data.clip_ranges:
        weight[first:last] = 4 / np.sqrt(last - first)
    return rng.choice(len(data), size=min(count, 4 * len(data)), p=weight / weight.sum())
