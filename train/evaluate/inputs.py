"""Geometry of source and driving frames: the embedded tracker's, as in `reenact video`, or the labels'."""

import dataclasses

import numpy as np
import torch

from reenact.errors import NoFaceFoundError
from reenact.geometry.action_units import read_action_units
from reenact.geometry.matching import find_neutral, read_mesh_motion
from reenact.geometry.morphable import MorphableModel
from reenact.perception.tracking import Tracker
from reenact.perception.video import VideoTracker
from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry
from train.data.faces import FaceData
from train.evaluate.jobs import Driver, TrackTask
from train.evaluate.settings import Settings

REFERENCE_SECONDS, REFERENCE_FRAMES = 10, 24
"""Where `reenact video` looks for its reference: so many frames, spread over so much of the clip's beginning."""


def track_inputs(
    task: TrackTask, data: FaceData, tracker: Tracker, morphable: MorphableModel, settings: Settings
) -> Driver:
    """The faces of a clip or still, and the references for both modes of motion.

    The relative reference is chosen by the morphable model for every system alike, so that all get the same input.
    """
    if settings.labels:
        geometry = {row: label_geometry(data, row) for row in task.rows}
    elif task.is_clip:
        following = VideoTracker(tracker, settings.fps)
        tracked = {row: following.update(np.array(data.rgb[row])) for row in task.rows}
        geometry = {row: _on_cpu(face) for row, face in tracked.items() if face is not None}
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
    """What the labels say of a picture, as if a tracker had said it."""
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
    from reenact.pipeline.neutral import most_usual_place

    limit = max(min(int(REFERENCE_SECONDS * settings.fps), len(task.rows)), 1)
    step = max(limit // REFERENCE_FRAMES, 1)
    looked_at = [geometry[row] for row in task.rows[:limit:step] if row in geometry] or list(geometry.values())[:1]
    faces = FaceGeometry.cat(looked_at)
    return {
        "absolute": looked_at[most_usual_place(faces)],
        "relative": looked_at[find_neutral(read_mesh_motion(morphable, faces.mesh_px))],
    }


def _still_references(geometry: FaceGeometry, morphable: MorphableModel) -> dict[MotionMode, FaceGeometry]:
    """As `reenact image` has them: a single picture stays in its place, and is compared with itself at rest."""
    from reenact.pipeline.neutral import neutralised

    return {"absolute": geometry, "relative": neutralised(geometry, morphable)}


def _single(frame: np.ndarray, row: int, tracker: Tracker) -> dict[int, FaceGeometry]:
    try:
        return {row: _on_cpu(tracker.track(frame))}
    except NoFaceFoundError:
        return {}


def _on_cpu(geometry: FaceGeometry) -> FaceGeometry:
    fields = dataclasses.fields(geometry)
    return FaceGeometry(**{field.name: getattr(geometry, field.name).cpu() for field in fields})
