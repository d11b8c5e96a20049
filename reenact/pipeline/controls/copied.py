"""An expression taken from a photo, as an edit of another face."""

import torch

from reenact.errors import NoFaceFoundError, Note
from reenact.facs import ACTION_UNITS, FACS_MAXIMUM, SIDED_UNITS
from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.gaze import read_gaze_rad
from reenact.geometry.morphable import load_morphable
from reenact.perception.tracking import Tracker
from reenact.pipeline.controls.settings import LARGEST, FaceEdit, edit_of_values
from reenact.pipeline.source import PictureLike, open_picture, upright_driver
from reenact.types import head_angles_rad

_SAME_SIDES = 0.3
"""Difference of both sides of a unit, FACS, below which they count as the same."""


def copy_face(
    picture: PictureLike,
    *,
    tracker: Tracker,
    face: int | None = None,
    min_score: float = 0.5,
    pose: bool = False,
) -> tuple[FaceEdit, tuple[Note, ...]]:
    """What a face in a photo does, as an absolute edit of all 17 Action Units and of the gaze.

    Args:
        picture: the photo.
        tracker: finds the face.
        face: number of the face, 1 is the largest; the largest if None.
        min_score: certainty, 0 to 1, from which on a detection counts as a face.
        pose: the edit sets the angles of the head, too; angles beyond the editor's range are set to its limit.

    Returns:
        The edit, and notes for the user.

    Raises:
        NoFaceFoundError: no usable face.
        UnsupportedInputError: the picture cannot be read.
    """
    opened, name = open_picture(picture, "copied")
    try:
        report = tracker.report(opened.rgb, face=face, min_score=min_score)
    except NoFaceFoundError as error:
        raise error.about(name) from error
    _, geometry, notes = upright_driver(opened.rgb, report.geometry, name)
    with torch.inference_mode():
        sides = (read_action_unit_sides(geometry.blendshapes, geometry.mesh_px)[0] * FACS_MAXIMUM).round(decimals=2)
        model, mesh = load_morphable(), geometry.mesh_px.cpu()
        posed = model.fit(mesh).pose
        pitch, yaw, roll = head_angles_rad(posed.rotation)[0].rad2deg().tolist()
        gaze_yaw, gaze_pitch = read_gaze_rad(posed.invert(mesh), model.mean)[0].rad2deg().tolist()
    units: dict[str, float] = {}
    for number, (left, right) in zip(ACTION_UNITS, sides.double().tolist(), strict=True):
        named = (
            {f"{number}L": left, f"{number}R": right} if number in SIDED_UNITS else {str(number): (left + right) / 2}
        )
        units |= {unit: round(value, 2) for unit, value in named.items()}
    angles = {"gaze_yaw": gaze_yaw, "gaze_pitch": gaze_pitch} | (
        {"yaw": yaw, "pitch": pitch, "roll": roll} if pose else {}
    )
    angles = {name: round(min(max(value, -LARGEST[name]), LARGEST[name]), 1) for name, value in angles.items()}
    edit = edit_of_values(units | angles, "absolute")
    return edit, (*(warning.about(name) for warning in report.warnings), *notes)
