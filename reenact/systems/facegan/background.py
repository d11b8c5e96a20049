"""The background around a moved head: corrected masks, a filled hole, unchanged pixels.

Geometry tells which pixels move, where the source's head goes and where the neck is. Nothing here is learned, and
nothing is in the paper.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import CHIN
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.ops.fill import fill_hole
from reenact.ops.warp import identity_grid, resize, warp
from reenact.systems.facegan.conditions import TargetView
from reenact.systems.facegan.networks import DrawnFace, MixedPicture
from reenact.systems.stillness import moving_pixels, widen

_JAW_HEIGHT, _NECK_HALF_WIDTH, _BLEND = 0.5, 0.65, 0.15
"""Height above the chin up to which the neck may show, its half width and its soft edge, eye distances."""

_NEAR = 0.02
"""Width by which the redrawn part exceeds the moving pixels, share of the side."""


class Heads(NamedTuple):
    """Heads in I_fr."""

    foreground: Float[Tensor, "f 1 s s"]
    """Share of face and hair of the target's head."""
    shown: Float[Tensor, "f 1 s s"]
    """1 where the warp shows pixels of the source's hole: its head, in the right place or not, and its rim."""


def heads_in(
    view: TargetView, drawn: DrawnFace, head: Float[Tensor, "1 1 s s"], hole: Float[Tensor, "1 1 s s"]
) -> Heads:
    """Heads in G_r's picture: its own segmentation, corrected by the warp.

    Args:
        view: of the target.
        drawn: by G_r.
        head: share of face and hair in the source.
        hole: the same with a rim.
    """
    if view.head is None or drawn.displacement is None:
        return Heads(foreground=drawn.foreground, shown=torch.ones_like(drawn.foreground))
    side, count = head.shape[-1], len(view.head)
    both = torch.cat([head, hole], 1).expand(count, -1, -1, -1)
    shown, shown_hole = warp(both, resize(drawn.displacement, side)).split(1, 1)
    carried = resize(view.head, side)
    # the source's head away from the target's was left behind, not drawn
    foreground = torch.maximum(drawn.foreground * (1 - shown * (1 - carried)), shown * carried)
    return Heads(foreground=foreground, shown=shown_hole)


def close_hole(
    mixed: MixedPicture,
    warped: Float[Tensor, "f 3 s s"],
    background: Float[Tensor, "f 3 s s"],
    hole: Float[Tensor, "f 1 s s"],
    heads: Heads,
    neck: Float[Tensor, "f 1 s s"],
) -> MixedPicture:
    """Fill the hole without G_b: with the neck that moves with the head, and with the colours around the hole.

    Args:
        mixed: output of G_b.
        warped: the source, warped with the head.
        background: the source.
        hole: mask of its head.
        heads: in `warped`.
        neck: mask of the neck.
    """
    away = 1 - heads.foreground
    pulled = hole * away * neck * (1 - heads.shown)
    known = torch.maximum((1 - hole) * away, pulled)
    colour = pulled * warped + (1 - pulled) * background
    around, along = fill_hole(colour, 1 - known), fill_hole(colour, 1 - known * neck)
    return mixed._replace(colour=(around + neck * (along - around)).clamp(0, 1))


def under_chin(pose: Pose, model: MorphableModel, side: int) -> Float[Tensor, "f 1 {side} {side}"]:
    """1 where a head in this pose has its neck, guessed from the average face."""
    up = pose.rotation[:, :2, 1] * pose.rotation.new_tensor([1.0, -1.0])
    up = up / up.norm(dim=1, keepdim=True).clamp(min=1e-6)
    grid = identity_grid(side, side, like=up)
    place = (grid - pose.translation_px[:, :2, None, None]) / pose.scale[:, None, None, None]
    down = -(place * up[:, :, None, None]).sum(1, keepdim=True)
    across = (place[:, :1] * up[:, 1:, None, None] - place[:, 1:] * up[:, :1, None, None]).abs()
    chin = -model.mean[CHIN, 1]
    return ((down - chin + _JAW_HEIGHT) / _BLEND).clamp(0, 1) * ((_NECK_HALF_WIDTH - across) / _BLEND).clamp(0, 1)


def changed_near(view: TargetView, head: Float[Tensor, "1 1 s s"]) -> Float[Tensor, "#f 1 s s"]:
    """1 near pixels that move, that the head covers or uncovers; 0 elsewhere. A closing eye changes no hair.

    Args:
        view: of the target.
        head: share of face and hair in the source.
    """
    if view.head is None or view.maps.displacement is None:
        return torch.ones_like(head)
    side, half = head.shape[-1], view.head.shape[-1]
    moving = moving_pixels(view.maps.displacement, side)
    uncovered = (view.head - resize(head, half)).abs()
    # where nothing moves, the two differ only by the parser's blur
    changed = torch.maximum(moving, (uncovered * 4 - 1).clamp(0, 1) * moving.amax((2, 3), keepdim=True))
    return resize(widen(changed, _NEAR), side)
