"""The sliders of the head pose: what they are called, what a visitor's browser sends, and the turn it asks for."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reenact.space.controls import Control, head_angles, named
from reenact.space.inputs import chosen_face, given_source

if TYPE_CHECKING:
    from reenact.pipeline.turn import HeadReading, HeadTurn

GROUPS: dict[str, tuple[Control, ...]] = {"Head": head_angles(yaw=90.0, pitch=45.0, roll=45.0)}
"""As far as `reenact.pipeline.turn` turns heads; written down here because importing it takes seconds that the page
need not wait for."""

CONTROLS: dict[str, Control] = named(GROUPS)
"""The sliders by name, in the order of the page."""

Angles = dict[str, float]
"""Of all sliders by name, degrees. NaN: the number beside the slider was deleted."""

VIEWS: dict[str, Angles] = {
    "← 90°": {"yaw": -90.0},
    "← 45°": {"yaw": -45.0},
    "Front": {"yaw": 0.0, "pitch": 0.0, "roll": 0.0},
    "45° →": {"yaw": 45.0},
    "90° →": {"yaw": 90.0},
}
"""Buttons that set sliders; arrows as the viewer sees it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WantedPose:
    """A source, and how its head shall stand."""

    source: str
    """Name of its file."""
    face: int | None
    paste_back: bool
    angles: Angles

    @classmethod
    def read(cls, inputs: Sequence[Any]) -> "WantedPose":
        """From the values of `PosePanel.wanted`.

        Raises:
            gr.Error: there is no source.
        """
        source, face, paste_back, *values = inputs
        return cls(
            source=given_source(source),
            face=chosen_face(face),
            paste_back=paste_back,
            angles={name: float(value) for name, value in zip(CONTROLS, values, strict=True)},
        )

    @property
    def names(self) -> dict[str, str]:
        """For `told`."""
        return {self.source: "the source picture"}


def angles_of(reading: "HeadReading") -> Angles:
    """How a head stands, as the sliders show it."""
    return {name: control.rounded(getattr(reading, f"{name}_deg")) for name, control in CONTROLS.items()}


def turn_of(angles: Mapping[str, float], own: Mapping[str, float]) -> "HeadTurn":
    """The turn that the sliders ask for: one that shows the source's own angle, or nothing, asks for none.

    Args:
        angles: of all sliders.
        own: what they show of the source.
    """
    from reenact.pipeline.turn import HeadTurn

    moved = {
        name: angles[name]
        for name, control in CONTROLS.items()
        if not math.isnan(angles[name]) and control.differ(angles[name], own[name])
    }
    return HeadTurn(**{f"{name}_deg": moved.get(name) for name in CONTROLS})
