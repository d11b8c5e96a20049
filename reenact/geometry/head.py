"""A head built from one photo, which can be rotated in depth and moved by its mesh.

After the idea of 300W-LP (Zhu et al., "Face Alignment Across Large Poses", 2016). A head is two sheets and a mesh:

    front   the picture with depth: the mesh inside the face; hair, ears and forehead curve from there back to the
            head's outline, which lies at the depth of the ears
    back    a dome behind the outline, in the colours of the hair (or skin) next to it
    mesh    just behind the front sheet, in its colours: jaw and cheek that the photo does not show
    ground  the picture with its head inpainted and a neck drawn; it does not move

A z-buffer draws the sheets over the ground. Pixels that the photo does not show (back, ground behind the head, skin
seen edge-on) are marked. The result depends only on the picture, its parsing, its mesh and the target mesh.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from reenact.geometry.flow import draw_face
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
from reenact.ops.fill import fill_hole, fill_smoothly
from reenact.ops.warp import resize
from reenact.types import head_angles_rad

_EARS, _JAW_ANGLES, _MOUTH = (127, 234, 356, 454), (132, 361), 13
_BEHIND_PX = 1.0
"""Distance of the mesh behind the front sheet, which hides it where the photo shows the face."""
_FRONT, _BACK, _MESH = 0, 1, 2
_STRETCHED = 2.5
"""Cells stretched by more than this factor in area count as not shown."""
_SEAM_PX = 10.0
"""Depth over which the outline's colour fades into the colour of the back."""
_PAINTED_OVER = 12
"""Ground pixels that differ from the photo by more than this (8 bit) count as inpainted."""
_FADE_FACES = 0.25
"""Distance from the face's rim, in face heights, at which its motion fades to 1/e: a dropping jaw moves the throat, not
the hair."""
_REPAINT_DEG = (8.0, 25.0)
"""Rotation at which the mixed colours of the outline start to be replaced, and the range over which they are."""
_LIGHT_PX = 8
"""Block size for matching the mirrored head to the source's light."""
MIRROR_DEG = 15.0
"""Up to this yaw of the source, its mirror image shows nothing new."""
_COARSER = 2
"""The z-buffer has this many times fewer pixels per side."""
_SOFT, _OUTLINE = 0.8, 1.5
"""Blur of the outline in the z-buffer's pixels, and its slope afterwards: hides the steps of the cells."""
_STEP_PX = 8.0
"""A larger jump of source positions between pixels is an edge between two surfaces, such as nose and cheek."""
_BEND = np.array([[1, -2, 1]], np.float32)
_RING = np.ones((3, 3), np.uint8)
_STILL_PX = 6.0
"""Movement over which the inpainted ground replaces the photo behind the head."""


class Binding(NamedTuple):
    """How the sheets follow the mesh."""

    inside: Int[Tensor, "i"]
    """Vertices inside the face."""
    corners: Int[Tensor, "i 3"]
    """Mesh points of the triangle that each of them lies on."""
    weights: Float[Tensor, "i 3"]
    """Their barycentric weights."""
    outside: Int[Tensor, "o"]
    """All other vertices."""
    reach: Float[Tensor, "o r"]
    """Influence of each point of the face's rim on them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """The head of one photo: built once, moved any number of times."""

    rgb: UInt8[np.ndarray, "s s 3"]
    painted: UInt8[np.ndarray, "s s 3"]
    """The photo with the head's colours extended over its outline, where they mix with the background."""
    behind: UInt8[np.ndarray, "s s 3"]
    """Colours of the back sheet."""
    ground: UInt8[np.ndarray, "s s 3"]
    """The photo without its head."""
    vertices_px: Float[Tensor, "n 3"]
    """Vertices of the sheets and the mesh in the photo; x and y are also their texture coordinates."""
    sheet: Int[Tensor, "n"]
    """0 front, 1 back, 2 the mesh itself: cheek and jaw that the photo does not show."""
    triangles: Int[Tensor, "m 3"]
    """Triangles of the back sheet face away from the camera in the photo."""
    mesh_px: Float[Tensor, "478 3"]
    pose: Pose
    """Pose of the fitted mesh, pixels."""
    pivot_px: Float[Tensor, "3"]
    """Between the ears."""
    binding: "Binding"

    @property
    def yaw_deg(self) -> float:
        """Yaw of the fitted mesh."""
        return float(head_angles_rad(self.pose.rotation)[0, 1].rad2deg())


class DrawnHead(NamedTuple):
    """One picture of a moved head."""

    rgb: Float[np.ndarray, "s s 3"]
    """0 to 255."""
    place_px: Float[np.ndarray, "s s 2"]
    """Source position of each pixel in the photo (x, y; pixel centres at +0.5); its own position on the ground."""
    covered: Bool[np.ndarray, "s s"]
    """Pixels of the head."""
    sheet: Int[np.ndarray, "s s"]
    """`Head.sheet` of covered pixels."""
    shown: Bool[np.ndarray, "s s"]
    """Pixels whose colour the photo shows; others are invented."""


class PosedHead(NamedTuple):
    """f pictures of a source with a moved head, as input for networks; RGB in [0, 1]."""

    rgb: Float[Tensor, "f 3 s s"]
    """The moved head on its ground; pixels that the source does not show are filled smoothly."""
    displacement: Float[Tensor, "f 2 s s"]
    """Target pixel -> source place in half-sides (`reenact.ops.warp`); 0 on the ground and where `shown` is 0."""
    shown: Float[Tensor, "f 1 s s"]
    """1 where the source shows the pixel, at `displacement`."""
    head: Float[Tensor, "f 1 s s"]
    """1 where the head is."""
    parts: Float[Tensor, "f 3 s s"]
    """One-hot: skin, mouth opening, eye opening; 0 off the face."""
    mirrored: Float[Tensor, "f 3 s s"]
    """The head of the mirrored source, moved likewise and in the source's light: the half that the source hides. Equal
    to `rgb` if there is none."""
    mirrored_shown: Float[Tensor, "f 1 s s"]
    """1 where the mirrored source shows the head."""


def build_head(
    model: MorphableModel, rgb: UInt8[np.ndarray, "s s 3"], mesh_px: np.ndarray, parsing: np.ndarray
) -> Head:
    """Build the head of a photo.

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
    vertices_px = torch.cat([vertices for vertices, _ in sheets])
    sheet_of = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    return Head(
        rgb=rgb,
        painted=front_colours(rgb, parsing, head, inner),
        behind=back_colours(rgb, parsing, inner, mesh_px),
        ground=add_neck(fill_smoothly(rgb, hole), rgb, parsing, mesh_px, hole),
        vertices_px=vertices_px,
        sheet=sheet_of,
        triangles=torch.cat([corners + int(start) for start, (_, corners) in zip(starts, sheets, strict=True)]),
        mesh_px=mesh,
        pose=model.fit(mesh[None]).pose,
        pivot_px=pivot,
        binding=bind(model, mesh, vertices_px, sheet_of, len(rgb)),
    )


def pose_head(model: MorphableModel, head: Head, mirrored: Head | None, mesh: Float[Tensor, "f 478 3"]) -> PosedHead:
    """Move the head so that its mesh becomes `mesh`: rigidly by the fitted poses, and the face by the rest.

    Args:
        model: that of `build_head`.
        head: of the source.
        mirrored: of `mirror_turned`.
        mesh: target mesh in half-sides of the source's picture.
    """
    side = len(head.rgb)
    target_px = torch.cat([mesh[..., :2] + 1, mesh[..., 2:]], -1) * (side / 2)
    drawn = _draw_posed(model, head, target_px)
    rgb, shown = _colours(drawn), _masks([each.shown for each in drawn])
    covered, other_rgb, other_shown = _masks([each.covered for each in drawn]), rgb, torch.zeros_like(shown)
    if mirrored is not None:
        others = _draw_posed(model, mirrored, target_px)
        other_shown = _masks([each.shown & each.covered for each in others])
        other_rgb = _match_colours(_colours(others), other_shown, rgb, shown * covered)
    place = torch.from_numpy(np.stack([each.place_px for each in drawn]) - pixel_centres(side))
    return PosedHead(
        rgb=rgb,
        displacement=place.permute(0, 3, 1, 2) * (2 / side) * shown,
        shown=shown,
        head=covered,
        parts=resize(draw_face(model, mesh, side // 2).parts, side),
        mirrored=other_rgb,
        mirrored_shown=other_shown,
    )


def _colours(drawn: list[DrawnHead]) -> Float[Tensor, "f 3 s s"]:
    return torch.from_numpy(np.stack([each.rgb for each in drawn])).permute(0, 3, 1, 2) / 255


def _masks(masks: list[np.ndarray]) -> Float[Tensor, "f 1 s s"]:
    return torch.from_numpy(np.stack(masks)).float()[:, None]


def _draw_posed(model: MorphableModel, head: Head, target_px: Float[Tensor, "f 478 3"]) -> list[DrawnHead]:
    drawn: list[DrawnHead] = []
    moved, turn_deg = move_vertices(model, head, target_px)
    for corners, turn in zip(moved, turn_deg, strict=True):
        shift_px = float((corners - head.vertices_px)[..., :2].norm(dim=1).max())
        turned, repainted = smoothstep(shift_px / _STILL_PX), smoothstep((turn - _REPAINT_DEG[0]) / _REPAINT_DEG[1])
        drawn.append(draw_head(head, corners, turned=turned, repainted=repainted))
    return drawn


def move_vertices(
    model: MorphableModel, head: Head, target_px: Float[Tensor, "f 478 3"]
) -> tuple[Float[Tensor, "f n 3"], list[float]]:
    """All vertices for other meshes, in pixels, and the head's rotation in degrees."""
    pose, tie = model.fit(target_px).pose, head.binding
    change = pose.invert(target_px) - head.pose.invert(head.mesh_px[None])
    moved = head.pose.invert(head.vertices_px[None]).repeat(len(target_px), 1, 1)
    moved[:, tie.inside] += (change[:, tie.corners] * tie.weights[..., None]).sum(2)
    moved[:, tie.outside] += tie.reach @ change[:, list(FACE_OVAL)]
    moved[:, head.sheet == _MESH] += change
    turn = torch.einsum("fij,ij->f", pose.rotation, head.pose.rotation[0])  # trace of R_t R_s^T
    turn_deg = torch.rad2deg(torch.acos(((turn - 1) / 2).clamp(-1, 1)))
    return pose.apply(moved), turn_deg.tolist()


def mirror_turned(model: MorphableModel, head: Head) -> Head | None:
    """`mirror_head` of a head with a yaw beyond `MIRROR_DEG`; None for others, which show both halves."""
    return mirror_head(model, head) if abs(head.yaw_deg) > MIRROR_DEG else None


def mirror_head(model: MorphableModel, head: Head) -> Head:
    """The head of the mirrored photo: for a profile, the hidden side."""
    side, swap = len(head.rgb), torch.from_numpy(mesh_mirror())
    turn = head.vertices_px.new_tensor([-1, 1, 1])
    mesh_px, vertices_px = (
        points * turn + points.new_tensor([side, 0, 0]) for points in (head.mesh_px, head.vertices_px)
    )
    mesh_px, on_mesh = mesh_px[swap], head.sheet == _MESH
    vertices_px[on_mesh] = mesh_px + mesh_px.new_tensor([0, 0, _BEHIND_PX])
    of_mesh = (head.sheet[head.triangles[:, 0]] == _MESH)[:, None]
    rgb, painted, behind, ground = (
        np.ascontiguousarray(picture[:, ::-1]) for picture in (head.rgb, head.painted, head.behind, head.ground)
    )
    return Head(
        rgb=rgb,
        painted=painted,
        behind=behind,
        ground=ground,
        vertices_px=vertices_px,
        sheet=head.sheet,
        triangles=torch.where(of_mesh, head.triangles, head.triangles.flip(1)),
        mesh_px=mesh_px,
        pose=model.fit(mesh_px[None]).pose,
        pivot_px=mesh_px[list(_EARS)].mean(0),
        binding=bind(model, mesh_px, vertices_px, head.sheet, side),
    )


def bind(
    model: MorphableModel,
    mesh_px: Float[Tensor, "478 3"],
    vertices_px: Float[Tensor, "n 3"],
    sheet_of: Tensor,
    side: int,
) -> Binding:
    """Bind the vertices of the sheets to the mesh of the same photo."""
    cells = side // CELL_PX
    shrunk = torch.cat([mesh_px[:, :2] / CELL_PX + 0.5, mesh_px[:, 2:] / CELL_PX], dim=1)
    raster = rasterise(shrunk[None], model.triangles, cells + 1, cells + 1)
    column, row = (vertices_px[:, :2] / CELL_PX).round().long().clamp(0, cells).T
    triangle, front = raster.triangle[0, row, column], sheet_of == _FRONT
    inside = torch.nonzero(front & (triangle >= 0))[:, 0]
    outside = torch.nonzero((sheet_of != _MESH) & ~(front & (triangle >= 0)))[:, 0]
    height_px = float(mesh_px[:, 1].max() - mesh_px[:, 1].min())
    squared = torch.cdist(vertices_px[outside], mesh_px[list(FACE_OVAL)]).square() / height_px**2
    pull = 1 / (squared + 1e-3) ** 1.5
    fade = torch.exp(-squared.amin(1, keepdim=True) / _FADE_FACES**2)
    return Binding(
        inside=inside,
        corners=model.triangles[triangle[inside]],
        weights=raster.weights[0, row[inside], column[inside]],
        outside=outside,
        reach=pull / pull.sum(1, keepdim=True) * fade,
    )


def _match_colours(
    mirrored: Float[Tensor, "f 3 s s"], mirrored_shown: Tensor, own: Float[Tensor, "f 3 s s"], shown: Tensor
) -> Float[Tensor, "f 3 s s"]:
    """The mirrored head in the source's light: gains from where both show the face, extended to the rest."""
    small = mirrored.shape[-1] // _LIGHT_PX
    both = mirrored_shown * shown
    share = resize(both, small)
    light, wanted = (resize(picture * both, small) / share.clamp(min=1e-3) for picture in (mirrored, own))
    gain = ((wanted + 0.05) / (light + 0.05)).clamp(0.4, 2.5).log()
    gain = fill_hole(gain, (share < 0.3).float())
    soft = functional.avg_pool2d(functional.pad(gain, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (mirrored * resize(soft.exp(), mirrored.shape[-1])).clamp(0, 1)


def draw_head(head: Head, corners_px: Float[Tensor, "n 3"], *, turned: float, repainted: float) -> DrawnHead:
    """Draw moved sheets.

    Args:
        head: of `build_head`.
        corners_px: the moved vertices.
        turned: how far the head has moved, 0 to 1; at 0 the ground is the photo itself.
        repainted: share of `Head.painted` in the colours near the outline.
    """
    side = len(head.rgb)
    seen = _look(head, corners_px, side // _COARSER)
    places, nearest = _enlarged(seen, side)
    x_px, y_px, behind_px = places[..., 0], places[..., 1], places[..., 2]
    covered, sheet_of, stretch = places[..., 3] > 0.5, nearest[..., 4].astype(np.int64), nearest[..., 5]
    outline = np.clip((places[..., 3] - 0.5) * _OUTLINE + 0.5, 0, 1)
    skin = _read(_mix(head.rgb, head.painted, repainted), x_px, y_px)
    back = _read(head.behind.astype(np.float32), x_px, y_px)
    seam = np.exp(-((behind_px / _SEAM_PX) ** 2))[..., None]  # the sheets meet at the outline, in one colour
    drawn = np.where((sheet_of == _BACK)[..., None], seam * skin + (1 - seam) * back, skin)
    alpha = _mix(covered, outline, turned)[..., None]
    ground = _mix(head.rgb, head.ground, turned)
    picture = alpha * np.where(covered[..., None], drawn, ground) + (1 - alpha) * ground
    if turned == 0:
        picture = head.rgb.astype(np.float32)
    kept = np.abs(ground - head.rgb).max(-1) < _PAINTED_OVER
    shown = np.where(covered, (sheet_of == _FRONT) & (stretch < _STRETCHED), kept) | (turned == 0)
    place = np.where(covered[..., None], np.stack([x_px, y_px], -1), pixel_centres(side))
    shown = cv2.medianBlur(shown.astype(np.uint8), 5) > 0  # no speckles
    return DrawnHead(rgb=picture, place_px=place, covered=covered, sheet=sheet_of, shown=shown)


def _look(head: Head, corners_px: Float[Tensor, "n 3"], side: int) -> Float[np.ndarray, "{side} {side} 6"]:
    """For each pixel: source position (x, y), depth behind the outline, covered, sheet, stretch."""
    raster = rasterise(corners_px[None] * (side / len(head.rgb)), head.triangles, side, side)
    triangle = raster.triangle[0].clamp(min=0)
    stretch = _stretch(corners_px, head.triangles)
    attributes = torch.cat([head.vertices_px[:, :2], head.vertices_px[:, 2:] - head.pivot_px[2]], dim=1)[None]
    of_vertex = raster.interpolate(attributes, head.triangles)[0]
    sheet_of = head.sheet[head.triangles[:, 0]]
    of_pixel = [raster.covered[0], sheet_of[triangle], stretch[triangle]]
    seen = torch.cat([of_vertex, torch.stack([each.float() for each in of_pixel])])
    return seen.permute(1, 2, 0).contiguous().numpy()


def _enlarged(seen: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Enlarged smoothly and by nearest neighbour; at edges between surfaces both are the nearest neighbour's."""
    smooth, nearest = (
        cv2.resize(seen, (side, side), interpolation=how) for how in (cv2.INTER_LINEAR, cv2.INTER_NEAREST)
    )
    kind = seen[..., 4] * seen[..., 3] + 3 * (1 - seen[..., 3])
    smooth[..., 3] = cv2.resize(cv2.GaussianBlur(seen[..., 3], (0, 0), _SOFT), (side, side))
    spread = cv2.dilate(kind, _RING) - cv2.erode(kind, _RING)
    bends_px = [np.abs(cv2.filter2D(seen[..., :2], -1, kernel)).max(-1) for kernel in (_BEND, _BEND.T)]
    apart = ((spread > 0) | (np.maximum(*bends_px) > _STEP_PX)).astype(np.uint8)
    meet = cv2.resize(apart, (side, side), interpolation=cv2.INTER_NEAREST)[..., None] > 0
    places = np.where(meet, nearest, smooth)
    places[..., 3] = smooth[..., 3]
    # a pixel just outside the coarse outline takes the values of the nearest covered one
    outside = (smooth[..., 3] > 0.5) & (nearest[..., 3] == 0)
    if outside.any():
        lost = (seen[..., 3] == 0).astype(np.uint8)
        grown = np.stack([_grown(seen[..., k], lost) for k in range(seen.shape[-1])], -1)
        filled = cv2.resize(grown, (side, side), interpolation=cv2.INTER_NEAREST)
        places[outside, :3], nearest[outside, 4:] = filled[outside, :3], filled[outside, 4:]
    return places, nearest


def _grown(values: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Lost pixels become the mean of their known neighbours."""
    known = 1.0 - lost.astype(np.float32)
    total, count = cv2.blur(values * known, (3, 3)), cv2.blur(known, (3, 3))
    return np.where(lost > 0, total / np.maximum(count, 1e-6), values)


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
    """Colours at positions, pixel centres at +0.5."""
    x, y = (np.ascontiguousarray(place, np.float32) - 0.5 for place in (x_px, y_px))
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    return first.astype(np.float32) * (1 - share) + second.astype(np.float32) * share
