"""Pairs of pictures of one person, cut and changed alike: what the recipes of self-reenactment learn from."""

import dataclasses

import cv2
import numpy as np
import torch

from train.augment import warp_crop
from train.data import FaceData
from train.loop import Batch
from train.mirror import mirror_of_mesh


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairConfig:
    """How pairs are drawn."""

    side: int = 256
    """Side of the crops."""
    still_share: float = 0.08
    """Pairs of a still with itself."""
    turn_deg: float = 4.0
    """Standard deviation of the rotation in the picture's plane, the same for both."""
    zoom: float = 0.08
    """Standard deviation of the logarithm of the scale."""
    light: float = 0.15
    """Standard deviation of the logarithms of gain, gain per channel and gamma."""


class PairSampler:
    """Draws rows of a split and cuts them. Long clips, and people with many, count with the square root."""

    def __init__(self, data: FaceData, config: PairConfig, own: FaceData | None = None) -> None:
        """Sampler of one split.

        Args:
            data: the split; a target needs parsing, so rows without are sources only.
            config: how pairs are drawn.
            own: the same split with meshes of the project's own tracker, taken for half of the pairs.
        """
        self.data, self.config, self.own = data, config, own
        self.mirror = mirror_of_mesh(data)
        self.stills = np.flatnonzero(data.is_still & data.has_parsing)
        self.parsed = [np.flatnonzero(data.has_parsing[a:b]) + a for a, b in data.clip_ranges]
        person = np.array([data.person[a] for a, _ in data.clip_ranges], dtype=np.int64)
        length = np.array([b - a for a, b in data.clip_ranges], float)
        weight = np.sqrt(length) / np.sqrt(np.bincount(person)[person]) if len(person) else length
        self.clip_cumulative = np.cumsum(weight / max(weight.sum(), 1e-9))

    def draw_rows(self, rng: np.random.Generator) -> tuple[int, int]:
        """Source and target row: two frames of a clip, or a still twice."""
        if not len(self.clip_cumulative) or (len(self.stills) and rng.random() < self.config.still_share):
            row = int(rng.choice(self.stills))
            return row, row
        clip = min(int(np.searchsorted(self.clip_cumulative, rng.random())), len(self.parsed) - 1)
        return int(rng.integers(*self.data.clip_ranges[clip])), int(rng.choice(self.parsed[clip]))

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """Pairs of `draw_rows`, each through one random similarity, mirror and light; see `collate`."""
        return collate([self.cut(*self.draw_rows(rng), rng) for _ in range(size)], device)

    def cut(self, source_row: int, target_row: int, rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
        """Source and target of one pair."""
        matrix, zoom = self._similarity(rng)
        flip = rng.random() < 0.5
        spread = self.config.light
        light = np.exp(rng.normal(0, spread, 3)) * np.exp(rng.normal(0, spread))
        gamma = np.exp(rng.normal(0, spread))
        table = np.clip(255 * (np.arange(256)[:, None] / 255) ** gamma * light, 0, 255).astype(np.uint8)
        meshes = self.own if self.own is not None and rng.random() < 0.5 else self.data
        cuts = []
        for row in (source_row, target_row):
            one = cut_row(self.data, meshes, row, matrix, zoom, self.config.side)
            one["rgb"] = cv2.LUT(one["rgb"], table[None])
            cuts.append(self._flipped(one) if flip else one)
        return cuts

    def _similarity(self, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        side = self.config.side
        turn = np.radians(rng.normal(0, self.config.turn_deg))
        zoom = float(np.exp(rng.normal(0, self.config.zoom)) * side / 256)
        c, s = zoom * np.cos(turn), zoom * np.sin(turn)
        matrix = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        matrix[:2, 2] = side / 2 + rng.normal(0, 0.03, 2) * side - matrix[:2, :2] @ [128, 128]
        return matrix, zoom

    def _flipped(self, one: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        mesh = one["mesh"][self.mirror] * np.array([-1, 1, 1], np.float32)
        return {"rgb": one["rgb"][:, ::-1], "mesh": mesh, "classes": one["classes"][:, ::-1]}


def cut_row(
    data: FaceData, meshes: FaceData, row: int, matrix: np.ndarray, zoom: float, side: int
) -> dict[str, np.ndarray]:
    """One row through a similarity of the 256 px picture: rgb uint8, mesh in half-sides, segment classes."""
    rgb = data.rgb[row]
    if side < 256:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.5 * (256 / side) ** 0.5)
    mesh = meshes.mesh_px[row].astype(np.float64)
    moved = np.concatenate([mesh[:, :2] @ matrix[:2, :2].T + matrix[:2, 2], mesh[:, 2:] * zoom], axis=1)
    return {
        "rgb": warp_crop(rgb, matrix, side, cv2.BORDER_REFLECT_101),
        "mesh": (moved * (2 / side) - [1, 1, 0]).astype(np.float32),
        "classes": cut_segments(data.parsing[row], matrix, side),
    }


def cut_segments(parsing: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """(side, side) uint8: 0 background, 1 face, 2 hair, from the set's five classes at 128 px; speckles removed."""
    shares = np.stack([np.equal(parsing, kind) for kind in (1, 2)], -1).astype(np.float32)
    shares = cv2.blur(shares, (3, 3))
    shares = warp_crop(shares, matrix @ np.diag([2.0, 2.0, 1.0]), side, cv2.BORDER_REPLICATE)
    background = 1 - shares.sum(-1, keepdims=True)
    return np.concatenate([background, shares], -1).argmax(-1).astype(np.uint8)


def collate(pairs: list[list[dict[str, np.ndarray]]], device: torch.device) -> Batch:
    """Tensors "source", "target" (RGB in [0, 1]), and each one's "_mesh" (half-sides) and "_classes"."""
    batch = {}
    for k, name in enumerate(("source", "target")):
        rgb = torch.from_numpy(np.stack([pair[k]["rgb"] for pair in pairs])).to(device).permute(0, 3, 1, 2)
        batch[name] = rgb.float().div(255).contiguous(memory_format=torch.channels_last)
        batch[f"{name}_mesh"] = torch.from_numpy(np.stack([pair[k]["mesh"] for pair in pairs])).to(device)
        batch[f"{name}_classes"] = torch.from_numpy(np.stack([pair[k]["classes"] for pair in pairs])).long().to(device)
    return batch


def validation_pairs(data: FaceData, side: int, per_clip: int, device: torch.device) -> list[Batch]:
    """Fixed pairs, one batch a clip: its first frame and `per_clip` later ones with parsing, evenly spread, uncut."""
    matrix, batches = np.diag([side / 256, side / 256, 1.0]), []
    for first, last in data.clip_ranges:
        parsed = np.flatnonzero(data.has_parsing[first:last]) + first
        rows = parsed[np.linspace(0, len(parsed) - 1, per_clip + 1).round().astype(int)[1:]]
        source = cut_row(data, data, first, matrix, side / 256, side)
        batches.append(
            collate([[source, cut_row(data, data, int(row), matrix, side / 256, side)] for row in rows], device)
        )
    return batches
