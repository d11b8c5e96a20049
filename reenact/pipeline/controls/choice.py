"""Which system draws an edit: facegan near the source's own pose, dual_generator far from it."""

import dataclasses
from collections.abc import Sequence

from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.settings import ANGLES
from reenact.systems.catalog import CATALOG, system_for

EDITING, LARGE_POSE = system_for("edit"), system_for("large_pose")

EDITING_LIMITS_DEG = {"yaw": 45.0, "pitch": 30.0, "roll": 45.0}
"""Largest difference from the source's own angles that facegan draws: up to here its opened mouths are better."""
PROFILE_DEG = 45.0
"""Yaw of a source beyond which half of its face is hidden, which only dual_generator fills in."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A system and the reason for it."""

    system: str
    note: str
    """One line for the user."""


def choose_system(system: str, own: FaceReading, targets: Sequence[FaceReading]) -> Choice:
    """The system that draws.

    Args:
        system: "auto", or the id of the system that is to draw in any case.
        own: what the source does.
        targets: what the face is to do; several for a clip, which is drawn by one system.
    """
    reason = large_pose_reason(own, targets)
    if system == "auto":
        if reason is not None:
            return Choice(system=LARGE_POSE, note=f"Drawn by {_title(LARGE_POSE)}: {reason}.")
        turns = any(target.of(angle) != own.of(angle) for target in targets for angle in ANGLES)
        because = f": the head turns by at most {EDITING_LIMITS_DEG['yaw']:.0f} degrees" if turns else ""
        return Choice(system=EDITING, note=f"Drawn by {_title(EDITING)}{because}.")
    chosen = f"Drawn by {_title(system)}, as chosen"
    if system == EDITING and reason is not None:
        advice = f"expect smears or a doubled face. Use {_title(LARGE_POSE)}."
        return Choice(system=system, note=f"{chosen}, but {reason}: {advice}")
    return Choice(system=system, note=f"{chosen}.")


def fallback_note(failure: str) -> str:
    """The note where facegan draws because dual_generator cannot be loaded; `failure` says why."""
    drawn = f"Drawn by {_title(EDITING)}, because {_title(LARGE_POSE)} cannot be loaded"
    return f"{drawn}: expect smears or a doubled face. {failure}"


def large_pose_reason(own: FaceReading, targets: Sequence[FaceReading]) -> str | None:
    """Why facegan would draw badly; None if it would not."""
    if abs(own.yaw_deg) > PROFILE_DEG:
        return f"the source's face is turned by {abs(own.yaw_deg):.0f} degrees"
    far = {angle: max((abs(target.of(angle) - own.of(angle)) for target in targets), default=0.0) for angle in ANGLES}
    for angle, limit_deg in EDITING_LIMITS_DEG.items():
        if far[angle] > limit_deg:
            return f"{angle} is {far[angle]:.0f} degrees from the source's"
    return None


def _title(system: str) -> str:
    return CATALOG[system].title
