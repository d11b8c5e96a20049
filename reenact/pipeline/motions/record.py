"""From a clip to its motion template."""

import pathlib
from typing import Any

import torch

from reenact.errors import UnsupportedInputError
from reenact.hub.loading import TrackerKind, load_hidden, load_tracker, select_device
from reenact.media import VideoReader
from reenact.media.frame import Frame
from reenact.media.trim import Trim
from reenact.perception.crop import cut_face
from reenact.perception.video import VideoTracker
from reenact.pipeline.driving import damage_warnings, track_clip
from reenact.pipeline.engine import Engine
from reenact.pipeline.hidden import find_hidden
from reenact.pipeline.looks import driving_warnings, expect_face, no_face_in
from reenact.pipeline.motions.template import MOST_FRAMES, MotionTemplate
from reenact.pipeline.neutral import CandidateReader, most_usual_place
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress, stop_checker
from reenact.pipeline.results import frame_ranges
from reenact.pipeline.shots import ShotReader
from reenact.portrait.painters import DrivingFaces
from reenact.types import CropSpec, FaceGeometry


def record_motion(
    clip: str | pathlib.Path,
    *,
    engine: Engine | None = None,
    tracker: TrackerKind = "own",
    device: str = "auto",
    smoothing: float | bool = 1.0,
    face: int | None = None,
    min_face_score: float = 0.5,
    trim: Trim | None = None,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> tuple[MotionTemplate, tuple[str, ...]]:
    """Track the face of a clip; the result drives as the clip does, in every system and mode.

    It holds no pixels. Without them, teeth and tongue of the driver are not known, and open mouths are painted as for
    edits by hand.

    Args:
        clip: the driving clip.
        engine: its tracker is used; loaded if None.
        tracker: "own", "fan" or "mediapipe", if there is no engine.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps", likewise.
        smoothing: how much the tracker's jitter is filtered; see `VideoTracker`.
        face: number of the face in the first frame with one, 1 is the largest; the largest if None.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        trim: part of the clip that is read; all of it if None. Its frames count from there.
        progress: called after every frame.
        should_stop: called before every frame; True ends the work with `StoppedError`.

    Returns:
        The template, and warnings for the user.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    check = stop_checker(should_stop)
    with VideoReader(clip, trim=trim) as reader, VideoReader(clip, trim=trim) as ahead:
        if engine is None:
            where = select_device(device)
            finder, hidden = load_tracker(tracker, where), load_hidden(where)
        else:
            finder, hidden = engine.tracker, engine.hidden
        finding: dict[str, Any] = {"tracker": finder, "face": face, "min_score": min_face_score}
        expect_face(ahead, check=check, **finding)
        candidates = CandidateReader(ahead, check=check, **finding)
        rest: list[tuple[int, list[FaceGeometry]]] = []

        def find_reference(first: int) -> FaceGeometry | None:
            found, _ = candidates.candidates(first)
            rest.append((first, found))
            return found[most_usual_place(FaceGeometry.cat(found))] if found else None

        info = reader.info
        shots = ShotReader(find_reference, (info.width, info.height))
        flags: list[torch.Tensor] = []

        def read(_: int, frame: Frame, geometry: FaceGeometry, first: int) -> None:
            shots.start(geometry, first)
            if hidden is None:
                flags.append(torch.zeros(3, dtype=torch.uint8))
                return
            image, upright = cut_face(*shots.upright(frame, geometry), CropSpec(), native=False)
            device = next(hidden.parameters()).device
            shown = DrivingFaces(rgb=image.rgb.to(device), mesh_px=upright.mesh_px.to(device))
            flags.append(find_hidden(hidden, shown).to(torch.uint8))

        following = VideoTracker(finder, float(info.fps), smoothing, face=face, min_score=min_face_score)
        faces: list[tuple[int, FaceGeometry]] = []
        count = 0
        for tracked in track_clip(reader, following, read=read, check=check):
            count = tracked.index + 1
            if count > MOST_FRAMES:
                raise UnsupportedInputError(f"{clip} has more than {MOST_FRAMES} frames; cut it into shorter clips.")
            if tracked.geometry is not None:
                faces.append((tracked.index, tracked.geometry))
            progress(count, max(info.frame_count, count), "frames")
        if not faces:
            raise no_face_in(f"any of the {count} frames of {clip}", following.reason)
        template = MotionTemplate(
            name=pathlib.Path(clip).name,
            fps=info.fps,
            width=info.width,
            height=info.height,
            frame_count=count,
            frames=torch.tensor([index for index, _ in faces]),
            faces=FaceGeometry.cat([each for _, each in faces]),
            hidden=torch.stack(flags),
            shots=torch.tensor([first for first, _ in rest]),
            rest_shots=torch.tensor([shot for shot, (_, found) in enumerate(rest) for _ in found], dtype=torch.int64),
            rest=FaceGeometry.cat([each for _, found in rest for each in found] or [faces[0][1][slice(0, 0)]]),
        )
        shown = set(template.frames.tolist())
        missing = [index for index in range(count) if index not in shown]
        notes: tuple[str, ...] = driving_warnings(following.warnings, clip)
        if missing:
            notes += (f"{clip}: no face in {len(missing)} of {count} frames ({frame_ranges(missing)}).",)
        return template, (*notes, *shots.notes(following.cuts, info.fps, clip), *damage_warnings(reader))
