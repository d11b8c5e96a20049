"""Recipe: the face parser, taught by the set's maps of face, hair, clothes and skin."""

import dataclasses

import cv2
import numpy as np
import torch
from torch import nn

from reenact.perception.crop import square_crop
from reenact.perception.parser import PARSER_CLASSES, PARSER_CROP_PX, ParserConfig, ParserNetwork
from train.augment.crops import random_background, random_colour, random_occluder, random_quality, warp_crop
from train.augment.scenes import person_weights
from train.data.faces import CROP_PX, FaceData
from train.data.resident import refuse_resident
from train.recipes.task import RecipeTask, tile_pictures, to_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

IGNORED = 255
"""Label of what lies outside the labelled picture."""

HEAD_CLASSES = tuple(PARSER_CLASSES.index(name) for name in ("face", "hair", "skin"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParserTaskConfig:
    """Losses and perturbations."""

    dice_weight: float = 1.0
    """Weight of the overlap loss, beside cross entropy: small classes count as much as large ones in it."""
    turn_deg: float = 20.0
    """Largest rotation of a crop."""
    zoom: tuple[float, float] = (0.7, 1.3)
    """Range of its magnification."""
    backgrounds: float = 0.3
    """Share of the crops whose person stands before the background of another picture."""
    smoothing: float = 0.05
    """Label smoothing: labels come from a network and are speckled."""


class ParserTask(RecipeTask):
    """Crops rotated, shifted and degraded -> their class maps at half the size."""

    model = "parser"
    input_names = ("rgb",)

    def __init__(self, train: FaceData, val: FaceData, network: ParserConfig, config: ParserTaskConfig) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.networks = ParserNetwork(network)
        self.use_data(train)

    def use_data(self, train: FaceData) -> None:
        """Draw from other training data from now on."""
        self.train = train
        weights = person_weights(train) * train.has_parsing
        self.cumulative = np.cumsum(weights / weights.sum())

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        rows = np.searchsorted(self.cumulative, rng.random(size)).clip(max=len(self.train) - 1)
        samples = [self._sample(int(row), rng) for row in rows]
        return {
            "rgb": to_pictures([crop for crop, _ in samples], device),
            "parsing": torch.from_numpy(np.stack([label for _, label in samples])).to(device).long(),
            "rows": torch.from_numpy(rows),
        }

    def _sample(self, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        rgb, parsing, side = np.asarray(self.train.rgb[row]), np.asarray(self.train.parsing[row]), PARSER_CROP_PX
        if rng.random() < self.config.backgrounds:
            other = int(np.searchsorted(self.cumulative, rng.random()).clip(max=len(self.train) - 1))
            beside = np.asarray(self.train.rgb[other]), np.asarray(self.train.parsing[other]) > 0
            rgb = random_background(rgb, parsing > 0, *beside, rng)
        if rng.random() < 0.5:
            rgb, parsing = np.ascontiguousarray(rgb[:, ::-1]), np.ascontiguousarray(parsing[:, ::-1])
        turn = np.radians(rng.uniform(-self.config.turn_deg, self.config.turn_deg)) * (rng.random() < 0.7)
        zoom = np.exp(rng.uniform(*np.log(self.config.zoom)))
        centre = np.array([0.5, 0.5]) + rng.uniform(-0.12, 0.12, 2)
        crop_from_unit = square_crop(centre, 1 / zoom, turn, side)
        if rng.random() < 0.7:  # the smooth picture that inference sees, or a sharper one
            rgb = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
        border = [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT][rng.integers(2)]
        unit_from_rgb = np.diag([1 / rgb.shape[1], 1 / rgb.shape[0], 1.0])
        crop = warp_crop(rgb, crop_from_unit @ unit_from_rgb, side, border)
        unit_from_label = np.diag([1 / parsing.shape[1], 1 / parsing.shape[0], 1.0])
        label = warp_label(parsing, np.diag([0.5, 0.5, 1.0]) @ crop_from_unit @ unit_from_label, side // 2)
        if rng.random() < 0.08:
            crop = random_occluder(crop, np.roll(crop, side // 2, axis=1), rng)
        return random_quality(random_colour(crop, rng) if rng.random() < 0.8 else crop, rng), label

    def compute_losses(self, outputs: torch.Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
        label = batch["parsing"]
        entropy = nn.functional.cross_entropy(
            outputs, label, ignore_index=IGNORED, label_smoothing=self.config.smoothing
        )
        return {"entropy": entropy, "dice": self.config.dice_weight * compute_dice_loss(outputs, label)}

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        return validate_parser(networks, self.val, device)

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        return draw_parsing(networks, self.val, device)


def warp_label(label: np.ndarray, crop_from_label: np.ndarray, side: int) -> np.ndarray:
    """Resample a class map to (side, side), nearest neighbour; outside is `IGNORED`."""
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    matrix = (shift @ crop_from_label @ np.linalg.inv(shift))[:2]
    return cv2.warpAffine(
        label, matrix, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=(IGNORED,)
    )


def compute_dice_loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """1 - soft overlap of each class over the batch, averaged over classes (Milletari et al., 2016, eq. 3)."""
    known = (label != IGNORED)[:, None]
    target = nn.functional.one_hot(label.clamp(max=logits.shape[1] - 1), logits.shape[1]).permute(0, 3, 1, 2) * known
    probability = logits.softmax(1) * known
    shared = (probability * target).sum((0, 2, 3))
    total = (probability.square() + target).sum((0, 2, 3))
    return (1 - (2 * shared + 1) / (total + 1)).mean()


def parse_crops(networks: nn.Module, data: FaceData, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """(n, 64, 64) uint8 classes of some pictures of the set."""
    parts = []
    for chunk in np.array_split(rows, max(len(rows) // 64, 1)):
        size = (PARSER_CROP_PX, PARSER_CROP_PX)
        small = [cv2.resize(np.asarray(data.rgb[row]), size, interpolation=cv2.INTER_AREA) for row in chunk]
        logits = networks(to_pictures(small, device))
        parts.append(logits.argmax(1).to(torch.uint8).cpu().numpy())
    return np.concatenate(parts)


def labels_at_half(data: FaceData, rows: np.ndarray) -> np.ndarray:
    """(n, 64, 64) labels of these pictures."""
    return np.stack([np.asarray(data.parsing[row])[::2, ::2] for row in rows])


def validate_parser(networks: nn.Module, data: FaceData, device: torch.device) -> dict[str, float]:
    """Intersection over union of each class over all pixels: stills, and every fourth labelled clip frame."""
    labelled = np.flatnonzero(data.has_parsing)
    rows = np.concatenate([labelled[data.is_still[labelled]], labelled[~data.is_still[labelled]][::4]])
    predicted, label = parse_crops(networks, data, rows, device), labels_at_half(data, rows)
    figures: dict[str, float] = {"pictures": len(rows)}
    for i, name in enumerate(PARSER_CLASSES):
        figures[f"iou_{name}"] = intersection_over_union(predicted == i, label == i)
    figures["iou_mean"] = float(np.mean([figures[f"iou_{name}"] for name in PARSER_CLASSES]))
    figures["iou_head"] = intersection_over_union(np.isin(predicted, HEAD_CLASSES), np.isin(label, HEAD_CLASSES))
    figures["iou_person"] = intersection_over_union(predicted > 0, label > 0)
    stills = data.is_still[rows]
    figures["iou_head_stills"] = intersection_over_union(
        np.isin(predicted[stills], HEAD_CLASSES), np.isin(label[stills], HEAD_CLASSES)
    )
    figures["pixel_accuracy"] = float((predicted == label).mean())
    return figures


def intersection_over_union(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks, 0 to 1; 1 if both are empty."""
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0


CLASS_COLOURS = np.array([[40, 40, 40], [240, 180, 150], [120, 70, 20], [60, 110, 220], [220, 90, 90]], np.uint8)


def draw_parsing(networks: nn.Module, data: FaceData, device: torch.device) -> np.ndarray:
    """Contact sheet of validation people: picture, label, prediction."""
    labelled = np.flatnonzero(data.has_parsing)
    rows = labelled[:: max(len(labelled) // 24, 1)][-24:]
    predicted, label = parse_crops(networks, data, rows, device), labels_at_half(data, rows)
    pictures = []
    for i, row in enumerate(rows):
        maps = [
            cv2.resize(CLASS_COLOURS[classes[i]], (128, 128), interpolation=cv2.INTER_NEAREST)
            for classes in (label, predicted)
        ]
        pictures.append(np.concatenate([cv2.resize(np.asarray(data.rgb[row]), (128, 128)), *maps], axis=1))
    return tile_pictures(pictures, columns=4)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[ParserTask, LoopConfig]:
    """The embedded parser: about 0.9 M parameters."""
    refuse_resident(options, "parser")
    assert CROP_PX == 2 * PARSER_CROP_PX
    cv2.setNumThreads(1)
    task = ParserTask(train, val, ParserConfig(), ParserTaskConfig())
    task.start_from(options.init)
    return task, LoopConfig(
        steps=1200, batch_size=32, learning_rate=2e-3, clip_norm=5.0, warmup_steps=100, validate_every=600
    )
