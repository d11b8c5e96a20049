"""FAN (Bulat and Tzimiropoulos, 2017) from the face-alignment library behind the type of the project's own tracker.

    frame ── FAN ──▶ 68 points in three dimensions ── morphable model ──▶ mesh, rotation ──▶ Action Units

The papers read their landmarks with FAN. Its 68 points know neither irises nor lids in detail: the mesh is the
morphable model's closest face, gaze is straight ahead, and the blendshapes are those of the Action Units found.
"""

import dataclasses
import importlib
import urllib.error
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.errors import MissingDependencyError
from reenact.geometry.action_units import blendshapes_of_action_units
from reenact.geometry.landmarks import LANDMARKS_68, landmarks68_of
from reenact.geometry.morphable import MorphableModel, Pose, align, load_morphable
from reenact.media.frame import Frame
from reenact.perception.adapter import WholeFrameTracker
from reenact.types import FaceGeometry

_NOISE = 0.02
"""Standard deviation of FAN's points, in eye distances; the weight of the model's prior follows from it."""


class FanTracker(WholeFrameTracker):
    """face-alignment with 3D landmarks; no state is carried from frame to frame."""

    def __init__(self, device: torch.device | str = "cpu", morphable: MorphableModel | None = None) -> None:
        """Load the library's networks, which it downloads the first time.

        Args:
            device: where they run.
            morphable: explains the 68 points; None loads the embedded one.

        Raises:
            MissingDependencyError: the library is absent, or its weights cannot be had.
        """
        self.morphable = morphable or load_morphable()
        try:
            library: Any = importlib.import_module("face_alignment")
        except (ImportError, OSError) as error:
            raise MissingDependencyError(
                f"The FAN tracker needs its library ({error}); run `pip install face-alignment` or use tracker 'own'."
            ) from error
        try:
            # compile=True fails or takes minutes on most machines without a GPU
            self.fan: Any = library.FaceAlignment(
                library.LandmarksType.THREE_D, device=str(device), flip_input=False, compile=False
            )
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise MissingDependencyError(
                f"The FAN tracker cannot get its weights ({reason}); go online once, or copy the files of another "
                f"machine to {torch.hub.get_dir()}/checkpoints, or use the tracker 'own'."
            ) from error

    def see(self, frame: Frame) -> list[FaceGeometry]:
        """All faces that the library's detector finds; the score is the detector's."""
        landmarks, _, boxes = self.fan.get_landmarks_from_image(
            np.ascontiguousarray(frame), return_bboxes=True, return_landmark_score=True
        ) or (None, None, None)
        if landmarks is None or boxes is None:
            return []
        return [
            geometry_of_landmarks(
                torch.from_numpy(np.asarray(points, np.float32))[None],
                torch.tensor([float(box[4]) if len(box) > 4 else 1.0]).clamp(0, 1),
                self.morphable,
            )
            for points, box in zip(landmarks, boxes, strict=True)
        ]


def geometry_of_landmarks(
    landmarks_px: Float[Tensor, "f 68 3"], score: Float[Tensor, "f"], morphable: MorphableModel
) -> FaceGeometry:
    """The morphable model's face through 68 points.

    Args:
        landmarks_px: iBUG order, x right, y down, pixels; z on the same scale, of either sign: the one that makes
            the better face is taken (FAN's grows towards the viewer).
        score: of each face.
        morphable: the model.
    """
    away = fit_landmarks(landmarks_px, morphable)
    towards = fit_landmarks(landmarks_px * landmarks_px.new_tensor([1, 1, -1]), morphable)
    better = towards.error < away.error

    def choose(one: Tensor, other: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (one.ndim - 1)), one, other)

    expression = choose(towards.expression, away.expression)
    pose = Pose(
        rotation=choose(towards.pose.rotation, away.pose.rotation),
        scale=choose(towards.pose.scale, away.pose.scale),
        translation_px=choose(towards.pose.translation_px, away.pose.translation_px),
    )
    action_units = action_units_of_expression(expression, morphable)
    return FaceGeometry(
        mesh_px=morphable.assemble(choose(towards.identity, away.identity), expression, pose),
        blendshapes=blendshapes_of_action_units(action_units),
        rotation=pose.rotation,
        action_units=action_units,
        score=score,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LandmarkFit:
    """68 points explained by the morphable model."""

    identity: Float[Tensor, "f i"]
    expression: Float[Tensor, "f e"]
    pose: Pose
    error: Float[Tensor, "f"]
    """Mean distance of the points from the model's, in eye distances."""


def fit_landmarks(landmarks_px: Float[Tensor, "f 68 3"], morphable: MorphableModel, rounds: int = 5) -> LandmarkFit:
    """Coefficients and pose by Procrustes and regularised least squares, in turns."""
    count, points = len(landmarks_px), list(LANDMARKS_68)
    basis = torch.cat([morphable.identity_basis, morphable.expression_basis])[:, points].flatten(1)
    identities = len(morphable.identity_basis)
    normal = basis @ basis.T + _NOISE**2 * torch.eye(len(basis))
    solver = torch.linalg.solve(normal, basis)
    # a whole mesh of which only the landmarks count
    weight = torch.zeros(478)
    weight[points] = 1.0
    target = landmarks_px.new_zeros(count, 478, 3)
    target[:, points] = landmarks_px
    identity = landmarks_px.new_zeros(count, identities)
    expression = landmarks_px.new_zeros(count, len(morphable.expression_basis))
    shape = morphable.mean.expand(count, -1, -1)
    pose = align(target, shape, weight)
    for _ in range(rounds):
        offset = pose.invert(target)[:, points] - morphable.mean[points]
        coefficients = offset.flatten(1) @ solver.T
        identity, expression = coefficients[:, :identities], coefficients[:, identities:]
        shape = morphable.identity_shape(identity) + morphable.expression_offset(expression)
        pose = align(target, shape, weight)
    error = (landmarks68_of(pose.apply(shape)) - landmarks_px).norm(dim=-1).mean(1) / pose.scale
    return LandmarkFit(identity=identity, expression=expression, pose=pose, error=error)


def action_units_of_expression(expression: Float[Tensor, "f e"], morphable: MorphableModel) -> Float[Tensor, "f 17"]:
    """Action Units, 0 to 1, whose linear basis comes nearest to an expression."""
    basis = morphable.au_basis.flatten(1)
    normal = basis @ basis.T
    normal = normal + 0.3 * normal.diagonal().mean() * torch.eye(len(basis))
    offset = morphable.expression_offset(expression).flatten(1)
    return torch.linalg.solve(normal, basis @ offset.T).T.clamp(0, 1)
