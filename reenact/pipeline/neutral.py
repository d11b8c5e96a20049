"""The reference of a driver's motion: a frame in which the face is at rest, or a computed face at rest."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.media import VideoReader
from reenact.media.frame import Frame
from reenact.perception.tracking import Tracker
from reenact.perception.video import eye_distance_px, is_scene_cut, thumbnail_of
from reenact.pipeline.source import to_device
from reenact.systems.base import MotionMode, Reenactor
from reenact.types import FaceGeometry

_CANDIDATES = 24
"""Number of frames that are tracked to choose from, spread over the beginning of the clip."""
_SECONDS = 10
"""Largest length of that beginning."""
_GROWTH = 0.21
"""Logarithm of the growth of a face within a third of a second that only a cut makes."""
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


class CandidateReader:
    """Tracks frames at the beginning of each shot of a clip; reads ahead of whoever draws, at most `_SECONDS`."""

    def __init__(
        self,
        reader: VideoReader,
        *,
        tracker: Tracker,
        face: int | None = None,
        min_score: float = 0.5,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Start with the first frame.

        Args:
            reader: of the driving clip, for this object alone.
            tracker: finds the faces.
            face: number of the face, 1 is the largest.
            min_score: certainty, 0 to 1, from which on a detection counts as a face.
            check: called for every frame; raises to end the work.
        """
        self._reader, self._tracker, self._check = reader, tracker, check
        self._face, self._min_score = face, min_score
        self._frames: Iterator[tuple[int, Frame]] = enumerate(reader)
        self._held: tuple[int, Frame] | None = None

    def candidates(self, first: int, *, until: int | None = None) -> tuple[list[FaceGeometry], bool]:
        """Faces at the beginning of the shot that starts with frame `first`, evenly spread.

        Args:
            first: number of the frame.
            until: reading stops at this frame, and goes on to it if the shot is long.

        Returns:
            Faces, f = 1, frame pixels, and whether the shot has frame `until`.
        """
        info = self._reader.info
        limit = min(_SECONDS * info.fps, _MEGAPIXELS * 1e6 / (info.width * info.height))
        limit = max(min(limit, (info.frame_count or 10**9) - first), 1)
        step = max(int(limit) // _CANDIDATES, 1)
        found: list[FaceGeometry] = []
        for index, frame in self._shot(first):
            if index == until:
                return found, True
            if index - first >= limit and (until is None or index > until):
                break
            if index - first < limit and (index - first) % step == 0:
                face = self._next_face(frame, found[-1] if found else None)
                if face is not None and found and _has_grown(found[-1], face):
                    break
                found.extend([] if face is None else [face])
        return found, False

    def _shot(self, first: int) -> Iterator[tuple[int, Frame]]:
        """The frames from the first one to the next cut."""
        if self._held is None or self._held[0] > first:
            self._frames, self._held = enumerate(self._reader), None
        before = None
        for index, frame in itertools.chain([] if self._held is None else [self._held], self._frames):
            self._check()
            self._held = index, frame
            if index < first:
                continue
            thumbnail = thumbnail_of(frame)
            if before is not None and is_scene_cut(before, thumbnail):
                return
            before = thumbnail
            yield index, frame

    def _next_face(self, frame: Frame, previous: FaceGeometry | None) -> FaceGeometry | None:
        if previous is not None:
            followed = self._tracker.follow(frame, previous)
            if float(followed.score[0]) >= self._min_score:
                return followed
        try:
            return self._tracker.track(frame, face=self._face, min_score=self._min_score)
        except NoFaceFoundError:
            return None


class ReferenceFinder:
    """Finds the reference of each shot of a clip."""

    def __init__(
        self,
        reader: VideoReader,
        *,
        system: Reenactor[Any, Any, Any],
        tracker: Tracker,
        mode: MotionMode,
        number: int | None = None,
        face: int | None = None,
        min_score: float = 0.5,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Track the neutral frame, if it was chosen.

        Args:
            reader: of the driving clip, for this finder alone.
            system: compares expressions.
            tracker: finds the faces.
            mode: of the motion.
            number: of the neutral frame, from 0. In other shots, its face is moved to the usual place of that shot.
            face: number of the face, 1 is the largest.
            min_score: certainty, 0 to 1, from which on a detection counts as a face.
            check: called for every frame; raises to end the work.

        Raises:
            ConfigError: the clip has no such frame.
            NoFaceFoundError: no usable face in that frame.
        """
        self._system, self._number, self._chosen = system, number, None
        self._mode: MotionMode = mode
        if number is not None:
            self._chosen = track_frame(reader, number, tracker=tracker, face=face, min_score=min_score)
        self._reader = CandidateReader(reader, tracker=tracker, face=face, min_score=min_score, check=check)

    def find(self, first: int = 0) -> FaceGeometry | None:
        """The reference of the shot that begins with this frame: f = 1, frame pixels; None if no face was found."""
        found, has_chosen = self._reader.candidates(first, until=self._number)
        if self._chosen is not None and has_chosen:
            return self._chosen
        return choose_reference(found, system=self._system, mode=self._mode, chosen=self._chosen)


def choose_reference(
    found: Sequence[FaceGeometry],
    *,
    system: Reenactor[Any, Any, Any],
    mode: MotionMode,
    chosen: FaceGeometry | None = None,
) -> FaceGeometry | None:
    """The reference of a shot.

    For relative motion it is the face with the weakest expression and the most frontal pose. Absolute motion uses the
    reference for place and size only: there it is the face in the most usual place, so that the result stays near the
    source's place.

    Args:
        found: faces at the shot's beginning, f = 1 each.
        system: compares expressions.
        mode: of the motion.
        chosen: the neutral face of another shot; it is moved to the usual place of this one.
    """
    if not found:
        return chosen
    faces = FaceGeometry.cat(list(found))
    if chosen is not None:
        return placed_like(chosen, found[most_usual_place(faces)])
    if mode == "absolute":
        return found[most_usual_place(faces)]
    with torch.inference_mode():
        on_device = to_device(faces, next(system.parameters()).device)
        return found[system.find_neutral(system.read_motion(None, on_device))]


def _has_grown(before: FaceGeometry, now: FaceGeometry) -> bool:
    """Whether the picture was cut between two candidates, seen by the size of the face alone."""
    sizes = [float(eye_distance_px(face.mesh_px)[0]) for face in (before, now)]
    return abs(math.log(sizes[1] / sizes[0])) > _GROWTH


def placed_like(geometry: FaceGeometry, other: FaceGeometry) -> FaceGeometry:
    """The same face, moved and scaled to the mean point and the spread of another."""
    mesh, model = geometry.mesh_px, other.mesh_px
    centre, to_centre = mesh.mean(1, keepdim=True), model.mean(1, keepdim=True)
    scale = (model - to_centre).norm(dim=(1, 2), keepdim=True) / (mesh - centre).norm(dim=(1, 2), keepdim=True)
    return dataclasses.replace(geometry, mesh_px=(mesh - centre) * scale + to_centre)


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
