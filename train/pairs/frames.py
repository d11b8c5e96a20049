"""Pairs of pictures of one person with the same crop, mirror and light, for self-reenactment."""

import dataclasses

import cv2
import numpy as np
import torch
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.mirror import mesh_mirror
from train.augment.crops import warp_crop
from train.data.faces import FaceData
from train.data.resident import ResidentFaces, crop_meshes, sampling_grid, shrink_blur_px
from train.run.loop import Batch

FRAME_PX = 256
"""Side of the set's pictures."""

_STRONG = 0.6
"""Share of a unit's near-largest intensity in the set from which a frame shows it strongly."""

_SWAPPED = 0.35
"""Share of expressive pairs in which the expressive frame is the source: what it hides has to be drawn."""

_SMALLEST_PIECE = 0.05
"""Pieces of the head in a parsing below this share of its largest piece are speckles on clothes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairConfig:
    """How pairs are drawn."""

    side: int = 256
    """Side of the crops in pixels."""
    still_share: float = 0.08
    """Pairs of a still with itself: a face that does not move must stay as it is."""
    expressive_share: float = 0.0
    """Pairs of which one frame shows some Action Unit strongly, all units alike: people who talk blink in one frame of
    twenty and raise the upper lip in fewer."""
    turn_deg: float = 4.0
    """Standard deviation of the rotation in the picture's plane, the same for both pictures."""
    zoom: float = 0.08
    """Standard deviation of the logarithm of the scale."""
    shift: float = 0.03
    """Standard deviation of the displacement, share of the side."""
    light: float = 0.15
    """Standard deviation of the logarithms of gain, gain per channel and gamma."""
    resident: bool = False
    """Keep the pictures on the device and cut the crops there: for GPUs, which would wait for the CPU."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairDraws:
    """What is drawn for a batch of n pairs: both pictures of a pair get the same similarity, mirror and light."""

    rows: np.ndarray
    """(n, 2) rows of source and target."""
    crop_from_frame: np.ndarray
    """(n, 3, 3)."""
    flips: np.ndarray
    """(n,) bool, which pairs are mirrored."""
    luts: np.ndarray
    """(n, 256, 3) uint8, gain and gamma of the channels as tables."""
    own: np.ndarray
    """(n,) bool, which pairs take the tracker's meshes, if there are any."""


class PairSampler:
    """Draws rows of a split and cuts them; clips, and people with several clips, count with the square root."""

    def __init__(
        self, data: FaceData, config: PairConfig, own: FaceData | None = None, *, parsing: bool = True
    ) -> None:
        """Sort the rows of one split.

        Args:
            data: the split.
            config: how pairs are drawn.
            own: the same split with meshes of the project's own tracker, taken for half of the pairs.
            parsing: every target has a parsing, which `cut` then cuts as well; rows without one are only sources.

        Raises:
            ConfigError: `parsing` is asked for and no picture has one.
        """
        if parsing and not np.any(data.has_parsing):
            raise ConfigError("the data has no parsing, which tells a head from its background; label it first")
        self.data, self.config, self.own, self.parsing = data, config, own, parsing
        self.faces: ResidentFaces | None = None
        usable = np.asarray(data.has_parsing, bool) if parsing else np.ones(len(data), bool)
        self.stills = np.flatnonzero(data.is_still & usable)
        if not len(self.stills):  # any frame may stand still
            self.stills = np.flatnonzero(usable)
        self.ranges = np.array([(a, b) for a, b in data.clip_ranges if usable[a:b].any()], int).reshape(-1, 2)
        self.targets = [np.flatnonzero(usable[a:b]) + a for a, b in self.ranges]
        self.clip_share = clip_shares(data, self.ranges)
        self.expressive = _expressive_rows(data, self.ranges, usable) if config.expressive_share else []

    def sample(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """The tensors that `cut` returns, plus "names": one per row."""
        draws = self.draw(rng, size)
        return self.cut(draws, device) | {"names": self.names_of(draws.rows)}  # type: ignore[dict-item]

    def names_of(self, rows: np.ndarray) -> list[str]:
        """Names of source and target of each pair, in one string."""
        return [" > ".join(self.data.names[row] for row in pair) for pair in rows]

    def draw(self, rng: np.random.Generator, size: int) -> PairDraws:
        """Rows, crops and light of a batch."""
        config, side = self.config, self.config.side
        still = rng.random(size) < (config.still_share if len(self.ranges) else 1.0)
        rows = np.repeat(rng.choice(self.stills, size)[:, None], 2, axis=1)
        if len(self.ranges):
            clips = rng.choice(len(self.ranges), size, p=self.clip_share)
            source = rng.integers(*self.ranges[clips].T)
            target = [rows_[int(rng.random() * len(rows_))] for rows_ in (self.targets[clip] for clip in clips)]
            pairs = np.stack([source, target], 1)
            for i in np.flatnonzero(rng.random(size) < config.expressive_share if self.expressive else ()):
                pairs[i] = self._expressive_pair(rng)
            rows = np.where(still[:, None], rows, pairs)
        turn = np.radians(rng.normal(0, config.turn_deg, size))
        zoom = np.exp(rng.normal(0, config.zoom, size)) * side / FRAME_PX
        c, s = zoom * np.cos(turn), zoom * np.sin(turn)
        matrices = np.tile(np.eye(3), (size, 1, 1))
        matrices[:, :2, :2] = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], 1)
        centre = matrices[:, :2, :2] @ [FRAME_PX / 2, FRAME_PX / 2]
        matrices[:, :2, 2] = side / 2 + rng.normal(0, config.shift, (size, 2)) * side - centre
        luts = light_tables(rng, config.light, size)
        flips, own = rng.random((2, size)) < 0.5
        return PairDraws(rows=rows, crop_from_frame=matrices, flips=flips, luts=luts, own=own)

    def _expressive_pair(self, rng: np.random.Generator) -> tuple[int, int]:
        """A frame that shows a unit strongly as the target, or as the source, and any other of its clip."""
        strong = self.expressive[rng.integers(len(self.expressive))]
        row = int(strong[rng.integers(len(strong))])
        targets = self.targets[int(np.searchsorted(self.ranges[:, 0], row, side="right")) - 1]
        other = int(targets[rng.integers(len(targets))])
        return (row, other) if rng.random() < _SWAPPED else (other, row)

    def cut(self, draws: PairDraws, device: torch.device) -> Batch:
        """Both pictures of each pair.

        Returns:
            For "source" and "target": RGB in [0, 1]; "_mesh" in half-sides; "_units", (n, 17, 2) Action Units, left and
            right; "_row" of the split; with parsing "_classes", 0 background, 1 face, 2 hair, and "target_body", the
            share of neck and clothes.
        """
        config, batch = self.config, {}
        for k, name in enumerate(("source", "target")):
            rows = draws.rows[:, k]
            mesh_px = self.data.mesh_px[rows]
            batch[f"{name}_units"] = _units_of(self.data, rows, draws.flips)
            if self.own is not None:
                mesh_px = np.where(draws.own[:, None, None], self.own.mesh_px[rows], mesh_px)
            mesh = crop_meshes(mesh_px, draws.crop_from_frame, config.side, draws.flips, mesh_mirror())
            batch[name] = self._resident_crops(rows, draws, device) if config.resident else self._crops(rows, draws)
            batch[f"{name}_mesh"] = torch.from_numpy(mesh)
            batch[f"{name}_row"] = torch.from_numpy(rows.copy())
            if self.parsing:
                batch[f"{name}_classes"] = cut_segments(self.data, rows, draws, config.side, device)
        if self.parsing:
            body = np.stack([self.data.parsing[row] > 2 for row in draws.rows[:, 1]])[:, None]
            batch["target_body"] = cut_shares(body, draws, config.side, device)
        return {key: value.to(device) for key, value in batch.items()}

    def _resident_crops(self, rows: np.ndarray, draws: PairDraws, device: torch.device) -> torch.Tensor:
        if self.faces is None:
            self.faces = ResidentFaces(self.data, device)
        return self.faces.crops(rows, draws.crop_from_frame, self.config.side, draws.luts, draws.flips)

    def _crops(self, rows: np.ndarray, draws: PairDraws) -> torch.Tensor:
        """`_resident_crops`, by OpenCV."""
        side, pictures = self.config.side, []
        for i, row in enumerate(rows):
            rgb = self.data.rgb[row]
            if side < FRAME_PX:
                rgb = cv2.GaussianBlur(rgb, (0, 0), shrink_blur_px(side))
            crop = cv2.LUT(warp_crop(rgb, draws.crop_from_frame[i], side, cv2.BORDER_REFLECT_101), draws.luts[i][None])
            pictures.append(np.ascontiguousarray(crop[:, ::-1] if draws.flips[i] else crop))
        stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return stacked.float().div(255).contiguous(memory_format=torch.channels_last)


def clip_shares(data: FaceData, ranges: np.ndarray) -> np.ndarray:
    """(clips,) chance of each clip: the square root of its length over that of its person's number of clips."""
    person = data.person[ranges[:, 0]]
    weight = np.sqrt(np.diff(ranges, axis=1)[:, 0]) / np.sqrt(np.bincount(person)[person]) if len(ranges) else person
    return weight / max(weight.sum(), 1e-9)


def light_tables(rng: np.random.Generator, light: float, size: int) -> np.ndarray:
    """(size, 256, 3) uint8 look-up tables: gain, gain per channel and gamma of a standard deviation in logarithms."""
    gain = np.exp(rng.normal(0, light, (size, 1, 3)) + rng.normal(0, light, (size, 1, 1)))
    gamma = np.exp(rng.normal(0, light, (size, 1, 1)))
    return np.clip(255 * (np.arange(256)[:, None] / 255) ** gamma * gain, 0, 255).astype(np.uint8)


def _units_of(data: FaceData, rows: np.ndarray, flips: np.ndarray) -> torch.Tensor:
    """Action Units by the labels; in a mirrored picture left and right change places."""
    scores, meshes = (torch.from_numpy(np.array(each[rows], np.float32)) for each in (data.blendshapes, data.mesh_px))
    units = read_action_unit_sides(scores, meshes)
    return torch.where(torch.from_numpy(flips)[:, None, None], units.flip(2), units)


def _expressive_rows(data: FaceData, ranges: np.ndarray, usable: np.ndarray) -> list[np.ndarray]:
    """For each Action Unit that clips show: the usable frames that show it strongly on either side."""
    every = np.arange(len(data))
    units = _units_of(data, every, np.zeros(len(data), bool)).amax(2).numpy()
    in_clips = np.zeros(len(data), bool)
    for first, last in ranges:
        in_clips[first:last] = True
    strong = units > _STRONG * np.percentile(units, 99.5, axis=0)
    strong &= (in_clips & usable)[:, None]
    return [rows for rows in map(np.flatnonzero, strong.T) if len(rows)]


def cut_segments(data: FaceData, rows: np.ndarray, draws: PairDraws, side: int, device: torch.device) -> torch.Tensor:
    """(n, side, side) int64 classes, 0 background, 1 face, 2 hair, of the set's parsing; rows without it are all 0."""
    heads = np.stack([head_classes(data.parsing[row]) for row in rows])
    cut = cut_shares(np.stack([heads == 1, heads == 2], 1), draws, side, device)
    return torch.cat([1 - cut.sum(1, keepdim=True), cut], 1).argmax(1)


def cut_shares(masks: np.ndarray, draws: PairDraws, side: int, device: torch.device) -> torch.Tensor:
    """(n, c, side, side) share of each of the masks (n, c, 128, 128) in the crops."""
    shares = functional.avg_pool2d(torch.from_numpy(masks).to(device).float(), 3, 1, 1)
    grid = sampling_grid(draws.crop_from_frame, draws.flips, side).to(device) * ((FRAME_PX - 1) / FRAME_PX)
    return functional.grid_sample(shares, grid, "bilinear", "border", align_corners=False)


def head_classes(parsing: np.ndarray) -> np.ndarray:
    """(128, 128) uint8: 0 background, 1 face, 2 hair, of the set's five classes; small pieces off the head removed."""
    classes = np.where(parsing <= 2, parsing, 0).astype(np.uint8)
    _, pieces, facts, _ = cv2.connectedComponentsWithStats((classes > 0).astype(np.uint8), connectivity=4)
    area = facts[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0  # the background
    kept = area >= _SMALLEST_PIECE * area.max()
    kept[0] = False
    return np.where(kept[pieces], classes, 0).astype(np.uint8)


def validation_pairs(
    data: FaceData, side: int, per_clip: int, device: torch.device, *, parsing: bool = True
) -> list[Batch]:
    """Fixed pairs, one batch a clip: its first frame and `per_clip` later ones (with a parsing), evenly spread."""
    sampler = PairSampler(data, PairConfig(side=side), parsing=parsing)
    identity = np.tile(np.arange(256, dtype=np.uint8)[:, None], (per_clip, 1, 3))
    matrix, none = np.tile(np.diag([side / FRAME_PX, side / FRAME_PX, 1.0]), (per_clip, 1, 1)), np.zeros(per_clip, bool)
    batches = []
    for (first, _), targets in zip(sampler.ranges, sampler.targets, strict=True):
        rows = targets[np.linspace(0, len(targets) - 1, per_clip + 1).round().astype(int)[1:]]
        pairs = np.stack([np.full(per_clip, first), rows], 1)
        draws = PairDraws(rows=pairs, crop_from_frame=matrix, flips=none, luts=identity, own=none)
        batches.append(sampler.cut(draws, device))
    return batches
