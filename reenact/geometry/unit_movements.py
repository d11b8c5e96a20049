"""How each Action Unit moves the 68 landmarks.

The morphable model's AU basis is a regression on people who talk: units that come together share their movements there
(dimples open the jaw, wide eyes move the mouth), and strong units are missing. Here each unit moves only the points
that FACS names for it, and goes as far as looks natural at intensity 1 (`unit_table.py`). A blink closes any lid fully.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reenact.facs import ACTION_UNITS
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.unit_table import UNIT_TABLE

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

_EARLY = 0.4
"""How much earlier a movement comes than its intensity: 0.6 of the way at 0.5. The teacher reads the first half of a
movement as little. Lips, jaw and lids are measured by their gap and move evenly."""

_EVEN = (25, 26, 45)

_LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Points of the upper lid, each with the one below it."""

_UPPER_SHARE = 1.0
"""Share of a blink's way that the upper lid goes: on portraits with closed eyes the lower one stays where it was."""

_BLINK_AT = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_BLINK_OPEN = (1.0, 0.75, 0.52, 0.33, 0.19, 0.07, 0.02)
"""How open eyes are at intensities of AU45, measured on the training people as the share of their open eyes' gap."""

_SIDE_BLEND = 0.08
"""Eye distances from the middle of the face over which a one-sided movement fades."""

_BLINK = ACTION_UNITS.index(45)

_PUCKER_NARROWS, _PUCKER_FORWARD = 0.3, 0.05
"""Of full pursed lips: by how much narrower they are, and how far they come forward, eye distances."""


class UnitMovements(nn.Module):
    """Moves landmarks in head axes by Action Units, each side of the face on its own."""

    basis: Tensor
    early: Tensor

    def __init__(self, model: MorphableModel) -> None:
        super().__init__()
        at = torch.tensor(LANDMARKS_68)
        basis = whole_face(UNIT_TABLE)
        left = torch.sigmoid(model.mean[at, 0] / _SIDE_BLEND)  # the person's left is at positive x
        by_side = torch.stack([basis * left[:, None], basis * (1 - left)[:, None]], 1)
        early = torch.tensor([0.0 if unit in _EVEN else _EARLY for unit in ACTION_UNITS])[:, None]
        self.register_buffer("basis", by_side, persistent=False)
        self.register_buffer("early", early, persistent=False)

    def move(
        self, shape: Float[Tensor, "f 68 3"], own: Float[Tensor, "f 17 2"], wanted: Float[Tensor, "f 17 2"]
    ) -> Float[Tensor, "f 68 3"]:
        """`shape`, whose units are `own`, with the units `wanted` (left and right, 0 to 1)."""
        way = self.share(wanted) - self.share(own)
        moved = shape + torch.einsum("fas,asnc->fnc", way, self.basis)
        factor = blink_openness(wanted[:, _BLINK]) / blink_openness(own[:, _BLINK])
        return close_lids(moved, torch.where(wanted[:, _BLINK] == own[:, _BLINK], 1.0, factor))

    def share(self, units: Float[Tensor, "f 17 2"]) -> Float[Tensor, "f 17 2"]:
        """Share of the way at each intensity."""
        return units * (1 + self.early * (1 - units))


def pucker_lips(model: MorphableModel) -> Float[Tensor, "68 3"]:
    """Movement of the landmarks, head axes, from lips at rest to pursed lips. No Action Unit of the 17 does that."""
    change, lips = torch.zeros(len(LANDMARKS_68), 3), list(_LIPS)
    change[lips, 0] = -_PUCKER_NARROWS * model.mean[list(LANDMARKS_68)][lips, 0].cpu()
    change[lips, 2] = _PUCKER_FORWARD
    return change


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


def whole_face(table: dict[int, dict[int, tuple[float, float, float]]]) -> Float[Tensor, "17 68 3"]:
    """Movements of both halves from those of the person's left one: x left, y up, z forward."""
    basis = torch.zeros(len(ACTION_UNITS), len(LANDMARKS_68), 3)
    other = mirror_68(mesh_mirror())
    for column, unit in enumerate(ACTION_UNITS):
        for point, (out, up, forward) in table[unit].items():
            basis[column, other[point]] = torch.tensor([-out, up, forward])
            basis[column, point] = torch.tensor([out, up, forward])
    return basis


def mirror_68(mesh_mirror: np.ndarray) -> Int[Tensor, "68"]:
    """Which landmark takes whose place in a mirrored picture."""
    at = torch.tensor(LANDMARKS_68)
    place = torch.full((len(mesh_mirror),), -1)
    place[at] = torch.arange(len(at))
    return place[torch.from_numpy(mesh_mirror)[at]]
