"""The editor's sliders: Action Units by FACS number and plain name, and the head's angles."""

import dataclasses
from collections.abc import Iterator

from reenact.facs import FACS_MAXIMUM, SIDED_UNITS
from reenact.pipeline.controls.settings import LARGEST


@dataclasses.dataclass(frozen=True, kw_only=True)
class Control:
    """One slider."""

    name: str
    """Of `reenact.FaceEdit`: "12", "12L", or a name in `LARGEST`, such as "yaw"."""
    label: str
    lowest: float
    highest: float
    step: float
    """Values are shown, and compared with the source's own, at this resolution."""
    info: str | None = None
    whole: str | None = None
    """For one side of the face: the unit that it is half of."""
    sided: bool = False
    """Whether its two sides have sliders, too."""

    @property
    def is_side(self) -> bool:
        """Whether it belongs to one side of the face."""
        return self.whole is not None

    @property
    def sides(self) -> tuple[str, str]:
        """Names of its left and its right half."""
        return f"{self.name}L", f"{self.name}R"

    def rounded(self, value: float) -> float:
        """The value within the range, on a step."""
        value = min(max(value, self.lowest), self.highest)
        return round(round(value / self.step) * self.step, 6) + 0.0  # no minus zero

    def differ(self, first: float, second: float) -> bool:
        """Whether the slider shows two values as different."""
        return abs(first - second) >= self.step / 2


def _unit(number: int, plain: str, facs: str) -> tuple[Control, ...]:
    """Sliders of an Action Unit, and of its sides."""
    whole = Control(name=str(number), label=f"AU{number} {plain} ({facs})", lowest=0.0, highest=FACS_MAXIMUM, step=0.1)
    if number not in SIDED_UNITS:
        return (whole,)
    left, right = (
        dataclasses.replace(
            whole, name=f"{number}{side[0].upper()}", label=f"AU{number} {plain}, {side}", whole=whole.name
        )
        for side in ("left", "right")
    )
    return dataclasses.replace(whole, sided=True), left, right


_DIRECTIONS = {
    "yaw": "Degrees towards the person's left",
    "pitch": "Degrees down",
    "roll": "Degrees towards the person's right shoulder",
    "gaze_yaw": "Degrees towards the person's left",
    "gaze_pitch": "Degrees down",
    "right": "Per cent of the face's square",
    "down": "Per cent of the face's square",
    "zoom": "Per cent",
    "pucker": "Pursed, or widened below 0",
}


def angle_info(name: str, limit_deg: float | None = None) -> str:
    """What an angle means; `limit_deg`: largest difference from the source's own that the chosen system draws well."""
    limit = "" if limit_deg is None else f" FACEGAN reaches {limit_deg:.0f}° from the source's own; beyond, it smears."
    return f"{_DIRECTIONS[name]}.{limit}"


def _value(name: str, label: str, step: float = 1.0) -> Control:
    largest = LARGEST[name]
    return Control(name=name, label=label, lowest=-largest, highest=largest, step=step, info=angle_info(name))


GROUPS: dict[str, tuple[Control, ...]] = {
    "Brows": (
        *_unit(1, "Inner brows up", "inner brow raiser"),
        *_unit(2, "Outer brows up", "outer brow raiser"),
        *_unit(4, "Brows down", "brow lowerer"),
    ),
    "Eyes": (
        *_unit(5, "Eyes wide", "upper lid raiser"),
        *_unit(6, "Cheeks up", "cheek raiser"),
        *_unit(7, "Eyes narrowed", "lid tightener"),
        *_unit(45, "Eyes closed", "blink"),
        _value("gaze_yaw", "Look aside (gaze)"),
        _value("gaze_pitch", "Look down (gaze)"),
    ),
    "Nose": _unit(9, "Nose wrinkled", "nose wrinkler"),
    "Mouth": (
        *_unit(10, "Upper lip up", "upper lip raiser"),
        *_unit(12, "Smile", "lip corner puller"),
        *_unit(14, "Dimples", "dimpler"),
        *_unit(15, "Corners down", "lip corner depressor"),
        *_unit(17, "Chin up", "chin raiser"),
        *_unit(20, "Mouth wide", "lip stretcher"),
        *_unit(23, "Lips tight", "lip tightener"),
        *_unit(25, "Lips apart", "lips part"),
        *_unit(26, "Mouth open", "jaw drop"),
        _value("pucker", "Pout (lips pursed)", 0.1),
    ),
    "Head": (
        _value("yaw", "Turn (yaw)"),
        _value("pitch", "Nod (pitch)"),
        _value("roll", "Tilt (roll)"),
        _value("right", "Move right"),
        _value("down", "Move down"),
        _value("zoom", "Larger (zoom)"),
    ),
}
"""Sliders by part of the face, in the order of the page."""

CONTROLS: dict[str, Control] = {control.name: control for group in GROUPS.values() for control in group}
"""All sliders by name, in the order of the page."""

Values = dict[str, float]
"""Of all sliders by name: FACS intensity 0 to 5, and degrees. NaN: the number beside the slider was deleted."""

VIEWS: dict[str, Values] = {
    "← 90°": {"yaw": -90.0},
    "← 45°": {"yaw": -45.0},
    "Front": {"yaw": 0.0, "pitch": 0.0, "roll": 0.0},
    "45° →": {"yaw": 45.0},
    "90° →": {"yaw": 90.0},
}
"""Buttons that set the head's angles; arrows as the viewer sees them."""


def sided_units() -> Iterator[tuple[str, str, str]]:
    """Names of each sided unit, its left and its right half."""
    for name, control in CONTROLS.items():
        if control.sided:
            yield name, *control.sides


def is_visible(control: Control, *, apart: bool) -> bool:
    """Whether a slider is shown; `apart`: left and right have sliders of their own."""
    return control.is_side == apart if control.is_side or control.sided else True
