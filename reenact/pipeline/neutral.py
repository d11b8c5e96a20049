"""The reference of a driver's motion: a frame in which the face is at rest, or a computed face at rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.media import VideoReader
from reenact.media.frame import Frame
from reenact.perception.tracking import Tracker
from reenact.pipeline.source import to_device
from reenact.systems.base import MotionMode, Reenactor
from reenact.types import FaceGeometry

_CANDIDATES = 24
"""Number of frames that are tracked to choose from, spread over the beginning of the clip."""
_SECONDS = 10
"""Largest length of that beginning."""
_MEGAPIXELS = 250
"""Largest number of decoded pixels in it, in millions; they take about a second."""


def neutralised(geometry: FaceGeometry, model: MorphableModel | None = None) -> FaceGeometry:
    """The face without expression and seen from the front, in the same place and at the same size.

    It is the reference of a single driving picture, which does not show this person at rest.
    """
    model = load_morphable() if model is None else model.to(geometry.mesh_px.device)
    with torch.inference_mode():
        fit = model.fit(geometry.mesh_px)
        straight = torch.eye(3).to(geometry.mesh_px).expand(len(geometry), 3, 3)
        pose = Pose(rotation=straight, scale=fit.pose.scale, translation_px=fit.pose.translation_px)
        at_rest = fit.pose.invert(geometry.mesh_px) - model.expression_offset(fit.expression)
        return FaceGeometry(
            mesh_px=pose.apply(at_rest),
            blendshapes=torch.zeros_like(geometry.blendshapes),
            rotation=straight,
            action_units=torch.zeros_like(geometry.action_units),
            score=geometry.score,
        )


def find_reference(
    reader: VideoReader,
    *,
    system: Reenactor[Any, Any, Any],
    tracker: Tracker,
    mode: MotionMode,
    face: int | None = None,
    min_score: float = 0.5,
    check: Callable[[], None] = lambda: None,
) -> FaceGeometry | None:
    """The neutral frame of a clip, chosen among frames at its beginning.

    For relative motion it is the frame with the weakest expression and the most frontal pose. Absolute motion uses the
    reference for place and size only: there it is the frame whose face has the most usual place, so that the result
    stays near the source's place.

    Args:
        reader: of the driving clip.
        system: compares expressions.
        tracker: finds the faces.
        mode: of the motion.
        face: number of the face, 1 is the largest.
        min_score: certainty, 0 to 1, from which on a detection counts as a face.
        check: called for every frame; raises to end the work.

    Returns:
        f = 1, frame pixels; None if no face was found.
    """
    info = reader.info
    limit = min(_SECONDS * info.fps, _MEGAPIXELS * 1e6 / (info.width * info.height), info.frame_count or 10**9)
    step = max(int(limit) // _CANDIDATES, 1)
    found: list[FaceGeometry] = []
    for index, frame in enumerate(reader):
        check()
        if index >= max(limit, 1):
            break
        if index % step == 0:
            geometry = _next_face(tracker, frame, found[-1] if found else None, face=face, min_score=min_score)
            found.extend([] if geometry is None else [geometry])
    if not found:
        return None
    if mode == "relative":
        faces = to_device(FaceGeometry.cat(found), next(system.parameters()).device)
        with torch.inference_mode():
            return found[system.find_neutral(system.read_motion(None, faces))]
    return found[most_usual_place(FaceGeometry.cat(found))]


def track_frame(
    reader: VideoReader, number: int, *, tracker: Tracker, face: int | None, min_score: float
) -> FaceGeometry:
    """The face in one frame of a clip; frames are numbered from 0.

    Raises:
        ConfigError: the clip has no such frame.
        NoFaceFoundError: no usable face in the frame.
    """
    count = 0
    for index, frame in enumerate(reader):
        count = index + 1
        if index == number:
            try:
                return tracker.track(frame, face=face, min_score=min_score)
            except NoFaceFoundError as error:
                raise NoFaceFoundError(f"Neutral frame {number} of {reader.path}: {error}") from error
    raise ConfigError(f"Neutral frame {number} was asked for, but {reader.path} ends with frame {count - 1}.")


def most_usual_place(faces: FaceGeometry) -> int:
    """Index of the face whose centre and size are nearest to the median of all."""
    points = faces.mesh_px[..., :2].double().cpu().numpy()
    size = np.sqrt(np.prod(points.max(1) - points.min(1), axis=1))
    place = np.column_stack([points.mean(1) / np.median(size), np.log(size)])
    return int(np.linalg.norm(place - np.median(place, axis=0), axis=1).argmin())


def _next_face(
    tracker: Tracker, frame: Frame, previous: FaceGeometry | None, *, face: int | None, min_score: float
) -> FaceGeometry | None:
    if previous is not None:
        followed = tracker.follow(frame, previous)
        if float(followed.score[0]) >= min_score:
            return followed
    try:
        return tracker.track(frame, face=face, min_score=min_score)
    except NoFaceFoundError:
        return None
