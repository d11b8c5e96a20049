"""Which system draws on the Image and Video tabs: the chosen one, or that of large poses where a face is turned far."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import gradio as gr

from reenact.space.models import DEFAULT, LARGE_POSE, SYSTEM_NAMES

if TYPE_CHECKING:
    from reenact.pipeline.large_pose import FarTurn

PoseMode = Literal["automatic", "standard", "large_pose"]

_CHOICES = [("Automatic", "automatic"), ("Standard", "standard"), ("Large pose", "large_pose")]
_INFO = "Large pose draws heads turned up to 90°. Automatic takes it where a face is turned by more than 45°."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawer:
    """Who draws."""

    system: str
    why: str
    """A sentence for the visitor; "" where there was nothing to choose."""


def mode_choice(*, offered: bool) -> gr.Radio:
    """The modes.

    Args:
        offered: whether visitors see it; programs may send it in any case.
    """
    return gr.Radio(_CHOICES, value="automatic", label="Mode", info=_INFO, visible=offered)


def drawer(mode: PoseMode, system: str, *, offered: bool, look: "Callable[[], tuple[str, FarTurn] | None]") -> Drawer:
    """Who draws, and why.

    Args:
        mode: "automatic" takes the system of large poses where a face is turned far, unless another than the default
            was chosen; "standard" and "large_pose" take theirs.
        system: the one chosen for the standard mode.
        offered: whether the system of large poses is installed.
        look: finds a face that is turned far, and says whose it is.
    """
    if mode == "large_pose":
        return Drawer(system=LARGE_POSE, why=f"Drawn by {_name(LARGE_POSE)} (large pose), as chosen.")
    if not offered:
        return Drawer(system=system, why="")
    if mode == "standard" or system != DEFAULT:
        return Drawer(system=system, why=f"Drawn by {_name(system)} (standard), as chosen.")
    found = look()
    if found is None:
        return Drawer(system=system, why=f"Drawn by {_name(system)} (standard): no face is turned by more than 45°.")
    whose, turn = found
    when = "" if turn.at_s is None else f" at {turn.at_s:.1f} s"
    why = f"Drawn by {_name(LARGE_POSE)} (large pose): the face in {whose} is turned by {abs(turn.yaw_deg):.0f}°{when}."
    return Drawer(system=LARGE_POSE, why=why)


def _name(system: str) -> str:
    return SYSTEM_NAMES[system].partition(":")[0]
