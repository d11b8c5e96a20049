"""What two posed meshes of one face already tell about the motion between two pictures.

Inside the target mesh the flow is exact: the same surface point in the source. Outside, the motion of the face's rim
is carried outwards and fades, which is right for hair and ears and leaves the distant background still.
"""

import dataclasses

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import FACE_OVAL, LANDMARKS_68
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.rasterise import rasterise, vertex_facing, vertex_visibility
from reenact.ops.warp import identity_grid

PARTS = 3
"""Channels of a part map: skin, mouth opening, eye opening."""

_GRAZING = 0.1
"""Cosine between a surface and the line of sight up to which it counts as turned away."""

_DEPTH_SLACK = 0.1
"""Depth, in face heights, that a point may lie behind the nearest surface: meshes touch themselves at lids and lips."""

_RIM_GRID_PX = 32
_FADE_FACES = 0.2
"""Distance from the rim, in face heights, at which the carried motion has faded to 1/e. Measured on validation clips:
0.75 moves the background (PSNR 23.0 dB, no better than copying the source), 0.12 to 0.25 give 24.7 to 24.9."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceMaps:
    """A mesh drawn at the side of the network's maps."""

    pncc: Float[Tensor, "f 3 s s"]
    """Projected Normalized Coordinate Code: the mean shape's coordinates as colour, 0 outside the face."""
    parts: Float[Tensor, "f 3 s s"]
    """One-hot: skin, mouth opening, eye opening; all 0 outside the face."""

    @property
    def stacked(self) -> Float[Tensor, "f 6 s s"]:
        return torch.cat([self.pncc, self.parts], dim=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshFlow:
    """The target's maps and the flow back to the source."""

    target: FaceMaps
    displacement: Float[Tensor, "f 2 s s"]
    """Target pixel -> source place, in half-sides (`reenact.ops.warp`)."""
    visible: Float[Tensor, "f 1 s s"]
    """1 where the surface point at this target pixel is seen in the source; 0 where hidden there or off the face."""


def draw_face(model: MorphableModel, mesh: Float[Tensor, "f 478 3"], side: int) -> FaceMaps:
    """Maps of a mesh in half-sides (-1 to 1 over the crop)."""
    raster = rasterise(to_pixels(mesh, side), model.triangles, side, side)
    colours = raster.interpolate(model.colours.expand(len(mesh), -1, -1), model.triangles)
    return FaceMaps(pncc=colours, parts=part_maps(model, raster.triangle))


def mesh_flow(
    model: MorphableModel,
    source: Float[Tensor, "#f 478 3"],
    target: Float[Tensor, "f 478 3"],
    side: int,
    *,
    whole: bool = False,
) -> MeshFlow:
    """Flow from every pixel of the target picture to the source picture.

    Args:
        model: triangles and colours of the meshes.
        source: source mesh in half-sides, one for all or one a frame.
        target: target meshes in half-sides.
        side: side of the maps in pixels.
        whole: carry the motion of the face's rim over the whole picture, as the head with its hair moves; else it fades
            outside the face.
    """
    seen = source_visibility(model, source, side)
    source, seen = source.expand(len(target), -1, -1), seen.expand(len(target), -1)
    raster = rasterise(to_pixels(target, side), model.triangles, side, side)
    attributes = torch.cat(
        [model.colours.expand(len(target), -1, -1), (source - target)[..., :2], seen[..., None]], dim=-1
    )
    maps = raster.interpolate(attributes, model.triangles)
    inside = raster.covered[:, None].to(maps.dtype)
    outside = carry_rim(source, target, side, fade=not whole)
    return MeshFlow(
        target=FaceMaps(pncc=maps[:, :3], parts=part_maps(model, raster.triangle)),
        displacement=maps[:, 3:5] * inside + outside * (1 - inside),
        visible=maps[:, 5:6],
    )


def source_visibility(model: MorphableModel, source: Float[Tensor, "f 478 3"], side: int) -> Float[Tensor, "f 478"]:
    """1 for each vertex that the picture shows."""
    pixels = to_pixels(source, side)
    raster = rasterise(pixels, model.triangles, side, side)
    height = pixels[..., 1].amax(1) - pixels[..., 1].amin(1)
    in_front = vertex_visibility(pixels, model.triangles, raster, tolerance_px=_DEPTH_SLACK * float(height.mean()))
    return in_front * (vertex_facing(pixels, model.triangles) > _GRAZING)


def landmark_visibility(
    model: MorphableModel, mesh: Float[Tensor, "f 478 3"], side: int = 128
) -> Float[Tensor, "f 68"]:
    """1 for each of the 68 iBUG landmarks that the picture shows, 0 for those that the head hides.

    Args:
        model: triangles of the mesh.
        mesh: in half-sides.
        side: pixels of the picture in which depths are compared.
    """
    return source_visibility(model, mesh, side)[:, list(LANDMARKS_68)]


def carry_rim(
    source: Float[Tensor, "f 478 3"], target: Float[Tensor, "f 478 3"], side: int, *, fade: bool = True
) -> Float[Tensor, "f 2 {side} {side}"]:
    """The face oval's displacement, continued outwards (inverse-distance weights) and fading with distance."""
    rim = list(FACE_OVAL)
    place, move = target[:, rim, :2], (source - target)[:, rim, :2]
    grid = identity_grid(_RIM_GRID_PX, _RIM_GRID_PX, like=target).flatten(1).T
    squared = (grid[None, :, None] - place[:, None]).square().sum(-1)
    weight = 1 / (squared + 1e-3) ** 1.5
    carried = (weight @ move) / weight.sum(-1, keepdim=True)
    if fade:
        face = (place[..., 1].amax(1) - place[..., 1].amin(1))[:, None]
        carried = carried * torch.exp(-squared.amin(-1) / (_FADE_FACES * face).square())[..., None]
    coarse = carried.transpose(1, 2).unflatten(2, (_RIM_GRID_PX, _RIM_GRID_PX))
    return functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)


def part_maps(model: MorphableModel, triangle: Int[Tensor, "f h w"]) -> Float[Tensor, "f 3 h w"]:
    """`FaceMaps.parts` of the triangles that pixels show."""
    part = torch.where(triangle >= 0, model.triangle_part[triangle.clamp(min=0)], PARTS)
    return functional.one_hot(part, PARTS + 1)[..., :PARTS].permute(0, 3, 1, 2).to(model.mean.dtype)


def to_pixels(mesh: Float[Tensor, "f n 3"], side: int) -> Float[Tensor, "f n 3"]:
    """Half-sides -> pixels of a picture with this side; depth in the same unit."""
    return torch.cat([(mesh[..., :2] + 1) * (side / 2), mesh[..., 2:] * (side / 2)], dim=-1)
