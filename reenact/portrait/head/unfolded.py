"""A head unfolded into one picture, which has room for the surface that the source hides.

The head is seen from its middle. The distance from the middle of the picture is the angle between a direction and the
viewer's, up to `FARTHEST_RAD` at the border: what the source shows lies inside, what it hides around it.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.rasterise import vertex_facing
from reenact.portrait.head.fit import FullHead
from reenact.portrait.head.outline import MIDDLE, smoothstep
from reenact.portrait.head.template import NECK

FARTHEST_RAD = 2.5
"""Angle at the border of the unfolded picture."""
_CLEAR = (0.12, 0.3)
"""Cosine of a surface and the viewer's direction over which it begins to be seen clearly."""
_SKIN_CLEAR = (0.22, 0.45)
"""The same for skin: light shines off it at its rim, which would be a stripe on a turned cheek. Strands do not."""
_EAR_CLEAR = (0.3, 0.6)
"""The same for the side of a head and its whole ear, which is a few pixels wide seen from the front."""
_CLEARER = (0.3, 0.5)
"""A point gives way to its counterpart where its cosine is less than this share of the counterpart's."""
_ROUNDS = 3
"""Of means over neighbouring vertices."""


class Unfolded(NamedTuple):
    """The m points of a head: the template's vertices, then the mesh's."""

    place: Float[Tensor, "m 2"]
    """In the unfolded picture, -1 to 1."""
    hidden: Float[Tensor, "m"]
    """1 for points that the source does not show, or less clearly than their counterparts; 0 for others."""


class Sources(NamedTuple):
    """Where the source shows m points of a head, and their counterparts on the other side of the head."""

    own: Float[Tensor, "m 2"]
    """Half-sides of the source's picture."""
    clear: Float[Tensor, "m"]
    """1 where the source shows the point clearly, 0 where it does not show it."""
    counterpart: Float[Tensor, "m 2"]
    """As `own`."""
    better: Float[Tensor, "m"]
    """1 where the source shows the counterpart more clearly than the point."""


def unfold(
    model: MorphableModel, head: FullHead, ears: Bool[Tensor, "n"], skin: Bool[Tensor, "m"] | None = None
) -> tuple[Unfolded, Sources]:
    """Lay out a head.

    Args:
        model: that of `fit_head`.
        head: of a source.
        ears: vertices that count as hidden unless the source shows the side of the head.
        skin: points with skin, not hair. None: there are none.
    """
    flipped = head.shape * head.shape.new_tensor([-1, 1, 1])
    nearest = head.template.opposite
    swap = torch.from_numpy(mesh_mirror()).to(nearest.device)
    cosines = [
        shown * vertex_facing(at, triangles)[0].clamp(min=0)
        for shown, at, triangles in (
            (head.visible * (head.template.part != NECK), head.posed(), head.template.triangles),
            (head.mesh_visible[0], head.mesh, model.triangles),
        )
    ]
    own = torch.cat([head.posed()[0], head.mesh[0]])
    counterpart = torch.cat([head.pose.apply(flipped[None])[0, :, :2], head.mesh[0, swap, :2]])
    cosines[0] = _even(cosines[0], head.template.triangles)  # hair makes the skull rough, and parts of it visible
    cosines[0] *= torch.where(ears, _facing_ears(head), 1.0)
    cosine, other = torch.cat(cosines), torch.cat([cosines[0][nearest], cosines[1][swap]])
    low, high = own.new_tensor(_CLEAR)[:, None].expand(-1, len(own))
    if skin is not None:
        low, high = (torch.where(skin, value, each) for value, each in zip(_SKIN_CLEAR, (low, high), strict=True))
    clear, other_clear = (
        smoothstep((each - low) / (high - low)) * (at.abs() < 1).all(1) * (at[:, 1] > head.top)
        for each, at in ((cosine, own[:, :2]), (other, counterpart))
    )
    ratio = (cosine / other.clamp(min=1e-6) - _CLEARER[0]) / (_CLEARER[1] - _CLEARER[0])
    better = (1 - smoothstep(ratio)) * other_clear
    middle = head.pose.apply(own.new_tensor(MIDDLE)[None, None])[0, 0]
    away = own - middle
    angle = torch.atan2(away[:, :2].norm(dim=1), -away[:, 2]) / FARTHEST_RAD
    place = functional.normalize(away[:, :2], dim=1) * angle[:, None]
    sources = Sources(own=own[:, :2], clear=clear, counterpart=counterpart, better=better)
    return Unfolded(place=place, hidden=torch.maximum(1 - clear, better)), sources


def _even(values: Float[Tensor, "n"], triangles: Int[Tensor, "t 3"]) -> Float[Tensor, "n"]:
    """Means over neighbouring vertices."""
    corners = triangles.flatten()
    count = torch.zeros_like(values).index_add(0, corners, values.new_ones(len(corners))).clamp(min=1)
    for _ in range(_ROUNDS):
        mean = values[triangles].mean(1).repeat_interleave(3)
        values = torch.zeros_like(values).index_add(0, corners, mean) / count
    return values


def _facing_ears(head: FullHead) -> Float[Tensor, "n"]:
    """1 for vertices on the side of the head that the source shows, falling to 0 on a side seen from the front."""
    ends = head.pose.apply(head.shape.new_tensor([[[-1.0, 0, 0], [1, 0, 0]]]))[0]
    turn = (ends[0] - ends[1])[2] / (ends[0] - ends[1]).norm()
    cosine = turn * head.template.vertices[:, 0].sign()
    return smoothstep((cosine - _EAR_CLEAR[0]) / (_EAR_CLEAR[1] - _EAR_CLEAR[0]))
