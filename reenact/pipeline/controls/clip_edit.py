"""The editor on a source clip: each frame's face is edited where it stands.

frame ── SourceClip ──▶ Source ── what its face does ──▶ edit, or key frames at its time ── pose, render ──▶ frame
"""

import pathlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from reenact.facs import ACTION_UNITS
from reenact.media import VideoWriter, check_output
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.perception.crop import LARGEST_PX
from reenact.pipeline.animate import Restore
from reenact.pipeline.clips.source import SourceClip
from reenact.pipeline.controls.choice import choose_system
from reenact.pipeline.controls.clip import face_between
from reenact.pipeline.controls.encoded import EncodedFace
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.rules import resolve
from reenact.pipeline.controls.settings import FaceEdit
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.progress import Progress, ShouldStop, never, no_progress, stop_checker
from reenact.pipeline.results import VideoResult
from reenact.provenance.origin import SYNTHETIC, Origin
from reenact.systems.catalog import cannot_pose

_FRONTAL = FaceReading(action_units=torch.zeros(len(ACTION_UNITS), 2), yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0)
"""Stands for a clip's face where the system is chosen: it is not known before it has been read."""


def edit_clip(
    source: str | pathlib.Path,
    edit: FaceEdit | KeyFrames,
    out: str | pathlib.Path,
    *,
    engines: Callable[[str], Engine] = load_engine,
    system: str = "auto",
    face: int | None = None,
    min_face_score: float = 0.5,
    max_crop_px: int = LARGEST_PX,
    paste_back: bool = True,
    fps: Fraction | None = None,
    restore: Restore | None = None,
    overwrite: bool = False,
    origin: Origin = SYNTHETIC,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> VideoResult:
    """Edit the face in every frame of a clip; its rate and sound are kept. Memory does not grow with its length.

    Args:
        source: the clip. Frames without a face stay as they are.
        edit: relative values are added to what the face does in each frame, absolute ones replace it. Key frames count
            from the clip's beginning; the last one is held to its end.
        out: .mp4, .mov, .mkv, .webm, .gif or .webp; the file appears complete or not at all.
        engines: from a system's id to its engine.
        system: the id of the system that draws; "auto" chooses by the edit's angles.
        face: number of the face in the first frame with one, 1 is the largest; the largest if None.
        min_face_score: certainty, 0 to 1, from which on a detection counts as a face.
        max_crop_px: larger faces are redrawn at this side.
        paste_back: results are whole frames; otherwise the square around the face.
        fps: frames a second; the clip's own if None.
        restore: applied to the faces that are drawn, such as `load_restorer()`.
        overwrite: whether an existing file may be replaced.
        origin: metadata and marks of the file; metadata alone by default.
        progress: called after every frame.
        should_stop: called before every frame; True ends the work with `StoppedError`, and no file is left behind.

    Raises:
        ReenactError: one of its children, with a text for the user.
    """
    path = pathlib.Path(out)
    check_output(path, overwrite=overwrite, suffixes=VIDEO_SUFFIXES, inputs={"source": source})
    edits = [frame.edit for frame in edit.frames] if isinstance(edit, KeyFrames) else [edit]
    is_source = all(each.is_empty for each in edits)
    choice = choose_system(system, _FRONTAL, [resolve(each, _FRONTAL) for each in edits])
    options: dict[str, Any] = {"face": face, "min_score": min_face_score, "largest_px": max_crop_px}
    with SourceClip(source, fps=fps, paste_back=paste_back, **options) as clip:
        engine = engines(choice.system)
        if not engine.system.can_pose:
            raise cannot_pose(engine.system.system)
        clip.start(engine, stop_checker(should_stop))
        info, last = clip.info, None
        writer = VideoWriter(
            path,
            width=clip.size[0],
            height=clip.size[1],
            fps=info.fps,
            audio_from=clip.path if info.has_audio else None,
            overwrite=overwrite,
            origin=None if is_source else origin,
        )
        with writer:
            for index, each in enumerate(clip.frames()):
                if each.source is None:
                    shown = clip.unchanged(each.frame)
                else:
                    drawn = EncodedFace(each.source, engine.system, paste_back=paste_back, restore=restore)
                    shown = drawn.draw(_target(edit, float(index / info.fps), drawn.reading)).rgb
                last = last if shown is None else clip.fit(shown)
                if last is not None:  # crops begin with the first face
                    writer.write(last)
                progress(index + 1, max(info.frame_count, index + 1), "frames")
        return VideoResult(
            path=path,
            width=clip.size[0],
            height=clip.size[1],
            fps=writer.written_fps,
            frame_count=writer.frame_count,
            missing=(),
            warnings=(*(() if is_source else (choice.note,)), *clip.notes()),
            system=None if is_source else engine.system.system,
        )


def _target(edit: FaceEdit | KeyFrames, time_s: float, own: FaceReading) -> FaceReading:
    """What the face is to do at a time."""
    return face_between(edit.at(time_s), own) if isinstance(edit, KeyFrames) else resolve(edit, own)
