"""From landmarks to a dense motion: the source's mesh is moved under the target landmarks.

    source mesh ── fit ──▶ shape in head axes ── target pose ──▶ landmarks ── difference to the target landmarks
                                                                     │
           expression coefficients (ridge) ◀── least squares ────────┘── the remainder is spread over nearby points

The source's own landmarks and pose give the source's mesh.
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.geometry.landmarks import LANDMARKS_68, landmark_spread
from reenact.geometry.morphable import MorphableModel, Pose

_NOISE = 0.012
"""Expected error of a landmark, eye distances: the strength of the prior on expressions, as in the model's training."""

_PIXEL_AXES = (1.0, -1.0, -1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RiggedFace:
    """A source mesh split into shape and pose."""

    shape: Float[Tensor, "#f 478 3"]
    """Head coordinates, with the source's expression."""
    pose: Pose


class LandmarkRig(nn.Module):
    """The morphable model, moved by landmarks."""

    basis: Tensor
    spread: Tensor

    def __init__(self, model: MorphableModel) -> None:
        super().__init__()
        self.model = model
        at = list(LANDMARKS_68)
        self.register_buffer("basis", model.expression_basis[:, at], persistent=False)
        self.register_buffer("spread", landmark_spread(model.lips_apart), persistent=False)

    def take_apart(self, mesh: Float[Tensor, "f 478 3"]) -> RiggedFace:
        """Pose and shape of a source mesh of any unit."""
        pose = self.model.fit(mesh).pose
        return RiggedFace(shape=pose.invert(mesh), pose=pose)

    def move(self, face: RiggedFace, landmarks: Float[Tensor, "f 68 2"], pose: Pose) -> Float[Tensor, "f 478 3"]:
        """The mesh moved under `landmarks`.

        Args:
            face: of `take_apart`.
            landmarks: of the target, in the unit of `pose`.
            pose: of the target.
        """
        at, axes = list(LANDMARKS_68), landmarks.new_tensor(_PIXEL_AXES)
        shape = face.shape.expand(len(landmarks), -1, -1)
        missing = (landmarks - pose.apply(shape)[:, at, :2]) / pose.scale[:, None, None]  # eye distances
        turned = torch.einsum("enc,fdc->fnde", self.basis, pose.rotation[:, :2] * axes[:2, None])
        jacobian = turned.flatten(1, 2)
        normal = jacobian.transpose(1, 2) @ jacobian
        normal = normal + _NOISE**2 * torch.eye(normal.shape[-1]).to(normal)
        change = torch.linalg.solve(normal, (jacobian.transpose(1, 2) @ missing.flatten(1)[..., None])[..., 0])
        shape = shape + self.model.expression_offset(change)
        mesh = pose.apply(shape)
        left = landmarks - mesh[:, at, :2]
        return torch.cat([mesh[..., :2] + self.spread @ left, mesh[..., 2:]], -1)
