"""Where the eyes look, in head axes, and a mesh with its irises turned."""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import LEFT_IRIS, RIGHT_IRIS
from reenact.geometry.morphable import Pose
from reenact.geometry.placement import head_to_picture

_EYEBALL = 0.13
"""Radius of an eyeball, outer eye-corner distances: 12 mm of 92."""

_IRISES = (*RIGHT_IRIS, *LEFT_IRIS)
_MIDDLES, _CORNERS = (RIGHT_IRIS[0], LEFT_IRIS[0]), (33, 133, 362, 263)


def read_gaze_rad(shape: Float[Tensor, "f 478 3"], straight: Float[Tensor, "478 3"]) -> Float[Tensor, "f 2"]:
    """Turn of the eyes in the head to the person's left, and down; the mean of both eyes.

    Args:
        shape: head coordinates.
        straight: a shape that looks straight ahead, such as the mean of the morphable model.
    """
    offset = _iris_offset(shape) - _iris_offset(straight[None])
    return torch.asin((offset[:, :2] / _EYEBALL).clamp(-1, 1)) * offset.new_tensor([1.0, -1.0])


def turn_eyes(
    mesh: Float[Tensor, "f 478 3"],
    pose: Pose,
    own_rad: Float[Tensor, "#f 2"],
    wanted_rad: Float[Tensor, "f 2"],
) -> Float[Tensor, "f 478 3"]:
    """The mesh, in the unit of its pose, with irises that look elsewhere; both angles of `read_gaze_rad`."""
    change = (wanted_rad.sin() - own_rad.sin()) * wanted_rad.new_tensor([1.0, -1.0]) * _EYEBALL
    shift = head_to_picture(pose, torch.cat([change, torch.zeros_like(change[:, :1])], 1)[:, None])
    mesh = mesh.clone()
    mesh[:, list(_IRISES)] += shift
    return mesh


def _iris_offset(shape: Tensor) -> Float[Tensor, "f 3"]:
    return shape[:, list(_MIDDLES)].mean(1) - shape[:, list(_CORNERS)].mean(1)
