"""The tensors that flow between the folders: crops of one face, and its geometry.

Conventions inside the package: RGB float32 in [0, 1], ``(frames, 3, height, width)``; pixel centres at +0.5;
``a_from_b @ x_b = x_a``; radians. Whole frames stay uint8 arrays (`reenact.media.Frame`), because a
full-HD float copy of every frame would cost more than the networks; crops are float tensors.
"""

import dataclasses
from typing import Any, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Rows = TypeVar("Rows", bound="PerFrame")


@dataclasses.dataclass(frozen=True)
class PerFrame:
    """Base of dataclasses whose every field holds one row per frame."""

    def __getitem__(self: Rows, frames: slice) -> Rows:
        """Some of the frames."""
        return dataclasses.replace(
            self, **{field.name: getattr(self, field.name)[frames] for field in dataclasses.fields(self)}
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropSpec:
    """How the square crop of a system is cut around a face; part of its config, used in training and inference."""

    face_scale: float = 1.95
    """Side of the crop over the larger side of the face mesh's bounding box."""
    shift_up: float = 0.03
    """The crop's centre lies this share of its side above the centre of the bounding box: hair needs room."""
    network_px: int = 256
    """Side at which the networks see it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceImage:
    """Square crops of one face."""

    rgb: Float[Tensor, "f 3 s s"]
    """RGB in [0, 1]; s is the crop's own size, from the network's 256 to the native one."""
    crop_from_frame: Float[Tensor, "f 3 3"]
    """Maps homogeneous frame pixels to crop pixels."""
    parsing: UInt8[Tensor, "f j j"] | None = None
    """Classes of `reenact.perception.parser.PARSER_CLASSES` (background, face, hair, clothes, skin), at any size,
    if they were computed."""
    embedding: Float[Tensor, "f e"] | None = None
    """Face ID code of unit length (`reenact.perception.identity`), if it was computed."""
    portrait: Any = None
    """The crop in layers (`reenact.portrait.portrait.Portrait`), if it was taken apart."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceGeometry(PerFrame):
    """Shape, pose and expression of one face in f frames."""

    mesh_px: Float[Tensor, "f 478 3"]
    """MediaPipe Face Mesh order; x right, y down, z on the same scale and smaller is nearer; in pixels of
    the frame for a tracker's result, of the crop next to a `FaceImage`."""
    blendshapes: Float[Tensor, "f 52"]
    """MediaPipe's 52 scores in its order, 0 to 1."""
    rotation: Float[Tensor, "f 3 3"]
    """camera_from_head; x right, y up, z towards the viewer. yaw = atan2(R02, R22), pitch = asin(-R12),
    roll = atan2(R10, R11)."""
    action_units: Float[Tensor, "f 17"]
    """Intensity of `reenact.facs.ACTION_UNITS`, 0 to 1 (FACS 0 to 5)."""
    score: Float[Tensor, "f"]
    """Probability that this is a well tracked face."""

    def __len__(self) -> int:
        return self.mesh_px.shape[0]

    def moved_by(self, target_from_source: Float[Tensor, "3 3"]) -> "FaceGeometry":
        """The same face in the pixels of another picture, by a similarity transform.

        z is scaled with x and y; the rotation turns with the picture.
        """
        matrix = target_from_source.to(self.mesh_px)
        scale = torch.linalg.det(matrix[:2, :2]).abs().sqrt()
        xy = self.mesh_px[..., :2] @ matrix[:2, :2].T + matrix[:2, 2]
        cos, sin = matrix[0, 0] / scale, matrix[1, 0] / scale
        # pixels have y down, the head's axes y up: a clockwise turn of the picture is a negative roll
        turn = torch.eye(3).to(self.mesh_px)
        turn[0, 0], turn[0, 1], turn[1, 0], turn[1, 1] = cos, sin, -sin, cos
        return dataclasses.replace(
            self,
            mesh_px=torch.cat([xy, self.mesh_px[..., 2:] * scale], dim=-1),
            rotation=turn @ self.rotation,
        )

    @staticmethod
    def cat(parts: "list[FaceGeometry]") -> "FaceGeometry":
        """The frames of several objects, concatenated."""
        return FaceGeometry(
            **{
                field.name: torch.cat([getattr(part, field.name) for part in parts])
                for field in dataclasses.fields(FaceGeometry)
            }
        )


def head_angles_rad(rotation: Float[Tensor, "f 3 3"]) -> Float[Tensor, "f 3"]:
    """Pitch, yaw, roll in radians of `FaceGeometry.rotation`."""
    return torch.stack(
        [
            torch.asin(-rotation[:, 1, 2].clamp(-1, 1)),
            torch.atan2(rotation[:, 0, 2], rotation[:, 2, 2]),
            torch.atan2(rotation[:, 1, 0], rotation[:, 1, 1]),
        ],
        dim=1,
    )


def pose_error_deg(result: Float[Tensor, "n 3 3"], target: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n"]:
    """Angle of the rotation between two heads, 0 to 180 degrees.

    Args:
        result: camera_from_head.
        target: camera_from_head.
    """
    # the chord is precise near 0, where the arc cosine of the trace is not
    chord = (result.double() - target.double()).flatten(1).norm(dim=1) / (2 * 2**0.5)
    return torch.rad2deg(2 * torch.asin(chord.clamp(max=1))).to(result.dtype)
