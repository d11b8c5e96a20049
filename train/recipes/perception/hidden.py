"""Recipe: which parts of a face are hidden, taught by covering mouths and eyes of the set."""

import dataclasses

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from reenact.perception.hidden import (
    HIDDEN,
    HiddenConfig,
    HiddenNetwork,
    hidden_shares,
    part_crops,
    part_inputs,
    skin_tone,
)
from train.augment.scenes import person_weights
from train.data.faces import FaceData
from train.recipes.task import RecipeTask, tile_pictures, to_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

_CORE = (0.33, 0.3)
"""Half axes of the ellipse that counts, as shares of the crop's width and height."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HiddenTaskConfig:
    """Covers."""

    covered_share: float = 0.55
    """Share of the crops that are covered."""
    least: float = 0.5
    """Share of the core from which on a cover hides the part."""
    most: float = 0.12
    """Share up to which the part is still seen; crops between the two are not learned from."""
    shift: float = 0.04
    """Spread of the crop's place, as a share of the face: the tracker is off where a part is hidden."""


class HiddenTask(RecipeTask):
    """Crops of mouths and eyes, some of them covered -> whether they are hidden."""

    model = "hidden"
    input_names = ("inputs",)

    def __init__(self, train: FaceData, val: FaceData, network: HiddenConfig, config: HiddenTaskConfig) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.networks = HiddenNetwork(network)
        self.use_data(train)

    def use_data(self, train: FaceData) -> None:
        """Draw from other training data from now on."""
        self.train = train
        weights = person_weights(train)
        self.cumulative = np.cumsum(weights / weights.sum())

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        rows = np.searchsorted(self.cumulative, rng.random(size)).clip(max=len(self.train) - 1)
        rgb = to_pictures([np.asarray(self.train.rgb[row]) for row in rows], torch.device("cpu"))
        mesh_px = torch.from_numpy(np.stack([self.train.mesh_px[row] for row in rows])).float()
        tone = skin_tone(rgb, mesh_px)
        crops = part_crops(rgb, self._shifted(mesh_px, rng))
        others = crops.flatten(0, 1)[rng.permutation(3 * size)].unflatten(0, (size, 3))
        share = torch.zeros(size, 3)
        for i in range(size):
            for k in range(3):
                if rng.random() < self.config.covered_share:
                    crops[i, k], share[i, k] = covered(crops[i, k], tone[i], others[i, k], rng)
        return {
            "inputs": part_inputs(crops, tone).to(device),
            "share": share.flatten().to(device),
            "rows": torch.from_numpy(rows),
        }

    def _shifted(self, mesh_px: Tensor, rng: np.random.Generator) -> Tensor:
        size = (mesh_px[:, 263] - mesh_px[:, 33]).norm(dim=-1)[:, None, None]
        shift = torch.from_numpy(rng.normal(0, self.config.shift, (len(mesh_px), 1, 3))).float()
        return mesh_px + shift * size

    def compute_losses(self, outputs: Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
        share = batch["share"]
        learned = (share >= self.config.least) | (share <= self.config.most)
        wanted = (share >= self.config.least).float() * 0.98 + 0.01
        each = nn.functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        return {"entropy": (each * learned).sum() / learned.sum().clamp(min=1)}

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        return validate_hidden(networks, self.val, device)

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        """The validation pictures with the highest probabilities: false alarms, or parts that are hidden indeed."""
        shares = predict(networks, self.val, np.arange(len(self.val)), device).max(1)
        return tile_pictures(
            [cv2.resize(np.asarray(self.val.rgb[i]), (128, 128)) for i in shares.argsort()[::-1][:32]], 8
        )


def covered(crop: Tensor, tone: Tensor, other: Tensor, rng: np.random.Generator) -> tuple[Tensor, float]:
    """A crop under a random cover, and the share of its core that the cover hides."""
    height, width = crop.shape[1:]
    alpha = draw_cover(height, width, rng)
    colour = draw_colour(tone.numpy(), other.numpy(), rng)
    shade = (
        1 + np.linspace(-1, 1, width) * rng.normal(0, 0.15) + np.linspace(-1, 1, height)[:, None] * rng.normal(0, 0.15)
    )
    if rng.random() < 0.4:  # fingers, folds
        angle, (y, x) = rng.uniform(0, np.pi), np.mgrid[:height, :width]
        waves = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0.45, 1.5) + rng.uniform(0, 6))
        shade = shade + 0.15 * rng.random() * waves
    painted = colour * shade + rng.normal(0, rng.uniform(0, 0.024), crop.shape)
    y, x = np.mgrid[:height, :width] + 0.5
    core = ((x / width - 0.5) / _CORE[0]) ** 2 + ((y / height - 0.5) / _CORE[1]) ** 2 < 1
    mixed = crop.numpy() * (1 - alpha) + painted.clip(0, 1) * alpha
    return torch.from_numpy(mixed.astype(np.float32)), float(alpha[core].mean())


def draw_cover(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(height, width) in [0, 1]: an ellipse, fingers, a polygon, everything below a line, or a box."""
    fine = 4
    mask, size = np.zeros((height * fine, width * fine), np.uint8), np.array([width, height]) * fine
    centre = size / 2 + rng.normal(0, 1, 2) * size * (0.2, 0.25)
    kind = rng.integers(5)
    if kind == 0:
        axes = (rng.uniform((0.15, 0.2), (0.7, 0.9)) * size).astype(int).tolist()
        cv2.ellipse(mask, centre.astype(int).tolist(), axes, rng.uniform(0, 180), 0, 360, 255, -1)
    elif kind == 1:
        for _ in range(rng.integers(1, 5)):
            first = centre + rng.normal(0, 0.3, 2) * size
            ends = [point.astype(int).tolist() for point in (first, first + rng.normal(0, 1, 2) * size)]
            cv2.line(mask, *ends, 255, max(int(rng.uniform(0.12, 0.5) * size[1]), 1))
    elif kind == 2:
        points = centre + rng.normal(0, 0.5, (5, 2)) * size
        cv2.fillPoly(mask, [cv2.convexHull(points.astype(np.int32))], 255)
    elif kind == 3:
        mask[int(rng.uniform(0, 0.5) * size[1]) * (rng.random() < 0.7) :] = 255
    else:
        low, high = centre - size * rng.uniform(0.2, 0.6, 2), centre + size * rng.uniform(0.2, 0.6, 2)
        (left, top), (right, bottom) = low.clip(0).astype(int), high.astype(int)
        mask[top:bottom, left:right] = 255
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def draw_colour(tone: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3, height, width): any colour, grey, skin as of a hand, something dark, or a stretched piece of another crop."""
    kind = rng.integers(5)
    if kind == 4:
        piece = other[:, : rng.integers(3, 9), : rng.integers(3, 9)].transpose(1, 2, 0)
        return cv2.resize(piece, other.shape[:0:-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    flat = (
        rng.random(3),
        np.full(3, rng.random()),
        tone * rng.uniform(0.55, 1.25) * rng.normal(1, 0.04, 3),
        rng.uniform(0, 0.35) + rng.normal(0, 0.02, 3),
    )[kind]
    return np.broadcast_to(flat[:, None, None], other.shape)


def predict(networks: nn.Module, data: FaceData, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """(n, 3) probabilities of pictures as they are."""
    found = []
    for chunk in np.array_split(rows, max(len(rows) // 32, 1)):
        rgb = to_pictures([np.asarray(data.rgb[row]) for row in chunk], device)
        mesh_px = torch.from_numpy(np.stack([data.mesh_px[row] for row in chunk])).float().to(device)
        found.append(hidden_shares(networks, rgb, mesh_px).cpu().numpy())
    return np.concatenate(found)


def validate_hidden(networks: nn.Module, data: FaceData, device: torch.device) -> dict[str, float]:
    """False alarms on pictures as they are, stills and clips apart; covers found and missed, of one fixed draw."""
    clear = predict(networks, data, np.arange(len(data)), device) > HIDDEN
    figures = {"pictures": float(len(data))}
    for name, rows in (("stills", data.is_still), ("clips", ~data.is_still)):
        if rows.any():
            figures[f"alarms_{name}"] = float(clear[rows].any(1).mean())
            figures[f"alarms_mouth_{name}"] = float(clear[rows, 0].mean())
    task = HiddenTask(data, data, HiddenConfig(), HiddenTaskConfig())
    batch = task.sample_batch(np.random.default_rng(0), 256, device)
    found, share = networks(batch["inputs"]).sigmoid() > HIDDEN, batch["share"]
    figures["found"] = float(found[share >= task.config.least].float().mean())
    figures["found_part"] = float(found[(share > 0) & (share <= task.config.most)].float().mean())
    return figures


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[HiddenTask, LoopConfig]:
    """The embedded network: 16,173 parameters."""
    cv2.setNumThreads(1)
    task = HiddenTask(train, val, HiddenConfig(), HiddenTaskConfig())
    task.start_from(options.init)
    return task, LoopConfig(
        steps=800, batch_size=24, learning_rate=4e-3, clip_norm=5.0, warmup_steps=40, validate_every=800
    )
