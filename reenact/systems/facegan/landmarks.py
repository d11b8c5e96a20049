"""The 68 landmarks and the motion vector as the landmark transformer sees them.

Normalised landmarks count from the origin of the fitted head (`reenact.geometry.morphable.Pose`), in outer eye-corner
distances of the average face. Neither rotation nor expression changes that unit. x right, y down, as in pictures.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import Pose

POINTS = len(LANDMARKS_68)

UPPER_FACE = ((*range(22, 27), *range(42, 48)), (*range(17, 22), *range(36, 42)))
"""Rows of brow and eye among the 68 landmarks, the person's left and right."""

_ANGLE_UNIT_RAD = math.pi / 6
"""Angles are given to the networks in units of 30 degrees, about as large as Action Units."""


def normalise_landmarks(mesh: Float[Tensor, "f 478 3"], pose: Pose) -> Float[Tensor, "f 68 2"]:
    """Landmarks of a mesh of any unit, normalised by its own fitted pose."""
    points = mesh[:, list(LANDMARKS_68), :2]
    return (points - pose.translation_px[:, None, :2]) / pose.scale[:, None, None]


def place_landmarks(normalised: Float[Tensor, "f 68 2"], pose: Pose) -> Float[Tensor, "f 68 2"]:
    """Normalised landmarks in the unit of `pose`."""
    return normalised * pose.scale[:, None, None] + pose.translation_px[:, None, :2]


def motion_vector(
    action_units: Float[Tensor, "f 17 2"], angles_rad: Float[Tensor, "f 3"], sides: int
) -> Float[Tensor, "f m"]:
    """AU_d: intensities (0 to 1), left and right or their mean, then pitch, yaw, roll in units of 30 degrees.

    Args:
        action_units: in the order of `ACTION_UNITS`, the person's left and right.
        angles_rad: pitch, yaw, roll.
        sides: 2 keeps left and right apart, 1 takes their mean.
    """
    units = action_units.mean(2) if sides == 1 else action_units.flatten(1)
    return torch.cat([units, angles_rad / _ANGLE_UNIT_RAD], 1)
