"""Edits of a driven face: more of some Action Units, or, in their terms, motion that starts from a neutral face."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from reenact.facs import ACTION_UNITS, FACS_MAXIMUM, split_unit
from reenact.pipeline.controls.settings import FaceEdit
from reenact.pipeline.options import DrivingOptions
from reenact.systems.base import Reenactor
from reenact.systems.catalog import without_units
from reenact.systems.facegan.motion import FaceMotion
from reenact.systems.facegan.reenactor import FaceganIdentity, FaceganReenactor

MotionChange = Callable[[FaceMotion], FaceMotion]


def unit_change(
    system: Reenactor[Any, Any, Any], action_units: Mapping[str, float] | None, options: DrivingOptions
) -> tuple[Callable[[Any], MotionChange] | None, DrivingOptions]:
    """The change of Action Units for `Animator`, and the options that are left to it.

    A system whose motion consists of Action Units is neutralised in their terms, which is exact.

    Raises:
        ConfigError: units to add, but the system's motion has none.
    """
    takes_units = isinstance(system, FaceganReenactor)
    if action_units and not takes_units:
        raise without_units(system.system)
    if not action_units and not (takes_units and options.neutralise):
        return None, options
    change = functools.partial(motion_change, action_units=action_units or {}, neutralise=options.neutralise)
    return change, dataclasses.replace(options, neutralise=False)


def motion_change(identity: FaceganIdentity, action_units: Mapping[str, float], *, neutralise: bool) -> MotionChange:
    """A change of the driver's motion, applied before it is retargeted.

    Args:
        identity: of the source.
        action_units: added by name, FACS -5 to 5 (`FaceEdit.action_units`).
        neutralise: remove the source's own expression; meant for relative motion.

    Raises:
        ConfigError: unknown units or values out of range.
    """
    change = torch.zeros(len(ACTION_UNITS), 2)
    units = FaceEdit(action_units=action_units).action_units
    for name in sorted(units, key=len):  # "12" first, "12L" overrides it
        number, side = split_unit(name)
        change[ACTION_UNITS.index(number), slice(None) if side is None else side] = units[name] / FACS_MAXIMUM
    own = identity.motion.action_units
    change = change.to(own) - (own[0] if neutralise else 0)
    return lambda motion: FaceMotion(action_units=motion.action_units + change, pose=motion.pose)
