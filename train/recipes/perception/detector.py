"""Recipe: the face detector, on scenes composed from the crops of the set and from their profiled pictures."""

import dataclasses

import cv2
import numpy as np
import torch
from torch import nn

from reenact.perception.detector import (
    STRIDES,
    Detections,
    Detector,
    DetectorConfig,
    DetectorNetwork,
    DetectorOutput,
    box_overlaps,
    cell_points,
)
from train.augment.crops import random_quality
from train.augment.faceless import BUNDLED_VAL, make_backgrounds, random_pattern, read_bundled
from train.augment.scenes import Scene, SceneComposer
from train.data.faces import FaceData
from train.data.resident import refuse_resident
from train.profiling.rendered_set import make_profiled_sets
from train.recipes.task import RecipeTask, tile_pictures, to_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

LEVEL_SIZES = ((0.0, 36.0), (28.0, 110.0), (90.0, np.inf))
"""Sides of the faces, in pixels, that each level answers for; they overlap, so that no size falls between two."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorTaskConfig:
    """Scenes and losses."""

    side: int = 320
    """Side of a training scene; faces up to four fifths of it."""
    centre_cells: float = 0.75
    """Cells whose centre is nearer than this many strides to the face's centre, in x and y, answer for it."""
    focal_alpha: float = 0.25
    """Weight of faces against background in the focal loss."""
    focal_gamma: float = 2.0
    """How much less correct answers count in it (Lin et al., 2017, eq. 5)."""
    box_weight: float = 2.0
    """Weight of the box loss, beside the score's."""
    val_scenes: int = 240
    """Composed pictures of validation people."""
    profiled_share: float = 0.35
    """Scenes with faces rendered at yaws of up to 90 degrees (`train/profiling/rendered_set.py`); 0 for none."""


class DetectorTask(RecipeTask):
    """Scenes -> which cell answers for which face."""

    model = "detector"
    input_names = ("rgb",)

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: DetectorConfig,
        config: DetectorTaskConfig,
        profiled: tuple[FaceData | None, FaceData | None] = (None, None),
    ) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.profiled, self.val_profiled = profiled
        self.networks = DetectorNetwork(network)
        self.use_data(train)
        self.points, self.strides = cell_points(config.side, config.side)
        self.val_faceless = make_backgrounds(val, len(val), seed=1)
        self.val_composer = SceneComposer(val, side=640, backgrounds=self.val_faceless, max_face_px=300.0)

    def use_data(self, train: FaceData) -> None:
        """Compose scenes of other training data from now on; rendered faces stay those of the first."""
        self.train = train
        self.composer = SceneComposer.for_training(train, self.config.side)
        self.turned = None
        if self.profiled is not None:
            self.turned = SceneComposer(self.profiled, side=self.config.side, backgrounds=self.composer.backgrounds)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        scenes, names = [], []
        for _ in range(size):
            composer = self.composer
            if self.turned is not None and rng.random() < self.config.profiled_share:
                composer = self.turned
            composer.take_drawn_rows()  # those of validation scenes
            scenes.append(composer.compose(rng))
            names.append(" > ".join(composer.data.names[row] for row in composer.take_drawn_rows()))
        targets = [
            assign_cells(scene, self.points.numpy(), self.strides.numpy(), self.config.centre_cells) for scene in scenes
        ]
        return {
            "rgb": to_pictures([scene.rgb for scene in scenes], device),
            "label": torch.from_numpy(np.stack([label for label, _ in targets])).to(device),
            "boxes": torch.from_numpy(np.stack([boxes for _, boxes in targets])).to(device),
            "names": names,  # type: ignore[dict-item]
        }

    def compute_losses(self, outputs: DetectorOutput, batch: Batch, critic: nn.Module | None) -> Losses:
        label, config = batch["label"], self.config
        positive = label == 1
        count = positive.sum().clamp(min=1)
        score = compute_focal_loss(outputs.score_logit, positive.float(), config.focal_alpha, config.focal_gamma)
        boxes = compute_giou_loss(outputs.boxes[positive], batch["boxes"][positive])
        return {"score": (score * (label >= 0)).sum() / count, "boxes": config.box_weight * boxes.sum() / count}

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        assert isinstance(networks, DetectorNetwork)
        detector = Detector(networks, device)
        figures = recall_on_portraits(detector, self.val)
        figures |= recall_on_canvases(detector, self.val)
        figures |= recall_on_scenes(detector, self.val_composer, self.config.val_scenes)
        if self.val_profiled is not None:
            figures |= recall_on_profiled(detector, self.val_profiled)
        return figures | false_alarms(detector, self.val_faceless)

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        assert isinstance(networks, DetectorNetwork)
        return draw_detections(Detector(networks, device), self.val_composer)


def assign_cells(
    scene: Scene, points: np.ndarray, strides: np.ndarray, centre_cells: float
) -> tuple[np.ndarray, np.ndarray]:
    """The right answer of each cell for a scene.

    Returns:
        label: (n,) int64, 1 a face, 0 none, -1 both are accepted.
        boxes: (n, 4) float32, the box where the label is 1.
    """
    label = np.zeros(len(points), np.int64)
    boxes = np.zeros((len(points), 4), np.float32)
    sides = np.sqrt(np.prod(np.maximum(scene.boxes[:, 2:] - scene.boxes[:, :2], 1e-3), axis=1))
    for i in np.argsort(-sides):  # a smaller face overrides a larger one
        low, high = scene.boxes[i, :2], scene.boxes[i, 2:]
        offset = np.abs(points - (low + high) / 2)
        if not scene.certain[i]:
            label[(offset < (high - low) / 2).all(1)] = -1
            continue
        label[(offset < (high - low) * 0.2).all(1)] = -1
        for stride, (smallest, largest) in zip(STRIDES, LEVEL_SIZES, strict=True):
            if smallest <= sides[i] < largest:
                answering = (strides == stride) & (offset < centre_cells * stride).all(1)
                label[answering], boxes[answering] = 1, scene.boxes[i]
    return label, boxes


def compute_focal_loss(logit: torch.Tensor, target: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    """Cross entropy with less weight on answers that are already right (Lin et al., 2017, eq. 5)."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    right = torch.exp(-entropy)
    return torch.where(target > 0.5, alpha, 1 - alpha) * (1 - right) ** gamma * entropy


def compute_giou_loss(boxes: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - generalised intersection over union, row by row (Rezatofighi et al., 2019)."""
    shared = (torch.minimum(boxes[:, 2:], target[:, 2:]) - torch.maximum(boxes[:, :2], target[:, :2])).clamp(min=0)
    hull = torch.maximum(boxes[:, 2:], target[:, 2:]) - torch.minimum(boxes[:, :2], target[:, :2])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (target[:, 2:] - target[:, :2]).prod(1)
    union = (area - shared.prod(1)).clamp(min=1e-6)
    iou = shared.prod(1) / union
    return 1 - iou + 1 - union / hull.prod(1).clamp(min=1e-6)


def mesh_box(mesh_px: np.ndarray) -> np.ndarray:
    """x0, y0, x1, y1 of a mesh."""
    return np.concatenate([mesh_px[:, :2].min(0), mesh_px[:, :2].max(0)]).astype(np.float32)


def best_overlap(detections: Detections, box: np.ndarray) -> float:
    """Largest intersection over union of `box` with a detection; 0 without detections."""
    if len(detections) == 0:
        return 0.0
    return float(box_overlaps(torch.from_numpy(detections.boxes_px), torch.from_numpy(box)[None])[0].max())


def is_found(detections: Detections, box: np.ndarray, min_iou: float = 0.5) -> bool:
    """Whether some detection overlaps `box` by `min_iou` or more."""
    return best_overlap(detections, box) >= min_iou


def portrait_rows(data: FaceData) -> np.ndarray:
    """All stills and the first frame of each clip."""
    firsts = np.array([first for first, _ in data.clip_ranges], int)
    return np.concatenate([np.flatnonzero(data.is_still), firsts])


def recall_on_portraits(detector: Detector, data: FaceData) -> dict[str, float]:
    """Faces found in the unchanged pictures of the set, and the number of other detections in each."""
    rows = portrait_rows(data)
    extra, ious = 0, []
    for row in rows:
        detections = detector.detect(np.asarray(data.rgb[row]))
        box = mesh_box(data.mesh_px[row])
        extra += sum(not is_found(_only(detections, i), box, 0.2) for i in range(len(detections)))
        ious.append(best_overlap(detections, box))
    overlaps = np.array(ious)
    turned = np.flatnonzero(np.abs(data.yaw_deg) >= 30)
    return {
        "portraits": len(rows),
        "portraits_recall": float((overlaps >= 0.5).mean()),
        "portraits_other_faces": extra / len(rows),
        "portraits_mean_iou": float(overlaps[overlaps > 0].mean()) if overlaps.any() else 0.0,
        "turned_frames": len(turned),
        "turned_recall": recall(detector, data, turned) if len(turned) else 0.0,
    }


def recall_on_profiled(detector: Detector, data: FaceData) -> dict[str, float]:
    """Rendered faces found, by |yaw|."""
    figures: dict[str, float] = {}
    for low, high in ((0, 30), (30, 60), (60, 75), (75, 90)):
        rows = np.flatnonzero((np.abs(data.yaw_deg) >= low) & (np.abs(data.yaw_deg) < high))
        if len(rows):
            figures[f"profiled_{low}_{high}_recall"] = recall(detector, data, rows)
            figures[f"profiled_{low}_{high}_count"] = len(rows)
    return figures


def recall(detector: Detector, data: FaceData, rows: np.ndarray) -> float:
    """Share of unchanged pictures whose face is found."""
    found = [is_found(detector.detect(np.asarray(data.rgb[row])), mesh_box(data.mesh_px[row])) for row in rows]
    return float(np.mean(found))


def _only(detections: Detections, i: int) -> Detections:
    return Detections(boxes_px=detections.boxes_px[i : i + 1], scores=detections.scores[i : i + 1])


def recall_on_canvases(detector: Detector, data: FaceData) -> dict[str, float]:
    """Each still somewhere in a 1280 x 720 picture of one colour, its face 40 to 300 px high."""
    rng = np.random.default_rng(3)
    rows = portrait_rows(data)
    found = 0
    for row in rows:
        canvas = np.empty((720, 1280, 3), np.uint8)
        canvas[:] = rng.integers(0, 256, 3)
        box = mesh_box(data.mesh_px[row])
        scale = float(np.exp(rng.uniform(np.log(40), np.log(300)))) / float((box[2:] - box[:2]).max())
        side = min(round(256 * scale), 720)
        scale = side / 256
        small = cv2.resize(np.asarray(data.rgb[row]), (side, side), interpolation=cv2.INTER_AREA)
        x, y = int(rng.integers(1280 - side + 1)), int(rng.integers(720 - side + 1))
        canvas[y : y + side, x : x + side] = random_quality(small, rng)
        placed = box * scale + np.array([x, y, x, y], np.float32)
        found += is_found(detector.detect(canvas), placed.astype(np.float32))
    return {"canvas_recall": found / len(rows)}


def recall_on_scenes(detector: Detector, composer: SceneComposer, count: int) -> dict[str, float]:
    """Faces found in composed pictures of 640 px, by their size, and false alarms per picture.

    Faces of every size use the threshold of the large ones, as if the scene were a larger picture made smaller.
    """
    bins = {"10_20": (10, 20), "20_40": (20, 40), "40_up": (40, np.inf)}
    found = dict.fromkeys(bins, 0)
    total = dict.fromkeys(bins, 0)
    alarms = 0
    for i in range(count):
        scene = composer.compose(np.random.default_rng([7, i]))
        detections = detector.detect(scene.rgb, min_score=detector.config.min_score)
        for box, certain in zip(scene.boxes, scene.certain, strict=True):
            side = float((box[2:] - box[:2]).max())
            for name, (low, high) in bins.items():
                if certain and low <= side < high:
                    total[name] += 1
                    found[name] += is_found(detections, box)
        for j in range(len(detections)):
            alarms += not any(is_found(_only(detections, j), box, 0.2) for box in scene.boxes)
    figures = {f"scenes_recall_{name}": found[name] / max(total[name], 1) for name in bins}
    return figures | {f"scenes_faces_{name}": total[name] for name in bins} | {"scenes_false_alarms": alarms / count}


def faceless_pictures(backgrounds: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures for counting false alarms: people painted over, patterns, and scikit-image's faceless ones."""
    patterns = [random_pattern(400, np.random.default_rng([11, i])) for i in range(100)]
    return [*backgrounds, *patterns, *read_bundled(BUNDLED_VAL)]


def false_alarms(detector: Detector, backgrounds: list[np.ndarray]) -> dict[str, float]:
    """Share of faceless pictures in which something was found."""
    pictures = faceless_pictures(backgrounds)
    wrong = [len(detector.detect(picture)) > 0 for picture in pictures]
    return {"faceless_pictures": len(pictures), "faceless_alarm_share": float(np.mean(wrong))}


def draw_detections(detector: Detector, composer: SceneComposer) -> np.ndarray:
    """Scenes with detections (green) over the true boxes (red)."""
    pictures = []
    for i in range(9):
        scene = composer.compose(np.random.default_rng([8, i]))
        picture, detections = scene.rgb.copy(), detector.detect(scene.rgb)
        for boxes, colour in ((scene.boxes, (255, 0, 0)), (detections.boxes_px, (0, 255, 0))):
            for x0, y0, x1, y1 in boxes.round().astype(int).tolist():
                cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1)
        pictures.append(picture)
    return tile_pictures(pictures, columns=3)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[DetectorTask, LoopConfig]:
    """The embedded detector: about 0.6 M parameters."""
    refuse_resident(options, "detector")
    cv2.setNumThreads(1)
    profiled = make_profiled_sets(train, val, options.cache)
    task = DetectorTask(train, val, DetectorConfig(), DetectorTaskConfig(), profiled)
    task.start_from(options.init)
    return task, LoopConfig(
        steps=2400, batch_size=16, learning_rate=2e-3, clip_norm=5.0, warmup_steps=100, validate_every=1200
    )
