"""From an edit to what the face is to do: the source's own units and angles, changed, without contradictions.

Two pairs of units contradict each other. Each pair has a limit. A unit that the edit names wins over one that it does
not name; if both are named, the first of the pair wins:

    jaw drop (26) and lips part (25)         a dropped jaw parts the lips: 25 is at least 26
    blink (45) and upper lid raiser (5)      a closing eye does not open wide: 5 and 45 together are at most 5

A source that exceeds a limit may stay as far beyond it, so that an edit that changes nothing has no effect.
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.facs import ACTION_UNITS, FACS_MAXIMUM, split_unit
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.settings import FIELDS, LARGEST, FaceEdit

_SAME_UNIT, _SAME_ANGLE_DEG = 0.006, 0.06
"""Absolute values this near to the source's own count as the same: they are shown rounded to 0.01 and 0.1."""

_JAW, _LIPS, _BLINK, _LID = (ACTION_UNITS.index(unit) for unit in (26, 25, 45, 5))


def resolve(edit: FaceEdit, own: FaceReading) -> FaceReading:
    """`own` with the edit applied, clamped to the valid ranges and without contradictions."""
    units, named = own.action_units.clone(), torch.zeros(len(ACTION_UNITS), 2, dtype=torch.bool)
    for name in sorted(edit.action_units, key=len):  # "12" first, "12L" overrides it
        number, side = split_unit(name)
        at = (ACTION_UNITS.index(number), slice(None) if side is None else side)
        units[at] = _apply_unit(edit, edit.action_units[name], own.action_units[at])
        named[at] = True
    values = {field: _apply_value(edit, name, own.of(name)) for name, field in FIELDS.items()}
    return FaceReading(action_units=_without_contradictions(units, named, own.action_units), **values)


def is_same(first: FaceReading, second: FaceReading) -> bool:
    """Whether both have exactly the same values."""
    return torch.equal(first.action_units, second.action_units) and all(
        first.of(name) == second.of(name) for name in FIELDS
    )


def with_yaw(face: FaceReading, yaw_deg: float, own: FaceReading) -> FaceReading:
    """The face at another yaw; at the source's own yaw exactly that."""
    return dataclasses.replace(face, yaw_deg=own.yaw_deg if abs(own.yaw_deg - yaw_deg) < _SAME_ANGLE_DEG else yaw_deg)


def transfer(target: FaceReading, own: FaceReading, other: FaceReading) -> FaceReading:
    """A target for another reading of the same source.

    Two systems may read slightly different values from one source. Values that the target leaves as they are in `own`
    become those of `other`, so that they stay unchanged there, too.

    Args:
        target: what the face is to do.
        own: the reading that the target was made from.
        other: the reading of the system that will draw.
    """
    units = torch.where(target.action_units == own.action_units, other.action_units, target.action_units)
    values = {field: (other if target.of(name) == own.of(name) else target).of(name) for name, field in FIELDS.items()}
    return FaceReading(action_units=units, **values)


def _apply_unit(edit: FaceEdit, value: float, own: Tensor) -> Tensor:
    if edit.mode == "relative":
        return (own + value).clamp(0, FACS_MAXIMUM)
    # both sides of a unit are shown as their mean
    return torch.where((own.mean() - value).abs() < _SAME_UNIT, own, torch.full_like(own, value))


def _apply_value(edit: FaceEdit, name: str, own: float) -> float:
    value = edit.values.get(name)
    if value is None:
        return own
    if edit.mode == "absolute":
        return own if abs(own - value) < _SAME_ANGLE_DEG else value
    limit = max(LARGEST[name], abs(own))
    return min(max(own + value, -limit), limit)


def _without_contradictions(
    units: Float[Tensor, "17 2"], named: Tensor, own: Float[Tensor, "17 2"]
) -> Float[Tensor, "17 2"]:
    units = units.clone()
    excess = (own[_JAW] - own[_LIPS]).clamp(min=0)  # by how much the source's jaw is lower than its lips allow
    lips_win = named[_LIPS] & ~named[_JAW]
    jaw = torch.where(lips_win, torch.minimum(units[_JAW], units[_LIPS] + excess), units[_JAW])
    moved = named[_LIPS] | named[_JAW]
    units[_LIPS] = torch.where(moved, torch.maximum(units[_LIPS], jaw - excess), units[_LIPS])
    units[_JAW] = jaw
    limit = (own[_LID] + own[_BLINK]).clamp(min=FACS_MAXIMUM)
    lid_wins = named[_LID] & ~named[_BLINK]
    blink = torch.where(lid_wins, torch.minimum(units[_BLINK], limit - units[_LID]), units[_BLINK])
    units[_LID] = torch.where(named[_BLINK], torch.minimum(units[_LID], limit - blink), units[_LID])
    units[_BLINK] = blink
    return units.clamp(0, FACS_MAXIMUM)
