"""Distances of the 68 iBUG landmarks of two pictures."""

from jaxtyping import Float
from torch import Tensor

RIGHT_EYE_68, LEFT_EYE_68 = slice(36, 42), slice(42, 48)
"""Rows of the two eyes in iBUG order."""


def akd_px(result: Float[Tensor, "n 68 d"], target: Float[Tensor, "n 68 d"]) -> Float[Tensor, "n"]:
    """Average keypoint distance (first-order motion model): mean Euclidean distance in pixels; z is ignored."""
    return (result - target)[..., :2].norm(dim=-1).mean(dim=1)


def ace_px(result: Float[Tensor, "n 68 d"], target: Float[Tensor, "n 68 d"]) -> Float[Tensor, "n"]:
    """Average coordinate-wise error (Dual-Generator, table 1): mean absolute difference of the coordinates, in pixels.

    The paper names the measure without a formula. Points shifted by n pixels along both axes have an ACE of n and an
    AKD of n times the square root of 2.
    """
    return (result - target).abs().mean(dim=(1, 2))


def lsim(
    result: Float[Tensor, "n 68 d"], target: Float[Tensor, "n 68 d"], side_px: float = 256.0
) -> Float[Tensor, "n"]:
    """Landmark similarity score (FACEGAN, section 5.3): mean squared error of landmark coordinates, lower is better.

    Both faces are aligned at the middle of their eyes, as in FACEGAN's crops, and coordinates are in half-sides of the
    picture (-1 to 1). The paper states neither unit nor alignment, so its figures cannot be compared with these.

    Args:
        result: landmarks of a person driven by another person.
        target: landmarks of a second picture of that person, with nearly the pose and Action Units of the driver.
        side_px: side of the pictures.
    """
    gap = _about_the_eyes(result[..., :2]) - _about_the_eyes(target[..., :2])
    return (gap * (2 / side_px)).square().mean(dim=(1, 2))


def temporal_jitter_px(result: Float[Tensor, "t 68 d"], driving: Float[Tensor, "t 68 d"]) -> Float[Tensor, "t-2"]:
    """Jitter that the driving frames do not have, in pixels, for all frames except the first and the last.

    Mean over the landmarks of ``|a_result - s a_driving|`` with the acceleration ``a[t] = x[t-1] - 2 x[t] + x[t+1]``
    and s the ratio of the two faces' eye distances. It is 0 if the result moves exactly like its driver.

    Args:
        result: consecutive result frames.
        driving: the driving frames in the same order.
    """
    result, driving = result[..., :2], driving[..., :2]
    scale = _eye_distance_px(result).mean() / _eye_distance_px(driving).mean().clamp(min=1e-6)
    track = result - scale * driving
    acceleration = track[:-2] - 2 * track[1:-1] + track[2:]
    return acceleration.norm(dim=-1).mean(dim=1)


def _about_the_eyes(points: Float[Tensor, "n 68 2"]) -> Float[Tensor, "n 68 2"]:
    middle = (points[:, RIGHT_EYE_68].mean(1, keepdim=True) + points[:, LEFT_EYE_68].mean(1, keepdim=True)) / 2
    return points - middle


def _eye_distance_px(points: Float[Tensor, "n 68 2"]) -> Float[Tensor, "n"]:
    return (points[:, RIGHT_EYE_68].mean(1) - points[:, LEFT_EYE_68].mean(1)).norm(dim=-1)
