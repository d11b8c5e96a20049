"""Distances of the 68 iBUG landmarks of a result from those of a real picture."""

from jaxtyping import Float
from torch import Tensor

RIGHT_EYE_68, LEFT_EYE_68 = slice(36, 42), slice(42, 48)
"""Rows of the two eyes in iBUG order."""


def akd_px(result: Float[Tensor, "n 68 d"], target: Float[Tensor, "n 68 d"]) -> Float[Tensor, "n"]:
    """Average keypoint distance of the first-order motion model: mean Euclidean distance in the picture, in pixels.

    A third coordinate is not read: AKD is a distance in the picture.
    """
    return (result - target)[..., :2].norm(dim=-1).mean(dim=1)


def ace_px(result: Float[Tensor, "n 68 d"], target: Float[Tensor, "n 68 d"]) -> Float[Tensor, "n"]:
    """Average coordinate-wise error (Dual-Generator, table 1): mean absolute difference of the coordinates, in pixels.

    The paper names the measure without a formula; this is the plain reading of its name. Points that are all n pixels
    off along both axes have an ACE of n and an AKD of n times the square root of 2.
    """
    return (result - target).abs().mean(dim=(1, 2))


def lsim(
    result: Float[Tensor, "n 68 d"], target: Float[Tensor, "n 68 d"], side_px: float = 256.0
) -> Float[Tensor, "n"]:
    """Landmark similarity score (FACEGAN, section 5.3): mean squared error of landmark coordinates, lower is better.

    Both faces are moved so that the middle between their eyes lies in one place, as FACEGAN's crops have it, and
    coordinates are in half-sides of the picture (-1 to 1). The paper states neither its unit nor its alignment: compare
    rows of one table, not with the paper's.

    Args:
        result: landmarks of the first picture of a person, driven by somebody else.
        target: landmarks of a second picture of that person, whose Action Units and pose the driver nearly shares.
        side_px: side of the pictures.
    """
    gap = _about_the_eyes(result[..., :2]) - _about_the_eyes(target[..., :2])
    return (gap * (2 / side_px)).square().mean(dim=(1, 2))


def temporal_jitter_px(result: Float[Tensor, "t 68 d"], driving: Float[Tensor, "t 68 d"]) -> Float[Tensor, "t-2"]:
    """Trembling that the driving frames do not have, in pixels, for every frame but the first and the last of a run.

    Mean over the landmarks of ``|a_result - s a_driving|`` with the acceleration ``a[t] = x[t-1] - 2 x[t] + x[t+1]``
    and s the ratio of the two faces' eye distances: a face of twice the size may move twice as far. A result that
    moves exactly as its driver has none, however fast the driver moves.

    Args:
        result: of consecutive result frames.
        driving: of the driving frames, in the same order.
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
