"""Clips of edits: their settings and their timing."""

import pathlib
from collections.abc import Iterator

import numpy as np
import torch

from reenact.errors import ConfigError
from reenact.media import check_output
from reenact.media.video_writer import VIDEO_SUFFIXES
from reenact.pipeline.controls.background import Background
from reenact.pipeline.controls.keyframes import Between
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.rules import resolve
from reenact.pipeline.controls.settings import FIELDS, check_timing


def check_clip(out: str | pathlib.Path, *, seconds: float, fps: int, background: Background, overwrite: bool) -> int:
    """The number of frames of a clip, two at least.

    Raises:
        OutputError: the file exists already or is no clip.
        ConfigError: no length, too long, too many frames a second, or transparent.
    """
    check_output(pathlib.Path(out), overwrite=overwrite, suffixes=VIDEO_SUFFIXES)
    check_timing(seconds, fps)
    if isinstance(background, str) and background == "none":
        raise ConfigError("Clips cannot be transparent; give a picture as the background, or save the edit as a PNG.")
    return max(round(seconds * fps), 2)


def eased(count: int) -> Iterator[float]:
    """Share of the edit in each frame: smoothly from 0 to 1 and back to 0."""
    for index in range(count):
        yield float(np.sin(np.pi * index / (count - 1)) ** 2)


def face_between(place: Between, own: FaceReading) -> FaceReading:
    """The face at a time between key frames.

    Args:
        place: the time.
        own: what the source does.
    """
    return between(resolve(place.first, own), resolve(place.second, own), place.share)


def between(own: FaceReading, target: FaceReading, share: float) -> FaceReading:
    """A mixture of two faces: `own` at 0, `target` at 1."""
    if share <= 0 or share >= 1:
        return own if share <= 0 else target

    values = {field: own.of(name) + share * (target.of(name) - own.of(name)) for name, field in FIELDS.items()}
    return FaceReading(action_units=torch.lerp(own.action_units, target.action_units, share), **values)
