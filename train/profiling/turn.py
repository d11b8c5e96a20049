"""Face profiling: a photo of a face turned in depth, so that any set has profile views.

The head of `reenact/portrait/posed.py` turns about the vertical line through the middle of the ears. What the photo
does not show is marked, so that losses can leave it out. The result depends on the picture, its labels and the yaw
alone.
"""

import dataclasses

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.morphable import MorphableModel
from reenact.ops.warp import identity_grid
from reenact.portrait.matte import BACKGROUND, FACE, HAIR
from reenact.portrait.posed import Head, draw_head

YAW_BINS_DEG = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))
"""Bins of the large-pose protocol; `draw_yaw_deg` fills them evenly."""

_EARS = (127, 234, 356, 454)
"""Mesh points next to the ears: the head turns about the vertical line through their middle."""

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


def turn_head(model: MorphableModel, head: Head, yaw_deg: float, parsing: np.ndarray | None = None) -> ProfiledFace:
    """Draw the head at another yaw; at its own yaw this is the photo itself.

    Args:
        model: that of `build_head`.
        head: of `build_head`.
        yaw_deg: of the result.
        parsing: the photo's; without it the result's is all background.
    """
    side = head.rgb.shape[-1]
    turn = torch.tensor([np.radians(yaw_deg - head.yaw_deg)], dtype=torch.float32)
    mesh = turn_mesh(head.mesh, turn, head.mesh[:, list(_EARS)].mean(1))
    drawn = draw_head(model, head, mesh)
    classes = np.zeros((side // 2, side // 2), np.uint8)
    if parsing is not None:
        place = (drawn.displacement[0] + identity_grid(side, side, like=mesh)).permute(1, 2, 0).numpy()
        place = np.clip((place[::2, ::2] + 1) * (len(parsing) / 2), 0, len(parsing) - 1).astype(int)
        found = np.where(parsing[place[..., 1], place[..., 0]] == HAIR, HAIR, FACE)
        beside = np.where(np.isin(parsing, (FACE, HAIR)), BACKGROUND, parsing)
        classes = np.where(drawn.covered[0, 0, ::2, ::2].numpy() > 0, found, beside).astype(np.uint8)
    return ProfiledFace(
        # not at .5: means of two 8-bit colours lie there, and their last bit depends on the number of threads
        rgb=(drawn.rgb[0] * 255 + 0.497).floor().byte().permute(1, 2, 0).contiguous().numpy(),
        mesh_px=((mesh[0] + mesh.new_tensor([1, 1, 0])) * (side / 2)).numpy(),
        visible=drawn.shown[0, 0].numpy(),
        yaw_deg=yaw_deg,
        parsing=classes,
    )


def draw_yaw_deg(rng: np.random.Generator) -> float:
    """A yaw to either side, every bin of `YAW_BINS_DEG` equally often."""
    low, high = YAW_BINS_DEG[int(rng.integers(len(YAW_BINS_DEG)))]
    side = 1.0 if rng.random() < 0.5 else -1.0
    return float(side * rng.uniform(low, high))
