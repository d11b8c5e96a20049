"""Follows every person of a clip from frame to frame.

frame ── crops from the previous meshes, batched ──▶ FaceTracker ──▶ meshes; doubtful ones are tracked twice
  └───── after a cut or a loss, and every second ──▶ Detector ─────▶ boxes of people not followed yet
"""

import dataclasses

import cv2
import numpy as np
import torch

from reenact.media.frame import Frame
from reenact.perception.crop import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, tracker_crop
from reenact.perception.tracking import FaceTracker, box_crop, mesh_box, share_outside
from reenact.perception.video import has_jumped, is_scene_cut
from reenact.types import FaceGeometry

_ROLLS_DEG = (0, -45, 45)
"""Crop rotations at which a new face is tracked; the tilted ones only if the upright one finds no face."""
_CERTAIN, _OFF_CENTRE = 0.8, 0.08
"""Score below which, and offset from the crop's centre (share of its side) above which, a face is tracked twice."""
_GONE_SHARE = 0.5
"""A face with more of its mesh outside the picture is lost."""
_SAME_IOU = 0.5
"""Two tracks whose boxes overlap more than this follow the same person."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sighting:
    """One person in one frame."""

    person: int
    """Track number within the clip; a person who is lost and found again gets a new one."""
    mesh_px: np.ndarray
    """(478, 3) float32, frame pixels."""
    score: float
    share_outside: float
    """Share of the mesh outside the picture."""


class SceneCuts:
    """Detects scene cuts."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None

    def begins(self, frame: Frame) -> bool:
        """Whether a new scene begins with the next frame."""
        step = max(min(frame.shape[:2]) // 256, 1)  # subsampling first is faster than averaging a large frame
        thumbnail = cv2.resize(np.ascontiguousarray(frame[::step, ::step]), (32, 32), interpolation=cv2.INTER_AREA)
        cut = self._before is not None and is_scene_cut(self._before, thumbnail)
        self._before = thumbnail
        return cut


class Follower:
    """Follows all people of a clip, whose frames are given in order."""

    def __init__(self, tracker: FaceTracker, *, min_score: float, min_face_px: float, detect_every: int) -> None:
        """Start a clip.

        Args:
            tracker: the embedded one.
            min_score: a face with a lower score is lost.
            min_face_px: smaller faces are not followed.
            detect_every: frames between detections of new people.
        """
        self.tracker, self.min_score, self.min_face_px = tracker, min_score, min_face_px
        self.detect_every = detect_every
        self.small_sightings = 0
        """Number of detections that were too small to follow."""
        self.largest_small_px = 0.0
        self._followed: dict[int, FaceGeometry] = {}
        self._next_person = 0
        self._until_detection = 0

    def step(self, frame: Frame, *, cut: bool) -> list[Sighting]:
        """People in the next frame, sorted by number.

        Args:
            frame: the next frame.
            cut: whether a new scene begins, so that tracks of the previous frame end.
        """
        before = {} if cut else self._followed
        self._followed = self._without_doubles(self._follow(frame, before))
        lost_some = len(self._followed) < len(before)
        if cut or lost_some or self._until_detection <= 0:
            self._find_new(frame)
            self._until_detection = self.detect_every
        self._until_detection -= 1
        return [
            Sighting(
                person=person,
                mesh_px=geometry.mesh_px[0].numpy(),
                score=float(geometry.score[0]),
                share_outside=share_outside(geometry, frame),
            )
            for person, geometry in sorted(self._followed.items())
        ]

    def _follow(self, frame: Frame, before: dict[int, FaceGeometry]) -> dict[int, FaceGeometry]:
        if not before:
            return {}
        crops = [tracker_crop(geometry.mesh_px[0].numpy(), self.tracker.crop_px) for geometry in before.values()]
        found = self.tracker.track_crops([frame] * len(crops), crops)
        doubtful = [i for i, crop in enumerate(crops) if self._is_doubtful(found[i : i + 1], crop)]
        faces = [found[i : i + 1] for i in range(len(found))]
        if doubtful:
            second = look_again(self.tracker, frame, FaceGeometry.cat([faces[i] for i in doubtful]))
            for row, i in enumerate(doubtful):
                faces[i] = second[row : row + 1]
        followed: dict[int, FaceGeometry] = {}
        for (person, old), face in zip(before.items(), faces, strict=True):
            if float(face.score[0]) < self.min_score or share_outside(face, frame) > _GONE_SHARE:
                continue
            if has_jumped(old, face):  # a dissolve, or the tracker switched to another person
                person = self._new_person()
            followed[person] = face
        return followed

    def _is_doubtful(self, face: FaceGeometry, crop_from_frame: np.ndarray) -> bool:
        box = mesh_box(face.moved_by(torch.from_numpy(crop_from_frame)))
        off_centre = np.abs((box[:2] + box[2:]) / 2 / self.tracker.crop_px - 0.5).max()
        return bool(off_centre > _OFF_CENTRE or float(face.score[0]) < _CERTAIN)

    def _find_new(self, frame: Frame) -> None:
        found = self.tracker.detector.detect(frame)
        boxes = []
        for box in found.boxes_px:
            if _is_taken(box, self._followed):
                continue
            size_px = float((box[2:] - box[:2]).max())
            if size_px < 0.75 * self.min_face_px:  # boxes are less accurate than meshes
                self.small_sightings += 1
                self.largest_small_px = max(self.largest_small_px, size_px)
            else:
                boxes.append(box)
        for face in find_faces(self.tracker, frame, boxes, min_score=self.min_score):
            if share_outside(face, frame) <= _GONE_SHARE and not _is_taken(mesh_box(face), self._followed):
                self._followed[self._new_person()] = face

    def _without_doubles(self, followed: dict[int, FaceGeometry]) -> dict[int, FaceGeometry]:
        kept: dict[int, FaceGeometry] = {}
        for person in sorted(followed):
            box = mesh_box(followed[person])
            if all(overlap(box, mesh_box(other)) < _SAME_IOU for other in kept.values()):
                kept[person] = followed[person]
        return kept

    def _new_person(self) -> int:
        self._next_person += 1
        return self._next_person - 1


def find_faces(
    tracker: FaceTracker, frame: Frame, boxes_px: list[np.ndarray], *, min_score: float
) -> list[FaceGeometry]:
    """Faces in boxes of a frame, f = 1 each, in the order of the boxes; boxes without a face are skipped."""
    if not boxes_px:
        return []
    best: list[FaceGeometry | None] = [None] * len(boxes_px)
    for roll in _ROLLS_DEG:
        open_rows = [row for row, face in enumerate(best) if face is None or float(face.score[0]) < min_score]
        if not open_rows:
            break
        crops = [box_crop(boxes_px[row], np.radians(roll), tracker.crop_px) for row in open_rows]
        seen = look_again(tracker, frame, tracker.track_crops([frame] * len(crops), crops))
        for i, row in enumerate(open_rows):
            old = best[row]
            if old is None or float(seen.score[i]) > float(old.score[0]):
                best[row] = seen[i : i + 1]
    return [face for face in best if face is not None and float(face.score[0]) >= min_score]


def look_again(tracker: FaceTracker, frame: Frame | list[Frame], first: FaceGeometry) -> FaceGeometry:
    """Track faces again in crops around their first meshes; the score falls with the distance of the two meshes.

    Args:
        tracker: the embedded one.
        frame: one picture for all faces, or one for each.
        first: f = n, first meshes in pixels of their pictures.
    """
    frames = frame if isinstance(frame, list) else [frame] * len(first)
    crops = [tracker_crop(mesh, tracker.crop_px) for mesh in first.mesh_px.numpy()]
    second = tracker.track_crops(frames, crops)
    eyes = (second.mesh_px[:, LEFT_EYE_OUTER] - second.mesh_px[:, RIGHT_EYE_OUTER]).norm(dim=1).clamp(min=1e-6)
    moved = (second.mesh_px - first.mesh_px)[..., :2].norm(dim=-1).mean(1) / eyes
    return dataclasses.replace(second, score=(second.score - 4 * moved).clamp(min=0))


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = float(np.prod(first[2:] - first[:2])) + float(np.prod(second[2:] - second[:2]))
    return shared / max(areas - shared, 1e-9)


def _is_taken(box: np.ndarray, followed: dict[int, FaceGeometry]) -> bool:
    """Whether a box shows a person who is already followed."""
    centre = (box[:2] + box[2:]) / 2
    for geometry in followed.values():
        other = mesh_box(geometry)
        inside = bool(((other[:2] < centre) & (centre < other[2:])).all())
        if inside or overlap(box, other) > 0.3:
            return True
    return False
