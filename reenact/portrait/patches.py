"""Patches of a picture with a hole, and their exact nearest neighbours."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.ops.grow import grow, largest_of_squares, shrink

PATCH = 7
"""Cells per side of a patch."""
_MEAN = 0.3
"""Weight of the mean colour of a patch, against 1 for what differs from it."""


class Cells(NamedTuple):
    """Which cells of a level do what; indices of rows of cells, one after the other."""

    missing: Bool[Tensor, "1 1 s s"]
    near: Bool[Tensor, "s s"]
    """Missing cells and two around them."""
    targets: Int[Tensor, "t"]
    """The same as indices."""
    donors: Int[Tensor, "k"]
    """Centres of patches without a missing cell, inside the picture."""
    allowed: Bool[Tensor, "p"]
    """Cells that may be copied: they and the cells around them are known."""
    inwards: Float[Tensor, "s s"]
    """Steps to the nearest known cell, at most 16."""


def find_cells(missing: Bool[Tensor, "1 1 s s"]) -> Cells:
    """The cells of a level with a hole."""
    reach = PATCH // 2
    outside = functional.pad(missing.float(), (reach,) * 4, value=1.0)
    known = largest_of_squares(outside, PATCH) == 0
    near = grow(missing.float(), 2)[0, 0] > 0
    inwards, left = torch.zeros_like(missing, dtype=torch.float32), missing.float()
    for _ in range(16):
        inwards = inwards + left
        left = shrink(left, 1)
    targets, donors = (mask.flatten().nonzero()[:, 0] for mask in (near, known))
    allowed = grow(missing.float(), 1).flatten() == 0
    return Cells(missing, near, targets, donors, allowed, inwards[0, 0])


def patches_of(values: Float[Tensor, "1 4 s s"]) -> Float[Tensor, "p d"]:
    """The patch around each cell: colours and layer; the border is repeated."""
    padded = functional.pad(values, (PATCH // 2,) * 4, mode="replicate")
    return functional.unfold(padded, PATCH)[0].T


def features_of(patches: Float[Tensor, "p d"]) -> Float[Tensor, "p d"]:
    """The patches, their mean colours made less important and their layer more."""
    count = PATCH**2
    colours, layer = patches[:, : 3 * count].unflatten(1, (3, count)), patches[:, 3 * count :]
    mean = colours.mean(-1, keepdim=True)
    return torch.cat([(colours - (1 - _MEAN**0.5) * mean).flatten(1), 0.5 * layer], 1)


def nearest(targets: Float[Tensor, "t d"], donors: Float[Tensor, "k d"]) -> tuple[Int[Tensor, "t"], Float[Tensor, "t"]]:
    """The donor with the smallest sum of squared differences, and that sum."""
    ours, theirs = features_of(targets), features_of(donors)
    scores = torch.addmm(theirs.square().sum(1)[None], ours, theirs.T, alpha=-2)
    best = scores.min(1)
    return best.indices, (best.values + ours.square().sum(1)).clamp(min=0)
