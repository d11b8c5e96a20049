"""Pairs of aligned crops of one person, and the change of p between them."""

import dataclasses

import numpy as np
import torch

from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.systems.latent_directions.aligned import invert_similarity, read_state, sample_picture
from train.data.aligned import AlignedFaces
from train.data.faces import CROP_PX, FaceData
from train.run.loop import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignedPairConfig:
    """How pairs are drawn."""

    still_share: float = 0.65
    """Pairs of stills: most people are in stills, most pictures in clips."""
    same_share: float = 0.5
    """Pairs of a picture with itself: inversion."""
    mirrored_trust: float = 0.5
    """Weight of a still with its mirror image, which is nearly another picture of the same person."""


class AlignedPairs:
    """Draws pairs: a frame with another of its clip, a still with its mirror image, or a picture with itself."""

    def __init__(self, data: AlignedFaces, config: AlignedPairConfig) -> None:
        self.data, self.config = data, config
        faces = data.faces
        self.stills = np.flatnonzero(faces.is_still)
        clips = np.flatnonzero(~faces.is_still)
        people = np.unique(faces.person[clips])
        self.frames_of = [clips[faces.person[clips] == person] for person in people]
        self.mirror, self.model = mesh_mirror(), load_morphable()

    @property
    def faces(self) -> FaceData:
        """The split that pairs are drawn from."""
        return self.data.faces

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """Draw a batch.

        It has ``source`` and ``target`` (n, 3, s, s) in [0, 1], ``change`` (n, p) of their states, ``state`` and
        ``mesh`` of the target, ``source_mesh``, ``trust`` (n,), and ``same`` (n,), 1 where source and target are one.
        """
        return self.cut(*self.draw(rng, size), device)

    def draw(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (n, 2), which of them are mirrored (n, 2), and trust (n,) of random pairs."""
        rows, mirrored, trust = np.empty((size, 2), np.int64), np.zeros((size, 2), bool), np.ones(size, np.float32)
        for i in range(size):
            flip = rng.random() < 0.5
            mirrored[i] = flip
            same = rng.random() < self.config.same_share
            is_still = not self.frames_of or (len(self.stills) and rng.random() < self.config.still_share)
            if is_still:
                rows[i] = rng.choice(self.stills)
                if not same:
                    mirrored[i, 1], trust[i] = not flip, self.config.mirrored_trust
            else:
                frames = self.frames_of[rng.integers(len(self.frames_of))]
                row = rng.choice(frames)
                first, stop = self.faces.rows_around(int(row))
                rows[i] = row, row if same else rng.integers(first, stop)
        return rows, mirrored, trust

    def cut(self, rows: np.ndarray, mirrored: np.ndarray, trust: np.ndarray, device: torch.device) -> Batch:
        """The batch of these rows, (n, 2), each mirrored or not."""
        source, target = (self.pictures(rows[:, k], mirrored[:, k]).to(device) for k in (0, 1))
        states = [
            np.where(mirrored[:, k, None], self.data.mirrored_state[rows[:, k]], self.data.state[rows[:, k]])
            for k in (0, 1)
        ]
        source_mesh, mesh = (self._meshes(rows[:, k], mirrored[:, k]) for k in (0, 1))
        same = (rows[:, 0] == rows[:, 1]) & (mirrored[:, 0] == mirrored[:, 1])
        found = {
            "rows": torch.from_numpy(rows),
            "mirrored": torch.from_numpy(mirrored),
            "change": torch.from_numpy(states[1] - states[0]),
            "state": torch.from_numpy(states[1]),
            "source_mesh": torch.from_numpy(source_mesh),
            "mesh": torch.from_numpy(mesh),
            "trust": torch.from_numpy(trust),
            "same": torch.from_numpy(same.astype(np.float32)),
        }
        return {"source": source, "target": target} | {k: v.to(device) for k, v in found.items()}

    def _meshes(self, rows: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
        mesh = self.data.mesh[rows].astype(np.float32)
        return np.where(mirrored[:, None, None], mesh[:, self.mirror] * np.float32([-1, 1, 1]), mesh)

    def heads(self, rows: np.ndarray, mirrored: np.ndarray, side: int) -> torch.Tensor:
        """Share of face and hair in aligned crops, (n, 1, side, side); 0 in rows without a parsing."""
        classes, known = self.faces.parsing[rows], self.faces.has_parsing[rows]
        share = (((classes == 1) | (classes == 2)) & known[:, None, None]).astype(np.float32)[:, None]
        mesh = to_half_sides(torch.from_numpy(self.faces.mesh_px[rows].astype(np.float32)), CROP_PX)
        matrix = read_state(self.model, mesh, 1).aligned_from_mesh
        cut = sample_picture(torch.from_numpy(share), invert_similarity(matrix), side, "zeros")
        flip = torch.from_numpy(mirrored)[:, None, None, None]
        return torch.where(flip, cut.flip(-1), cut)

    def pictures(self, rows: np.ndarray, mirrored: np.ndarray) -> torch.Tensor:
        pictures = self.data.rgb[rows]
        pictures = np.where(mirrored[:, None, None, None], pictures[:, :, ::-1], pictures)
        tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(255)
        return tensor.contiguous(memory_format=torch.channels_last)


def validation_rows(faces: FaceData, per_clip: int, stills: int) -> tuple[np.ndarray, np.ndarray]:
    """The same pairs at every call: frames of each clip with the clip's first one, and stills with themselves.

    Returns:
        (n, 2) rows of clips and (m, 2) rows of stills.
    """
    pairs = []
    for first, stop in faces.clip_ranges:
        targets = np.linspace(first, stop - 1, per_clip + 1).round().astype(int)[1:]
        pairs += [(first, int(target)) for target in targets]
    chosen = np.flatnonzero(faces.is_still)
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(stills, len(chosen))).round().astype(int)]
    return np.array(pairs, np.int64).reshape(-1, 2), np.stack([chosen, chosen], 1)
