"""What of a driver's motion reaches the source: chosen parts of the face, more or less of it."""

import dataclasses
import typing
from typing import Literal

from reenact.errors import ConfigError

Region = Literal["all", "expression", "pose", "eyes", "lips"]
"""all: expression and pose. expression: the whole face. pose: place, size and rotation of the head. eyes: lids and
gaze. lips: mouth and jaw."""

KeptRegion = Literal["eyes", "lips"]
"""See `Region`."""

MOST_STRENGTH = 2.0


def _check(what: str, values: tuple[str, ...], choices: object) -> None:
    allowed = typing.get_args(choices)
    for value in values:
        if value not in allowed:
            raise ConfigError(f"{value!r} is no {what}; choose {', '.join(allowed[:-1])} or {allowed[-1]}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivingOptions:
    """What of a driver's motion reaches the source."""

    regions: tuple[Region, ...] = ("all",)
    """What is driven; the rest does what it does in the source."""
    keep: tuple[KeptRegion, ...] = ()
    """Parts of these that stay the source's own."""
    strength: float = 1.0
    """Factor of the motion: 0 leaves the source as it is, 2 doubles the distance from it. In absolute motion that is
    the distance between the source's and the driver's expression and rotation."""
    neutralise: bool = False
    """Remove the source's own expression; for relative motion."""
    body: Literal["follows", "stays"] = "follows"
    """Whether neck, shoulders and long hair follow the head, or only the upper neck bends with it."""

    def __post_init__(self) -> None:
        _check("region", self.regions, Region)
        _check("part to keep", self.keep, KeptRegion)
        _check("choice for the body", (self.body,), Literal["follows", "stays"])
        if not self.regions:
            raise ConfigError("No region is driven; choose all, expression, pose, eyes or lips.")
        if set(self.regions) <= set(self.keep):
            raise ConfigError(f"{' and '.join(self.keep)} cannot be driven and kept; leave one of the two choices out.")
        if not 0 <= self.strength <= MOST_STRENGTH:
            raise ConfigError(f"The strength is {self.strength:g}; give a factor from 0 to {MOST_STRENGTH:g}.")

    @property
    def moves_pose(self) -> bool:
        """Whether the head follows the driver's."""
        return "all" in self.regions or "pose" in self.regions

    @property
    def moves_nothing(self) -> bool:
        """Whether the source stays as it is."""
        return self.strength == 0 and not self.neutralise

    @property
    def changes_nothing(self) -> bool:
        """Whether the whole motion is transferred as it is."""
        whole = "all" in self.regions or {"expression", "pose"} <= set(self.regions)
        return whole and not self.keep and self.strength == 1 and not self.neutralise


WHOLE_MOTION = DrivingOptions()
"""The motion as it is."""
