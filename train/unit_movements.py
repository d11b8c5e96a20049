"""What each Action Unit does to the 68 landmarks, for pairs that are made up.

The morphable model's AU basis is a regression on people who talk: units that come together share their movements there
(dimples that open the jaw, wide eyes that move the mouth). Here each unit keeps to the points that FACS names for it,
mouth units leave lips apart and jaw drop to AU25 and AU26, and a blink closes any lid all the way.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import MorphableModel
from reenact.types import ACTION_UNITS

_JAW, _CHIN = tuple(range(3, 14)), tuple(range(6, 11))
_BROWS, _INNER_BROWS = tuple(range(17, 27)), (20, 21, 22, 23)
_NOSE_BASE, _EYES, _LIPS = tuple(range(31, 36)), tuple(range(36, 48)), tuple(range(48, 68))
_UPPER_LIP = (*range(48, 55), *range(60, 65))

UNIT_POINTS: dict[int, tuple[int, ...]] = {
    1: _BROWS,
    2: _BROWS,
    4: _BROWS,
    5: _EYES,
    6: _EYES,
    7: _EYES,
    9: (*_INNER_BROWS, *_NOSE_BASE, *_UPPER_LIP),
    10: (*_NOSE_BASE, *_UPPER_LIP),
    12: _LIPS,
    14: _LIPS,
    15: _LIPS,
    17: (*_LIPS, *_CHIN),
    20: _LIPS,
    23: _LIPS,
    25: _LIPS,
    26: (*_LIPS, *_JAW),
    45: _EYES,
}
"""Landmarks (iBUG order) that a unit may move; AU6 and AU7 show nowhere else on the 68 points."""

_LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Points of the upper lid, each with the one below it."""

_UPPER_SHARE = 0.85
"""Share of a blink's way that the upper lid goes."""

_BLINK_AT = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_BLINK_OPEN = (1.0, 0.75, 0.52, 0.33, 0.19, 0.07, 0.02)
"""How open eyes are at intensities of AU45, measured on the training people as the share of their open eyes' gap."""

_SIDE_BLEND = 0.08
"""Eye distances from the middle of the face over which a one-sided movement fades."""

_BLINK = ACTION_UNITS.index(45)


class UnitMovements:
    """Moves landmarks in head axes by Action Units, each side of the face on its own."""

    def __init__(self, model: MorphableModel) -> None:
        at = torch.tensor(LANDMARKS_68)
        basis = _kept_to_points(model.au_basis[:, at])
        left = torch.sigmoid(model.mean[at, 0] / _SIDE_BLEND)  # the person's left is at positive x
        self.basis = torch.stack([basis * left[:, None], basis * (1 - left)[:, None]], 1)
        self.basis[_BLINK] = 0

    def apply(
        self, shape: Float[Tensor, "f 68 3"], own: Float[Tensor, "f 17 2"], wanted: Float[Tensor, "f 17 2"]
    ) -> Float[Tensor, "f 68 3"]:
        """`shape`, which shows the units `own`, with those `wanted` (left and right, 0 to 1)."""
        moved = shape + torch.einsum("fas,asnc->fnc", wanted - own, self.basis)
        factor = blink_openness(wanted[:, _BLINK]) / blink_openness(own[:, _BLINK])
        return close_lids(moved, torch.where(wanted[:, _BLINK] == own[:, _BLINK], 1.0, factor))


def blink_openness(intensity: Float[Tensor, "f s"]) -> Float[Tensor, "f s"]:
    """Gap between the lids over that of the open eye, straight lines between `_BLINK_AT`."""
    at, opened = intensity.new_tensor(_BLINK_AT), intensity.new_tensor(_BLINK_OPEN)
    above = torch.searchsorted(at, intensity.clamp(0, 1).contiguous()).clamp(1, len(at) - 1)
    share = (intensity - at[above - 1]) / (at[above] - at[above - 1])
    return opened[above - 1] + share * (opened[above] - opened[above - 1])


def close_lids(shape: Float[Tensor, "f 68 3"], factor: Float[Tensor, "f 2"]) -> Float[Tensor, "f 68 3"]:
    """Gaps between the lids times `factor` (left, right), at most to 1.5 of what they are."""
    shape, factor = shape.clone(), factor.clamp(0, 1.5)
    for upper, lower in _LIDS:
        side = factor[:, 1:] if upper < 42 else factor[:, :1]  # iBUG counts the person's right eye first
        change = (shape[:, lower] - shape[:, upper]) * (1 - side)
        shape[:, upper] += change * _UPPER_SHARE
        shape[:, lower] -= change * (1 - _UPPER_SHARE)
    return shape


def _kept_to_points(basis: Float[Tensor, "17 68 3"]) -> Float[Tensor, "17 68 3"]:
    kept = torch.zeros_like(basis)
    for column, unit in enumerate(ACTION_UNITS):
        points = list(UNIT_POINTS[unit])
        kept[column, points] = basis[column, points]
    opening = kept[[ACTION_UNITS.index(25), ACTION_UNITS.index(26)]].flatten(1)
    for unit in (10, 12, 14, 15, 17, 20, 23):
        column, points = ACTION_UNITS.index(unit), list(UNIT_POINTS[unit])
        mask = torch.zeros_like(basis[0])
        mask[points] = 1
        among = opening * mask.flatten()
        share = torch.linalg.lstsq(among.T, kept[column].flatten()[:, None]).solution
        kept[column] -= (among.T @ share).view_as(kept[column])
    return kept
