"""Geometry of source and driving frames: tracked as in `reenact video`, or from the labels."""

import numpy as np
import torch

from reenact.errors import NoFaceFoundError
from reenact.geometry.action_units import read_action_units
from reenact.geometry.matching import find_neutral, read_mesh_motion
from reenact.geometry.morphable import MorphableModel
from reenact.perception.tracking import Tracker
from reenact.perception.video import VideoTracker
from reenact.pipeline.neutral import most_usual_place, neutralised
from reenact.pipeline.source import to_device
from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry
from train.data.faces import FaceData
from train.evaluate.jobs import Driver, TrackTask
from train.evaluate.settings import Settings

_CPU = torch.device("cpu")
REFERENCE_SECONDS, REFERENCE_FRAMES = 10, 24
"""`reenact video` chooses its reference among this many frames of this much of the clip's beginning."""


def track_inputs(
    task: TrackTask, data: FaceData, tracker: Tracker, morphable: MorphableModel, settings: Settings
) -> Driver:
    """Faces of a clip or still, and the neutral references for both modes of motion.

    The morphable model chooses the relative reference for every system, so that all get the same input.
    """
    if settings.labels:
        geometry = {row: label_geometry(data, row) for row in task.rows}
    elif task.is_clip:
        following = VideoTracker(tracker, settings.fps)
        tracked = {row: following.update(np.array(data.rgb[row])) for row in task.rows}
        geometry = {row: to_device(face, _CPU) for row, face in tracked.items() if face is not None}
    else:
        geometry = _single(np.array(data.rgb[task.rows[0]]), task.rows[0], tracker)
    if not geometry:
        return Driver(geometry={}, references={})
    references = (
        _clip_references(task, geometry, morphable, settings)
        if task.is_clip
        else _still_references(geometry[task.rows[0]], morphable)
    )
    return Driver(geometry=geometry, references=references)


def label_geometry(data: FaceData, row: int) -> FaceGeometry:
    """Geometry of a picture from its labels."""
    mesh, blendshapes, rotation = (
        torch.from_numpy(np.array(values[row : row + 1])) for values in (data.mesh_px, data.blendshapes, data.rotation)
    )
    return FaceGeometry(
        mesh_px=mesh,
        blendshapes=blendshapes,
        rotation=rotation,
        action_units=read_action_units(blendshapes, mesh),
        score=torch.ones(1),
    )


def _clip_references(
    task: TrackTask, geometry: dict[int, FaceGeometry], morphable: MorphableModel, settings: Settings
) -> dict[MotionMode, FaceGeometry]:
    limit = max(min(int(REFERENCE_SECONDS * settings.fps), len(task.rows)), 1)
    step = max(limit // REFERENCE_FRAMES, 1)
    candidates = [geometry[row] for row in task.rows[:limit:step] if row in geometry] or list(geometry.values())[:1]
    faces = FaceGeometry.cat(candidates)
    return {
        "absolute": candidates[most_usual_place(faces)],
        "relative": candidates[find_neutral(read_mesh_motion(morphable, faces.mesh_px))],
    }


def _still_references(geometry: FaceGeometry, morphable: MorphableModel) -> dict[MotionMode, FaceGeometry]:
    """References of `reenact image`: the picture itself (absolute), and its neutral face (relative)."""
    return {"absolute": geometry, "relative": neutralised(geometry, morphable)}


def _single(frame: np.ndarray, row: int, tracker: Tracker) -> dict[int, FaceGeometry]:
    try:
        return {row: to_device(tracker.track(frame), _CPU)}
    except NoFaceFoundError:
        return {}
