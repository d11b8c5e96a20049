"""Pairs across any turn of the head, for the face generator: frames of clips, and photos with their profiled pictures.

    clip      two frames of one clip: real and expressive, seldom turned far
    photo     the target is a photo, the source the same photo turned to another yaw: the target is real
    profile   the target is a photo turned to another yaw, the source the photo or another such picture; losses count
              little where the photo does not show the target (`train/profiling/turn.py`)

Pairs come from a pool. Pair i depends on the seed and i alone; it is made at first use and kept.
"""

import dataclasses
import functools
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reenact.errors import ConfigError
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.portrait.posed import Head, PosedHead, build_head, mirror_turned, pose_head
from train.data.faces import FaceData
from train.pairs.frames import FRAME_PX, PairConfig, PairSampler, light_tables
from train.profiling.turn import ProfiledFace, draw_yaw_deg, turn_head
from train.run.loop import Batch

POSED_KEYS = tuple(f"posed_{name}" for name in PosedHead._fields)
"""Keys of a batch for the source moved by geometry."""

_LEAST_TURN_DEG = 12.0
"""Smallest turn between the two pictures of a photo."""
_EXPRESSIVE = 0.35
"""`PairConfig.expressive_share` of the clips."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnedPairConfig:
    """How pairs are drawn."""

    side: int = 256
    """Side of the pictures."""
    pool: int = 2400
    """Pairs; at 256 px one takes 0.8 MB of memory and about 0.2 s to make."""
    clip_share: float = 0.45
    """Pairs of frames of one clip; the rest are photos."""
    photo_share: float = 0.65
    """Share of these whose target is the photo itself."""
    unknown_weight: float = 0.15
    """Weight of losses where the photo does not show the target: enough to stay near what was made up there."""
    light: float = 0.12
    """Standard deviation of the logarithms of gain, gain per channel and gamma."""
    seed: int = 0
    """Seed of the pool."""


class Shot(NamedTuple):
    """A picture with its labels."""

    rgb: np.ndarray
    mesh_px: np.ndarray
    parsing: np.ndarray


class TurnedPairs:
    """Draws batches of a split."""

    def __init__(
        self, data: FaceData, config: TurnedPairConfig, model: MorphableModel, own: FaceData | None = None
    ) -> None:
        """`own` is the same split with meshes of the project's own tracker, taken for half of the pairs.

        Raises:
            ConfigError: neither stills nor clips have a parsing.
        """
        self.data, self.config, self.model, self.own = data, config, model, own
        self.frames = PairSampler(data, PairConfig(side=FRAME_PX, still_share=0.0, expressive_share=_EXPRESSIVE))
        self.stills = np.flatnonzero(data.is_still & data.has_parsing)
        self.clip_share = config.clip_share if len(self.stills) else 1.0
        if not len(self.frames.ranges):
            self.clip_share = 0.0
            if not len(self.stills):
                raise ConfigError("turned pairs need stills or clips with a parsing; label the data first")
        self.kept: dict[int, dict[str, Tensor]] = {}

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """Pairs of the pool.

        Returns:
            "source" and "target" RGB in [0, 1], "source_mesh" and "target_mesh" in half-sides, "weight" (n, 1, s, s) of
            losses, "known" (all 1) and `POSED_KEYS`.
        """
        return self.at(rng.integers(self.config.pool, size=size).tolist(), device)

    def at(self, indices: list[int], device: torch.device) -> Batch:
        """Pairs of these indices; see `sample`."""
        for index in indices:
            if index not in self.kept:
                self.kept[index] = self._pack(*self.make(index))
        packed = [self.kept[index] for index in indices]
        batch = {name: torch.stack([one[name] for one in packed]).to(device) for name in packed[0]}
        known = torch.ones(len(indices), device=device)
        return {name: _unpacked(value) for name, value in batch.items()} | {"known": known}

    def make(self, index: int) -> tuple[Shot, Shot, np.ndarray, PosedHead]:
        """Source, target, weight (s, s) and the moved source of one pair."""
        rng = np.random.default_rng([self.config.seed, index, 90])
        clip = rng.random() < self.clip_share
        source, target, known = self._frames(rng) if clip else self._photo(rng)
        if rng.random() < 0.5:
            source, target, known = _mirrored(source), _mirrored(target), known[:, ::-1]
        lut = light_tables(rng, self.config.light, 1)
        lit = (shot._replace(rgb=cv2.LUT(shot.rgb, lut)) for shot in (source, target))
        source, target = (_shrunk(shot, self.config.side) for shot in lit)
        known = cv2.resize(known, (self.config.side, self.config.side), interpolation=cv2.INTER_AREA)
        weight = self.config.unknown_weight + (1 - self.config.unknown_weight) * known
        return source, target, weight, pose_shot(self.model, source, target.mesh_px)

    def _frames(self, rng: np.random.Generator) -> tuple[Shot, Shot, np.ndarray]:
        own = self.own if rng.random() < 0.5 else None
        while True:
            first, second = self.frames.draw(rng, 1).rows[0]
            if self.data.has_parsing[first]:
                break
        return self._shot(first, own), self._shot(second, own), np.ones((FRAME_PX, FRAME_PX), np.float32)

    def _photo(self, rng: np.random.Generator) -> tuple[Shot, Shot, np.ndarray]:
        row = int(rng.choice(self.stills))
        photo, own_deg = self._shot(row, self.own if rng.random() < 0.5 else None), float(self.data.yaw_deg[row])
        head = build_head(self.model, *photo)
        first = _shot_of(turn_head(self.model, head, _another_yaw(rng, own_deg), photo.parsing))
        if rng.random() < self.config.photo_share:
            return first, photo, np.ones((FRAME_PX, FRAME_PX), np.float32)
        profiled = turn_head(self.model, head, _another_yaw(rng, own_deg), photo.parsing)
        source = photo if rng.random() < 0.5 else first
        return source, _shot_of(profiled), profiled.visible

    def _shot(self, row: int, own: FaceData | None) -> Shot:
        data = self.data
        mesh_px = np.array((own or data).mesh_px[row], np.float32)
        return Shot(np.array(data.rgb[row]), mesh_px, np.array(data.parsing[row]))

    def _pack(self, source: Shot, target: Shot, weight: np.ndarray, posed: PosedHead) -> dict[str, Tensor]:
        """In 8 bits a number, but for meshes; the displacement, which training does not read, is left out."""
        pictures = {"source": source.rgb, "target": target.rgb}
        packed = {name: torch.from_numpy(np.array(rgb)).permute(2, 0, 1) for name, rgb in pictures.items()}
        for name, shot in (("source", source), ("target", target)):
            packed[f"{name}_mesh"] = half_sides(shot.mesh_px, self.config.side)[0]
        packed["weight"] = _bytes_of(torch.from_numpy(weight)[None])
        return packed | {
            f"posed_{name}": _bytes_of(value[0]) for name, value in posed._asdict().items() if name != "displacement"
        }


def pose_shot(model: MorphableModel, source: Shot, target_mesh_px: np.ndarray) -> PosedHead:
    """The source moved to another mesh, both in the pixels of one crop."""
    head: Head = build_head(model, *source)
    return pose_head(model, head, mirror_turned(model, head), half_sides(target_mesh_px, len(source.rgb)))


@functools.cache
def _cpu_model() -> MorphableModel:
    """A model of its own: batches are made in a thread, and the task's model is in use elsewhere meanwhile."""
    return load_morphable()


@torch.no_grad()
def pose_sources(
    source: Float[Tensor, "n 3 s s"],
    mesh: Float[Tensor, "n 478 3"],
    classes: Int[Tensor, "n s s"],
    target: Float[Tensor, "n 478 3"],
) -> Batch:
    """`POSED_KEYS` of sources in a batch, computed on the CPU.

    Args:
        source: RGB in [0, 1].
        mesh: theirs, half-sides.
        classes: 0 background, 1 face, 2 hair.
        target: wanted meshes, half-sides.
    """
    side, device, found = source.shape[-1], source.device, []
    model, target = _cpu_model(), target.cpu()
    pictures = (source.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    meshes_px = ((mesh + mesh.new_tensor([1.0, 1.0, 0.0])) * (side / 2)).cpu().numpy()
    parsings = classes[:, ::2, ::2].to(torch.uint8).cpu().numpy()
    for rgb, mesh_px, parsing, wanted in zip(pictures, meshes_px, parsings, target, strict=True):
        head = build_head(model, np.ascontiguousarray(rgb), mesh_px, parsing)
        found.append(pose_head(model, head, mirror_turned(model, head), wanted[None]))
    parts = zip(*found, strict=True)
    return {key: torch.cat(part).to(device) for key, part in zip(POSED_KEYS, parts, strict=True)}


def posed_of(batch: Batch) -> PosedHead:
    """The moved source in a batch; its displacement is not kept."""
    parts = {name: batch.get(f"posed_{name}") for name in PosedHead._fields}
    return PosedHead(**{name: parts["rgb"][:, :2] if value is None else value for name, value in parts.items()})


def half_sides(mesh_px: np.ndarray, side: int) -> Tensor:
    """`to_half_sides` of one mesh, (1, 478, 3)."""
    return to_half_sides(torch.from_numpy(np.array(mesh_px, np.float32))[None], side)


def _another_yaw(rng: np.random.Generator, own_deg: float) -> float:
    while True:
        yaw_deg = draw_yaw_deg(rng)
        if abs(yaw_deg - own_deg) > _LEAST_TURN_DEG:
            return yaw_deg


def _shot_of(face: ProfiledFace) -> Shot:
    return Shot(face.rgb, face.mesh_px, face.parsing)


def _mirrored(shot: Shot) -> Shot:
    side = len(shot.rgb)
    mesh_px = shot.mesh_px[mesh_mirror()] * np.float32([-1, 1, 1]) + np.float32([side, 0, 0])
    return Shot(np.ascontiguousarray(shot.rgb[:, ::-1]), mesh_px, np.ascontiguousarray(shot.parsing[:, ::-1]))


def _shrunk(shot: Shot, side: int) -> Shot:
    if side == len(shot.rgb):
        return shot
    scale = side / len(shot.rgb)
    rgb = cv2.resize(shot.rgb, (side, side), interpolation=cv2.INTER_AREA)
    parsing = cv2.resize(shot.parsing, (side // 2, side // 2), interpolation=cv2.INTER_NEAREST)
    return Shot(rgb, shot.mesh_px * np.float32(scale), parsing)


def _bytes_of(value: Tensor) -> Tensor:
    return (value.clamp(0, 1) * 255).round().byte()


def _unpacked(value: Tensor) -> Tensor:
    if value.dtype != torch.uint8:
        return value
    return value.float().div(255).contiguous(memory_format=torch.channels_last)
