"""Clips of edits: their timing, and how they are written."""

import pathlib
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import torch

from reenact.errors import ConfigError
from reenact.media import VideoWriter, check_output
from reenact.media.frame import Frame
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.pipeline.controls.background import Background
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.progress import Progress, ShouldStop, stop_checker
from reenact.pipeline.results import COMMENT, VideoResult

_LONGEST_S, _HIGHEST_FPS = 60.0, 120


def check_clip(out: str | pathlib.Path, *, seconds: float, fps: int, background: Background, overwrite: bool) -> int:
    """The number of frames of a clip, two at least.

    Raises:
        OutputError: the file exists already or is no clip.
        ConfigError: no length, too long, too many frames a second, or transparent.
    """
    check_output(pathlib.Path(out), overwrite=overwrite, suffixes=VIDEO_SUFFIXES)
    if not 0 < seconds <= _LONGEST_S:
        raise ConfigError(f"The length of the clip is {seconds:g} s; it takes more than 0 and up to {_LONGEST_S:g} s.")
    if not 1 <= fps <= _HIGHEST_FPS:
        raise ConfigError(f"The clip is set to {fps} frames a second; it takes 1 to {_HIGHEST_FPS}.")
    if isinstance(background, str) and background == "none":
        raise ConfigError("Clips cannot be transparent; give a picture as the background, or save the edit as a PNG.")
    return max(round(seconds * fps), 2)


def eased(count: int) -> Iterator[float]:
    """Share of the edit in each frame: smoothly from 0 to 1 and back to 0."""
    for index in range(count):
        yield float(np.sin(np.pi * index / (count - 1)) ** 2)


def between(own: FaceReading, target: FaceReading, share: float) -> FaceReading:
    """A mixture of two faces: `own` at 0, `target` at 1."""
    if share <= 0 or share >= 1:
        return own if share <= 0 else target

    def mixed(first: float, second: float) -> float:
        return first + share * (second - first)

    return FaceReading(
        action_units=torch.lerp(own.action_units, target.action_units, share),
        yaw_deg=mixed(own.yaw_deg, target.yaw_deg),
        pitch_deg=mixed(own.pitch_deg, target.pitch_deg),
        roll_deg=mixed(own.roll_deg, target.roll_deg),
    )


def write_clip(
    out: pathlib.Path,
    frames: Iterable[Frame],
    *,
    size: tuple[int, int],
    count: int,
    fps: int,
    overwrite: bool,
    progress: Progress,
    should_stop: ShouldStop,
    warnings: tuple[str, ...],
    system: str | None,
) -> VideoResult:
    """Draw and write a clip frame by frame; the file appears complete or not at all.

    Args:
        out: the file.
        frames: are drawn while they are written.
        size: width and height of the frames.
        count: number of frames.
        fps: frames a second.
        overwrite: whether an existing file may be replaced.
        progress: called after every frame.
        should_stop: called before every frame.
        warnings: for the result.
        system: for the result.

    Raises:
        StoppedError: `should_stop` returned True.
        OutputError: the file cannot be written.
    """
    check, drawn, (width, height) = stop_checker(should_stop), iter(frames), size
    writer = VideoWriter(out, width=width, height=height, fps=Fraction(fps), overwrite=overwrite, comment=COMMENT)
    with writer:
        for index in range(count):
            check()
            writer.write(next(drawn))
            progress(index + 1, count, "frames")
    return VideoResult(
        path=out,
        width=width,
        height=height,
        fps=Fraction(fps),
        frame_count=writer.frame_count,
        missing=(),
        warnings=warnings,
        system=system,
    )
