"""How far the head of a result is turned from that of its driver."""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.types import head_angles_rad

_FRONTAL_RAD = 1e-6
"""Length of the vector of head angles up to which a head counts as exactly frontal."""


def pose_error_deg(result: Float[Tensor, "n 3 3"], target: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n"]:
    """Angle of the rotation that brings one head to the other, 0 to 180 degrees.

    Args:
        result: camera_from_head.
        target: camera_from_head.
    """
    # the chord between two rotations keeps its precision near 0, where the arc cosine of the trace loses it
    chord = (result.double() - target.double()).flatten(1).norm(dim=1) / (2 * 2**0.5)
    return torch.rad2deg(2 * torch.asin(chord.clamp(max=1))).to(result.dtype)


def psim(
    result: Float[Tensor, "n 3"] | Float[Tensor, "n 3 3"], target: Float[Tensor, "n 3"] | Float[Tensor, "n 3 3"]
) -> Float[Tensor, "n"]:
    """Pose similarity (FACEGAN, section 5.1): cosine of the vectors (pitch, yaw, roll), -1 to 1, higher is better.

    Heads near frontal have short vectors whose direction is mostly noise, and twice the turn counts as the same pose:
    read `pose_error_deg` beside it. Two exactly frontal heads agree (1), one frontal and one turned do not (0).

    Args:
        result: head angles in radians, or camera_from_head rotations, from which they are read.
        target: likewise.
    """
    a, b = (head_angles_rad(pose) if pose.dim() == 3 else pose for pose in (result, target))
    lengths = a.norm(dim=1), b.norm(dim=1)
    cosine = (a * b).sum(1) / (lengths[0] * lengths[1]).clamp(min=_FRONTAL_RAD**2)
    both_frontal = (lengths[0] < _FRONTAL_RAD) & (lengths[1] < _FRONTAL_RAD)
    return torch.where(both_frontal, torch.ones_like(cosine), cosine.clamp(-1, 1))
