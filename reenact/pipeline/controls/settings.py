"""The settings of the editor: Action Units and head angles by name, in FACS intensities and degrees, and as JSON."""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from typing import Any, Literal, cast

from reenact.errors import ConfigError, one_line
from reenact.facs import FACS_MAXIMUM, unit_name

FORMAT_VERSION = 1
"""Newest version of the JSON that can be read."""
KIND = "reenact-edit"
PAGE = "page"
"""Name in the JSON for what the page sets beside the edit."""

LARGEST_DEG = {"yaw": 90.0, "pitch": 45.0, "roll": 45.0, "gaze_yaw": 30.0, "gaze_pitch": 20.0}
"""Largest angle to either side: of the head, and of the eyes in it."""
LARGEST = LARGEST_DEG | {"right": 20.0, "down": 20.0, "zoom": 20.0, "pucker": FACS_MAXIMUM}
"""Largest value to either side, of everything but Action Units: degrees, per cent, and a strength as that of units."""
ANGLES = ("yaw", "pitch", "roll")
"""Of the head."""
FIELDS = {
    **{name: f"{name}_deg" for name in LARGEST_DEG},
    **{name: f"{name}_percent" for name in ("right", "down", "zoom")},
    "pucker": "pucker",
}
"""Names in `FaceEdit` and in files."""
_LARGEST_IN_FILES_DEG = 90.0
"""Older settings files may hold this much pitch and roll."""

LONGEST_S, _HIGHEST_FPS = 60.0, 120
"""Of clips that are made of a photo."""

EditMode = Literal["relative", "absolute"]
"""relative: values are added to the source's own. absolute: values replace the source's own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceEdit:
    """What to change in a face; everything that is not named stays as in the source.

    Raises:
        ConfigError: an unknown unit, a side of a unit without sides, or a value out of range.
    """

    action_units: Mapping[str, float] = dataclasses.field(default_factory=dict[str, float])
    """FACS intensity by unit: "12", or "12L" and "12R" (the person's left and right) for `SIDED_UNITS`. A side
    overrides the whole unit. Absolute: 0 to 5. Relative: -5 to 5, and the sum is clamped to 0 to 5."""
    yaw_deg: float | None = None
    """To the person's left, -90 to 90. Relative or absolute, like the units. None: unchanged."""
    pitch_deg: float | None = None
    """Down, -45 to 45."""
    roll_deg: float | None = None
    """Towards the person's right shoulder, -45 to 45."""
    gaze_yaw_deg: float | None = None
    """Turn of the eyes in the head to the person's left, -30 to 30; absolute 0 looks straight ahead."""
    gaze_pitch_deg: float | None = None
    """Turn of the eyes in the head down, -20 to 20."""
    right_percent: float | None = None
    """Shift of the head to the right of the picture, per cent of the crop's side, -20 to 20; the same in both modes."""
    down_percent: float | None = None
    """Shift of the head downwards, -20 to 20."""
    zoom_percent: float | None = None
    """By how much larger the head is, -20 to 20."""
    pucker: float | None = None
    """Lips pursed (up to 5) or widened (down to -5)."""
    mode: EditMode = "relative"
    """See `EditMode`; holds for units and angles."""

    def __post_init__(self) -> None:
        if self.mode not in ("relative", "absolute"):
            raise ConfigError(f'"mode" has to be "relative" or "absolute", not {self.mode!r}.')
        units = {unit_name(name): self._checked_unit(name, value) for name, value in self.action_units.items()}
        object.__setattr__(self, "action_units", units)
        for name, value in self.values.items():
            object.__setattr__(self, FIELDS[name], checked_value(name, value))

    def _checked_unit(self, name: str, value: float) -> float:
        lowest = 0.0 if self.mode == "absolute" else -FACS_MAXIMUM
        if not is_number(value) or not lowest <= value <= FACS_MAXIMUM:
            what = "an intensity" if self.mode == "absolute" else "a change of intensity"
            raise ConfigError(
                f"AU{unit_name(name)} is set to {value}; it takes {what} from {lowest:g} to {FACS_MAXIMUM:g}."
            )
        return float(value)

    @property
    def values(self) -> dict[str, float]:
        """What it names beside Action Units, by the names of `LARGEST`."""
        values = {name: getattr(self, field) for name, field in FIELDS.items()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return not self.action_units and not self.values

    def over(self, below: "FaceEdit") -> "FaceEdit":
        """This edit on top of another; values of this one win.

        Raises:
            ConfigError: one is relative, the other absolute.
        """
        if below.is_empty or self.is_empty:
            return below if self.is_empty else self
        if self.mode != below.mode:
            raise ConfigError(
                f"One edit is {below.mode} and the other {self.mode}, so they cannot be joined; "
                "make both relative or both absolute."
            )
        # a whole unit overrides the sides set below
        whole = {name for name in self.action_units if name.isdecimal()}
        kept = {name: value for name, value in below.action_units.items() if name.rstrip("LR") not in whole}
        return edit_of_values(kept | dict(self.action_units) | below.values | self.values, self.mode)

    def to_json(self, *, page: Mapping[str, object] | None = None) -> str:
        """The edit as text; `from_json` reads it back.

        Args:
            page: what the page sets beside the edit; only the page reads it.
        """
        fields: dict[str, object] = {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "mode": self.mode,
            "action_units": dict(self.action_units),
            **{FIELDS[angle]: None for angle in ANGLES},
            **{FIELDS[name]: value for name, value in self.values.items()},
        }
        fields |= {} if page is None else {PAGE: dict(page)}
        return json.dumps(fields, indent=2) + "\n"

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "FaceEdit":
        """An edit from JSON values by the names of its fields.

        Raises:
            ConfigError: unknown names, no numbers, or values out of range.
        """
        return cls(**_read_fields(fields))

    @classmethod
    def from_json(cls, text: str, *, name: str = "the settings") -> "FaceEdit":
        """Read an edit.

        Args:
            text: as `to_json` writes it.
            name: of the file, for errors.

        Raises:
            ConfigError: malformed JSON, another kind of file, a newer version, unknown names or values out of range.
        """
        try:
            what = "a settings file of the editor"
            fields = read_object(text, kind=KIND, version=FORMAT_VERSION, what=what)
            fields.pop(PAGE, None)
            return cls.from_fields(fields)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error


def check_timing(seconds: float, fps: int) -> None:
    """Refuse the timing of a clip.

    Raises:
        ConfigError: no length, too long, or too many frames a second.
    """
    if not 0 < seconds <= LONGEST_S:
        raise ConfigError(f"The length of the clip is {seconds:g} s; it takes more than 0 and up to {LONGEST_S:g} s.")
    if not 1 <= fps <= _HIGHEST_FPS:
        raise ConfigError(f"The clip is set to {fps} frames a second; it takes 1 to {_HIGHEST_FPS}.")


def edit_of_values(values: Mapping[str, float | None], mode: EditMode) -> FaceEdit:
    """An edit of Action Units and of what `LARGEST` names, by name; None: not named."""
    units = {name: value for name, value in values.items() if name not in FIELDS and value is not None}
    return FaceEdit(
        mode=mode, action_units=units, **{field: values[name] for name, field in FIELDS.items() if name in values}
    )


def checked_value(name: str, value: object) -> float:
    """A value beside the Action Units as a float.

    Args:
        name: of `LARGEST`.
        value: what was given.

    Raises:
        ConfigError: not a number, or beyond `LARGEST`.
    """
    largest = LARGEST[name]
    if not is_number(value) or not abs(cast(float, value)) <= largest:
        nearest = f", the nearest is {math.copysign(largest, cast(float, value)):g}" if is_number(value) else ""
        unit = " degrees" if name in LARGEST_DEG else "" if name == "pucker" else " per cent"
        raise ConfigError(
            f"The {name.replace('_', ' ')} is set to {value}{unit}; it takes -{largest:g} to {largest:g}{nearest}."
        )
    return float(cast(float, value))


def is_number(value: object) -> bool:
    """Whether a value is a finite number, not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _read_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `FaceEdit` from JSON values."""
    known = {field.name for field in dataclasses.fields(FaceEdit)}
    if unknown := sorted(fields.keys() - known):
        raise ConfigError(f"unknown names {', '.join(unknown)}; the names are {', '.join(sorted(known))}.")
    units = fields.get("action_units", {})
    if not isinstance(units, dict):
        raise ConfigError('"action_units" has to be an object such as {"12": 3.5}.')
    values = {field: fields.get(field) for field in FIELDS.values()}
    named = cast(dict[str, Any], units) | {key: value for key, value in values.items() if value is not None}
    for key, value in named.items():
        if not is_number(value):
            raise ConfigError(f'"{key}" is {json.dumps(value)}; it has to be a number.')
    mode = fields.get("mode", "relative")
    if mode not in ("relative", "absolute"):
        raise ConfigError(f'"mode" has to be "relative" or "absolute", not {json.dumps(mode)}.')
    for angle in ANGLES:
        value, largest = values[FIELDS[angle]], LARGEST[angle]
        if value is not None:
            reachable = abs(value) <= _LARGEST_IN_FILES_DEG
            values[FIELDS[angle]] = float(min(max(value, -largest), largest) if reachable else value)
    return {"action_units": {key: float(units[key]) for key in units}, "mode": mode, **values}


def read_object(text: str, *, kind: str, version: int, what: str) -> dict[str, Any]:
    """The JSON object of a file without "kind" and "format_version", which are checked.

    Args:
        text: of the file.
        kind: that it has to be of.
        version: newest one that can be read.
        what: the file should be, for errors.

    Raises:
        ConfigError: malformed, of another kind, or newer.
    """
    try:
        read: Any = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError, too
        raise ConfigError(f"this is not JSON ({one_line(error)}); save the settings again.") from error
    if not isinstance(read, dict) or cast(dict[str, Any], read).get("kind") != kind:
        raise ConfigError(f'this is not {what} ("kind" has to be "{kind}"); give another file.')
    fields = cast(dict[str, Any], read)
    found = fields.pop("format_version", None)
    if type(found) is not int or found < 1:
        raise ConfigError('"format_version" has to be a number from 1; save the settings again.')
    if found > version:
        raise ConfigError(f"format_version {found}, this program reads up to {version}; update the program.")
    del fields["kind"]
    return fields
