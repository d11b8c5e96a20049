"""Recipe: the identity encoder, a student of the embeddings that label the set.

The set holds few people for this. With the teacher itself (``--teacher FILE.onnx``) blends of two people and stretched
faces are labelled too, as many as the run asks for (Beyer et al., "Knowledge distillation: a good teacher is patient
and consistent", 2022).
"""

import dataclasses
import pathlib

import cv2
import numpy as np
import torch
from torch import nn

from reenact.perception.crop import square_crop
from reenact.perception.identity import IDENTITY_CROP_PX, IdentityConfig, IdentityNetwork, identity_crop
from train.augment.crops import random_colour, random_occluder, random_quality, warp_crop
from train.augment.scenes import person_weights
from train.data.faces import FaceData
from train.data.resident import refuse_resident
from train.recipes.task import RecipeTask, tile_pictures, to_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdentityTaskConfig:
    """Losses and perturbations."""

    relation_weight: float = 10.0
    """Weight of the squared difference between the student's and the teacher's similarities within a batch."""
    contrast_weight: float = 0.1
    """Weight of the cross entropy of finding the own teacher embedding among those of the batch."""
    contrast_temperature: float = 0.07
    """Temperature of its softmax."""
    shift_px: float = 1.5
    """Standard deviation of the crop's misplacement, as landmarks err."""
    blended: float = 0.6
    """Share of crops that are blends of two people, with a teacher."""
    stretch: float = 0.08
    """Standard deviation of the log stretch of these crops, across and along a random direction."""


class IdentityTask(RecipeTask):
    """Aligned crops, slightly misplaced and degraded -> the teacher's embedding of the clean ones."""

    model = "identity"
    input_names = ("crop",)

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: IdentityConfig,
        config: IdentityTaskConfig,
        teacher: "Teacher | None" = None,
    ) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.teacher = teacher
        self.networks = IdentityNetwork(network)
        self.use_data(train)

    def use_data(self, train: FaceData) -> None:
        """Draw from other training data from now on."""
        self.train = train
        self.cumulative = np.cumsum(person_weights(train))

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        rows = np.searchsorted(self.cumulative, rng.random(size)).clip(max=len(self.train) - 1)
        embedding, person = self.train.embedding[rows].astype(np.float32), self.train.person[rows].astype(np.int64)
        if self.teacher is None:
            crops = np.stack([self._degraded(self._crop(int(row), rng, stretch=0.0), rng) for row in rows])
        else:
            clean = [self._crop(int(row), rng, stretch=self.config.stretch) for row in rows]
            for i in np.flatnonzero(rng.random(size) < self.config.blended):
                clean[i] = blend(clean[i], clean[int(rng.integers(size))], rng)
                person[i] = -1 - i  # a person of its own
            embedding = self.teacher(np.stack(clean))
            crops = np.stack([self._degraded(crop, rng) for crop in clean])
        return {
            "crop": to_pictures(crops, device),
            "embedding": torch.from_numpy(embedding).to(device),
            "person": torch.from_numpy(person).to(device),
            "rows": torch.from_numpy(rows),
        }

    def _crop(self, row: int, rng: np.random.Generator, *, stretch: float) -> np.ndarray:
        middle = np.full(2, IDENTITY_CROP_PX / 2)
        shift = np.clip(rng.normal(0, self.config.shift_px, 2), -4, 4)
        zoom = np.exp(np.clip(rng.normal(0, 0.02), -0.05, 0.05))
        jitter = square_crop(middle + shift, IDENTITY_CROP_PX * zoom, rng.normal(0, 0.02), IDENTITY_CROP_PX)
        if stretch:
            jitter = stretched(middle, rng.normal(0, stretch, 2), rng.uniform(0, np.pi)) @ jitter
        crop = aligned_crop(self.train, row, jitter)
        return np.ascontiguousarray(crop[:, ::-1]) if rng.random() < 0.5 else crop

    def _degraded(self, crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.5:
            crop = random_colour(crop, rng)
        if rng.random() < 0.05:
            crop = random_occluder(crop, np.roll(crop, 40, axis=0), rng)
        return random_quality(crop, rng) if rng.random() < 0.5 else crop

    def compute_losses(self, outputs: torch.Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
        teacher, config = batch["embedding"], self.config
        relation = (outputs @ outputs.T - teacher @ teacher.T).square().mean()
        same = batch["person"][:, None] == batch["person"][None]
        logits = (outputs @ teacher.T) / config.contrast_temperature
        own = torch.arange(len(outputs), device=outputs.device)
        others = same & (own[:, None] != own[None])
        contrast = nn.functional.cross_entropy(logits.masked_fill(others, -1e4), own)
        return {
            "cosine": (1 - (outputs * teacher).sum(1)).mean(),
            "relation": config.relation_weight * relation,
            "contrast": config.contrast_weight * contrast,
        }

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        return validate_identity(embed(networks, self.val, device), self.val)

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        return draw_nearest(embed(networks, self.val, device), self.val)


class Teacher:
    """The network whose embeddings label the set: crops (b, 112, 112, 3) uint8 -> (b, 256) float32, unit length."""

    def __init__(self, path: pathlib.Path) -> None:
        import onnxruntime  # the set's labels need no teacher

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input_name = self.session.get_inputs()[0].name

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        planes = crops.transpose(0, 3, 1, 2).astype(np.float32)
        # one by one: a batch of this small network no longer fits the cache
        parts = [self.session.run(None, {self.input_name: planes[i : i + 1]})[0] for i in range(len(planes))]
        return np.concatenate(parts).astype(np.float32)


def blend(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mixture of two aligned crops, or one with a part of the other (upper or lower face) faded in."""
    share = np.full((first.shape[0], 1, 1), rng.uniform(0.2, 0.8), np.float32)
    if rng.random() < 0.4:
        rows = np.arange(first.shape[0], dtype=np.float32)[:, None, None]
        share = 1 / (1 + np.exp(-(rows - rng.uniform(35, 85)) / rng.uniform(2, 10) * rng.choice([-1, 1])))
    return (first * share + second * (1 - share)).astype(np.uint8)


def stretched(centre: np.ndarray, log_scales: np.ndarray, angle_rad: float) -> np.ndarray:
    """3x3: stretched about `centre`, by one factor along `angle_rad` and by another across."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[c, -s], [s, c]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn @ np.diag(np.exp(np.clip(log_scales, -0.2, 0.2))) @ turn.T
    matrix[:2, 2] = centre - matrix[:2, :2] @ centre
    return matrix


def aligned_crop(data: FaceData, row: int, jitter: np.ndarray | None = None) -> np.ndarray:
    """(112, 112, 3) uint8: row `row` cut as `identity_crop` says, then moved by `jitter`."""
    matrix = identity_crop(data.mesh_px[row])
    matrix = matrix if jitter is None else jitter @ matrix
    return warp_crop(np.asarray(data.rgb[row]), matrix, IDENTITY_CROP_PX, cv2.BORDER_CONSTANT)


def embed(networks: nn.Module, data: FaceData, device: torch.device) -> np.ndarray:
    """(N, 256) embeddings of every picture of a split."""
    parts = []
    for chunk in np.array_split(np.arange(len(data)), max(len(data) // 64, 1)):
        crops = to_pictures([aligned_crop(data, int(row)) for row in chunk], device)
        parts.append(networks(crops).cpu().numpy())
    return np.concatenate(parts)


def validate_identity(student: np.ndarray, data: FaceData) -> dict[str, float]:
    """Agreement with the teacher, and how well each verifies people, if the data has pairs of one person and of two."""
    same, different = verification_pairs(data)
    figures = {"cosine_to_teacher": float((student * data.embedding).sum(1).mean())}
    stills = data.is_still
    if stills.any():
        figures["cosine_to_teacher_stills"] = float((student * data.embedding).sum(1)[stills].mean())
    figures |= {"same_pairs": len(same), "different_pairs": len(different)}
    if not len(same) or not len(different):
        return figures
    for name, embedding in (("", student), ("teacher_", np.asarray(data.embedding))):
        positive, negative = ((embedding[pairs[:, 0]] * embedding[pairs[:, 1]]).sum(1) for pairs in (same, different))
        figures[f"{name}same_mean"], figures[f"{name}different_mean"] = positive.mean(), negative.mean()
        figures[f"{name}roc_auc"] = roc_auc(positive, negative)
        figures[f"{name}equal_error"] = equal_error_rate(positive, negative)
    return {key: float(value) for key, value in figures.items()}


def verification_pairs(data: FaceData, count: int = 4000, apart: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) rows of one person (other clips, or `apart` frames apart) and of two people, seeded."""
    rng = np.random.default_rng(2)
    first, second = rng.integers(len(data), size=(2, 100 * count))
    same_person = data.person[first] == data.person[second]
    far = (data.clip[first] != data.clip[second]) | data.is_still[first] | (np.abs(first - second) >= apart)
    same = np.flatnonzero(same_person & far & (first != second))[:count]
    different = np.flatnonzero(~same_person)[:count]
    return np.stack([first, second], 1)[same], np.stack([first, second], 1)[different]


def roc_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a pair of one person scores above a pair of two (ties count half)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    up_to = np.searchsorted(ordered, positive, "right")
    return float((below + up_to).mean() / 2 / len(negative))


def equal_error_rate(positive: np.ndarray, negative: np.ndarray) -> float:
    """Error at the threshold where as many pairs are wrongly accepted as wrongly refused."""
    thresholds = np.sort(np.concatenate([positive, negative]))
    refused = np.searchsorted(np.sort(positive), thresholds, "left") / len(positive)
    accepted = 1 - np.searchsorted(np.sort(negative), thresholds, "left") / len(negative)
    nearest = np.argmin(np.abs(refused - accepted))
    return float((refused[nearest] + accepted[nearest]) / 2)


def draw_nearest(student: np.ndarray, data: FaceData) -> np.ndarray:
    """Contact sheet: a face of each of ten people, then its five nearest in other clips or stills."""
    people = np.unique(data.person, return_index=True)[1]
    rows = np.resize(np.concatenate([[first for first, _ in data.clip_ranges], people]).astype(int), 10)
    candidates = np.unique(np.concatenate([people, [last - 1 for _, last in data.clip_ranges]]))
    lines = []
    for row in rows:
        others = candidates[candidates != row]
        nearest = np.resize(others[np.argsort(-(student[others] @ student[row]))[:5]], 5 if len(others) else 0)
        lines.append(np.concatenate([aligned_crop(data, int(i)) for i in (row, *nearest)], axis=1))
    return tile_pictures(lines, columns=2)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[IdentityTask, LoopConfig]:
    """The embedded identity encoder: about 1.6 M parameters."""
    refuse_resident(options, "identity")
    cv2.setNumThreads(1)
    teacher = None if options.teacher is None else Teacher(options.teacher)
    task = IdentityTask(train, val, IdentityConfig(), IdentityTaskConfig(), teacher)
    task.start_from(options.init)
    return task, LoopConfig(steps=1800, batch_size=64, learning_rate=2e-3, clip_norm=5.0, validate_every=900)
