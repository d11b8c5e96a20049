"""Heads of many sources moved to meshes of their own: the conditions of networks that warp."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.geometry.flow import FaceMaps
from reenact.geometry.morphable import MorphableModel
from reenact.portrait.head import HeadFlow, fit_head, move_head


def head_share(classes: Int[Tensor, "f s s"]) -> Float[Tensor, "f 1 s s"]:
    """Share of face and hair (classes 1 and 2), with a soft edge."""
    return functional.avg_pool2d((classes > 0).float()[:, None], 5, 1, 2, count_include_pad=False)


@torch.no_grad()
def move_heads(
    model: MorphableModel,
    source: Float[Tensor, "f 478 3"],
    share: Float[Tensor, "f 1 s s"],
    target: Float[Tensor, "f 478 3"],
    side: int,
) -> HeadFlow:
    """`reenact.portrait.head.move_head` for pairs of meshes.

    Args:
        model: of the meshes.
        source: in half-sides.
        share: of each source's head; without any the head is what the template covers.
        target: in half-sides.
        side: of the maps.
    """
    with torch.autocast(source.device.type, enabled=False):  # least squares want full precision
        pairs = zip(*(each.float().split(1) for each in (source, share, target)), strict=True)
        flows = [move_head(model, fit_head(model, mesh, head), goal, side) for mesh, head, goal in pairs]
    maps = [each.target for each in flows]
    names = ("displacement", "visible", "covered", "front", "bend", "turned", "solid", "beyond")
    return HeadFlow(
        **{name: torch.cat([getattr(each, name) for each in flows]) for name in names},
        target=FaceMaps(pncc=torch.cat([each.pncc for each in maps]), parts=torch.cat([each.parts for each in maps])),
    )
