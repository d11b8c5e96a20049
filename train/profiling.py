"""Face profiling: a photo of a face turned in depth, so that profile views exist in any set.

After the idea of 300W-LP (Zhu et al., "Face Alignment Across Large Poses", 2016). A head is two sheets and a mesh:

    front   the picture on its depth: the mesh inside the face; hair, ears and forehead bulge from there back to the
            head's outline, which lies at the depth of the ears
    back    a dome behind the outline, painted with the hair (or skin) next to it
    mesh    just behind the front sheet, in its colours: jaw and cheek that the photo does not show
    ground  the picture with its head painted over and a neck drawn on; it stays

All but the ground turns about the vertical line through the middle of the ears; a z-buffer draws them before the
ground. What the photo does not show (back, ground behind the head, skin that was seen edge-on) is marked, so that
losses can leave it out. All is a function of the picture, its labels and the yaw.
"""

import dataclasses

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.rasterise import rasterise
from reenact.types import head_angles_rad
from train.data import FaceData
from train.faceless import fill_smoothly
from train.head_sheets import (
    CELL_PX,
    add_neck,
    back_cells,
    back_colours,
    back_depth_px,
    front_colours,
    front_depth_px,
    head_cells,
    hole_pixels,
    inner_pixels,
    mesh_depth_px,
    sheet,
    surely_head,
)

YAW_BINS_DEG = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))
"""Bins of the large-pose protocol; `draw_yaw_deg` fills them evenly."""

_EARS, _JAW_ANGLES, _MOUTH = (127, 234, 356, 454), (132, 361), 13
_BEHIND_PX = 1.0
"""Depth by which the mesh lies behind the front sheet, which has its shape wherever the photo shows it."""
_FRONT, _BACK = 0, 1
_STRETCHED = 2.5
"""Area of a cell in the result over its area in the photo, from which on its pixels say nothing new."""
_SEAM_PX = 10.0
"""Depth over which the outline's colour fades into that of the back."""
_PAINTED_OVER = 12
"""Difference of 8-bit colours from which on a pixel of the ground is made up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfiledFace:
    """A photo, turned."""

    rgb: np.ndarray
    """(s, s, 3) uint8."""
    mesh_px: np.ndarray
    """(478, 3) float32 in the pixels of `rgb`: the photo's mesh, turned rigidly."""
    visible: np.ndarray
    """(s, s) float32, 1 where the photo shows what is seen here, 0 where it was made up."""
    yaw_deg: float
    """Of the turned head."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """What is needed to turn one photo: made once, turned as often as one likes."""

    rgb: np.ndarray
    painted: np.ndarray
    """The photo with the head's colours carried over its outline, where they mix with the ground's."""
    behind: np.ndarray
    """Colours of the back sheet, at the place of the outline's inside."""
    ground: np.ndarray
    """The photo without its head."""
    vertices_px: Float[Tensor, "n 3"]
    """Of the sheets and the mesh, where the photo has them: their places there are also where their colours are."""
    sheet: Int[Tensor, "n"]
    """0 front, 1 back, 2 the mesh itself: cheek and jaw that the photo does not show."""
    triangles: Int[Tensor, "m 3"]
    """Those of the back sheet look away while the head looks ahead."""
    mesh_px: Float[Tensor, "478 3"]
    yaw_deg: float
    pivot_px: Float[Tensor, "3"]
    """Between the ears."""


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


def build_head(model: MorphableModel, rgb: np.ndarray, mesh_px: np.ndarray, parsing: np.ndarray) -> Head:
    """Give a photo its depth.

    Args:
        model: triangles, and the pose of the mesh.
        rgb: (s, s, 3) uint8.
        mesh_px: (478, 3) in its pixels.
        parsing: (s / 2, s / 2) classes of `train.data.PARSING_CLASSES`.
    """
    mesh = torch.from_numpy(np.array(mesh_px, np.float32))
    yaw_rad = head_angles_rad(model.fit(mesh[None]).pose.rotation)[0, 1]
    pivot = mesh[list(_EARS)].mean(0)
    outline_z_px, mouth_row = float(pivot[2]), int(mesh[_MOUTH, 1]) // CELL_PX
    jaw_row = int(mesh[list(_JAW_ANGLES), 1].mean()) // CELL_PX
    mesh_z_px, face = mesh_depth_px(model, mesh, len(parsing))
    head, whole = head_cells(parsing, face, jaw_row, mouth_row)
    back = back_cells(head, parsing, mouth_row)
    front_px = front_depth_px(head, parsing, mesh_z_px, face, outline_z_px, jaw_row, mouth_row)
    sheets = (
        sheet(head, front_px, facing=True),
        sheet(back, back_depth_px(back, outline_z_px), facing=False),
        (mesh + mesh.new_tensor([0, 0, _BEHIND_PX]), model.triangles),
    )
    counts = [len(vertices) for vertices, _ in sheets]
    starts = np.cumsum([0, *counts[:-1]])
    inner = inner_pixels(head & surely_head(parsing, face))
    hole = hole_pixels(whole, parsing)
    return Head(
        rgb=rgb,
        painted=front_colours(rgb, parsing, head, inner),
        behind=back_colours(rgb, parsing, inner, mesh_px),
        ground=add_neck(fill_smoothly(rgb, hole), rgb, parsing, mesh_px, hole),
        vertices_px=torch.cat([vertices for vertices, _ in sheets]),
        sheet=torch.repeat_interleave(torch.arange(3), torch.tensor(counts)),
        triangles=torch.cat([corners + int(start) for start, (_, corners) in zip(starts, sheets, strict=True)]),
        mesh_px=mesh,
        yaw_deg=float(yaw_rad.rad2deg()),
        pivot_px=pivot,
    )


def turn_head(head: Head, yaw_deg: float) -> ProfiledFace:
    """Draw the head at another yaw; at its own yaw this is the photo itself."""
    side, turn_deg = len(head.rgb), yaw_deg - head.yaw_deg
    turn = torch.tensor([np.radians(turn_deg)], dtype=torch.float32)
    corners = turn_mesh(head.vertices_px[None], turn, head.pivot_px[None])
    raster = rasterise(corners, head.triangles, side, side)
    attributes = torch.cat([head.vertices_px[:, :2], head.vertices_px[:, 2:] - head.pivot_px[2]], dim=1)[None]
    x_px, y_px, behind_px = raster.interpolate(attributes, head.triangles)[0].numpy()
    sheet_of = head.sheet[head.triangles[:, 0]][raster.triangle[0].clamp(min=0)].numpy()
    covered = raster.covered[0].numpy()
    stretch = _stretch(corners[0], head.triangles)[raster.triangle[0].clamp(min=0)].numpy()

    turned = _smoothstep(abs(turn_deg) / 6)  # by how much this is no longer the photo
    repainted = _smoothstep((abs(turn_deg) - 8) / 25)
    skin = _read(_mix(head.rgb, head.painted, repainted), x_px, y_px)
    back = _read(head.behind.astype(np.float32), x_px, y_px)
    seam = np.exp(-((behind_px / _SEAM_PX) ** 2))[..., None]  # the sheets meet at the outline, in one colour
    drawn = np.where((sheet_of == _BACK)[..., None], seam * skin + (1 - seam) * back, skin)
    alpha = covered.astype(np.float32)
    alpha = _mix(alpha, cv2.GaussianBlur(alpha, (0, 0), 0.8), turned)[..., None]
    ground = _mix(head.rgb, head.ground, turned)
    picture = alpha * np.where(covered[..., None], drawn, ground) + (1 - alpha) * ground
    kept = np.abs(ground - head.rgb).max(-1) < _PAINTED_OVER
    visible = np.where(covered, (sheet_of == _FRONT) & (stretch < _STRETCHED), kept) | (turned == 0)
    return ProfiledFace(
        rgb=np.clip(picture + 0.5, 0, 255).astype(np.uint8),
        mesh_px=turn_mesh(head.mesh_px[None], turn, head.pivot_px[None])[0].numpy(),
        visible=cv2.medianBlur(visible.astype(np.uint8), 5).astype(np.float32),  # no speckles
        yaw_deg=yaw_deg,
    )


def profile_face(
    model: MorphableModel, rgb: np.ndarray, mesh_px: np.ndarray, parsing: np.ndarray, yaw_deg: float
) -> ProfiledFace:
    """One photo at one yaw; see `build_head` and `turn_head`."""
    return turn_head(build_head(model, rgb, mesh_px, parsing), yaw_deg)


def profile_row(model: MorphableModel, data: FaceData, row: int, seed: int) -> ProfiledFace:
    """A row of a split at a yaw that `seed` and the row decide, on the side to which its head is turned already.

    Raises:
        ConfigError: the row has no parsing, without which head and ground cannot be told apart.
    """
    if not data.has_parsing[row]:
        raise ConfigError(f"row {row} ({data.names[row]}) has no parsing; take one of those where has_parsing is set")
    rgb, mesh_px, parsing = (np.array(array[row]) for array in (data.rgb, data.mesh_px, data.parsing))
    yaw_deg = draw_yaw_deg(np.random.default_rng([seed, row]), towards=float(data.yaw_deg[row]))
    return profile_face(model, rgb, mesh_px, parsing, yaw_deg)


def draw_yaw_deg(rng: np.random.Generator, towards: float = 0.0) -> float:
    """A yaw, every bin of `YAW_BINS_DEG` equally often.

    Args:
        rng: decides.
        towards: sign of the side to draw from, the side of the photo's own yaw for one that is turned already; 0 for
            either.
    """
    low, high = YAW_BINS_DEG[int(rng.integers(len(YAW_BINS_DEG)))]
    side = np.sign(towards) if towards else (1.0 if rng.random() < 0.5 else -1.0)
    return float(side * rng.uniform(low, high))


def _stretch(corners_px: Float[Tensor, "n 3"], triangles: Tensor) -> Float[Tensor, "m"]:
    """Area of each triangle on screen over that of half a cell."""
    a, b, c = corners_px[triangles][..., :2].unbind(1)
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).abs()
    return area / CELL_PX**2


def _read(picture: np.ndarray, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
    """Colours at places, pixel centres at +0.5."""
    x, y = (np.ascontiguousarray(place, np.float32) - 0.5 for place in (x_px, y_px))
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    return first.astype(np.float32) * (1 - share) + second.astype(np.float32) * share


def _smoothstep(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
