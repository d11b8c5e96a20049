"""Recipe: the face tracker, taught by the labels of the set (mesh, blendshapes, rotation).

Some of the faces are rendered at yaws that are rare in the labels (`train/profiling/rendered_set.py`).
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import nn

from reenact.geometry.mirror import mesh_mirror
from reenact.perception.crop import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, square_crop, tracker_crop
from reenact.perception.tracker import TrackerConfig, TrackerNetwork, TrackerOutput
from train.augment.crops import random_colour, random_occluder, random_quality, warp_crop
from train.augment.mirror import MIRROR_BLENDSHAPES
from train.augment.scenes import person_weights
from train.data.faces import FaceData
from train.data.resident import refuse_resident
from train.profiling.rendered_set import make_profiled_sets
from train.profiling.turn import YAW_BINS_DEG
from train.recipes.task import RecipeTask, tile_pictures, to_pictures
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions

EYES_AND_LIPS = np.unique(
    # the lips' two contours, the eyes' contours, the irises (MediaPipe Face Mesh topology)
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409]
    + [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415]
    + [263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398]
    + [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173]
    + list(range(468, 478))
)


_BACK_SEEN_DEG = 45.0
"""Yaw beyond which the back of a head fills a crop."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackerTaskConfig:
    """Weights of the losses and sizes of the perturbations."""

    fine_weight: float = 3.0
    """Weight of eye and lip points, which show expressions, over the others."""
    negatives: float = 0.08
    """Share of crops without a face or with a badly placed one, for the score."""
    back_of_head: float = 0.15
    """Share of crops of the back of heads turned beyond 45 degrees, whose hair may look like a face."""
    still_share: float = 0.5
    """Share of stills: many people, against clips: many expressions."""
    turned_gain: float = 6.0
    """Frames beyond 30 degrees of yaw are drawn this many times as often."""
    profiled_share: float = 0.3
    """Share of rendered pictures, turned by up to 90 degrees; 0 renders none."""


class TrackerTask(RecipeTask):
    """Crops perturbed as detection and tracking perturb them -> labels moved with them."""

    model = "tracker"
    input_names = ("crop",)

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: TrackerConfig,
        config: TrackerTaskConfig,
        profiled: tuple[FaceData | None, FaceData | None] = (None, None),
    ) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.profiled, self.val_profiled = profiled
        self.networks = TrackerNetwork(network)
        self.mirror = mesh_mirror()
        self.use_data(train)
        some = train.mesh_px[::37]
        mean = np.mean([mesh_in_crop_units(mesh, tracker_crop(mesh, 128), 128) for mesh in some], axis=0)
        self.networks.mean_mesh.copy_(torch.from_numpy(mean))
        weight = np.ones(478, np.float32)
        weight[EYES_AND_LIPS] = config.fine_weight
        self.point_weight = torch.from_numpy(weight / weight.mean())

    def use_data(self, train: FaceData) -> None:
        """Draw from other training data from now on; mean mesh and rendered pictures stay those of the first."""
        self.train = train
        self.cumulative = np.cumsum(person_weights(train, self.config.turned_gain, self.config.still_share))

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        drawn = [self._draw(rng) for _ in range(size)]
        samples = [self._sample(data, row, rng) for data, row in drawn]
        batch: Batch = {
            key: torch.from_numpy(np.stack([sample[key] for sample in samples])).to(device)
            for key in samples[0]
            if key != "crop"
        }
        names = [data.names[row] for data, row in drawn]
        crops = to_pictures([sample["crop"] for sample in samples], device)
        return batch | {"crop": crops, "names": names}  # type: ignore[dict-item]

    def _draw(self, rng: np.random.Generator) -> tuple[FaceData, int]:
        """A picture, real or rendered."""
        if self.profiled is not None and rng.random() < self.config.profiled_share:
            return self.profiled, int(rng.integers(len(self.profiled)))
        return self.train, int(np.searchsorted(self.cumulative, rng.random()).clip(max=len(self.train) - 1))

    def _sample(self, data: FaceData, row: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        crop_px = self.network_config.crop_px
        rgb, mesh = data.rgb[row], data.mesh_px[row].astype(np.float64)
        blendshapes, rotation = data.blendshapes[row], data.rotation[row].astype(np.float64)
        if rng.random() < 0.5:
            rgb = rgb[:, ::-1]
            mesh = mesh[self.mirror] * [-1, 1, 1] + [rgb.shape[1], 0, 0]
            blendshapes = blendshapes[MIRROR_BLENDSHAPES]
            flip = np.diag([-1.0, 1, 1])
            rotation = flip @ rotation @ flip
        is_back = abs(data.yaw_deg[row]) > _BACK_SEEN_DEG and rng.random() < self.config.back_of_head
        is_face = not is_back and rng.random() >= self.config.negatives
        crop_from_frame = self._place_crop(mesh, rotation, rng, is_back=is_back, is_face=is_face)
        border = [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101][rng.integers(3)]
        crop = warp_crop(np.ascontiguousarray(rgb), crop_from_frame, crop_px, border)
        if rng.random() < 0.15:
            other = cv2.resize(data.rgb[rng.integers(len(data))], (crop_px, crop_px))
            crop = random_occluder(crop, other, rng)
        return {
            "crop": random_quality(random_colour(crop, rng), rng),
            "mesh": mesh_in_crop_units(mesh, crop_from_frame, crop_px),
            "blendshapes": blendshapes.astype(np.float32),
            "rotation": rotation_in_crop(rotation, crop_from_frame).astype(np.float32),
            "is_face": np.float32(is_face),
        }

    def _place_crop(
        self, mesh: np.ndarray, rotation: np.ndarray, rng: np.random.Generator, *, is_back: bool, is_face: bool
    ) -> np.ndarray:
        """crop_from_frame, displaced as after detection or as within a clip; off the face unless `is_face`."""
        crop_px = self.network_config.crop_px
        spread = 1.0 if rng.random() < 0.5 else 0.25
        turn_rad = np.radians(np.clip(rng.normal(0, 16), -40, 40)) * spread
        zoom = np.exp(np.clip(rng.normal(0, 0.16), -0.35, 0.35) * spread)
        shift = np.clip(rng.normal(0, 0.07, 2), -0.16, 0.16) * spread
        if is_back:
            behind = -np.sign(rotation[0, 2])  # the side away from the face
            shift = np.array([behind * rng.uniform(0.45, 0.8), rng.uniform(-0.5, 0.15)])
            zoom = np.exp(rng.normal(0, 0.3))
        elif not is_face:  # too far off, too near, or far too wide: no usable face
            kind = rng.integers(3)
            direction = rng.uniform(0, 2 * np.pi)
            shift = rng.uniform(0.6, 0.9) * np.array([np.cos(direction), np.sin(direction)]) if kind == 0 else shift
            zoom = {0: zoom, 1: rng.uniform(3, 6), 2: rng.uniform(0.2, 0.35)}[int(kind)]
        centre = crop_px / 2 + shift * crop_px
        return square_crop(centre, crop_px / zoom, turn_rad, crop_px) @ tracker_crop(mesh, crop_px)

    def compute_losses(self, outputs: TrackerOutput, batch: Batch, critic: nn.Module | None) -> Losses:
        real = batch["is_face"]
        per_face = real / real.sum().clamp(min=1)
        weight = self.point_weight.to(real.device)
        eyes = batch["mesh"][:, [LEFT_EYE_OUTER, RIGHT_EYE_OUTER]]
        eye_distance = (eyes[:, 0] - eyes[:, 1]).norm(dim=1).clamp(min=1e-3)
        error = (outputs.mesh - batch["mesh"]) / eye_distance[:, None, None]
        distance = wing(error[..., :2].square().sum(-1).add(1e-10).sqrt()) + 0.3 * wing(error[..., 2].abs())
        difference = outputs.blendshapes - batch["blendshapes"]
        blend = difference.abs() + 4 * difference.square()
        turn = (outputs.rotation - batch["rotation"]).square().sum((1, 2))
        return {
            "mesh": 10 * ((distance * weight).mean(1) * per_face).sum(),
            "blendshapes": 5 * (blend.mean(1) * per_face).sum(),
            "rotation": 2 * (turn * per_face).sum(),
            "score": 0.2 * nn.functional.binary_cross_entropy_with_logits(outputs.score_logit, real),
        }

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        crop_px = self.network_config.crop_px
        figures = validate_tracker(networks, self.val, crop_px, device)
        if self.val_profiled is not None:
            figures |= validate_profiled(networks, self.val_profiled, crop_px, device)
        return figures

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        crop_px = self.network_config.crop_px
        sheets = [draw_tracker(networks, self.val, crop_px, device)]
        if self.val_profiled is not None:
            sheets.append(draw_tracker(networks, self.val_profiled, crop_px, device))
        return np.concatenate(sheets)


def mesh_in_crop_units(mesh: np.ndarray, crop_from_frame: np.ndarray, crop_px: int) -> np.ndarray:
    """(478, 3) float32: x, y in [-1, 1] over the crop, z scaled alike."""
    scale = np.hypot(crop_from_frame[0, 0], crop_from_frame[1, 0])
    xy = mesh[:, :2] @ crop_from_frame[:2, :2].T + crop_from_frame[:2, 2]
    return np.concatenate([xy * 2 / crop_px - 1, mesh[:, 2:] * scale * 2 / crop_px], axis=1).astype(np.float32)


def rotation_in_crop(rotation: np.ndarray, crop_from_frame: np.ndarray) -> np.ndarray:
    """Camera-from-head in a crop: a clockwise turn of the picture turns the camera axes, whose y points up, back."""
    phi = -np.arctan2(crop_from_frame[1, 0], crop_from_frame[0, 0])
    return np.array([[np.cos(phi), -np.sin(phi), 0], [np.sin(phi), np.cos(phi), 0], [0, 0, 1]]) @ rotation


def wing(x: torch.Tensor, width: float = 0.1, bend: float = 0.02) -> torch.Tensor:
    """Wing loss (Feng et al., 2018, eq. 5): logarithmic for small errors, linear beyond `width`."""
    offset = width - width * np.log1p(width / bend)
    return torch.where(x < width, width * torch.log1p(x / bend), x - offset)


class Readings(NamedTuple):
    """The network's output for some rows, compared with their labels."""

    mesh: np.ndarray
    """(n, 2) mean error of the mesh over the outer eye corners' distance: in the picture, and in three dimensions."""
    blendshapes: np.ndarray
    """(n, 2, 52): read, labelled."""
    rotation_deg: np.ndarray
    """(n,) angle between read and labelled rotation."""
    score: np.ndarray
    """(n,) probability of a face."""


def read_rows(networks: nn.Module, data: FaceData, rows: np.ndarray, crop_px: int, device: torch.device) -> Readings:
    """Read slightly misplaced crops (seeded), as in a clip one frame after the last."""
    rng = np.random.default_rng(1)
    parts: list[Readings] = []
    for chunk in np.array_split(rows, max(len(rows) // 64, 1)):
        crops, labels, rotations, eye = [], [], [], []
        for row in chunk:
            jitter = square_crop(
                crop_px / 2 + rng.normal(0, 0.02, 2) * crop_px,
                crop_px * np.exp(rng.normal(0, 0.04)),
                rng.normal(0, 0.04),
                crop_px,
            )
            matrix = jitter @ tracker_crop(data.mesh_px[row], crop_px)
            crops.append(warp_crop(data.rgb[row], matrix, crop_px, cv2.BORDER_REPLICATE))
            label = mesh_in_crop_units(data.mesh_px[row], matrix, crop_px)
            labels.append(label)
            eye.append(np.linalg.norm(label[LEFT_EYE_OUTER] - label[RIGHT_EYE_OUTER]))
            rotations.append(rotation_in_crop(data.rotation[row], matrix))
        out = networks(to_pictures(crops, device))
        error = (out.mesh.cpu().numpy() - np.stack(labels)) / np.array(eye)[:, None, None]
        cosine = (np.einsum("nij,nij->n", out.rotation.cpu().numpy(), np.stack(rotations)) - 1) / 2
        parts.append(
            Readings(
                mesh=np.stack([np.linalg.norm(error[..., :k], axis=-1).mean(1) for k in (2, 3)], 1),
                blendshapes=np.stack([out.blendshapes.cpu().numpy(), data.blendshapes[chunk]], 1),
                rotation_deg=np.degrees(np.arccos(np.clip(cosine, -1, 1))),
                score=out.score_logit.sigmoid().cpu().numpy(),
            )
        )
    return Readings(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def validate_tracker(networks: nn.Module, data: FaceData, crop_px: int, device: torch.device) -> dict[str, float]:
    """Errors on stills and every fourth frame of clips.

    Figures without data (such as heads turned by 30 degrees) are left out.
    """
    rows = np.concatenate([np.flatnonzero(data.is_still), np.flatnonzero(~data.is_still)[::4]])
    read = read_rows(networks, data, rows, crop_px, device)
    turned, blend = np.abs(data.yaw_deg)[rows] >= 30, read.blendshapes
    moving = blend[:, 1].std(0) > 0.05
    correlation = [np.corrcoef(blend[:, 0, k], blend[:, 1, k])[0, 1] for k in np.flatnonzero(moving)]
    figures = {
        "rotation_deg": read.rotation_deg.mean(),
        "blendshapes_moving": moving.sum(),
        "turned_count": turned.sum(),
    }
    for name, chosen in (("", ~turned), ("_turned", turned)):
        if chosen.any():
            figures[f"mesh_percent{name}"] = 100 * read.mesh[chosen, 0].mean()
            figures[f"mesh3d_percent{name}"] = 100 * read.mesh[chosen, 1].mean()
    if turned.any():
        figures["rotation_deg_turned"] = read.rotation_deg[turned].mean()
    if correlation:
        figures["blendshape_correlation"] = np.mean(correlation)
    return {name: float(value) for name, value in figures.items()}


def validate_profiled(networks: nn.Module, data: FaceData, crop_px: int, device: torch.device) -> dict[str, float]:
    """Errors on rendered pictures by |yaw|, and the share of them whose score is that of a face (0.5)."""
    read = read_rows(networks, data, np.arange(len(data)), crop_px, device)
    figures: dict[str, float] = {}
    for low, high in YAW_BINS_DEG:
        chosen = (np.abs(data.yaw_deg) >= low) & (np.abs(data.yaw_deg) < high)
        if chosen.any():
            bin_figures = {
                "count": chosen.sum(),
                "mesh_percent": 100 * read.mesh[chosen, 0].mean(),
                "rotation_deg": read.rotation_deg[chosen].mean(),
                "seen": (read.score[chosen] >= 0.5).mean(),
            }
            figures |= {f"profiled_{low:g}_{high:g}_{name}": float(value) for name, value in bin_figures.items()}
    return figures


def draw_tracker(networks: nn.Module, data: FaceData, crop_px: int, device: torch.device) -> np.ndarray:
    """Contact sheet: predicted (green) over labelled (red) points on validation crops, most turned first."""
    order = np.argsort(-np.abs(data.yaw_deg))
    rows = np.resize(np.concatenate([order[:24:2], order[40 :: max(len(order) // 13, 1)]]), 24)
    pictures = []
    for row in rows:
        matrix = tracker_crop(data.mesh_px[row], crop_px)
        crop = warp_crop(data.rgb[row], matrix, crop_px, cv2.BORDER_REPLICATE)
        found = networks(to_pictures([crop], device)).mesh[0].cpu().numpy()
        picture = cv2.resize(crop, (256, 256), interpolation=cv2.INTER_LINEAR)
        labelled = mesh_in_crop_units(data.mesh_px[row], matrix, crop_px)
        for mesh, colour in ((labelled, (255, 0, 0)), (found, (0, 255, 0))):
            for x, y in (mesh[:, :2] + 1) * 128:
                cv2.circle(picture, (int(x), int(y)), 0, colour, -1)
        pictures.append(picture)
    return tile_pictures(pictures, columns=6)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[TrackerTask, LoopConfig]:
    """The embedded tracker: about 3.4 M parameters."""
    refuse_resident(options, "tracker")
    profiled = make_profiled_sets(train, val, options.cache)
    task = TrackerTask(train, val, TrackerConfig(), TrackerTaskConfig(), profiled)
    task.start_from(options.init)
    return task, LoopConfig(steps=9000, batch_size=64, learning_rate=1.5e-3, clip_norm=5.0, validate_every=1500)
