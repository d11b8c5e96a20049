"""Which system draws: the chosen one, or by itself the large-pose system for faces turned far."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

import gradio as gr

from reenact.media.trim import Trim
from reenact.space.models import DEFAULT, EDITING, LARGE_POSE, Models
from reenact.space.widgets.inputs import chosen_face
from reenact.systems.catalog import CATALOG, POSING_SYSTEMS, find_system

if TYPE_CHECKING:
    from reenact.pipeline.large_pose import FarTurn

AUTO = "auto"
PoseMode = Literal["automatic", "standard", "large_pose"]
"""For programs of the time before `AUTO`."""


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
    trim: Trim | None = None
    """Part of a clip that is used; all of it if None."""


def system_choice(models: Models) -> gr.Dropdown:
    """The systems that draw with a driver, with a line each."""
    far = f"; {CATALOG[LARGE_POSE].title} beyond 45°" * models.offers(LARGE_POSE)
    return _dropdown(f"{CATALOG[DEFAULT].title}{far}", filter(models.offers, CATALOG))


def editing_choice() -> gr.Dropdown:
    """The systems that draw edits, likewise."""
    return _dropdown(f"{CATALOG[EDITING].title}; {CATALOG[LARGE_POSE].title} for large turns", POSING_SYSTEMS)


def tracker_choice(models: Models) -> gr.Dropdown:
    """What reads the driver's face, and finds the source's; hidden where there is no choice."""
    trackers = [("The project's own", "own"), ("FAN, as in the papers", "fan")]
    info = "FAN (face-alignment) reads 68 points of a face, without gaze and lids, and takes longer."
    return gr.Dropdown(trackers, value="own", label="Face tracker", info=info, visible=models.has_fan)


def old_mode() -> gr.Radio:
    """For programs alone."""
    modes = [("Automatic", "automatic"), ("Standard", "standard"), ("Large pose", "large_pose")]
    return gr.Radio(modes, value="automatic", label="Mode", visible=False)


def choose_system(
    models: Models, mode: PoseMode, system: str, *faces: FaceIn, should_stop: Callable[[], bool] = lambda: False
) -> Chosen:
    """Choose the system and say why.

    Args:
        models: give the tracker, and say whether the large-pose system is installed.
        mode: anything but "automatic" chooses a system, too: "large_pose" always, "standard" for `AUTO`.
        system: AUTO takes the default, or the large-pose system where a face is turned far.
        *faces: of source and driver.
        should_stop: called between frames of a clip; True stops the search.

    Raises:
        ConfigError: no such system.
    """
    if mode == "large_pose" or system != AUTO or mode == "standard":
        standard = DEFAULT if system == AUTO else system
        chosen = LARGE_POSE if mode == "large_pose" else standard
        return Chosen(system=chosen, reason=f"Drawn by {find_system(chosen).title}, as chosen.")
    if not models.offers(LARGE_POSE):
        return Chosen(system=DEFAULT, reason="")
    found = find_far_turn(models, *faces, should_stop=should_stop)
    if found is None:
        reason = f"Drawn by {CATALOG[DEFAULT].title}: no face is turned by more than 45°."
        return Chosen(system=DEFAULT, reason=reason)
    called, turn = found
    when = "" if turn.at_s is None else f" at {turn.at_s:.1f} s"
    reason = f"the face in {called} is turned by {abs(turn.yaw_deg):.0f}°{when}."
    return Chosen(system=LARGE_POSE, reason=f"Drawn by {CATALOG[LARGE_POSE].title}: {reason}")


def find_far_turn(models: Models, *faces: FaceIn, should_stop: Callable[[], bool]) -> "tuple[str, FarTurn] | None":
    """The first of the faces that is turned beyond 45 degrees, with the name of its file."""
    from reenact.pipeline.large_pose import far_turn_in_clip, far_turn_in_picture

    tracker = models.engine(DEFAULT).tracker
    for face in faces:
        path, number = pathlib.Path(face.path), chosen_face(face.number)
        if face.is_clip:
            turn = far_turn_in_clip(path, tracker=tracker, face=number, trim=face.trim, should_stop=should_stop)
        else:
            turn = far_turn_in_picture(path, tracker=tracker, face=number)
        if turn is not None:
            return face.called, turn
    return None


def _dropdown(automatic: str, systems: Iterable[str]) -> gr.Dropdown:
    choices = [(f"{CATALOG[system].title}: {CATALOG[system].use}", system) for system in systems]
    return gr.Dropdown([(f"Automatic: {automatic}", AUTO), *choices], value=AUTO, label="System")
