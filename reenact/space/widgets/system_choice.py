"""Which system draws on the Image and Video tabs: the chosen one, or the large-pose system for faces turned far."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import gradio as gr

from reenact.space.models import DEFAULT, LARGE_POSE, Models
from reenact.space.widgets.inputs import chosen_face
from reenact.systems.catalog import CATALOG

if TYPE_CHECKING:
    from reenact.pipeline.large_pose import FarTurn

PoseMode = Literal["automatic", "standard", "large_pose"]

_MODES = [("Automatic", "automatic"), ("Standard", "standard"), ("Large pose", "large_pose")]
_MODE_INFO = "Large pose draws heads rotated up to 90°. Automatic uses it where a face is turned by more than 45°."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chosen:
    """The system that draws."""

    system: str
    reason: str
    """A sentence for the visitor; "" where there was nothing to choose."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceIn:
    """A face in a file."""

    path: str
    number: int
    """From the largest, 1; 0 takes the largest."""
    called: str
    """What messages call the file."""
    is_clip: bool = False


def mode_choice(*, offered: bool) -> gr.Radio:
    """The modes; hidden if the large-pose system is not `offered`, though programs may still send one."""
    return gr.Radio(_MODES, value="automatic", label="Mode", info=_MODE_INFO, visible=offered)


def system_dropdown(models: Models) -> gr.Dropdown:
    """The system of the standard mode. The large-pose system is not listed, as it has a mode of its own."""
    choices = [
        (f"{entry.title}: {entry.use}", system)
        for system, entry in CATALOG.items()
        if system == DEFAULT or (system != LARGE_POSE and models.offers(system))
    ]
    return gr.Dropdown(choices, value=DEFAULT, label="System")


def choose_system(
    models: Models, mode: PoseMode, system: str, *faces: FaceIn, should_stop: Callable[[], bool] = lambda: False
) -> Chosen:
    """Choose the system and say why.

    Args:
        models: give the tracker, and say whether the large-pose system is installed.
        mode: "automatic" takes the large-pose system where a face is turned far, unless the visitor chose another
            system than the default; "standard" and "large_pose" take theirs.
        system: chosen for the standard mode.
        *faces: of source and driver.
        should_stop: called between frames of a clip; True stops the search.
    """
    if mode == "large_pose":
        return Chosen(system=LARGE_POSE, reason=f"Drawn by {CATALOG[LARGE_POSE].title} (large pose), as chosen.")
    if not models.offers(LARGE_POSE):
        return Chosen(system=system, reason="")
    drawn = f"Drawn by {CATALOG[system].title} (standard)"
    if mode == "standard" or system != DEFAULT:
        return Chosen(system=system, reason=f"{drawn}, as chosen.")
    found = find_far_turn(models, *faces, should_stop=should_stop)
    if found is None:
        return Chosen(system=system, reason=f"{drawn}: no face is turned by more than 45°.")
    called, turn = found
    when = "" if turn.at_s is None else f" at {turn.at_s:.1f} s"
    reason = f"the face in {called} is turned by {abs(turn.yaw_deg):.0f}°{when}."
    return Chosen(system=LARGE_POSE, reason=f"Drawn by {CATALOG[LARGE_POSE].title} (large pose): {reason}")


def find_far_turn(models: Models, *faces: FaceIn, should_stop: Callable[[], bool]) -> "tuple[str, FarTurn] | None":
    """The first of the faces that is turned beyond 45 degrees, with the name of its file."""
    from reenact.pipeline.large_pose import far_turn_in_clip, far_turn_in_picture

    tracker = models.engine(DEFAULT).tracker
    for face in faces:
        path, number = pathlib.Path(face.path), chosen_face(face.number)
        if face.is_clip:
            turn = far_turn_in_clip(path, tracker=tracker, face=number, should_stop=should_stop)
        else:
            turn = far_turn_in_picture(path, tracker=tracker, face=number)
        if turn is not None:
            return face.called, turn
    return None
