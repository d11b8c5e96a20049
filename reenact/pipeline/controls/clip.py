"""A clip that eases from a source to its edit and back: when it shows how much."""

from collections.abc import Iterator

import numpy as np
import torch

from reenact.errors import ConfigError
from reenact.pipeline.edit_background import Background
from reenact.pipeline.edit_settings import FaceReading
from reenact.pipeline.session import check_timing


def eased(count: int) -> Iterator[float]:
    """Shares of the edit in a clip's frames: from 0 softly to 1 and back to 0."""
    for index in range(count):
        yield float(np.sin(np.pi * index / (count - 1)) ** 2)


def between(own: FaceReading, wanted: FaceReading, share: float) -> FaceReading:
    """A part of the way from one to the other; at 0 and 1 these themselves."""
    if share <= 0 or share >= 1:
        return own if share <= 0 else wanted

    def mixed(first: float, second: float) -> float:
        return first + share * (second - first)

    return FaceReading(
        action_units=torch.lerp(own.action_units, wanted.action_units, share),
        yaw_deg=mixed(own.yaw_deg, wanted.yaw_deg),
        pitch_deg=mixed(own.pitch_deg, wanted.pitch_deg),
        roll_deg=mixed(own.roll_deg, wanted.roll_deg),
    )


def check_clip(seconds: float, fps: int, background: Background) -> None:
    """Refuse a clip that cannot be.

    Raises:
        ConfigError: no length, too long, no frames, or transparent.
    """
    check_timing(seconds, fps)
    if isinstance(background, str) and background == "none":
        raise ConfigError("Clips know no transparency; give a picture as the background, or make a PNG of the edit.")
