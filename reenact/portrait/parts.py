"""Small upright crops of a mouth or an eye, and the maps that say what is painted in them.

A crop is fixed to the outer eye corners: their distance gives its scale and their direction its rotation. A left eye is
mirrored, so that one network sees only right eyes. Transforms are affine matrices (f, 2, 3), `crop_from_frame`.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import (
    INNER_LIP_RING,
    LEFT_EYE_OUTER,
    LEFT_EYE_RING,
    LEFT_IRIS,
    RIGHT_EYE_OUTER,
    RIGHT_EYE_RING,
    RIGHT_IRIS,
)

Part = Literal["mouth", "eye"]
Affine = Float[Tensor, "f 2 3"]

SIZE = (48, 64)
"""Height and width of a crop in pixels."""

_EYE_DISTANCE_PX = {"mouth": 59.0, "eye": 103.0}
"""Distance of the outer eye corners in crop pixels."""

_CENTRE = {"mouth": (32.0, 24.0), "eye": (32.0, 27.0)}
"""Where the middle of the lips, or of the eye's corners, lies in the crop."""

OUTER_LIP_RING = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_NOSE_FOOT = 2
_TOOTH_LIGHT = (0.28, 0.85)
"""Brightness of teeth is the first plus the second times that of the skin under the nose: medians of 1,600 stills."""
_LEAST_SKIN = 0.15
"""Darker skin is in the shade, and so are the teeth."""
_RIGHT_CORNERS, _LEFT_CORNERS = (33, 133), (263, 362)
_EYE_RADIUS_PX = 12.5
"""Half the height of the ellipse that is painted over an eye; it covers the lid, its crease and the lashes."""


def crop_part(mesh_px: Float[Tensor, "f 478 3"], part: Part, *, left: bool = False) -> Affine:
    """crop_from_frame of a part of each face."""
    across = mesh_px[:, LEFT_EYE_OUTER] - mesh_px[:, RIGHT_EYE_OUTER]
    scale = _EYE_DISTANCE_PX[part] / across.norm(dim=-1).clamp(min=1e-6)  # in three dimensions: a turn keeps it
    along = across[:, :2] / across[:, :2].norm(dim=-1, keepdim=True).clamp(min=1e-6) * scale[:, None]
    cos, sin = along.unbind(-1)
    matrix = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], 1)
    if left:
        matrix = matrix * matrix.new_tensor([[-1.0], [1.0]])
    points = OUTER_LIP_RING if part == "mouth" else (_LEFT_CORNERS if left else _RIGHT_CORNERS)
    centre = mesh_px[:, list(points), :2].mean(1)
    shift = mesh_px.new_tensor(_CENTRE[part]) - (matrix @ centre[..., None])[..., 0]
    return torch.cat([matrix, shift[..., None]], 2)


def place(matrix: Affine, points: Float[Tensor, "f n _"]) -> Float[Tensor, "f n 2"]:
    """x and y of the points, transformed."""
    return points[..., :2] @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]


def invert(matrix: Affine) -> Affine:
    """The transform back."""
    linear = torch.linalg.inv(matrix[:, :, :2])
    return torch.cat([linear, -linear @ matrix[:, :, 2:]], 2)


def chain(second: Affine, first: Affine) -> Affine:
    """`first`, then `second`."""
    linear = second[:, :, :2]
    return torch.cat([linear @ first[:, :, :2], linear @ first[:, :, 2:] + second[:, :, 2:]], 2)


def sample(
    picture: Float[Tensor, "f c h w"],
    matrix: Affine,
    size: tuple[int, int],
    padding: Literal["border", "zeros"] = "border",
) -> Float[Tensor, "f c i j"]:
    """The picture under `matrix` (result_from_picture), bilinear; several samples a pixel where it is made smaller."""
    step = torch.linalg.det(matrix[:, :, :2]).abs().rsqrt()
    times = max(1, math.ceil(float(step.max()) - 0.25))
    matrix, size = matrix * times, (size[0] * times, size[1] * times)
    height, width = picture.shape[-2:]
    inverse = invert(matrix)
    # affine_grid wants both pictures in half-sides
    linear = inverse[:, :, :2] * inverse.new_tensor([size[1] / 2, size[0] / 2])
    shift = linear.sum(2) + inverse[:, :, 2]
    unit = inverse.new_tensor([2 / width, 2 / height])
    theta = torch.cat([linear * unit[:, None], (shift * unit - 1)[..., None]], 2)
    grid = functional.affine_grid(theta, [len(theta), 1, *size], align_corners=False)
    result = functional.grid_sample(picture, grid.to(picture.dtype), "bilinear", padding, align_corners=False)
    return functional.avg_pool2d(result, times) if times > 1 else result


def signed_distance(polygon: Float[Tensor, "f n 2"], size: tuple[int, int]) -> Float[Tensor, "f 1 i j"]:
    """Distance to a closed polygon in pixels, positive inside (even-odd rule); computed at half the side."""
    height, width = size[0] // 2, size[1] // 2
    x = (torch.arange(width).to(polygon) * 2 + 1).expand(height, -1).reshape(1, 1, -1)
    y = (torch.arange(height).to(polygon) * 2 + 1)[:, None].expand(-1, width).reshape(1, 1, -1)
    from_x, from_y = polygon[:, :, 0, None], polygon[:, :, 1, None]
    edge = polygon.roll(-1, 1) - polygon
    edge_x, edge_y = edge[:, :, 0, None], edge[:, :, 1, None]
    x, y = x - from_x, y - from_y
    share = ((x * edge_x + y * edge_y) / (edge_x**2 + edge_y**2).clamp(min=1e-6)).clamp(0, 1)
    distance = ((x - share * edge_x) ** 2 + (y - share * edge_y) ** 2).amin(1).sqrt()
    crosses = (y < 0) != (y < edge_y)
    left = (x * edge_y < y * edge_x) == (edge_y > 0)
    inside = (crosses & left).sum(1) % 2 == 1
    signed = torch.where(inside, distance, -distance).unflatten(1, (1, height, width))
    return functional.interpolate(signed, scale_factor=2, mode="bilinear", align_corners=False)


def coverage(distance: Tensor, soft_px: float = 1.0) -> Tensor:
    """0 outside to 1 inside, over a border of `soft_px`."""
    return (0.5 + distance / soft_px).clamp(0, 1)


def inner_mask(points: Float[Tensor, "f 478 2"]) -> Float[Tensor, "f 1 i j"]:
    """1 between the lips."""
    return coverage(signed_distance(points[:, list(INNER_LIP_RING)], SIZE) + 0.7, 2.0)


def mouth_inputs(
    points: Float[Tensor, "f 478 2"],
    shown: Float[Tensor, "f 3 i j"],
    shown_points: Float[Tensor, "f 478 2"],
    driver: Float[Tensor, "f 1 i j"] | None = None,
) -> tuple[Float[Tensor, "f 1 i j"], Float[Tensor, "f 7 i j"]]:
    """Mask and maps of mouths.

    Args:
        points: the target mesh in crop pixels.
        shown: the source's mouth, aligned by `align_noses`.
        shown_points: its mesh in the same pixels.
        driver: of `driver_mouth`; None if there is none.
    """
    mask = inner_mask(points)
    outer = signed_distance(points[:, list(OUTER_LIP_RING)], SIZE)
    teeth = signed_distance(shown_points[:, list(INNER_LIP_RING)], SIZE)
    driven = torch.zeros_like(mask.expand(-1, 2, -1, -1)) if driver is None else torch.cat([driver * mask, mask], 1)
    return mask, torch.cat([coverage(outer), driven, shown * 2 - 1, coverage(teeth)], 1)


def eye_inputs(
    points: Float[Tensor, "f 478 2"],
    shown: Float[Tensor, "f 3 i j"],
    shown_maps: Float[Tensor, "f 2 i j"],
    *,
    left: bool,
) -> tuple[Float[Tensor, "f 1 i j"], Float[Tensor, "f 7 i j"]]:
    """Mask (an ellipse over the whole eye) and maps of eyes.

    Args:
        points: the target mesh in crop pixels.
        shown: the source's eye.
        shown_maps: its `eye_maps`.
        left: which eye.
    """
    return eye_mask(points, left=left), torch.cat([eye_maps(points, left=left), shown * 2 - 1, shown_maps], 1)


def eye_mask(points: Float[Tensor, "f 478 2"], *, left: bool) -> Float[Tensor, "f 1 i j"]:
    """A soft ellipse over an eye, its lids, their crease and the lashes."""
    height, width = SIZE
    corners = _LEFT_CORNERS if left else _RIGHT_CORNERS
    first, second = (points[:, corner, :, None, None] for corner in corners)
    wide = (second - first).norm(dim=1).clamp(min=6)
    axis, middle = (second - first) / wide[:, None], (first + second) / 2
    x = torch.arange(width).to(points) + 0.5 - middle[:, 0]
    y = (torch.arange(height).to(points) + 0.5)[:, None] - middle[:, 1]
    along, across = x * axis[:, 0] + y * axis[:, 1], y * axis[:, 0] - x * axis[:, 1]
    ellipse = ((along / (0.64 * wide + 2)) ** 2 + ((across + 2.5) / _EYE_RADIUS_PX) ** 2).sqrt()
    return ((1 - ellipse) * (_EYE_RADIUS_PX / 4)).clamp(0, 1)[:, None]  # a soft rim of 4 px


def eye_maps(points: Float[Tensor, "f 478 2"], *, left: bool) -> Float[Tensor, "f 2 i j"]:
    """Lids and iris. The lids' map is soft, so that closed lids still show as a line."""
    height, width = SIZE
    lids = signed_distance(points[:, list(LEFT_EYE_RING if left else RIGHT_EYE_RING)], SIZE)
    iris = points[:, list(LEFT_IRIS if left else RIGHT_IRIS)]
    centre, radius = iris[:, 0, :, None, None], (iris[:, 1:] - iris[:, :1]).norm(dim=-1).mean(1)[:, None, None]
    x = torch.arange(width).to(points) + 0.5 - centre[:, 0]
    y = (torch.arange(height).to(points) + 0.5)[:, None] - centre[:, 1]
    disc = (radius - (x**2 + y**2).sqrt())[:, None]
    return torch.cat([coverage(lids, 6.0), coverage(disc)], 1)


def align_noses(own: Affine, mesh_px: Tensor, onto: Affine, target_px: Tensor) -> Affine:
    """Shift `own` until the foot of the nose lies where `onto` has it: upper teeth then lie where they belong."""
    foot = [_NOSE_FOOT]
    shift = place(onto, target_px[:, foot])[:, 0] - place(own, mesh_px[:, foot])[:, 0]
    return torch.cat([own[:, :, :2], own[:, :, 2:] + shift[..., None]], 2)


def fit_affine(source: Float[Tensor, "f n 2"], target: Float[Tensor, "f n 2"]) -> Affine:
    """Least squares, pulled towards a similarity: points on a line would leave one direction open."""
    from_mean, to_mean = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    source, target = source - from_mean, target - to_mean
    eye = torch.eye(2).to(source)
    spread = source.square().sum((1, 2)).clamp(min=1e-6)
    prior = 0.02 * spread[:, None, None] * eye
    zoom = (target.square().sum((1, 2)) / spread).sqrt()[:, None, None] * eye
    normal, moment = source.transpose(1, 2) @ source + prior, source.transpose(1, 2) @ target + prior @ zoom
    linear = torch.linalg.solve(normal, moment).transpose(1, 2)
    return torch.cat([linear, (to_mean - from_mean @ linear.transpose(1, 2)).transpose(1, 2)], 2)


def driver_mouth(
    rgb: Float[Tensor, "f 3 h w"],
    mesh_px: Float[Tensor, "f 478 3"],
    target: Float[Tensor, "f 478 2"],
    jitter: Affine | None = None,
    finer: int = 1,
) -> Float[Tensor, "f 1 i j"]:
    """The driver's mouth in grey, its inner lips laid on the target's; 1 is the brightness of the driver's skin.

    Args:
        rgb: driving pictures.
        mesh_px: the driver's mesh in them.
        target: the target mesh in pixels of its mouth crop.
        jitter: one more transform of the result, for training.
        finer: pixels along each of the crop's.
    """
    own = crop_part(mesh_px, "mouth")
    lips, ring = place(own, mesh_px), list(INNER_LIP_RING)
    onto = fit_affine(lips[:, ring], target[:, ring])
    onto = chain(onto if jitter is None else chain(jitter, onto), own)
    size = SIZE[0] * finer, SIZE[1] * finer
    return luma(sample(rgb, onto * finer, size)) / skin_light(sample(rgb, own, SIZE)).clamp(min=0.05)


def luma(rgb: Float[Tensor, "f 3 i j"]) -> Float[Tensor, "f 1 i j"]:
    """Brightness of colours (BT.601)."""
    return (rgb * rgb.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def skin_light(mouth: Float[Tensor, "f 3 i j"]) -> Float[Tensor, "f 1 1 1"]:
    """Brightness of the skin under the nose in mouth crops."""
    return luma(mouth[:, :, :8]).mean((2, 3), keepdim=True)


def tooth_light(skin: Float[Tensor, "f 1 1 1"]) -> Float[Tensor, "f 1 1 1"]:
    """How bright teeth are over skin of a brightness."""
    return _TOOTH_LIGHT[0] / skin.clamp(min=_LEAST_SKIN) + _TOOTH_LIGHT[1]


def ramp(value: Tensor, limits: tuple[float, float]) -> Tensor:
    """0 up to the first limit, rising to 1 at the second."""
    return ((value - limits[0]) / (limits[1] - limits[0])).clamp(0, 1)
