"""From the generator's output to the source's own size, with the source's fine detail."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.head import PosedHead
from reenact.geometry.landmarks import edge_map
from reenact.ops.warp import resize, warp
from reenact.systems.base import Rendered
from reenact.systems.dual_generator.networks import DrawnPicture
from reenact.systems.stillness import moving_pixels, widen

_STEP_PX = 3.0
"""Neighbouring pixels whose movements differ by more lie on two sides of an outline."""

_NEAR = 0.012
"""Width by which the redrawn part exceeds the changed pixels, share of the side."""


def draw_landmarks(landmarks: Float[Tensor, "f 68 3"], side: int) -> Float[Tensor, "f 1 s s"]:
    """Landmark map from landmarks in half-sides: lines between neighbours, 1 on a line and 0 elsewhere."""
    return edge_map((landmarks[..., :2] + 1) * (side / 2), side, side)


def changed_share(posed: PosedHead | None, like: Float[Tensor, "f 1 s s"]) -> Float[Tensor, "f 1 s s"]:
    """1 near pixels that move or that the source does not show, 0 elsewhere; 1 everywhere without a `posed`."""
    if posed is None:
        return torch.ones_like(like)
    moving = moving_pixels(posed.displacement, like.shape[-1])
    return widen(torch.maximum(moving, 1 - posed.shown), _NEAR)


def finish(
    drawn: DrawnPicture,
    posed: PosedHead | None,
    changed: Float[Tensor, "f 1 s s"],
    rgb: Float[Tensor, "1 3 s s"],
    native: Float[Tensor, "1 3 n n"],
) -> Rendered:
    """The drawn picture at the source's own size.

    Where the picture is the moved source, the detail that was lost at the network's side is added back: the difference
    between the native source and the resized one.

    Args:
        drawn: by the generator; its matte is the share of the moved source.
        posed: the moved source.
        changed: share of the result; the rest is the unchanged source.
        rgb: the source at the network's side.
        native: the source at its own side.
    """
    side, count = native.shape[-1], len(drawn.rgb)
    result = resize(drawn.rgb, side)
    if posed is not None and drawn.matte is not None:
        sharp = warp(native.expand(count, -1, -1, -1), resize(posed.displacement, side), "bicubic")
        soft = resize(warp(rgb.expand(count, -1, -1, -1), posed.displacement), side)
        result = result + resize(drawn.matte * _even(posed), side) * (sharp - soft)
    share = resize(changed, side)
    mixed = native + share * (result.clamp(0, 1) - native)
    return Rendered(rgb=torch.where(share > 0, mixed, native), changed=share)


def _even(posed: PosedHead) -> Float[Tensor, "f 1 s s"]:
    """1 where the source is shown and neighbouring pixels move alike, so not across an outline."""
    most, least = (
        functional.max_pool2d(posed.displacement, 3, 1, 1),
        -functional.max_pool2d(-posed.displacement, 3, 1, 1),
    )
    step_px = (most - least).amax(1, keepdim=True) * (posed.shown.shape[-1] / 2)
    shown = -functional.max_pool2d(-posed.shown, 3, 1, 1)
    return shown * (step_px < _STEP_PX)
