"""What the browser sends with every request of the editor, and the edit that follows from it.

A slider that shows the source's own value changes nothing. The source's exact value is 1.2871 rather than the 1.3 that
the slider shows, so an untouched slider is left out of the edit, and an untouched editor gives the source bit for bit.
"""

import dataclasses
import json
import math
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from reenact.errors import ConfigError
from reenact.pipeline.controls.settings import PAGE, EditMode, FaceEdit, edit_of_values
from reenact.space.widgets.answers import message
from reenact.space.widgets.inputs import chosen_face, given_file
from reenact.space.widgets.sliders import CONTROLS, Values, is_visible, sided_units

if TYPE_CHECKING:
    from reenact.pipeline.controls.background import Background
    from reenact.pipeline.controls.reading import FaceReading

KEEP, NONE, PICTURE = "keep", "none", "picture"
"""Choices of the background."""

_LARGEST_SETTINGS_BYTES = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A source, and how to redraw it."""

    source: str
    """Path of its file."""
    face: int | None
    paste_back: bool
    system: str
    """ "auto", or the id of the system that draws."""
    background: str
    """KEEP, NONE or PICTURE."""
    picture: str | None
    """Path of the background's file."""
    apart: bool = False
    """Whether left and right have sliders of their own."""
    values: Values = dataclasses.field(default_factory=Values)
    """Empty in requests of programs, which send an edit instead."""

    @classmethod
    def read(cls, inputs: Sequence[Any]) -> "Request":
        """From the values of `Editor.inputs`.

        Raises:
            gr.Error: there is no source.
        """
        source, face, paste_back, system, background, picture, apart, *values = inputs
        return cls(
            source=given_file(source, "source picture"),
            face=chosen_face(face),
            paste_back=paste_back,
            system=system,
            background=background,
            picture=picture,
            apart=apart,
            values={name: float(value) for name, value in zip(CONTROLS, values, strict=True)},
        )

    @property
    def names(self) -> dict[str, str]:
        """Names of the input files as messages show them."""
        names = {self.source: "the source picture"}
        return names if self.picture is None else {self.picture: "the background picture"} | names

    def full_background(self) -> "Background":
        """The background as the pipeline takes it.

        Raises:
            gr.Error: a picture was chosen, and there is none.
        """
        if self.background == PICTURE:
            return pathlib.Path(given_file(self.picture, "background picture", advice="give one"))
        return "none" if self.background == NONE else None


def values_of(reading: "FaceReading") -> Values:
    """What a face does, as the sliders show it."""
    return {name: control.rounded(reading.of(name)) for name, control in CONTROLS.items()}


def edit_of(values: Mapping[str, float], own: Mapping[str, float], *, apart: bool, relative: bool = False) -> FaceEdit:
    """The edit that the visible sliders describe.

    Args:
        values: of all sliders.
        own: what they show of the source.
        apart: whether left and right have sliders of their own.
        relative: whether the edit holds differences from `own` rather than the values themselves.
    """
    values = _without_gaps(values, own)
    names = {name for name, control in CONTROLS.items() if is_visible(control, apart=apart)}
    for whole, *sides in sided_units():
        if not apart and _shows_sides(values, own, whole):
            names = names - {whole} | {*sides}
    changed = {
        name: round(values[name] - own[name], 6) if relative else values[name]
        for name, control in CONTROLS.items()
        if name in names and control.differ(values[name], own[name])
    }
    return edit_of_values(changed, "relative" if relative else "absolute")


def named_edit(settings: Any, *, mode: EditMode) -> FaceEdit:
    """The edit that a program sends.

    Args:
        settings: the content of a settings file, or values by name: {"12": 3.5, "45L": 5, "yaw": 20}; None for none.
        mode: of values by name. A settings file holds its own.

    Raises:
        ConfigError: neither of the two, or an unknown name or value.
    """
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise ConfigError('The settings have to be an object: a saved edit, or values such as {"12": 3.5, "yaw": 20}.')
    fields = cast(dict[str, Any], settings)
    if "kind" in fields:
        return FaceEdit.from_json(json.dumps(fields))
    return edit_of_values({name: read_number(name, value) for name, value in fields.items() if value is not None}, mode)


def read_settings(file: str) -> tuple[FaceEdit, dict[str, Any]]:
    """The edit in a settings file, and what the page set beside it.

    Raises:
        ReenactError: it is not one.
        gr.Error: it is too large to be one.
    """
    text = small_text(file)
    edit = FaceEdit.from_json(text, name="The settings")
    page = json.loads(text).get(PAGE)
    return edit, cast(dict[str, Any], page) if isinstance(page, dict) else {}


def small_text(file: str) -> str:
    """The text of a file that the editor saved.

    Raises:
        gr.Error: it is too large to be one.
    """
    path = pathlib.Path(file)
    if path.stat().st_size > _LARGEST_SETTINGS_BYTES:
        raise message("The file is too large to be one that the editor saved; give another one.")
    return path.read_bytes().decode("utf-8", errors="replace")


def applied(edit: FaceEdit, reading: "FaceReading") -> tuple[Values, bool]:
    """Slider values that describe an edit of a face, and whether it sets left and right apart.

    Where the edit contradicts itself or the face, they show what it says, not what can be drawn.
    """
    values, names = values_of(reading), set[str]()
    for name in sorted(edit.action_units, key=len):  # "12" before "12L", which overrides it
        control, value = CONTROLS[name], edit.action_units[name]
        for each in (name, *control.sides) if control.sided else (name,):
            values[each] = _slider_value(each, value, edit, reading)
        if control.whole is not None:
            whole = CONTROLS[control.whole]
            values[whole.name] = whole.rounded(sum(values[side] for side in whole.sides) / 2)
        names.add(name)
    values |= {name: _slider_value(name, value, edit, reading) for name, value in edit.values.items()}
    return values, any(CONTROLS[name].is_side for name in names)


def with_sides_apart(values: Mapping[str, float], own: Mapping[str, float]) -> Values:
    """Both sides get the value of the whole unit, or the source's own where that was untouched.

    Sides that the whole unit shows as their mean stay as they are.
    """
    values = _without_gaps(values, own)
    sides = dict(values)
    for whole, left, right in sided_units():
        if _shows_sides(values, own, whole):
            continue
        touched = CONTROLS[whole].differ(values[whole], own[whole])
        sides |= {side: values[whole] if touched else own[side] for side in (left, right)}
    return sides


def with_sides_together(values: Mapping[str, float], own: Mapping[str, float]) -> Values:
    """Whole units get the mean of their sides, or the source's own where both were untouched."""
    values = _without_gaps(values, own)
    wholes = dict(values)
    for whole, left, right in sided_units():
        touched = any(CONTROLS[side].differ(values[side], own[side]) for side in (left, right))
        mean = CONTROLS[whole].rounded((values[left] + values[right]) / 2)
        wholes[whole] = mean if touched else own[whole]
    return wholes


def _shows_sides(values: Mapping[str, float], own: Mapping[str, float], whole: str) -> bool:
    """Whether a unit's slider was moved to the mean of its sides, which a preset set apart."""
    control = CONTROLS[whole]
    mean = control.rounded(sum(values[side] for side in control.sides) / 2)
    moved = any(CONTROLS[side].differ(values[side], own[side]) for side in control.sides)
    return moved and control.differ(values[whole], own[whole]) and not control.differ(values[whole], mean)


def _slider_value(name: str, value: float, edit: FaceEdit, reading: "FaceReading") -> float:
    return CONTROLS[name].rounded(value + (reading.of(name) if edit.mode == "relative" else 0.0))


def read_number(name: str, value: object) -> float:
    """A number that a visitor or a program sent.

    Args:
        name: what the error calls it.
        value: what was sent.

    Raises:
        ConfigError: no number.
    """
    is_huge = isinstance(value, int) and abs(value) > sys.float_info.max
    if isinstance(value, bool) or not isinstance(value, (int, float)) or is_huge:
        raise ConfigError(f"{name} is set to {value!r}; it takes a number, such as 3.5.")
    return float(value)


def _without_gaps(values: Mapping[str, float], own: Mapping[str, float]) -> Values:
    """The source's own value where a number was deleted."""
    return {name: own[name] if math.isnan(value) else value for name, value in values.items()}
