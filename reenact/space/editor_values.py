"""From what the sliders show to an edit, and back.

A slider that shows the source's own value asks for nothing: the source does not do 1.3 but 1.2871, and a slider left
alone must not change that. So an untouched editor gives the source, bit for bit.
"""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from reenact.errors import ConfigError
from reenact.space.editor_units import CONTROLS, shown, sided_units

if TYPE_CHECKING:
    from reenact.pipeline.controls.settings import EditMode, FaceEdit, FaceReading

ANGLES = ("yaw", "pitch", "roll")

Values = dict[str, float]
"""Of all sliders by name; FACS intensity 0 to 5 and degrees. NaN: the number beside the slider was deleted."""


def values_of(reading: "FaceReading") -> Values:
    """What a face does, as the sliders show it."""
    return {name: control.rounded(reading.of(name)) for name, control in CONTROLS.items()}


def edit_of(values: Mapping[str, float], own: Mapping[str, float], *, apart: bool) -> "FaceEdit":
    """The edit that the visible sliders ask for.

    Args:
        values: of all sliders.
        own: what they show of the source.
        apart: whether left and right have sliders of their own.
    """
    from reenact.pipeline.controls import FaceEdit

    visible, values = shown(apart), _without_gaps(values, own)
    changed = {
        name: values[name] for name in CONTROLS if visible[name] and CONTROLS[name].differ(values[name], own[name])
    }
    return FaceEdit(
        mode="absolute",
        action_units={name: value for name, value in changed.items() if name not in ANGLES},
        **{f"{angle}_deg": changed.get(angle) for angle in ANGLES},
    )


def applied(edit: "FaceEdit", reading: "FaceReading") -> tuple[Values, bool]:
    """Sliders that ask for an edit of a face, and whether it takes left and right apart.

    Where the edit contradicts itself or the face, they show what it asks for, not what can be drawn.
    """
    from reenact.pipeline.controls.settings import unit_name

    values = values_of(reading)

    def set_to(name: str, value: float) -> None:
        start = reading.of(name) if edit.mode == "relative" else 0.0
        values[name] = CONTROLS[name].rounded(start + value)

    names = {unit_name(name): value for name, value in edit.action_units.items()}
    for name in sorted(names, key=len):  # "12" before "12L", which goes before it
        control = CONTROLS[name]
        for each in (name, *control.sides) if control.sided else (name,):
            set_to(each, names[name])
        if control.whole is not None:
            whole = CONTROLS[control.whole]
            values[whole.name] = whole.rounded(sum(values[side] for side in whole.sides) / 2)
    for angle in ANGLES:
        value = getattr(edit, f"{angle}_deg")
        if value is not None:
            set_to(angle, value)
    return values, any(CONTROLS[name].is_side for name in names)


def taken_apart(values: Mapping[str, float], own: Mapping[str, float]) -> Values:
    """Sides that do what the whole unit did; the source's own where that was untouched."""
    values = _without_gaps(values, own)
    sides = dict(values)
    for whole, left, right in sided_units():
        touched = CONTROLS[whole].differ(values[whole], own[whole])
        sides |= {side: values[whole] if touched else own[side] for side in (left, right)}
    return sides


def put_together(values: Mapping[str, float], own: Mapping[str, float]) -> Values:
    """Whole units that do the mean of their sides; the source's own where both were untouched."""
    values = _without_gaps(values, own)
    wholes = dict(values)
    for whole, left, right in sided_units():
        touched = any(CONTROLS[side].differ(values[side], own[side]) for side in (left, right))
        mean = CONTROLS[whole].rounded((values[left] + values[right]) / 2)
        wholes[whole] = mean if touched else own[whole]
    return wholes


def named_edit(settings: Any, *, mode: "EditMode") -> "FaceEdit":
    """The edit that a program asks for.

    Args:
        settings: the content of a settings file, or values by name: {"12": 3.5, "45L": 5, "yaw": 20}.
        mode: of values by name; a settings file says its own.

    Raises:
        ConfigError: neither of the two, or a name or value that there is not.
    """
    from reenact.pipeline.controls import FaceEdit

    if not isinstance(settings, dict):
        raise ConfigError('The settings have to be an object: a saved edit, or values such as {"12": 3.5, "yaw": 20}.')
    fields = cast(dict[str, Any], settings)
    if "kind" in fields:
        return FaceEdit.from_json(json.dumps(fields))
    values = {name: _number(name, value) for name, value in fields.items() if value is not None}
    return FaceEdit(
        mode=mode,
        action_units={name: value for name, value in values.items() if name not in ANGLES},
        **{f"{angle}_deg": values.get(angle) for angle in ANGLES},
    )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} is set to {value!r}; it takes a number, such as 3.5.")
    return float(value)


def _without_gaps(values: Mapping[str, float], own: Mapping[str, float]) -> Values:
    """The source's own value where a number was deleted."""
    return {name: own[name] if math.isnan(value) else value for name, value in values.items()}
