"""A driven face, edited on the way: what a clip does, more of some Action Units, or from a neutral face on."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from reenact.errors import ConfigError
from reenact.pipeline.controls.settings import FACS_MAXIMUM, FaceEdit, split_unit
from reenact.systems.base import Reenactor
from reenact.systems.facegan.motion import FaceMotion
from reenact.systems.facegan.reenactor import FaceganIdentity, FaceganReenactor
from reenact.types import ACTION_UNITS

MotionChange = Callable[[FaceMotion], FaceMotion]


def check_edits_motion(system: Reenactor[Any, Any, Any]) -> None:
    """Refuse a system whose motion is not made of Action Units.

    Raises:
        ConfigError: it is one.
    """
    if not isinstance(system, FaceganReenactor):
        raise ConfigError(f"The system {system.system!r} knows no Action Units; choose the system facegan.")


def motion_change(identity: FaceganIdentity, action_units: Mapping[str, float], *, neutralise: bool) -> MotionChange:
    """What is done to the driver's motion before it is carried over.

    Args:
        identity: of the source.
        action_units: added by name, FACS -5 to 5 (`FaceEdit.action_units`).
        neutralise: take the source's own expression out; right for relative motion alone.

    Raises:
        ConfigError: units or values that there are not.
    """
    change = torch.zeros(len(ACTION_UNITS), 2)
    units = FaceEdit(action_units=action_units).action_units
    for name in sorted(units, key=len):  # "12" before "12L", which goes before it
        number, side = split_unit(name)
        change[ACTION_UNITS.index(number), slice(None) if side is None else side] = units[name] / FACS_MAXIMUM
    own = identity.motion.action_units
    change = change.to(own) - (own[0] if neutralise else 0)
    return lambda motion: FaceMotion(action_units=motion.action_units + change, pose=motion.pose)
