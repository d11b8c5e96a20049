"""From the generator's output to the source's own size, with the source's fine detail."""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import edge_map
from reenact.ops.grow import grow, shrink
from reenact.ops.warp import resize, warp
from reenact.portrait.compose import HeadLayer, smooth_outline
from reenact.portrait.posed import PosedHead
from reenact.portrait.stillness import moving_pixels
from reenact.systems.dual_generator.networks import DrawnPicture

_STEP_PX = 3.0
"""Neighbouring pixels whose movements differ by more lie on two sides of an outline."""


def draw_landmarks(landmarks: Float[Tensor, "f 68 3"], side: int) -> Float[Tensor, "f 1 s s"]:
    """Landmark map from landmarks in half-sides: lines between neighbours, 1 on a line and 0 elsewhere."""
    return edge_map((landmarks[..., :2] + 1) * (side / 2), side, side)


def changed_share(posed: PosedHead) -> Float[Tensor, "f 1 s s"]:
    """1 for pixels that move or that the source does not show, 0 for others."""
    return torch.maximum(moving_pixels(posed.displacement, posed.shown.shape[-1]), 1 - posed.shown)


def finish(
    drawn: DrawnPicture, posed: PosedHead, rgb: Float[Tensor, "1 3 s s"], native: Float[Tensor, "1 3 n n"]
) -> HeadLayer:
    """The drawn head at the source's own size.

    Where the picture is the moved source, the detail that was lost at the network's side is added back: the difference
    between the native source and the resized one.

    Args:
        drawn: by the generator; its matte is the share of the moved source.
        posed: the moved source.
        rgb: the source at the network's side.
        native: the source at its own side.
    """
    side, count = native.shape[-1], len(drawn.rgb)
    result = resize(drawn.rgb, side)
    if drawn.matte is not None:
        sharp = warp(native.expand(count, -1, -1, -1), resize(posed.displacement, side), "bicubic")
        soft = resize(warp(rgb.expand(count, -1, -1, -1), posed.displacement), side)
        result = result + resize(drawn.matte * _even(posed), side) * (sharp - soft)
    return HeadLayer(rgb=result.clamp(0, 1), matte=smooth_outline(posed.head, side))


def _even(posed: PosedHead) -> Float[Tensor, "f 1 s s"]:
    """1 where the source is shown and neighbouring pixels move alike, so not across an outline."""
    most, least = (
        grow(posed.displacement, 1),
        shrink(posed.displacement, 1),
    )
    step_px = (most - least).amax(1, keepdim=True) * (posed.shown.shape[-1] / 2)
    shown = shrink(posed.shown, 1)
    return shown * (step_px < _STEP_PX)
