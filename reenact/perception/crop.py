"""Square crops of a face: rotated ones for the tracker, upright ones for the reenactment systems.

One function per crop, used in training, inference and evaluation alike. `crop_from_frame` maps homogeneous frame
pixels to crop pixels; pixel centres lie at +0.5 in both.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.media.frame import Frame
from reenact.perception.crop_box import CropBox
from reenact.types import CropSpec, FaceGeometry, FaceImage

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


SMALLEST_PX = 64
"""Side of the smallest crop that systems accept."""
LARGEST_PX = 1536
"""Side of the largest native crop; larger faces are shrunk to it, because a frame would take seconds."""


def cut_face(
    frame: Frame,
    geometry: FaceGeometry,
    spec: CropSpec,
    *,
    native: bool,
    smallest_px: int = SMALLEST_PX,
    largest_px: int = LARGEST_PX,
    roll_rad: float = 0.0,
    side_px: int | None = None,
    box: CropBox | None = None,
) -> tuple[FaceImage, FaceGeometry]:
    """Cut one face out of a frame.

    Without a roll, the square lies on whole pixels. A native crop whose side is within the limits copies the frame's
    pixels, so that pixels that a system leaves alone stay unchanged; other crops are resampled. Outside the frame, the
    pixels of its border are repeated.

    Args:
        frame: the whole picture.
        geometry: f = 1, frame pixels.
        spec: how much of the surroundings the crop shows.
        native: whether to cut at the frame's own scale, within the limits; otherwise at ``spec.network_px``.
        smallest_px: a smaller native crop is enlarged to this side.
        largest_px: a larger native crop is shrunk to this side.
        roll_rad: roll of the head that the crop removes, counter-clockwise as seen.
        side_px: of the square in the frame; that of `face_square` if None.
        box: another square than that of `spec`.

    Returns:
        The crop, and the geometry in its pixels.
    """
    level_from_frame = None
    if roll_rad:
        frame, geometry, level_from_frame = _levelled(frame, geometry, spec, roll_rad, side_px, box)
    left, top, side = face_square(geometry, spec, side_px, box)
    size = min(max(side, smallest_px), largest_px) if native else spec.network_px
    square = copy_square(frame, left, top, side)
    if size != side:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if size < side else cv2.INTER_CUBIC)
    scale = size / side
    crop_from_level = torch.tensor([[scale, 0.0, -left * scale], [0.0, scale, -top * scale], [0.0, 0.0, 1.0]])
    crop_from_frame = crop_from_level if level_from_frame is None else crop_from_level @ level_from_frame
    rgb = torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1)[None].float() / 255
    return FaceImage(rgb=rgb, crop_from_frame=crop_from_frame[None]), geometry.moved_by(crop_from_level)


def _levelled(
    frame: Frame, geometry: FaceGeometry, spec: CropSpec, roll_rad: float, side_px: int | None, box: CropBox | None
) -> tuple[UInt8[np.ndarray, "side side 3"], FaceGeometry, Float[torch.Tensor, "3 3"]]:
    """The square around a face, rotated until its roll is removed, at the frame's own scale."""
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    rotation = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float32)
    left, top, side = face_square(geometry.moved_by(rotation), spec, side_px, box)
    level_from_frame = torch.tensor([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]]) @ rotation
    affine = centred(level_from_frame.double().numpy())[:2]
    level = cv2.warpAffine(frame, affine, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return level, geometry.moved_by(level_from_frame), level_from_frame


def centred(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The same transform in OpenCV's pixels, whose centres lie at whole numbers."""
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    return half @ matrix @ np.linalg.inv(half)


def face_square(
    geometry: FaceGeometry, spec: CropSpec, side_px: int | None = None, box: CropBox | None = None
) -> tuple[int, int, int]:
    """Left, top and side of the square around a face, in whole pixels of the frame.

    The side is even, so that a crop can be a video frame.

    Args:
        geometry: f = 1, frame pixels.
        spec: how much of the surroundings the square shows.
        side_px: another side, even.
        box: an adjustment.
    """
    box = box or CropBox()
    points = geometry.mesh_px[0, :, :2].double().cpu().numpy()
    low, high = points.min(0), points.max(0)
    exact_side = spec.face_scale * float((high - low).max())
    centre = (low + high) / 2 - (0, spec.shift_up * exact_side)
    exact_side *= box.scale
    centre = centre + np.array([box.right, box.down]) * exact_side
    side = max(2 * round(exact_side / 2), 2) if side_px is None else side_px
    left, top = np.round(centre - side / 2).astype(int)
    return int(left), int(top), side


def copy_square(frame: Frame, left: int, top: int, side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """The pixels of a square; outside the frame, the nearest pixel of its border."""
    height, width = frame.shape[:2]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return frame[rows[:, None], columns]


def placed_square(crop_from_frame: Float[torch.Tensor, "3 3"], crop_px: int) -> tuple[int, int, int]:
    """Left, top and side, in the frame, of a crop that `cut_face` made and that is `crop_px` wide.

    Of a crop with a roll, the upright square of the same centre and side.
    """
    matrix = crop_from_frame.double()
    side = round(crop_px / float(matrix[0, :2].norm()))
    centre = torch.linalg.solve(matrix, matrix.new_tensor([crop_px / 2, crop_px / 2, 1.0]))[:2]
    left, top = (centre - side / 2).tolist()
    return round(left), round(top), side
