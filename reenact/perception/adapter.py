"""Base of third-party trackers, which find all faces in a whole frame and keep no state between frames."""

import abc
import dataclasses

import numpy as np

from reenact.media.frame import Frame
from reenact.perception.detector import Detections
from reenact.perception.tracking import TrackReport, checked_report, choose_face, mesh_box
from reenact.types import FaceGeometry


class WholeFrameTracker(abc.ABC):
    """A `Tracker` made of one function, `see`."""

    @abc.abstractmethod
    def see(self, frame: Frame) -> list[FaceGeometry]:
        """All faces of a frame, in any order; f = 1 each, frame pixels."""

    def find(self, frame: Frame) -> Detections:
        """See `Tracker.find`."""
        return _detections_of(self._sorted(frame))

    def track(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> FaceGeometry:
        """See `Tracker.track`."""
        return self.report(frame, face=face, min_score=min_score).geometry

    def report(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> TrackReport:
        """See `Tracker.report`."""
        seen = self._sorted(frame)
        best_score = max((float(one.score[0]) for one in seen), default=0.0)
        seen = [one for one in seen if float(one.score[0]) >= min_score]
        faces = _detections_of(seen)
        chosen = choose_face(faces, face, best_score=best_score, min_score=min_score)
        return checked_report(seen[chosen], faces, chosen, frame, asked=face, min_score=min_score)

    def follow(self, frame: Frame, previous: FaceGeometry, *, careful: bool = False) -> FaceGeometry:
        """See `Tracker.follow`: the face nearest to where it was, score 0 if there is none within its own size."""
        box = mesh_box(previous)
        place, size = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
        near: list[tuple[float, FaceGeometry]] = []
        for one in self.see(frame):
            other = mesh_box(one)
            near.append((float(np.linalg.norm((other[:2] + other[2:]) / 2 - place)), one))
        distance, nearest = min(near, key=lambda pair: pair[0], default=(np.inf, previous))
        return nearest if distance < size else lost(previous)

    def _sorted(self, frame: Frame) -> list[FaceGeometry]:
        def area(geometry: FaceGeometry) -> float:
            box = mesh_box(geometry)
            return float(np.prod(box[2:] - box[:2]))

        return sorted(self.see(frame), key=area, reverse=True)


def lost(previous: FaceGeometry) -> FaceGeometry:
    """The same face with score 0."""
    return dataclasses.replace(previous, score=previous.score * 0)


def _detections_of(seen: list[FaceGeometry]) -> Detections:
    boxes = np.array([mesh_box(one) for one in seen], np.float32).reshape(-1, 4)
    return Detections(boxes_px=boxes, scores=np.array([float(one.score[0]) for one in seen], np.float32))
