"""The aligned crop that the generator draws, and the numbers p of what a face does in it.

Place, size and roll of a head are taken out by geometry, from its fitted pose: the head's middle lies in the middle of
the aligned crop, at one size and upright, however far it is turned. The generator is left with what a similarity of the
picture cannot do.
"""

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import eye_openings
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.types import PerFrame, head_angles_rad

_MIDDLE = (0.0, 0.2, -0.3)
"""Of a head with its hair, head coordinates (eye distances)."""
_SIDE = 2.7
"""Side of the aligned crop, eye distances: chin, hair and ears of most people."""

_ANGLE_UNIT_RAD = 0.35
ANGLE_UNIT_DEG = math.degrees(_ANGLE_UNIT_RAD)
"""Of the angles in p."""
_JAW_UNIT, _LID_UNIT, _GAZE_UNIT = 0.1, 0.1, 0.03
"""About one standard deviation each, so that the columns of A are comparable."""
_MOST = 5.0
"""Values beyond are those of meshes that the model hardly explains."""
_INNER_LIPS = (13, 14)
_IRISES = ((468, 33, 133), (473, 263, 362))
"""Middle of the iris and corners of the right and of the left eye."""
BESIDE_EXPRESSION = ("pitch", "yaw", "roll", "jaw", "right_lids", "left_lids", "gaze_x", "gaze_y")
"""Names of p's first numbers; the expression coefficients follow."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceState(PerFrame):
    """What f faces do, and where they do it."""

    values: Float[Tensor, "f p"]
    """p of the paper: `BESIDE_EXPRESSION`, then expression coefficients; about one standard deviation is 1."""
    aligned_from_mesh: Float[Tensor, "f 2 3"]
    """Similarity to half-sides of the aligned crop, from the unit of the mesh."""


def read_state(model: MorphableModel, mesh: Float[Tensor, "f 478 3"], expressions: int) -> FaceState:
    """State of faces from their meshes, of any unit.

    Args:
        model: of the faces.
        mesh: their points.
        expressions: number of expression coefficients in p.
    """
    fit = model.fit(mesh)
    shape = fit.pose.invert(mesh)
    aligned, roll = _alignment(fit.pose)
    cos, sin, zero, one = roll.cos(), roll.sin(), torch.zeros_like(roll), torch.ones_like(roll)
    upright = torch.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], 1).unflatten(1, (3, 3))
    jaw = (shape[:, _INNER_LIPS[0]] - shape[:, _INNER_LIPS[1]]).norm(dim=-1, keepdim=True)
    gaze = [shape[:, iris, :2] - (shape[:, outer, :2] + shape[:, inner, :2]) / 2 for iris, outer, inner in _IRISES]
    values = [
        head_angles_rad(upright @ fit.pose.rotation) / _ANGLE_UNIT_RAD,
        jaw / _JAW_UNIT,
        eye_openings(shape) / _LID_UNIT,
        (gaze[0] + gaze[1]) / (2 * _GAZE_UNIT),
        fit.expression[:, :expressions],
    ]
    return FaceState(values=torch.cat(values, 1).clamp(-_MOST, _MOST), aligned_from_mesh=aligned)


def _alignment(pose: Pose) -> tuple[Float[Tensor, "f 2 3"], Float[Tensor, "f"]]:
    """aligned_from_mesh, and the roll that it takes out (positive as in `head_angles_rad`).

    The roll is that of the rotation in the picture nearest to the head's: it is defined up to full profiles.
    """
    middle = pose.apply(pose.scale.new_tensor(_MIDDLE).expand(len(pose.scale), 1, 3))[:, 0, :2]
    rotation = pose.rotation
    roll = torch.atan2(rotation[:, 1, 0] - rotation[:, 0, 1], rotation[:, 0, 0] + rotation[:, 1, 1])
    zoom = 2 / (_SIDE * pose.scale)
    # pixels have y down: a positive roll is a turn to the left there, which this one undoes
    cos, sin = roll.cos() * zoom, roll.sin() * zoom
    linear = torch.stack([cos, -sin, sin, cos], 1).unflatten(1, (2, 2))
    return torch.cat([linear, -linear @ middle[:, :, None]], 2), roll


def invert_similarity(matrix: Float[Tensor, "f 2 3"]) -> Float[Tensor, "f 2 3"]:
    """The way back."""
    linear = torch.linalg.inv(matrix[:, :, :2])
    return torch.cat([linear, -linear @ matrix[:, :, 2:]], 2)


def move_mesh(mesh: Float[Tensor, "f n 3"], matrix: Float[Tensor, "f 2 3"]) -> Float[Tensor, "f n 3"]:
    """The points after a similarity; z is scaled with x and y."""
    zoom = torch.linalg.det(matrix[:, :, :2]).sqrt()[:, None, None]
    xy = mesh[..., :2] @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]
    return torch.cat([xy, mesh[..., 2:] * zoom], 2)


def sample_picture(
    picture: Float[Tensor, "f c h w"], picture_from_crop: Float[Tensor, "f 2 3"], side: int, padding: str = "reflection"
) -> Float[Tensor, "f c {side} {side}"]:
    """Cut a crop; both in half-sides. What lies outside of the picture is its mirror image ("border", "zeros")."""
    grid = functional.affine_grid(picture_from_crop, [len(picture), 1, side, side], align_corners=False)
    return functional.grid_sample(picture, grid, "bilinear", padding, align_corners=False)


def parameter_names(expressions: int) -> list[str]:
    """Names of p's numbers, which are those of A's columns."""
    return [*BESIDE_EXPRESSION, *(f"expression_{i}" for i in range(expressions))]
