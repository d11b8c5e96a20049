"""Labels of crops in the format of docs/data.md: mesh, blendshapes, pose, Action Units, parsing, identity.

crops ── tracker, started from the followed mesh ────────▶ mesh, blendshapes, rotation, Action Units, score
  │                                     mesh ── aligned crop ──▶ identity encoder ──▶ embedding
  └────── every second one, at 128 px ──▶ parser ──▶ classes
"""

import dataclasses
import pathlib

import cv2
import numpy as np
import torch

from reenact.hub.loading import load_identity, load_parser, load_tracker
from reenact.media.frame import Frame
from reenact.ops.fold import fold_batch_norms
from reenact.perception.identity import IDENTITY_CROP_PX, identity_crop
from reenact.perception.parser import PARSER_CROP_PX
from reenact.perception.tracking import FaceTracker, Tracker, cut_crop
from reenact.types import FaceGeometry
from train.prepare.following import look_again
from train.prepare.settings import Teacher

PARSING_PX = 128
"""Side of the stored class maps, to which the parser's output is enlarged."""

YAW_BINS_DEG = np.arange(-95, 96, 10)
"""Edges of the yaw histogram in the facts of a sample; the middle bin is frontal."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledCrops:
    """n crops of one person with mesh and identity."""

    rgb: np.ndarray
    """(n, 256, 256, 3) uint8."""
    geometry: FaceGeometry
    """f = n, crop pixels."""
    embedding: np.ndarray
    """(n, 256) float32, unit length."""


class Labeller:
    """Networks that label crops."""

    def __init__(self, teacher: Teacher, teacher_file: pathlib.Path | None) -> None:
        """Load the networks.

        Raises:
            MissingDependencyError: the teacher's library or weights are absent.
        """
        tracker = load_tracker("own")
        assert isinstance(tracker, FaceTracker)
        self.tracker = tracker
        """Finds and follows people, also if another teacher labels them."""
        self.teacher: Tracker | None = None
        if teacher != "own":
            self.teacher = load_tracker(teacher, model_file=teacher_file)
        self._identity = fold_batch_norms(load_identity()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._parser = fold_batch_norms(load_parser()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def measure(self, crops: list[Frame], meshes_px: np.ndarray) -> LabelledCrops:
        """Mesh and identity of crops.

        Args:
            crops: n of (256, 256, 3).
            meshes_px: (n, 478, 3) approximate meshes in pixels of the crops.
        """
        first = _geometry_at(meshes_px)
        if self.teacher is None:
            geometry = look_again(self.tracker, crops, first)
        else:
            seen = [self.teacher.follow(crop, first[i : i + 1]) for i, crop in enumerate(crops)]
            geometry = FaceGeometry.cat(seen)
        return LabelledCrops(rgb=np.stack(crops), geometry=geometry, embedding=self._embed(crops, geometry))

    @torch.inference_mode()
    def parse(self, crops: list[Frame]) -> np.ndarray:
        """(n, 128, 128) uint8 classes of crops."""
        small = [cv2.resize(crop, (PARSER_CROP_PX,) * 2, interpolation=cv2.INTER_AREA) for crop in crops]
        logits = self._parser(_to_tensor(np.stack(small)))
        logits = torch.nn.functional.interpolate(logits, size=(PARSING_PX,) * 2, mode="bilinear", align_corners=False)
        return logits.argmax(1).to(torch.uint8).numpy()

    @torch.inference_mode()
    def _embed(self, crops: list[Frame], geometry: FaceGeometry) -> np.ndarray:
        aligned = [
            cut_crop(crop, identity_crop(mesh), IDENTITY_CROP_PX)
            for crop, mesh in zip(crops, geometry.mesh_px.numpy(), strict=True)
        ]
        return self._identity(_to_tensor(np.stack(aligned))).numpy()


def clip_arrays(geometry: FaceGeometry, embedding: np.ndarray, parsing: np.ndarray) -> dict[str, np.ndarray]:
    """Labels of a clip; `parsing` holds every second frame."""
    mesh_16 = _mesh_16(geometry).astype(np.int32)
    differences = np.diff(mesh_16, axis=0, prepend=np.zeros_like(mesh_16[:1]))
    return {"mesh_d16": differences.astype(np.int16)} | _common_arrays(geometry, embedding, parsing)


def still_arrays(geometry: FaceGeometry, embedding: np.ndarray, parsing: np.ndarray) -> dict[str, np.ndarray]:
    """Labels of a still (f = 1), without the leading axis."""
    arrays = {"mesh_16": _mesh_16(geometry)} | _common_arrays(geometry, embedding, parsing)
    return {name: array[0] for name, array in arrays.items()}


def pose_of(geometry: FaceGeometry) -> np.ndarray:
    """(n, 4, 4) float16 camera_from_head rotations, without translation and scale."""
    pose = np.zeros((len(geometry), 4, 4), np.float16)
    pose[:, :3, :3] = geometry.rotation.numpy()
    pose[:, 3, 3] = 1
    return pose


def yaw_deg(geometry: FaceGeometry) -> np.ndarray:
    """(n,) yaw in degrees; positive faces the right of the picture."""
    rotation = geometry.rotation.numpy()
    return np.degrees(np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2]).astype(np.float64))


def yaw_histogram(yaw: np.ndarray) -> list[int]:
    """Frames per bin of `YAW_BINS_DEG`; larger yaws count in the outermost bins."""
    return np.histogram(np.clip(yaw, -90, 90), YAW_BINS_DEG)[0].tolist()


def turned_counts(yaw: np.ndarray) -> list[int]:
    """Frames with an absolute yaw below 30, of 30 to 60, and above 60 degrees."""
    return np.bincount(np.digitize(np.abs(yaw), (30, 60)), minlength=3).tolist()


def _common_arrays(geometry: FaceGeometry, embedding: np.ndarray, parsing: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "blendshapes": _to_byte(geometry.blendshapes),
        "pose": pose_of(geometry),
        "parsing": parsing,
        "embedding": embedding.astype(np.float16),
        "action_units": _to_byte(geometry.action_units),
        "score": _to_byte(geometry.score),
    }


def _mesh_16(geometry: FaceGeometry) -> np.ndarray:
    return np.clip(np.round(geometry.mesh_px.numpy() * 16), -32768, 32767).astype(np.int16)


def _to_byte(share: torch.Tensor) -> np.ndarray:
    return np.round(share.clamp(0, 1).numpy() * 255).astype(np.uint8)


def _to_tensor(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255


def _geometry_at(meshes_px: np.ndarray) -> FaceGeometry:
    """Geometry with these meshes and neutral values elsewhere."""
    count = len(meshes_px)
    return FaceGeometry(
        mesh_px=torch.from_numpy(np.asarray(meshes_px, np.float32)),
        blendshapes=torch.zeros(count, 52),
        rotation=torch.eye(3).expand(count, -1, -1),
        action_units=torch.zeros(count, 17),
        score=torch.ones(count),
    )
