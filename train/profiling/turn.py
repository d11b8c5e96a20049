"""Face profiling: a photo of a face turned in depth, so that any set has profile views.

The head of `reenact/geometry/head.py` turns about the vertical line through the middle of the ears. What the photo does
not show is marked, so that losses can leave it out. The result depends on the picture, its labels and the yaw alone.
"""

import dataclasses

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.head import Head, draw_head, smoothstep
from reenact.geometry.head_sheets import BACKGROUND, CELL_PX, FACE, HAIR

YAW_BINS_DEG = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))
"""Bins of the large-pose protocol; `draw_yaw_deg` fills them evenly."""

_BACK = 1
"""Value of `Head.sheet` on the back of the head."""

_FITTED_DEG = (0.0, 9.6, 21.6, 40.7, 53.7, 66.7, 90.0)
"""Mean yaws of the fitted mesh"""
_LABELLED_DEG = (0.0, 8.3, 20.0, 36.8, 50.7, 66.4, 90.0)
"""of training pictures that have these yaws in MediaPipe's matrix, the label (`benchmarks/profiles.py`)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfiledFace:
    """A photo, turned."""

    rgb: np.ndarray
    """(s, s, 3) uint8."""
    mesh_px: np.ndarray
    """(478, 3) float32 in the pixels of `rgb`: the photo's mesh, turned rigidly."""
    visible: np.ndarray
    """(s, s) float32, 1 where the photo shows this place, 0 where it was made up."""
    yaw_deg: float
    """Yaw of the turned head."""
    parsing: np.ndarray
    """(s / 2, s / 2) uint8 classes of the result."""


def turn_mesh(
    mesh_px: Float[Tensor, "f n 3"], turn_rad: Float[Tensor, "f"], pivot_px: Float[Tensor, "f 3"]
) -> Float[Tensor, "f n 3"]:
    """Meshes turned about the vertical line through `pivot_px`: yaw grows by `turn_rad`, pitch and roll stay.

    Args:
        mesh_px: x right, y down, z away, one unit for all three.
        turn_rad: positive turns the face to the right of the picture.
        pivot_px: a point of the axis, in the mesh's coordinates.
    """
    c, s = torch.cos(turn_rad)[:, None], torch.sin(turn_rad)[:, None]
    x, y, z = (mesh_px - pivot_px[:, None]).unbind(-1)
    turned = torch.stack([c * x - s * z, y, s * x + c * z], dim=-1)
    return turned + pivot_px[:, None]


def fitted_yaw_deg(labelled_deg: float) -> float:
    """The fitted mesh's yaw for a yaw of the label."""
    return float(np.copysign(np.interp(abs(labelled_deg), _LABELLED_DEG, _FITTED_DEG), labelled_deg))


def about_vertical(turn_deg: float) -> np.ndarray:
    """(3, 3) rotation that adds to the yaw of a camera_from_head rotation."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def turn_head(head: Head, yaw_deg: float, parsing: np.ndarray | None = None) -> ProfiledFace:
    """Draw the head at another yaw; at its own yaw this is the photo itself.

    Args:
        head: of `build_head`.
        yaw_deg: of the result.
        parsing: the photo's; without it the result's is all background.
    """
    side, turn_deg = len(head.rgb), yaw_deg - head.yaw_deg
    turn = torch.tensor([np.radians(turn_deg)], dtype=torch.float32)
    corners = turn_mesh(head.vertices_px[None], turn, head.pivot_px[None])[0]
    turned, repainted = smoothstep(abs(turn_deg) / 6), smoothstep((abs(turn_deg) - 8) / 25)
    drawn = draw_head(head, corners, turned=turned, repainted=repainted)
    classes = np.zeros((side // CELL_PX, side // CELL_PX), np.uint8)
    if parsing is not None:
        classes = np.where(np.isin(parsing, (FACE, HAIR)), BACKGROUND, parsing)
        half = slice(CELL_PX // 2, None, CELL_PX)
        place = np.clip(drawn.place_px[half, half] / CELL_PX, 0, len(parsing) - 1).astype(int)
        found = parsing[place[..., 1], place[..., 0]]
        found = np.where(found == HAIR, HAIR, FACE)
        bald = not np.any(parsing == HAIR)
        found = np.where(drawn.sheet[half, half] == _BACK, FACE if bald else HAIR, found)
        classes = np.where(drawn.covered[half, half], found, classes).astype(np.uint8)
    return ProfiledFace(
        rgb=np.clip(drawn.rgb + 0.5, 0, 255).astype(np.uint8),
        mesh_px=turn_mesh(head.mesh_px[None], turn, head.pivot_px[None])[0].numpy(),
        visible=drawn.shown.astype(np.float32),
        yaw_deg=yaw_deg,
        parsing=classes,
    )


def draw_yaw_deg(rng: np.random.Generator) -> float:
    """A yaw to either side, every bin of `YAW_BINS_DEG` equally often."""
    low, high = YAW_BINS_DEG[int(rng.integers(len(YAW_BINS_DEG)))]
    side = 1.0 if rng.random() < 0.5 else -1.0
    return float(side * rng.uniform(low, high))
