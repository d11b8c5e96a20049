"""The square of a frame that a system works in: cut once per source, it stays fixed over a whole clip."""

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.types import CropSpec, FaceGeometry, FaceImage, Frame

SMALLEST_PX = 64
"""Side of the smallest crop that systems accept."""
LARGEST_PX = 1536
"""Side of the largest native crop: beyond it every frame of a clip costs seconds, and a larger face is shrunk."""


def cut_face(
    frame: Frame,
    geometry: FaceGeometry,
    spec: CropSpec,
    *,
    native: bool,
    smallest_px: int = SMALLEST_PX,
    largest_px: int = LARGEST_PX,
) -> tuple[FaceImage, FaceGeometry]:
    """Cut one face out of a frame.

    The square lies on whole pixels. A native crop of a side within the limits is a plain copy of them, so that what a
    system leaves untouched stays as it was, bit for bit; any other is resampled. What lies outside the frame repeats
    its border.

    Args:
        frame: the whole picture.
        geometry: f = 1, frame pixels.
        spec: how much around the face is taken.
        native: at the frame's own scale, within the limits; else at ``spec.network_px``.
        smallest_px: a smaller native crop is enlarged to this side.
        largest_px: a larger native crop is shrunk to this side.

    Returns:
        The crop, and the face in its pixels.
    """
    left, top, side = face_square(geometry, spec)
    size = min(max(side, smallest_px), largest_px) if native else spec.network_px
    square = copy_square(frame, left, top, side)
    if size != side:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if size < side else cv2.INTER_CUBIC)
    scale = size / side
    crop_from_frame = torch.tensor([[scale, 0.0, -left * scale], [0.0, scale, -top * scale], [0.0, 0.0, 1.0]])
    rgb = torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1)[None].float() / 255
    return FaceImage(rgb=rgb, crop_from_frame=crop_from_frame[None]), geometry.moved_by(crop_from_frame)


def face_square(geometry: FaceGeometry, spec: CropSpec) -> tuple[int, int, int]:
    """Left, top and side, whole pixels of the frame, of the square around a face; the side is even.

    An even side lets a crop be a video frame of its own.
    """
    points = geometry.mesh_px[0, :, :2].double().cpu().numpy()
    low, high = points.min(0), points.max(0)
    exact_side = spec.face_scale * float((high - low).max())
    centre = (low + high) / 2 - (0, spec.shift_up * exact_side)
    side = max(2 * round(exact_side / 2), 2)
    left, top = np.round(centre - side / 2).astype(int)
    return int(left), int(top), side


def copy_square(frame: Frame, left: int, top: int, side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """The square's pixels; outside the frame those of its nearest border."""
    height, width = frame.shape[:2]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return frame[rows[:, None], columns]


def placed_square(crop_from_frame: Float[torch.Tensor, "3 3"], crop_px: int) -> tuple[int, int, int]:
    """Left, top and side in the frame of a crop that `cut_face` made, `crop_px` wide."""
    scale = float(crop_from_frame[0, 0])
    left, top = (crop_from_frame[:2, 2] / -scale).tolist()
    return round(left), round(top), round(crop_px / scale)
