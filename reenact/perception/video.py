"""One face through the frames of a clip: followed, filtered, and found again when it is lost.

frame ── scene cut? ──▶ FaceTracker.follow (crop from the mesh before) ── lost? ──▶ find again ──▶ filter ──▶ result
"""

import dataclasses
import math

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reenact.errors import NoFaceFoundError, Note
from reenact.geometry.action_units import read_action_units
from reenact.media.frame import Frame
from reenact.perception.crop import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from reenact.perception.smoothing import OneEuroConfig, OneEuroFilter
from reenact.perception.tracking import Tracker, mesh_box, share_outside
from reenact.types import FaceGeometry

MESH_FILTER = OneEuroConfig(min_cutoff_hz=1.0, beta=40.0)
"""Speed in eye distances per second, each point on its own: a blink passes while the jaw rests."""
BLENDSHAPE_FILTER = OneEuroConfig(min_cutoff_hz=2.0, beta=4.0)
"""Speed in full scales per second, each blendshape on its own."""
ROTATION_FILTER = OneEuroConfig(min_cutoff_hz=1.2, beta=15.0)
"""Speed in radians per second, about."""

_GONE_SHARE = 0.5
"""A face with more of its mesh outside the picture is lost; one that leaves slowly is followed until then."""
_CUT_CHANGE = 24.0
"""Grey levels by which most of a thumbnail differs after a cut."""
_SHOT_STEP, _SCENE_STEP = (0.75, 0.14), (0.15, 0.05)
"""Shift in eye distances, and growth as a logarithm, from which on a face is in another shot: without and with a change
of the scene."""


class VideoTracker:
    """Give it the frames of a clip in order; it answers with the geometry of the same face in each."""

    def __init__(
        self,
        tracker: Tracker,
        fps: float,
        smoothing: float | bool = 1.0,
        *,
        face: int | None = None,
        min_score: float = 0.5,
    ) -> None:
        """Start a clip.

        Args:
            tracker: finds and follows faces.
            fps: frames per second, for the filter.
            smoothing: how much the result is filtered: 0 gives each frame's own measurement; at 2 the cutoff
                frequencies are half the usual ones.
            face: which of several faces in the first frame with one, from 1 (the largest); None takes the largest.
            min_score: below it a face counts as lost.
        """
        self.tracker, self.smoothing, self.face, self.min_score = tracker, smoothing, face, min_score
        self.fps, self.check_every = fps, max(round(fps), 1)
        self.reason = ""
        """Why the last frame had no face; "" if it had one."""
        self.warnings: tuple[Note, ...] = ()
        """Of the first frame with a face."""
        self.mesh_filter, self.blendshape_filter, self.rotation_filter = (
            OneEuroFilter(config.steadier(float(smoothing) or 1.0), fps)
            for config in (MESH_FILTER, BLENDSHAPE_FILTER, ROTATION_FILTER)
        )
        self.frames_seen = self.frames_lost = 0
        self.measured: FaceGeometry | None = None
        """Of the frame before, unfiltered."""
        self.last: FaceGeometry | None = None
        """Of the frame before, filtered: its crop is steadier."""
        self.place_px: Float[np.ndarray, "2"] | None = None
        """Where the face was last seen."""
        self.thumbnail: UInt8[np.ndarray, "32 32 3"] | None = None
        self.cuts: list[int] = []
        """Frames that begin another shot: the first with a face in it. Numbered from 0."""
        self._shown: _Shown | None = None
        self._scene_changed = False

    def update(self, frame: Frame) -> FaceGeometry | None:
        """The face in the next frame.

        Returns:
            f = 1, in pixels of `frame`; None where no face is found, with the reason in `reason`.
        """
        thumbnail = thumbnail_of(frame)
        cut = self.thumbnail is not None and is_scene_cut(self.thumbnail, thumbnail)
        self.thumbnail = thumbnail
        careful = cut or self.frames_seen % self.check_every == 0
        self.frames_seen += 1
        measured = self._follow(frame, careful=careful)
        if measured is None:
            measured = self._find_again(frame, anywhere=cut)
        self._scene_changed |= cut
        if measured is None:
            self.frames_lost += 1
            self.measured = self.last = None
            return None
        self._note_shot(_Shown(frame=self.frames_seen - 1, thumbnail=thumbnail, geometry=measured))
        if cut or self.measured is None or has_jumped(self.measured, measured):
            for one in (self.mesh_filter, self.blendshape_filter, self.rotation_filter):
                one.reset()
        self.reason, self.frames_lost = "", 0
        self.measured = measured
        self.last = self._filtered(measured) if self.smoothing else measured
        box = mesh_box(self.last)
        self.place_px = (box[:2] + box[2:]) / 2
        return self.last

    def _note_shot(self, now: "_Shown") -> None:
        """Add to `cuts` if the face of this frame is in another shot than the last one seen."""
        before, scene_changed = self._shown, self._scene_changed
        self._shown, self._scene_changed = now, False
        if before is None:
            return
        if now.frame - before.frame > 1:  # faded through black, for instance
            scene_changed |= is_scene_cut(before.thumbnail, now.thumbnail)
        gap_s = (now.frame - before.frame) / self.fps
        if is_another_shot(before.geometry, now.geometry, gap_s=gap_s, scene_changed=scene_changed):
            self.cuts.append(now.frame)

    def _follow(self, frame: Frame, *, careful: bool) -> FaceGeometry | None:
        """The face near where it was; None if it is lost, or mostly out of the picture."""
        if self.last is None:
            return None
        geometry = self.tracker.follow(frame, self.last, careful=careful)
        lost = float(geometry.score[0]) < self.min_score or share_outside(geometry, frame) > _GONE_SHARE
        return None if lost else geometry

    def _find_again(self, frame: Frame, *, anywhere: bool) -> FaceGeometry | None:
        """A face in the whole frame: the one nearest to where it was, or after a cut the one first asked for."""
        faces = self.tracker.find(frame)
        number = self.face
        if self.place_px is not None and not anywhere and len(faces):
            centres = (faces.boxes_px[:, :2] + faces.boxes_px[:, 2:]) / 2
            number = 1 + int(np.linalg.norm(centres - self.place_px, axis=1).argmin())
        # a frame without faces is searched for turned ones only now and then: that takes four times as long
        if len(faces) == 0 and self.frames_lost % self.check_every:
            return None
        try:
            report = self.tracker.report(frame, face=number, min_score=self.min_score)
        except NoFaceFoundError as error:
            self.reason = str(error)
            return None
        if self.place_px is None:
            self.warnings = report.warnings
        return report.geometry

    def _filtered(self, measured: FaceGeometry) -> FaceGeometry:
        unit = float(eye_distance_px(measured.mesh_px)[0])
        mesh = self.mesh_filter(measured.mesh_px[0], unit)[None]
        blendshapes = self.blendshape_filter(measured.blendshapes[0, :, None])[None, :, 0]
        # two columns as one vector, made orthonormal again: rotations have no mean of their own
        columns = self.rotation_filter(measured.rotation[:, :, :2].flatten(1))
        return dataclasses.replace(
            measured,
            mesh_px=mesh,
            blendshapes=blendshapes,
            rotation=orthonormal(columns.unflatten(1, (3, 2))),
            action_units=read_action_units(blendshapes, mesh),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Shown:
    """The last frame with a face."""

    frame: int
    thumbnail: UInt8[np.ndarray, "32 32 3"]
    geometry: FaceGeometry


def is_another_shot(before: FaceGeometry, now: FaceGeometry, *, gap_s: float, scene_changed: bool) -> bool:
    """Whether a face stands elsewhere because the clip was cut.

    A head moves by at most 0.67 eye distances and grows by at most 10 % in a twelfth of a second (2,350 pairs of
    frames). If the scene changed too, a small step is enough; without any step it is a flash.

    Args:
        before: in the last frame with a face.
        now: in this frame.
        gap_s: time between the two.
        scene_changed: whether the pictures between them show a scene cut.
    """
    slow = max(gap_s * 12.5, 1.0)
    most_shift, most_growth = _SCENE_STEP if scene_changed else (_SHOT_STEP[0] * slow, _SHOT_STEP[1] * slow)
    eyes_before, eyes = (float(eye_distance_px(face.mesh_px)[0]) for face in (before, now))
    shift = float((now.mesh_px[0, :, :2].mean(0) - before.mesh_px[0, :, :2].mean(0)).norm())
    return shift > most_shift * eyes_before or abs(math.log(eyes / max(eyes_before, 1e-6))) > most_growth


def thumbnail_of(frame: Frame) -> UInt8[np.ndarray, "32 32 3"]:
    """What `is_scene_cut` compares."""
    return cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA)


def is_scene_cut(before: UInt8[np.ndarray, "32 32 3"], now: UInt8[np.ndarray, "32 32 3"]) -> bool:
    """Whether two neighbouring frames, seen as thumbnails, show different scenes."""
    change = np.abs(before.astype(np.int16) - now).mean(-1)
    # light that changes all over the picture alike is a flash, not a cut: only its unevenness counts
    uneven = np.abs((before.astype(np.float32) - before.mean()) - (now.astype(np.float32) - now.mean())).mean()
    return bool((change > _CUT_CHANGE).mean() > 0.5 and uneven > _CUT_CHANGE)


def has_jumped(before: FaceGeometry, now: FaceGeometry) -> bool:
    """Whether the mesh moved or grew more than a head does in a frame."""
    eyes_before, eyes = float(eye_distance_px(before.mesh_px)[0]), float(eye_distance_px(now.mesh_px)[0])
    shift = float((now.mesh_px[0, :, :2].mean(0) - before.mesh_px[0, :, :2].mean(0)).norm())
    return shift > 0.7 * eyes_before or not 0.75 < eyes / max(eyes_before, 1e-6) < 1.33


def orthonormal(columns: Float[Tensor, "f 3 2"]) -> Float[Tensor, "f 3 3"]:
    """Rotation whose first two columns are nearest in order: Gram-Schmidt (Zhou et al., 2019, eq. 15)."""
    x = torch.nn.functional.normalize(columns[..., 0], dim=1)
    y = torch.nn.functional.normalize(columns[..., 1] - (x * columns[..., 1]).sum(1, keepdim=True) * x, dim=1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=2)


def eye_distance_px(mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f"]:
    """Distance of the outer eye corners in three dimensions."""
    return (mesh_px[:, LEFT_EYE_OUTER] - mesh_px[:, RIGHT_EYE_OUTER]).norm(dim=-1)
