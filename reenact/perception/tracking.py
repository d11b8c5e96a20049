"""From a whole picture to the geometry of one face in it: detect, crop, track, map back.

    frame ── Detector ──▶ box ── crop ──▶ TrackerNetwork ──▶ mesh ── aligned crop ──▶ TrackerNetwork ──▶ FaceGeometry
                                                               └───── in a clip: of the frame before ─────┘

`Tracker` is the interface of all trackers; `FaceTracker` is the project's own.
"""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from reenact.errors import Hint, NoFaceFoundError, Note
from reenact.geometry.action_units import read_action_units
from reenact.media.frame import Frame
from reenact.ops.fold import fold_batch_norms
from reenact.perception.crop import (
    LEFT_EYE_OUTER,
    RIGHT_EYE_OUTER,
    TRACKER_CROP_SCALE,
    centred,
    square_crop,
    tracker_crop,
)
from reenact.perception.detector import Detections, Detector
from reenact.perception.eyes import join_eyes, may_differ, show_twice
from reenact.perception.tracker import TrackerNetwork
from reenact.types import FaceGeometry, head_angles_rad

MIN_FACE_PX = 40
"""Faces whose mesh is smaller than this, on its longer side, are refused."""
MAX_SHARE_OUTSIDE = 0.12
"""Faces with a larger share of their mesh outside the picture are refused; fewer points are extrapolated well."""
WEAK_SCORE = 0.1
"""Lowest score of detections that the error for a missing face mentions."""
USABLE_YAW_DEG = 85
"""Faces are found reliably up to about this yaw."""
_FAR_YAW_DEG = 60.0
"""Beyond this yaw, a face with a low score is reported as turned too far."""
_HARDLY_A_FACE = 0.05
"""Below this score, the yaw says nothing: there is no face."""
_ROLLS_DEG = (0, -45, 45, -90, 90, 180)
_CERTAIN, _FAIRLY_CERTAIN, _LYING_CERTAIN, _UPRIGHT_CERTAIN = 0.8, 0.6, 0.9, 0.93
"""Scores after two passes: most upright faces reach 0.94, upright readings of upside-down faces seldom 0.9, background
seldom 0.6. Lying faces are rare, so they need a higher score."""
_MOST_TURNED, _MOST_JUDGED = 4, 8
"""Most faces tracked in each rotated picture, and in the upright one."""
_OFF_CENTRE = 0.08
"""Shift of a face in its crop, over the crop's side, beyond which a second crop makes its mesh better."""
_SHARP_SCALE = 0.75
"""Crop pixels per frame pixel in most training pictures; larger faces are scaled down to it first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackReport:
    """A face, and notes on how it was chosen."""

    geometry: FaceGeometry
    """f = 1, frame pixels."""
    faces: Detections
    """All faces found, largest first."""
    face: int
    """Number of the face taken, from 1."""
    warnings: tuple[Note, ...]
    """One line each; empty if all is well."""


@runtime_checkable
class Tracker(Protocol):
    """Interface of face trackers. Frames are whole pictures; geometry has f = 1 and frame pixels."""

    def find(self, frame: Frame) -> Detections:
        """All faces, largest first."""
        ...

    def track(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> FaceGeometry:
        """The largest face, or the `face`-th largest, from 1.

        Raises:
            NoFaceFoundError: there is none, or it is too small, cut by the border or not certain enough.
        """
        ...

    def report(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> TrackReport:
        """`track`, with all faces found and warnings for the user."""
        ...

    def follow(self, frame: Frame, previous: FaceGeometry, *, careful: bool = False) -> FaceGeometry:
        """The same face one frame later; a low score means that it was lost.

        Args:
            frame: the next frame.
            previous: where the face was.
            careful: spend more time on checking that it still is a face.
        """
        ...


class FaceTracker:
    """The project's own tracker: `Detector` and `TrackerNetwork` with their embedded weights."""

    def __init__(self, detector: Detector, network: TrackerNetwork, device: torch.device | str = "cpu") -> None:
        self.detector = detector
        self.reads_each_eye = True
        """Whether `follow` reads each eye on its own, which takes twice the time."""
        self.device = torch.device(device)
        self.crop_px = network.config.crop_px
        folded = fold_batch_norms(network).requires_grad_(False)
        self.network = folded.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def find(self, frame: Frame) -> Detections:
        """All faces, largest first."""
        return self.detector.detect(frame)

    def track(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> FaceGeometry:
        """See `Tracker.track`."""
        return self.report(frame, face=face, min_score=min_score).geometry

    def report(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> TrackReport:
        """See `Tracker.report`."""
        found = self.detector.detect(frame, min_score=min(WEAK_SCORE, min_score))
        best_score = float(found.scores.max(initial=0.0))
        faces = self._verify(frame, keep(found, found.scores >= min_score), min_score)
        chosen = choose_face(faces, face, best_score=best_score, min_score=min_score) if len(faces) else 0
        geometry = self._locate(frame, faces.boxes_px[chosen]) if len(faces) else None
        certain = 0.0 if geometry is None else float(geometry.score[0])
        if geometry is None or certain < _UPRIGHT_CERTAIN:
            turned, lying = self._find_turned(frame, min_score, max(certain, _LYING_CERTAIN))
            if geometry is None and not len(turned):
                raise NoFaceFoundError(self._why_none(frame, found, best_score, min_score))
            if geometry is None or len(turned):
                chosen = choose_face(turned, face, best_score=best_score, min_score=min_score)
                faces, geometry = turned, lying[chosen]
        geometry = self._read_each_eye(frame, geometry)
        return checked_report(geometry, faces, chosen, frame, asked=face, min_score=min_score)

    def follow(self, frame: Frame, previous: FaceGeometry, *, careful: bool = False) -> FaceGeometry:
        """See `Tracker.follow`. One pass; two if the face left the crop's centre or its score is low.

        The pass also reads the left eye alone; only if that differs is each eye read on its own.
        """
        crop_from_frame = tracker_crop(previous.mesh_px[0].cpu().numpy(), self.crop_px)
        crops = [cut_crop(frame, crop_from_frame, self.crop_px)]
        if self.reads_each_eye:
            crops.append(show_twice(crops[0], points_in(crop_from_frame, previous), left=True))
        read = self._read(crops, [crop_from_frame] * len(crops))
        geometry, left = read[:1], read[1:]
        box = mesh_box(geometry.moved_by(torch.from_numpy(crop_from_frame)))
        off_centre = np.abs((box[:2] + box[2:]) / 2 / self.crop_px - 0.5).max()
        if careful or off_centre > _OFF_CENTRE or float(geometry.score[0]) < _CERTAIN:
            geometry = self._look_again([frame], geometry)
        winks = self.reads_each_eye and may_differ(geometry, left)
        return self._read_each_eye(frame, geometry) if winks else geometry

    def for_both_eyes(self) -> "FaceTracker":
        """The same tracker, faster, with `reads_each_eye` off: for faces whose expression is not what matters."""
        faster = copy.copy(self)
        faster.reads_each_eye = False
        return faster

    def track_crops(
        self, frames: Sequence[Frame], crops_from_frames: Sequence[Float[np.ndarray, "3 3"]]
    ) -> FaceGeometry:
        """The face in each of b crops, one network call.

        Args:
            frames: the picture each crop is cut from.
            crops_from_frames: `tracker_crop` or `square_crop` of this tracker's `crop_px`.

        Returns:
            f = b; row i in pixels of frame i.
        """
        crops = [cut_crop(frame, matrix, self.crop_px) for frame, matrix in zip(frames, crops_from_frames, strict=True)]
        return self._read(crops, crops_from_frames)

    @torch.inference_mode()
    def _read(
        self, crops: Sequence[UInt8[np.ndarray, "s s 3"]], crops_from_frames: Sequence[Float[np.ndarray, "3 3"]]
    ) -> FaceGeometry:
        """The faces in crops, in the pixels of their frames."""
        rgb = torch.from_numpy(np.stack(crops)).to(self.device).permute(0, 3, 1, 2).float() / 255
        out = self.network(rgb)
        half = self.crop_px / 2
        mesh_px = torch.cat([(out.mesh[..., :2] + 1) * half, out.mesh[..., 2:] * half], dim=-1)
        in_crops = FaceGeometry(
            mesh_px=mesh_px,
            blendshapes=out.blendshapes,
            rotation=out.rotation,
            action_units=read_action_units(out.blendshapes, mesh_px),
            score=out.score_logit.sigmoid(),
        )
        parts = [
            in_crops[i : i + 1].moved_by(torch.from_numpy(np.linalg.inv(matrix)))
            for i, matrix in enumerate(crops_from_frames)
        ]
        return FaceGeometry.cat(parts)

    def _read_each_eye(self, frame: Frame, geometry: FaceGeometry) -> FaceGeometry:
        """One face, with each eye read on its own."""
        matrix = tracker_crop(geometry.mesh_px[0].cpu().numpy(), self.crop_px)
        crop, points = cut_crop(frame, matrix, self.crop_px), points_in(matrix, geometry)
        read = self._read([show_twice(crop, points, left=left) for left in (True, False)], [matrix] * 2)
        return join_eyes(geometry, read[:1], read[1:])

    def _locate(self, frame: Frame, box_px: Float[np.ndarray, "4"]) -> FaceGeometry:
        """The face in a box at any roll: the roll at which two passes agree best."""
        upright = self._look_twice(frame, box_px, (0,))
        if float(upright.score[0]) >= _CERTAIN:
            return upright
        rolled = self._look_twice(frame, box_px, _ROLLS_DEG)
        lying = torch.tensor([abs(roll) >= 90 for roll in _ROLLS_DEG], device=rolled.score.device)
        doubtful = lying & (rolled.score < _LYING_CERTAIN)
        best = int(torch.where(doubtful, -1.0, rolled.score).argmax())
        return rolled[best : best + 1]

    def _why_none(self, frame: Frame, weak: Detections, best_score: float, min_score: float) -> str:
        """The error text where all detections are weak: the best of them may be turned too far."""
        if len(weak):
            likeliest = self._locate(frame, weak.boxes_px[int(weak.scores.argmax())])
            if (turned_far := far_turn_text(likeliest, min_score)) is not None:
                return turned_far
        return no_face_text(best_score, min_score)

    def _verify(self, frame: Frame, faces: Detections, min_score: float) -> Detections:
        """The boxes that the tracker confirms, one per face; all of them if it confirms none.

        Faces too small to be used count only where there is no other.
        """
        if len(faces) < 2:
            return faces
        judged = np.sort(np.argsort(-faces.scores)[:_MOST_JUDGED])
        located = [self._locate(frame, faces.boxes_px[i]) for i in judged]
        tracked = np.array([float(each.score[0]) for each in located])
        usable = np.array([size_px(each) >= MIN_FACE_PX for each in located])
        if (usable & (tracked >= min_score)).any():
            tracked = np.where(usable, tracked, 0.0)
        kept: list[int] = []
        for i in judged[np.argsort(-tracked)][: int((tracked >= min_score).sum())]:
            centre = (faces.boxes_px[i, :2] + faces.boxes_px[i, 2:]) / 2
            other = faces.boxes_px[kept]
            if not ((other[:, :2] < centre) & (centre < other[:, 2:])).all(1).any():
                kept.append(int(i))
        return keep(faces, np.sort(np.array(kept))) if kept else faces

    def _look_twice(self, frame: Frame, box_px: Float[np.ndarray, "4"], rolls_deg: Sequence[int]) -> FaceGeometry:
        """The face in a box, one row for each roll of the crop."""
        crops = [box_crop(box_px, np.radians(roll), self.crop_px) for roll in rolls_deg]
        return self._look_again([frame] * len(crops), self.track_crops([frame] * len(crops), crops))

    def _look_again(self, frames: Sequence[Frame], first: FaceGeometry) -> FaceGeometry:
        """The same faces in crops around the meshes of the first pass.

        Their score falls with the distance of the two meshes. On a face they agree; on background or an upside-down
        face the second one differs, though the network's own score may stay high.
        """
        crops = [tracker_crop(mesh, self.crop_px) for mesh in first.mesh_px.cpu().numpy()]
        second = self.track_crops(frames, crops)
        eyes = (second.mesh_px[:, LEFT_EYE_OUTER] - second.mesh_px[:, RIGHT_EYE_OUTER]).norm(dim=1).clamp(min=1e-6)
        moved = (second.mesh_px - first.mesh_px)[..., :2].norm(dim=-1).mean(1) / eyes
        return dataclasses.replace(second, score=(second.score - 4 * moved).clamp(min=0))

    def _find_turned(self, frame: Frame, min_score: float, certain: float) -> tuple[Detections, list[FaceGeometry]]:
        """Faces in a picture rotated by quarter turns, with scores above `certain`, and as that rotation shows them."""
        height, width = frame.shape[:2]
        best = Detections(boxes_px=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32))
        best_seen: list[FaceGeometry] = []
        for quarters in (2, 1, 3):
            found = self.detector.detect(np.ascontiguousarray(np.rot90(frame, quarters)), min_score=min_score)
            found = keep(found, np.sort(np.argsort(-found.scores)[:_MOST_TURNED]))
            boxes = turn_boxes_back(found.boxes_px, quarters, width=width, height=height)
            seen = [self._look_twice(frame, box, (90 * quarters,)) for box in boxes]
            tracked = np.array([float(face.score[0]) for face in seen])
            if tracked.max(initial=0.0) > certain:
                certain = float(tracked.max())
                sure = tracked > _FAIRLY_CERTAIN
                best = Detections(boxes_px=boxes[sure], scores=found.scores[sure])
                best_seen = [face for face, is_sure in zip(seen, sure, strict=True) if is_sure]
        return best, best_seen


def points_in(crop_from_frame: Float[np.ndarray, "3 3"], geometry: FaceGeometry) -> Float[np.ndarray, "478 2"]:
    """The mesh of one face in the pixels of a crop."""
    return geometry.mesh_px[0, :, :2].cpu().numpy() @ crop_from_frame[:2, :2].T + crop_from_frame[:2, 2]


def cut_crop(
    frame: Frame, crop_from_frame: Float[np.ndarray, "3 3"], crop_px: int
) -> UInt8[np.ndarray, "{crop_px} {crop_px} 3"]:
    """The crop's pixels. What lies outside the frame repeats its border.

    A face much larger than the crop is shrunk by area averages first: bilinear sampling alone would skip pixels.
    """
    matrix = np.asarray(crop_from_frame, np.float64)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.8 * _SHARP_SCALE:
        frame, matrix = _shrink(frame, matrix, crop_px, scale / _SHARP_SCALE)
    affine = centred(matrix)[:2]
    return cv2.warpAffine(frame, affine, (crop_px, crop_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _shrink(
    frame: Frame, matrix: Float[np.ndarray, "3 3"], crop_px: int, factor: float
) -> tuple[UInt8[np.ndarray, "rows columns 3"], Float[np.ndarray, "3 3"]]:
    """The part of the frame that the crop shows, `factor` its size, and the crop's matrix from there."""
    height, width = frame.shape[:2]
    corners = np.array([[0, 0, 1], [crop_px, 0, 1], [0, crop_px, 1], [crop_px, crop_px, 1.0]]) @ np.linalg.inv(matrix).T
    x0, y0 = np.clip(np.floor(corners[:, :2].min(0)).astype(int) - 2, 0, [width - 1, height - 1])
    x1, y1 = np.clip(np.ceil(corners[:, :2].max(0)).astype(int) + 2, [x0 + 1, y0 + 1], [width, height])
    size = max(round((x1 - x0) * factor), 1), max(round((y1 - y0) * factor), 1)
    part = cv2.resize(np.ascontiguousarray(frame[y0:y1, x0:x1]), size, interpolation=cv2.INTER_AREA)
    frame_from_part = np.array([[(x1 - x0) / size[0], 0, x0], [0, (y1 - y0) / size[1], y0], [0, 0, 1.0]])
    return part, matrix @ frame_from_part


def box_crop(box_px: Float[np.ndarray, "4"], roll_rad: float, crop_px: int) -> Float[np.ndarray, "3 3"]:
    """The tracker's first crop around a detection: x0, y0, x1, y1."""
    box = np.asarray(box_px, np.float64)
    side = TRACKER_CROP_SCALE * float((box[2:] - box[:2]).max())
    return square_crop((box[:2] + box[2:]) / 2, side, roll_rad, crop_px)


def mesh_box(geometry: FaceGeometry) -> Float[np.ndarray, "4"]:
    """x0, y0, x1, y1 around the mesh of one face."""
    points = geometry.mesh_px[0, :, :2].cpu().numpy().astype(np.float64)
    return np.concatenate([points.min(0), points.max(0)]).astype(np.float32)


def size_px(geometry: FaceGeometry) -> float:
    """Longer side of the mesh of one face."""
    box = mesh_box(geometry)
    return float((box[2:] - box[:2]).max())


def keep(found: Detections, chosen: np.ndarray) -> Detections:
    """Some of the detections, in their order."""
    return Detections(boxes_px=found.boxes_px[chosen], scores=found.scores[chosen])


def turn_boxes_back(
    boxes_px: Float[np.ndarray, "n 4"], quarters: int, *, width: int, height: int
) -> Float[np.ndarray, "n 4"]:
    """Boxes found in ``np.rot90(frame, quarters)`` in the pixels of the frame, `width` x `height`."""
    x0, y0, x1, y1 = boxes_px.T
    if quarters == 1:  # counter-clockwise: the top of the turned picture is the right side of the frame
        turned = (width - y1, x0, width - y0, x1)
    elif quarters == 2:
        turned = (width - x1, height - y1, width - x0, height - y0)
    else:
        turned = (y0, height - x1, y1, height - x0)
    return np.stack(turned, axis=1)


def choose_face(faces: Detections, face: int | None, *, best_score: float, min_score: float) -> int:
    """Row of the face to take: the largest, or number `face` from 1.

    Raises:
        NoFaceFoundError: there is none, or none of that number.
    """
    if len(faces) == 0:
        raise NoFaceFoundError(no_face_text(best_score, min_score))
    if face is None:
        return 0
    if not 1 <= face <= len(faces):
        count = "1 face was" if len(faces) == 1 else f"{len(faces)} faces were"
        raise NoFaceFoundError(
            f"Face {face} was asked for, but {count} found; they are numbered from 1, the largest first."
        )
    return face - 1


def no_face_text(best_score: float, min_score: float) -> str:
    """That nothing looks enough like a face."""
    return (
        f"No face found (best score {best_score:.2f}, need {min_score:.2f}); give a picture in which a face, "
        f"{MIN_FACE_PX} px or larger, is well visible and turned by {USABLE_YAW_DEG} degrees at most."
    )


def far_turn_text(geometry: FaceGeometry, min_score: float) -> str | None:
    """That a face is turned too far to be seen well; None if it is not for that, or hardly a face."""
    yaw_deg = float(torch.rad2deg(head_angles_rad(geometry.rotation)[0, 1]))
    if abs(yaw_deg) < _FAR_YAW_DEG or float(geometry.score[0]) < _HARDLY_A_FACE:
        return None
    nearest = int(np.copysign(USABLE_YAW_DEG, yaw_deg))
    return (
        f"The face seems to be turned by {yaw_deg:.0f} degrees and is not seen well enough (score "
        f"{float(geometry.score[0]):.2f}, need {min_score:.2f}); the nearest usable angle is about {nearest} degrees: "
        "give a picture in which it is turned less."
    )


def checked_report(
    geometry: FaceGeometry, faces: Detections, chosen: int, frame: Frame, *, asked: int | None, min_score: float
) -> TrackReport:
    """The report on a chosen face, with warnings.

    Args:
        geometry: of the chosen face.
        faces: all faces found, largest first.
        chosen: its index in `faces`.
        frame: the picture.
        asked: number of the face that the caller asked for; None for the largest.
        min_score: lowest score of a face.

    Raises:
        NoFaceFoundError: see `check_face`.
    """
    warnings = check_face(geometry, frame, min_score=min_score)
    if len(faces) > 1 and asked is None:
        note = (
            f"{len(faces)} faces found; the largest was taken. Choose another by its number, 1 to {len(faces)} from "
            "the largest to the smallest."
        )
        warnings = (Note(note, hint=Hint.SOURCE_FACE), *warnings)
    return TrackReport(geometry=geometry, faces=faces, face=chosen + 1, warnings=warnings)


def check_face(geometry: FaceGeometry, frame: Frame, *, min_score: float) -> tuple[Note, ...]:
    """Refuse a face that cannot be used.

    Returns:
        Warnings about a face that can.

    Raises:
        NoFaceFoundError: not certain, smaller than `MIN_FACE_PX`, or cut by the border.
    """
    score = float(geometry.score[0])
    if score < min_score:
        if (turned_far := far_turn_text(geometry, min_score)) is not None:
            raise NoFaceFoundError(turned_far)
        raise NoFaceFoundError(
            f"No face found (best score {score:.2f}, need {min_score:.2f}); give a picture in which a face is well "
            "visible and not covered."
        )
    if (size := size_px(geometry)) < MIN_FACE_PX:
        raise NoFaceFoundError(
            f"The face is only {size:.0f} px large, need {MIN_FACE_PX} px; give a larger picture or cut it closer."
        )
    outside = share_outside(geometry, frame)
    if outside > MAX_SHARE_OUTSIDE:
        raise NoFaceFoundError(
            f"The face is cut by the border of the picture ({outside:.0%} of it is outside); give a picture that shows "
            "the whole face."
        )
    if outside > 0:
        text = f"The face touches the border of the picture ({outside:.0%} of it is outside); that part is guessed."
        return (Note(text),)
    return ()


def share_outside(geometry: FaceGeometry, frame: Frame) -> float:
    """Share of the mesh of one face that lies outside the frame."""
    size = geometry.mesh_px.new_tensor([frame.shape[1], frame.shape[0]])
    points = geometry.mesh_px[0, :, :2]
    return float(((points < 0) | (points > size)).any(1).float().mean())
