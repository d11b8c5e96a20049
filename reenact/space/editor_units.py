"""What the editor's sliders are called: Action Units by FACS number and plain name, and the head's angles."""

import dataclasses
from collections.abc import Iterator

from reenact.space.controls import Control, head_angles, named

HIGHEST_UNIT = 5.0


def _unit(number: int, plain: str, facs: str) -> tuple[Control, ...]:
    return (_control(str(number), f"AU{number} {plain} ({facs})"),)


def _sided(number: int, plain: str, facs: str) -> tuple[Control, ...]:
    whole = str(number)
    return (
        dataclasses.replace(_control(whole, f"AU{number} {plain} ({facs})"), sided=True),
        dataclasses.replace(_control(f"{number}L", f"AU{number} {plain}, left"), whole=whole),
        dataclasses.replace(_control(f"{number}R", f"AU{number} {plain}, right"), whole=whole),
    )


def _control(name: str, label: str) -> Control:
    return Control(name=name, label=label, lowest=0.0, highest=HIGHEST_UNIT, step=0.1)


GROUPS: dict[str, tuple[Control, ...]] = {
    "Brows": (
        *_unit(1, "Inner brows up", "inner brow raiser"),
        *_sided(2, "Outer brows up", "outer brow raiser"),
        *_unit(4, "Brows down", "brow lowerer"),
    ),
    "Eyes": (
        *_unit(5, "Eyes wide", "upper lid raiser"),
        *_unit(6, "Cheeks up", "cheek raiser"),
        *_unit(7, "Eyes narrowed", "lid tightener"),
        *_sided(45, "Eyes closed", "blink"),
    ),
    "Nose": _unit(9, "Nose wrinkled", "nose wrinkler"),
    "Mouth": (
        *_unit(10, "Upper lip up", "upper lip raiser"),
        *_sided(12, "Smile", "lip corner puller"),
        *_sided(14, "Dimples", "dimpler"),
        *_sided(15, "Corners down", "lip corner depressor"),
        *_unit(17, "Chin up", "chin raiser"),
        *_unit(20, "Mouth wide", "lip stretcher"),
        *_unit(23, "Lips tight", "lip tightener"),
        *_unit(25, "Lips apart", "lips part"),
        *_unit(26, "Mouth open", "jaw drop"),
    ),
    "Head": head_angles(yaw=90.0, pitch=45.0, roll=45.0),
}
"""Sliders by part of the face, in the order of the page."""

CONTROLS: dict[str, Control] = named(GROUPS)
"""All sliders by name, in the order of the page."""

PRESET_NAMES = {
    "smile": "Smile",
    "grin": "Grin",
    "surprise": "Surprise",
    "wink": "Wink",
    "frown": "Frown",
    "disgust": "Disgust",
    "sleepy": "Sleepy",
    "neutral": "Neutral",
}
"""What the page calls each of `reenact.pipeline.controls.PRESETS`; written down here because importing them takes
seconds that the page need not wait for."""


def sided_units() -> Iterator[tuple[str, str, str]]:
    """Names of the whole unit, its left and its right half."""
    for name, control in CONTROLS.items():
        if control.sided:
            yield name, *control.sides


def shown(apart: bool) -> dict[str, bool]:
    """Which sliders are visible.

    Args:
        apart: whether left and right have sliders of their own.
    """
    return {
        name: control.is_side == apart if control.is_side or control.sided else True
        for name, control in CONTROLS.items()
    }
