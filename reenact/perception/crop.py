"""Where the networks look: square crops as similarity transforms between a frame and a crop.

One function per crop, used in training, inference and evaluation alike. `crop_from_frame` maps homogeneous frame
pixels to crop pixels; pixel centres lie at +0.5 in both.
"""

import numpy as np
from jaxtyping import Float

RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
"""Mesh indices of the outer eye corners (the person's right and left)."""

TRACKER_CROP_SCALE = 1.35
"""Side of the tracker's crop over the larger side of the mesh's bounding box (taken along the eye line)."""


def tracker_crop(mesh_px: Float[np.ndarray, "478 d"], crop_px: int) -> Float[np.ndarray, "3 3"]:
    """Crop for the tracker network from a mesh of the same face: centred on it, its eye line level.

    Args:
        mesh_px: mesh in frame pixels; only x and y are read.
        crop_px: side of the crop in pixels.

    Returns:
        crop_from_frame.
    """
    points = np.asarray(mesh_px, np.float64)[:, :2]
    across = points[LEFT_EYE_OUTER] - points[RIGHT_EYE_OUTER]
    roll_rad = np.arctan2(across[1], across[0])
    if np.hypot(*across) < 0.15 * np.ptp(points[:, 1]):
        roll_rad = 0.0  # a profile: the eye line is too short to tell the roll
    level = points @ np.array([[np.cos(roll_rad), -np.sin(roll_rad)], [np.sin(roll_rad), np.cos(roll_rad)]])
    low, high = level.min(0), level.max(0)
    centre_level = (low + high) / 2
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    centre = np.array([c * centre_level[0] - s * centre_level[1], s * centre_level[0] + c * centre_level[1]])
    return square_crop(centre, TRACKER_CROP_SCALE * float((high - low).max()), roll_rad, crop_px)


def square_crop(
    centre_px: Float[np.ndarray, "2"], side_px: float, roll_rad: float, crop_px: int
) -> Float[np.ndarray, "3 3"]:
    """crop_from_frame of a square of `side_px` around `centre_px`, turned so that `roll_rad` becomes level."""
    scale = crop_px / max(float(side_px), 1e-6)
    c, s = scale * np.cos(roll_rad), scale * np.sin(roll_rad)
    matrix = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = crop_px / 2 - matrix[:2, :2] @ np.asarray(centre_px, np.float64)
    return matrix
