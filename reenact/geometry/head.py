"""A head from one photo, that can be turned in depth and moved by its mesh.

After the idea of 300W-LP (Zhu et al., "Face Alignment Across Large Poses", 2016). A head is two sheets and a mesh:

    front   the picture on its depth: the mesh inside the face; hair, ears and forehead bulge from there back to the
            head's outline, which lies at the depth of the ears
    back    a dome behind the outline, painted with the hair (or skin) next to it
    mesh    just behind the front sheet, in its colours: jaw and cheek that the photo does not show
    ground  the picture with its head painted over and a neck drawn on; it stays

A z-buffer draws all but the ground before it. What the photo does not show (back, ground behind the head, skin that
was seen edge-on) is marked. All is a function of the picture, its parsing, its mesh and the wanted one.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from reenact.geometry.flow import mesh_flow
from reenact.geometry.head_sheets import (
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
from reenact.geometry.landmarks import FACE_OVAL
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.geometry.rasterise import rasterise
from reenact.ops.fill import fill_smoothly
from reenact.ops.warp import resize, warp
from reenact.types import head_angles_rad

_EARS, _JAW_ANGLES, _MOUTH = (127, 234, 356, 454), (132, 361), 13
_BEHIND_PX = 1.0
"""Depth by which the mesh lies behind the front sheet, which has its shape wherever the photo shows it."""
_FRONT, _BACK, _MESH = 0, 1, 2
_STRETCHED = 2.5
"""Area of a cell in the result over its area in the photo, from which on its pixels say nothing new."""
_SEAM_PX = 10.0
"""Depth over which the outline's colour fades into that of the back."""
_PAINTED_OVER = 12
"""Difference of 8-bit colours from which on a pixel of the ground is made up."""
_FADE_FACES = 0.25
"""Distance from the face's rim, in face heights, at which what the rim does has faded to 1/e: a falling jaw takes the
throat along, not the hair on top."""
_REPAINT_DEG = (8.0, 25.0)
"""Turn from which, and over which, the mixed colours of the outline are replaced."""
_STILL_PX = 6.0
"""Movement, pixels, over which the painted ground comes in behind the head."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """What is needed to move the head of one photo: made once, moved as often as one likes."""

    rgb: UInt8[np.ndarray, "s s 3"]
    painted: UInt8[np.ndarray, "s s 3"]
    """The photo with the head's colours carried over its outline, where they mix with the ground's."""
    behind: UInt8[np.ndarray, "s s 3"]
    """Colours of the back sheet, at the place of the outline's inside."""
    ground: UInt8[np.ndarray, "s s 3"]
    """The photo without its head."""
    vertices_px: Float[Tensor, "n 3"]
    """Of the sheets and the mesh, where the photo has them: their places there are also where their colours are."""
    sheet: Int[Tensor, "n"]
    """0 front, 1 back, 2 the mesh itself: cheek and jaw that the photo does not show."""
    triangles: Int[Tensor, "m 3"]
    """Those of the back sheet look away while the head looks ahead."""
    mesh_px: Float[Tensor, "478 3"]
    pose: Pose
    """Of the fitted mesh, pixels."""
    pivot_px: Float[Tensor, "3"]
    """Between the ears."""

    @property
    def yaw_deg(self) -> float:
        """Of the fitted mesh."""
        return float(head_angles_rad(self.pose.rotation)[0, 1].rad2deg())


class DrawnHead(NamedTuple):
    """One picture of a moved head."""

    rgb: Float[np.ndarray, "s s 3"]
    """0 to 255."""
    place_px: Float[np.ndarray, "s s 2"]
    """Where in the photo the colour comes from (x, y; pixel centres at +0.5); its own place on the ground."""
    covered: Bool[np.ndarray, "s s"]
    """Where the head is."""
    sheet: Int[np.ndarray, "s s"]
    """Of `Head.sheet`, where covered."""
    shown: Bool[np.ndarray, "s s"]
    """Where the photo shows what is seen here; elsewhere it is made up."""


class PosedHead(NamedTuple):
    """f pictures of a source whose head was moved, for networks to finish; RGB in [0, 1]."""

    rgb: Float[Tensor, "f 3 s s"]
    """The moved head on its ground, with what the source does not show made up smoothly."""
    displacement: Float[Tensor, "f 2 s s"]
    """Target pixel -> source place in half-sides (`reenact.ops.warp`); 0 on the ground and where `shown` is 0."""
    shown: Float[Tensor, "f 1 s s"]
    """1 where the source's pixel at `displacement` is what is seen here."""
    head: Float[Tensor, "f 1 s s"]
    """1 where the head is."""
    parts: Float[Tensor, "f 3 s s"]
    """One-hot: skin, mouth opening, eye opening; 0 off the face."""
    twin: Float[Tensor, "f 3 s s"]
    """The face of the mirrored source, moved likewise: the half that the source hides; 0 off the face."""
    twin_shown: Float[Tensor, "f 1 s s"]
    """1 where the mirrored source shows it."""


def build_head(
    model: MorphableModel, rgb: UInt8[np.ndarray, "s s 3"], mesh_px: np.ndarray, parsing: np.ndarray
) -> Head:
    """Give a photo its depth.

    Args:
        model: triangles, and the pose of the mesh.
        rgb: a square picture of one head.
        mesh_px: (478, 3) in its pixels.
        parsing: (s / 2, s / 2) classes of `head_sheets`.
    """
    mesh = torch.from_numpy(np.array(mesh_px, np.float32))
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
        pose=model.fit(mesh[None]).pose,
        pivot_px=pivot,
    )


def pose_head(model: MorphableModel, head: Head, mesh: Float[Tensor, "f 478 3"]) -> PosedHead:
    """Move the head so that its mesh becomes `mesh`: rigidly as the fitted poses say, and the face by what is left.

    Args:
        model: that of `build_head`.
        head: of the source.
        mesh: wanted, in half-sides of the source's picture.
    """
    side = len(head.rgb)
    target_px = torch.cat([mesh[..., :2] + 1, mesh[..., 2:]], -1) * (side / 2)
    moved, turn_deg = move_vertices(model, head, target_px)
    drawn: list[DrawnHead] = []
    for corners, turn in zip(moved, turn_deg, strict=True):
        shift_px = float((corners - head.vertices_px)[..., :2].norm(dim=1).max())
        turned, repainted = smoothstep(shift_px / _STILL_PX), smoothstep((turn - _REPAINT_DEG[0]) / _REPAINT_DEG[1])
        drawn.append(draw_head(head, corners, turned=turned, repainted=repainted))
    own = torch.from_numpy(pixel_centres(side))
    place = torch.from_numpy(np.stack([each.place_px for each in drawn])) - own
    shown = torch.from_numpy(np.stack([each.shown for each in drawn])).float()[:, None]
    twin, flow = _twin(model, head, mesh)
    return PosedHead(
        rgb=torch.from_numpy(np.stack([each.rgb for each in drawn])).permute(0, 3, 1, 2) / 255,
        displacement=place.permute(0, 3, 1, 2) * (2 / side) * shown,
        shown=shown,
        head=torch.from_numpy(np.stack([each.covered for each in drawn])).float()[:, None],
        parts=flow[0],
        twin=twin,
        twin_shown=flow[1],
    )


def move_vertices(
    model: MorphableModel, head: Head, target_px: Float[Tensor, "f 478 3"]
) -> tuple[Float[Tensor, "f n 3"], list[float]]:
    """All vertices under another mesh, in pixels, and by how many degrees the head turns."""
    pose = model.fit(target_px).pose
    change = pose.invert(target_px) - head.pose.invert(head.mesh_px[None])
    shape = head.pose.invert(head.vertices_px[None])
    inside, corners, weights, outside, reach = _binding(model, head)
    moved = shape.expand(len(target_px), -1, -1).clone()
    moved[:, inside] += (change[:, corners] * weights[..., None]).sum(2)
    moved[:, outside] += reach @ change[:, list(FACE_OVAL)]
    moved[:, head.sheet == _MESH] += change
    turn = torch.einsum("fij,ij->f", pose.rotation, head.pose.rotation[0])  # trace of R_t R_s^T
    turn_deg = torch.rad2deg(torch.acos(((turn - 1) / 2).clamp(-1, 1)))
    return pose.apply(moved), turn_deg.tolist()


def _binding(model: MorphableModel, head: Head) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """How sheets hang on the mesh.

    Returns:
        Vertices inside the face, with the corners of their triangle and its weights; and the others, with how strongly
        each point of the face's rim pulls them.
    """
    cells = len(head.rgb) // CELL_PX
    shrunk = torch.cat([head.mesh_px[:, :2] / CELL_PX + 0.5, head.mesh_px[:, 2:] / CELL_PX], dim=1)
    raster = rasterise(shrunk[None], model.triangles, cells + 1, cells + 1)
    column, row = (head.vertices_px[:, :2] / CELL_PX).round().long().clamp(0, cells).T
    triangle = raster.triangle[0, row, column]
    front = head.sheet == _FRONT
    inside = torch.nonzero(front & (triangle >= 0))[:, 0]
    outside = torch.nonzero((head.sheet != _MESH) & ~(front & (triangle >= 0)))[:, 0]
    corners = model.triangles[triangle[inside]]
    weights = raster.weights[0, row[inside], column[inside]]
    rim = head.mesh_px[list(FACE_OVAL)]
    height_px = float(head.mesh_px[:, 1].max() - head.mesh_px[:, 1].min())
    squared = torch.cdist(head.vertices_px[outside], rim).square() / height_px**2
    pull = 1 / (squared + 1e-3) ** 1.5
    fade = torch.exp(-squared.amin(1, keepdim=True) / _FADE_FACES**2)
    return inside, corners, weights, outside, pull / pull.sum(1, keepdim=True) * fade


def _twin(model: MorphableModel, head: Head, mesh: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The mirrored source's face under `mesh`; the parts of `mesh`, and where the mirrored source shows them."""
    side = len(head.rgb)
    own = torch.cat([head.mesh_px[:, :2] * (2 / side) - 1, head.mesh_px[:, 2:] * (2 / side)], 1)
    mirrored = own[torch.from_numpy(mesh_mirror())] * own.new_tensor([-1, 1, 1])
    flow = mesh_flow(model, mirrored[None], mesh, side // 2)
    picture = torch.from_numpy(np.ascontiguousarray(head.rgb[:, ::-1])).permute(2, 0, 1)[None].float() / 255
    parts, visible = resize(flow.target.parts, side), resize(flow.visible, side)
    inside = parts.sum(1, keepdim=True)
    twin = warp(picture.expand(len(mesh), -1, -1, -1), resize(flow.displacement, side)) * inside
    return twin, (parts, visible * inside)


def draw_head(head: Head, corners_px: Float[Tensor, "n 3"], *, turned: float, repainted: float) -> DrawnHead:
    """Draw moved sheets.

    Args:
        head: of `build_head`.
        corners_px: where its vertices are now.
        turned: by how much this is no longer the photo: at 0 the ground is the photo itself.
        repainted: share of the colours carried over the outline, in the place of the photo's mixed ones.
    """
    side = len(head.rgb)
    raster = rasterise(corners_px[None], head.triangles, side, side)
    attributes = torch.cat([head.vertices_px[:, :2], head.vertices_px[:, 2:] - head.pivot_px[2]], dim=1)[None]
    x_px, y_px, behind_px = raster.interpolate(attributes, head.triangles)[0].numpy()
    triangle = raster.triangle[0].clamp(min=0)
    sheet_of = head.sheet[head.triangles[:, 0]][triangle].numpy()
    covered = raster.covered[0].numpy()
    stretch = _stretch(corners_px, head.triangles)[triangle].numpy()

    skin = _read(_mix(head.rgb, head.painted, repainted), x_px, y_px)
    back = _read(head.behind.astype(np.float32), x_px, y_px)
    seam = np.exp(-((behind_px / _SEAM_PX) ** 2))[..., None]  # the sheets meet at the outline, in one colour
    drawn = np.where((sheet_of == _BACK)[..., None], seam * skin + (1 - seam) * back, skin)
    alpha = covered.astype(np.float32)
    alpha = _mix(alpha, cv2.GaussianBlur(alpha, (0, 0), 0.8), turned)[..., None]
    ground = _mix(head.rgb, head.ground, turned)
    picture = alpha * np.where(covered[..., None], drawn, ground) + (1 - alpha) * ground
    kept = np.abs(ground - head.rgb).max(-1) < _PAINTED_OVER
    shown = np.where(covered, (sheet_of == _FRONT) & (stretch < _STRETCHED), kept) | (turned == 0)
    place = np.where(covered[..., None], np.stack([x_px, y_px], -1), pixel_centres(side))
    shown = cv2.medianBlur(shown.astype(np.uint8), 5) > 0  # no speckles
    return DrawnHead(rgb=picture, place_px=place, covered=covered, sheet=sheet_of, shown=shown)


def pixel_centres(side: int) -> Float[np.ndarray, "{side} {side} 2"]:
    """x and y of every pixel's centre."""
    y, x = np.mgrid[:side, :side].astype(np.float32) + 0.5
    return np.stack([x, y], -1)


def smoothstep(x: float) -> float:
    """0 below 0, 1 above 1, and smooth between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


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
