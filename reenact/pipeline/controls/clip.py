"""Clips of edits: their settings and their timing."""

import pathlib
from collections.abc import Iterator

import numpy as np
import torch

from reenact.errors import ConfigError
from reenact.media import check_output
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.pipeline.controls.background import Background
from reenact.pipeline.controls.reading import FaceReading

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
