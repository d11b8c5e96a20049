"""From an edit to what the face shall do: the source's own units and angles, changed, with contradictions resolved.

Two pairs of units cannot both be. Each pair has a limit; what the edit names wins over what it does not, and where it
names both, the first of the pair wins:

    jaw drop (26) and lips apart (25)        a dropped jaw parts the lips: 25 is at least 26
    blink (45) and upper lid raiser (5)      a closing eye is not opened wide: 5 and 45 together are at most 5

A source that is beyond a limit already may stay as far beyond it: an edit that changes nothing changes nothing.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.pipeline.edit_settings import ANGLES, FACS_MAXIMUM, LARGEST_ANGLE_DEG, FaceEdit, FaceReading, split_unit
from reenact.types import ACTION_UNITS

_SAME_UNIT, _SAME_ANGLE_DEG = 0.006, 0.06
"""Absolute values this near to the source's own are its own, rounded for display to 0.01 and 0.1."""

_JAW, _LIPS, _BLINK, _LID = (ACTION_UNITS.index(unit) for unit in (26, 25, 45, 5))


def resolve(edit: FaceEdit, own: FaceReading) -> FaceReading:
    """What the face shall do: `own` with the edit applied, in range and without contradictions."""
    units, named = own.action_units.clone(), torch.zeros(len(ACTION_UNITS), 2, dtype=torch.bool)
    for name in sorted(edit.action_units, key=len):  # "12" before "12L", which goes before it
        number, side = split_unit(name)
        at = (ACTION_UNITS.index(number), slice(None) if side is None else side)
        units[at] = _applied(edit, edit.action_units[name], own.action_units[at])
        named[at] = True
    angles = {}
    for angle in ANGLES:
        value, start = getattr(edit, f"{angle}_deg"), own.of(angle)
        angles[f"{angle}_deg"] = start if value is None else _applied_angle(edit, value, start)
    return FaceReading(action_units=_without_contradictions(units, named, own.action_units), **angles)


def is_same(first: FaceReading, second: FaceReading) -> bool:
    """Whether a face that does the one does the other."""
    return torch.equal(first.action_units, second.action_units) and all(
        first.of(angle) == second.of(angle) for angle in ANGLES
    )


def _applied(edit: FaceEdit, value: float, own: Tensor) -> Tensor:
    if edit.mode == "relative":
        return (own + value).clamp(0, FACS_MAXIMUM)
    wanted = torch.full_like(own, value)
    # both sides of a unit are shown as their mean
    return torch.where((own.mean() - value).abs() < _SAME_UNIT, own, wanted)


def _applied_angle(edit: FaceEdit, value: float, own: float) -> float:
    if edit.mode == "relative":
        return min(max(own + value, -LARGEST_ANGLE_DEG), LARGEST_ANGLE_DEG) if value else own
    return own if abs(own - value) < _SAME_ANGLE_DEG else value


def _without_contradictions(
    units: Float[Tensor, "17 2"], named: Tensor, own: Float[Tensor, "17 2"]
) -> Float[Tensor, "17 2"]:
    units = units.clone()
    parted = (own[_JAW] - own[_LIPS]).clamp(min=0)  # by which the source's jaw is lower than its lips allow
    lips_win = named[_LIPS] & ~named[_JAW]
    jaw = torch.where(lips_win, torch.minimum(units[_JAW], units[_LIPS] + parted), units[_JAW])
    moved = named[_LIPS] | named[_JAW]
    units[_LIPS] = torch.where(moved, torch.maximum(units[_LIPS], jaw - parted), units[_LIPS])
    units[_JAW] = jaw
    limit = (own[_LID] + own[_BLINK]).clamp(min=FACS_MAXIMUM)
    lid_wins = named[_LID] & ~named[_BLINK]
    blink = torch.where(lid_wins, torch.minimum(units[_BLINK], limit - units[_LID]), units[_BLINK])
    units[_LID] = torch.where(named[_BLINK], torch.minimum(units[_LID], limit - blink), units[_LID])
    units[_BLINK] = blink
    return units.clamp(0, FACS_MAXIMUM)
