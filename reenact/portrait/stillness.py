"""What stays the source: how far a face or a pixel moves, and where the picture has to change.

Movements count in pixels of the network's crop. A face that does not move is the source, bit for bit.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.ops.grow import grow

_ROUNDING_PX = 0.01
"""A face that moves less stands still; the rest is rounding."""
_UNCHANGED_PX = 0.3
"""A pixel that moves less keeps its colour."""
_MOVING_PX = 1.0
"""A face or pixel that moves further is redrawn fully."""
_FAR_PX = (4.0, 14.0)
"""Movement from which the rim of the old head begins to be removed, and from which it is."""


def moved_share(
    source: Float[Tensor, "1 n c"], target: Float[Tensor, "f n c"], network_px: int
) -> Float[Tensor, "f 1 1 1"]:
    """0 for a face that stands still, rising to 1 where some point moves by a pixel.

    Args:
        source: points of the source's face in half-sides; z, if there is one, is ignored.
        target: the same points of the target.
        network_px: side of the network's crop.
    """
    moved_px = (target - source)[..., :2].norm(dim=-1).amax(dim=1) * (network_px / 2)
    moved_px = moved_px * (moved_px > _ROUNDING_PX)
    return (moved_px / _MOVING_PX).clamp(0, 1)[:, None, None, None]


def moving_pixels(displacement: Float[Tensor, "f 2 h w"], network_px: int) -> Float[Tensor, "f 1 h w"]:
    """0 for pixels that stay, 1 for pixels that move by a pixel or more.

    Args:
        displacement: in half-sides.
        network_px: side of the network's crop.
    """
    moved_px = displacement.norm(dim=1, keepdim=True) * (network_px / 2)
    return ((moved_px - _UNCHANGED_PX) / (_MOVING_PX - _UNCHANGED_PX)).clamp(0, 1)


def far_pixels(displacement: Float[Tensor, "f 2 h w"], network_px: int) -> Float[Tensor, "f 1 h w"]:
    """0 where the head has moved so little that its old rim lies beside the new one, 1 where it has moved away.

    Args:
        displacement: in half-sides.
        network_px: side of the network's crop.
    """
    moved_px = displacement.norm(dim=1, keepdim=True) * (network_px / 2)
    return ((moved_px - _FAR_PX[0]) / (_FAR_PX[1] - _FAR_PX[0])).clamp(0, 1)


def widen(share: Float[Tensor, "f 1 h w"], reach_share: float) -> Float[Tensor, "f 1 h w"]:
    """The share grown by `reach_share` of the side, with an edge that falls to 0 over twice that."""
    reach = max(round(reach_share * share.shape[-1]), 1)
    size = 2 * reach + 1
    grown = grow(share, reach)
    return functional.avg_pool2d(grown, size, 1, reach, count_include_pad=False)
