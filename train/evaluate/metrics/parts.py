"""Mouths and eyes, from meshes and from crops of `reenact.portrait.parts`."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reenact.geometry.landmarks import INNER_LIP_RING
from reenact.portrait import parts
from train.evaluate.metrics.sharpness import luma

OPEN_MOUTH = 0.06
"""Opening of the lips over the eye distance from which a mouth counts as open."""
TEETH_TRUE, TEETH_RESULT = 0.25, 0.15
"""Share of tooth-bright pixels inside the lips that shows teeth, in true frames and in results."""
SHUT, AJAR = 0.14, 0.22
"""Eye opening below which an eye counts as shut, and above which as open."""
_TOOTH = 0.75
"""Brightness of teeth over that of the skin."""
_ONE_SIDED = 0.6
"""Opening of the one eye over the other's below which a closure counts as one-sided."""

Mesh = Float[Tensor, "n 478 3"]


def lip_gap(mesh_px: Mesh) -> Float[Tensor, "n"]:
    """Opening of the inner lips over the distance of the outer eye corners."""
    points = mesh_px.float()
    return (points[:, 13] - points[:, 14]).norm(dim=-1) / (points[:, 33] - points[:, 263]).norm(dim=-1)


def look_inside(rgb: Float[Tensor, "n 3 h w"], mesh_px: Mesh) -> Float[Tensor, "n 2"]:
    """Brightness between the lips, 0 to 255, and the share of it that is as bright as teeth."""
    onto = parts.crop_part(mesh_px, "mouth")
    lips = parts.place(onto, mesh_px)[:, list(INNER_LIP_RING)]
    inside = parts.coverage(parts.signed_distance(lips, parts.SIZE) - 0.5)[:, 0]
    brightness = luma(parts.sample(rgb, onto, parts.SIZE))[:, 0] * 255
    weight = inside.sum((1, 2)).clamp(min=1e-3)
    bright = (brightness > _TOOTH * brightness[:, :8].mean((1, 2), keepdim=True)).float()
    return torch.stack([(brightness * inside).sum((1, 2)), (bright * inside).sum((1, 2))], 1) / weight[:, None]


def part_crops(rgb: Float[Tensor, "n 3 h w"], mesh_px: Mesh) -> tuple[Float[Tensor, "n 3 i j"], ...]:
    """The mouth, the right eye and the left eye (mirrored), aligned by the mesh."""
    kinds: tuple[tuple[parts.Part, bool], ...] = (("mouth", False), ("eye", False), ("eye", True))
    return tuple(
        parts.sample(rgb, parts.crop_part(mesh_px, part, left=left), parts.SIZE).clamp(0, 1) for part, left in kinds
    )


def one_sided(openings: Float[Tensor, "n 2"]) -> Bool[Tensor, "n 2"]:
    """Whether the right, or the left, eye is closed much further than the other, which is open."""
    other = openings.flip(1)
    return (openings < _ONE_SIDED * other) & (other > AJAR)


def lid_slope(wanted: Float[Tensor, "n"], found: Float[Tensor, "n"]) -> float:
    """Slope of the regression line of `found` on `wanted`; 1: lids go all the way. NaN if `wanted` is constant."""
    wanted, found = wanted - wanted.mean(), found - found.mean()
    return float((wanted * found).sum() / wanted.square().sum())


def lid_correlation(wanted: Float[Tensor, "n"], found: Float[Tensor, "n"]) -> float:
    """Pearson's correlation of the two; NaN if one is constant."""
    wanted, found = wanted - wanted.mean(), found - found.mean()
    return float((wanted * found).sum() / (wanted.norm() * found.norm()))
