"""What the tracker sees in a picture or a clip, as JSON."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np

from reenact.errors import NoFaceFoundError
from reenact.facs import ACTION_UNITS, FACS_MAXIMUM
from reenact.geometry.landmarks import landmarks68_of
from reenact.media import VideoReader, kind_of, read_image
from reenact.perception.tracking import Tracker, mesh_box
from reenact.perception.video import VideoTracker
from reenact.pipeline.driving import damage_warnings, track_clip
from reenact.pipeline.looks import no_face_in
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress, stop_checker
from reenact.pipeline.results import frame_ranges
from reenact.types import FaceGeometry, head_angles_rad


@runtime_checkable
class TextFile(Protocol):
    """An object that takes text."""

    def write(self, text: str, /) -> object:
        """Append text."""
        ...


def write_tracks(
    path: str | pathlib.Path,
    file: TextFile,
    *,
    tracker: Tracker,
    smoothing: float | bool = 1.0,
    face: int | None = None,
    min_face_score: float = 0.5,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> tuple[int, tuple[str, ...]]:
    """Track the face of a picture or a clip and write one JSON object, a frame a line.

    ``{"file", "width", "height", "fps", "action_units", "frames": [{"frame", "time_s", "face"}, ...]}``; "fps" is null
    for a picture; "face" is null in frames without a face, otherwise the result of `describe_face`.

    Args:
        path: the picture or clip.
        file: receives the text frame by frame.
        tracker: finds and follows the face.
        smoothing: how much the jitter of a clip is filtered; see `VideoTracker`.
        face: number of the face, 1 is the largest.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        progress: called after every frame.
        should_stop: called before every frame.

    Returns:
        The number of frames, and warnings for the user.

    Raises:
        NoFaceFoundError: a picture without a usable face, or a clip without a face in any frame.
    """
    if kind_of(path) == "image":
        frame = read_image(path).rgb
        try:
            report = tracker.report(frame, face=face, min_score=min_face_score)
        except NoFaceFoundError as error:
            raise error.about(path) from error
        head = _head(path, width=frame.shape[1], height=frame.shape[0], fps=None)
        _write(file, head, iter([{"frame": 0, "time_s": 0.0, "face": describe_face(report.geometry)}]))
        return 1, tuple(warning.about(path) for warning in report.warnings)
    with VideoReader(path) as reader:
        info = reader.info
        following = VideoTracker(tracker, float(info.fps), smoothing, face=face, min_score=min_face_score)
        missing: list[int] = []
        count = 0

        def frames() -> Iterator[dict[str, Any]]:
            nonlocal count
            for tracked in track_clip(reader, following, check=stop_checker(should_stop)):
                count = tracked.index + 1
                if tracked.geometry is None:
                    missing.append(tracked.index)
                seen = None if tracked.geometry is None else describe_face(tracked.geometry)
                yield {"frame": tracked.index, "time_s": round(float(tracked.index / info.fps), 4), "face": seen}
                progress(count, max(info.frame_count, count), "frames")

        _write(file, _head(path, width=info.width, height=info.height, fps=float(info.fps)), frames())
        if len(missing) == count:
            raise no_face_in(f"any of the {count} frames of {path}", following.reason)
        warnings: tuple[str, ...] = tuple(warning.about(path) for warning in following.warnings)
        if missing:
            warnings += (f"{path}: no face in {len(missing)} of {count} frames ({frame_ranges(missing)}).",)
        return count, warnings + tuple(damage_warnings(reader))


def describe_face(geometry: FaceGeometry) -> dict[str, Any]:
    """One face in plain numbers: pixels of the frame, degrees, FACS intensities.

    Args:
        geometry: f = 1, frame pixels.

    Returns:
        "box_px" (x0, y0, x1, y1 around the mesh), "score" (0 to 1), "landmarks_px" (68 of x, y; iBUG order),
        "pitch_deg", "yaw_deg", "roll_deg" (see `FaceGeometry.rotation`) and "action_units" (17, 0 to 5, in the order
        of the file's "action_units").
    """
    pitch, yaw, roll = np.degrees(head_angles_rad(geometry.rotation)[0].double().cpu().numpy())
    landmarks = landmarks68_of(geometry.mesh_px)[0, :, :2]
    return {
        "box_px": _rounded(mesh_box(geometry), 2),
        "score": round(float(geometry.score[0]), 4),
        "landmarks_px": [_rounded(point, 2) for point in landmarks.cpu().numpy()],
        "pitch_deg": round(float(pitch), 2),
        "yaw_deg": round(float(yaw), 2),
        "roll_deg": round(float(roll), 2),
        "action_units": _rounded(geometry.action_units[0].cpu().numpy() * FACS_MAXIMUM, 3),
    }


def _head(path: str | pathlib.Path, *, width: int, height: int, fps: float | None) -> dict[str, Any]:
    return {
        "file": pathlib.Path(path).name,
        "width": width,
        "height": height,
        "fps": fps,
        "action_units": [f"AU{number}" for number in ACTION_UNITS],
    }


def _write(file: TextFile, head: dict[str, Any], frames: Iterator[dict[str, Any]]) -> None:
    """Write the object frame by frame, so that memory does not grow with their number."""
    file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "frames": [')
    for index, frame in enumerate(frames):
        file.write(("," if index else "") + "\n" + json.dumps(frame))
    file.write("\n]}\n")


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
