"""Similarity of two head poses."""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.types import head_angles_rad

_FRONTAL_RAD = 1e-6
"""Norm of the head angles below which a head counts as exactly frontal."""


def psim(
    result: Float[Tensor, "n 3"] | Float[Tensor, "n 3 3"], target: Float[Tensor, "n 3"] | Float[Tensor, "n 3 3"]
) -> Float[Tensor, "n"]:
    """Pose similarity (FACEGAN, section 5.1): cosine of the vectors (pitch, yaw, roll), -1 to 1, higher is better.

    Only the direction of the vectors counts, which is mostly noise for near-frontal heads, so use `pose_error_deg` as
    well. It is 1 for two exactly frontal heads, and 0 if only one is frontal.

    Args:
        result: head angles in radians, or camera_from_head rotations, from which they are read.
        target: likewise.
    """
    a, b = (head_angles_rad(pose) if pose.dim() == 3 else pose for pose in (result, target))
    lengths = a.norm(dim=1), b.norm(dim=1)
    cosine = (a * b).sum(1) / (lengths[0] * lengths[1]).clamp(min=_FRONTAL_RAD**2)
    both_frontal = (lengths[0] < _FRONTAL_RAD) & (lengths[1] < _FRONTAL_RAD)
    return torch.where(both_frontal, torch.ones_like(cosine), cosine.clamp(-1, 1))
