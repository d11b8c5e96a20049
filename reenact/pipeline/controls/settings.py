"""What an edit asks for: Action Units and head angles by name, as numbers that people know, and as JSON."""

import dataclasses
import json
import math
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, cast

from jaxtyping import Float
from torch import Tensor

from reenact.errors import ConfigError
from reenact.types import ACTION_UNITS

FORMAT_VERSION = 1
"""Of the JSON, the newest this program reads."""
KIND = "reenact-edit"

FACS_MAXIMUM = 5.0
"""Intensity E of FACS; 1 inside the program."""
LARGEST_ANGLE_DEG = 90.0

SIDED_UNITS = (2, 12, 14, 15, 45)
"""Units that people make on one side of the face alone."""

ANGLES = ("yaw", "pitch", "roll")

EditMode = Literal["relative", "absolute"]
"""relative: values are added to the source's own. absolute: they take the place of the source's own."""

_UNIT_NAME = re.compile(r"(?:AU)?0*(\d+)([LR]?)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceEdit:
    """An edit of a face; what it does not name stays as the source has it.

    Raises:
        ConfigError: a unit that there is not, a side that a unit does not have, or a value out of range.
    """

    action_units: Mapping[str, float] = dataclasses.field(default_factory=dict[str, float])
    """FACS intensity by unit: "12", or "12L" and "12R" (the person's left and right) for `SIDED_UNITS`. A side goes
    before the whole unit. Absolute from 0 to 5; relative from -5 to 5, the sum is kept between 0 and 5."""
    yaw_deg: float | None = None
    """To the person's left, -90 to 90; relative to the source's own or absolute, like the units. None: as it is."""
    pitch_deg: float | None = None
    """Down, -90 to 90."""
    roll_deg: float | None = None
    """Towards the person's right shoulder, -90 to 90."""
    mode: EditMode = "relative"
    """See `EditMode`."""

    def __post_init__(self) -> None:
        if self.mode not in ("relative", "absolute"):
            raise ConfigError(f"An edit is relative or absolute, not {self.mode!r}.")
        units: dict[str, float] = {}
        for name, value in self.action_units.items():
            units[unit_name(name)] = self._checked_unit(name, value)
        object.__setattr__(self, "action_units", types.MappingProxyType(units))
        for angle in ANGLES:
            value = getattr(self, f"{angle}_deg")
            if value is not None:
                object.__setattr__(self, f"{angle}_deg", checked_angle(angle, value, LARGEST_ANGLE_DEG))

    def _checked_unit(self, name: str, value: float) -> float:
        lowest = 0.0 if self.mode == "absolute" else -FACS_MAXIMUM
        if not _is_number(value) or not lowest <= value <= FACS_MAXIMUM:
            how = "takes an intensity" if self.mode == "absolute" else "takes a change of intensity"
            raise ConfigError(f"AU{unit_name(name)} is set to {value}; it {how} from {lowest:g} to {FACS_MAXIMUM:g}.")
        return float(value)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, (dict(self.action_units), self.yaw_deg, self.pitch_deg, self.roll_deg, self.mode))

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return not self.action_units and all(getattr(self, f"{angle}_deg") is None for angle in ANGLES)

    def over(self, below: "FaceEdit") -> "FaceEdit":
        """This edit on top of another: what both name is taken from this one.

        Raises:
            ConfigError: one is relative, the other absolute.
        """
        if below.is_empty or self.is_empty:
            return below if self.is_empty else self
        if self.mode != below.mode:
            raise ConfigError(
                f"One edit is {below.mode}, the other {self.mode}: they cannot be joined; "
                "make both relative or both absolute.",
            )
        named = {unit_name(name): value for name, value in below.action_units.items()}
        for name in self.action_units:
            if name.isdecimal():  # the whole unit: sides set below no longer count
                named = {other: value for other, value in named.items() if other.rstrip("LR") != name}
        angles = {
            f"{angle}_deg": getattr(below if getattr(self, f"{angle}_deg") is None else self, f"{angle}_deg")
            for angle in ANGLES
        }
        return FaceEdit(action_units=named | dict(self.action_units), mode=self.mode, **angles)

    def to_json(self) -> str:
        """The edit as text; `from_json` reads it back."""
        fields = {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "mode": self.mode,
            "action_units": dict(self.action_units),
            **{f"{angle}_deg": getattr(self, f"{angle}_deg") for angle in ANGLES},
        }
        return json.dumps(fields, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = "the settings") -> "FaceEdit":
        """Read an edit.

        Args:
            text: as `to_json` writes it.
            name: of where it comes from, for errors.

        Raises:
            ConfigError: malformed, of another kind, of a newer version, or with names or values that there are not.
        """
        fields = _read_fields(text, name)
        try:
            return cls(**fields)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceReading:
    """What a face does, in the numbers of an edit."""

    action_units: Float[Tensor, "17 2"]
    """FACS intensity, 0 to 5, in the order of `ACTION_UNITS`, the person's left and right."""
    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    def of(self, name: str) -> float:
        """The value of a unit ("12": the mean of both sides; "12L") or of "yaw", "pitch", "roll".

        Raises:
            ConfigError: there is none of this name.
        """
        if name in ANGLES:
            return float(getattr(self, f"{name}_deg"))
        number, side = split_unit(name)
        row = self.action_units[ACTION_UNITS.index(number)]
        return float(row.mean() if side is None else row[side])


def split_unit(name: str) -> tuple[int, int | None]:
    """FACS number and side (0 left, 1 right, None both) of a unit's name: "12", "45L", "AU45r".

    Raises:
        ConfigError: there is none of this name, or it has no sides.
    """
    match = _UNIT_NAME.fullmatch(name.strip())
    known = ", ".join(str(unit) for unit in ACTION_UNITS)
    if match is None or int(match[1]) not in ACTION_UNITS:
        raise ConfigError(f"There is no Action Unit {name!r}; the units are {known}.")
    number = int(match[1])
    if match[2] and number not in SIDED_UNITS:
        sided = ", ".join(str(unit) for unit in SIDED_UNITS)
        raise ConfigError(f"AU{number} has no left and right; those that have are {sided}. Set {number} instead.")
    return number, {"": None, "L": 0, "R": 1}[match[2].upper()]


def unit_name(name: str) -> str:
    """A unit's name as it is written: "12", "45L"."""
    number, side = split_unit(name)
    return f"{number}{'' if side is None else 'LR'[side]}"


def checked_angle(angle: str, value: object, largest_deg: float) -> float:
    """The angle, if it is one.

    Args:
        angle: its name.
        value: degrees.
        largest_deg: the most it may be to either side.

    Raises:
        ConfigError: it is no number, or out of range.
    """
    if not _is_number(value) or not abs(cast(float, value)) <= largest_deg:
        nearest = f", the nearest is {math.copysign(largest_deg, cast(float, value)):g}" if _is_number(value) else ""
        limits = f"it takes -{largest_deg:g} to {largest_deg:g}{nearest}"
        raise ConfigError(f"The {angle} is set to {value} degrees; {limits}.")
    return float(cast(float, value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _rebuilt(
    units: dict[str, float], yaw_deg: float | None, pitch_deg: float | None, roll_deg: float | None, mode: EditMode
) -> FaceEdit:
    return FaceEdit(action_units=units, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg, mode=mode)


def _read_fields(text: str, name: str) -> dict[str, Any]:
    """The arguments of `FaceEdit` in a JSON text."""
    try:
        read: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{name}: this is not JSON ({error}); save the settings again.") from error
    if not isinstance(read, dict) or cast(dict[str, Any], read).get("kind") != KIND:
        raise ConfigError(f'{name}: these are no settings of an edit ("kind" has to be "{KIND}"); give another file.')
    fields = cast(dict[str, Any], read)
    version = fields.pop("format_version", None)
    if type(version) is not int or version < 1:
        raise ConfigError(f'{name}: "format_version" has to be a number from 1; save the settings again.')
    if version > FORMAT_VERSION:
        raise ConfigError(
            f"{name}: format_version {version}, this program reads up to {FORMAT_VERSION}; update the program."
        )
    del fields["kind"]
    known = {field.name for field in dataclasses.fields(FaceEdit)}
    strangers = sorted(fields.keys() - known)
    if strangers:
        raise ConfigError(f"{name}: it knows no {', '.join(strangers)}; its names are {', '.join(sorted(known))}.")
    units = fields.pop("action_units", {})
    if not isinstance(units, dict):
        raise ConfigError(f'{name}: "action_units" has to be an object such as {{"12": 3.5}}.')
    numbers = cast(dict[str, Any], units) | {key: value for key, value in fields.items() if key != "mode"}
    for key, value in numbers.items():
        if not _is_number(value) and (key in units or value is not None):
            raise ConfigError(f'{name}: "{key}" is {json.dumps(value)}; it has to be a number.')
    if fields.get("mode", "relative") not in ("relative", "absolute"):
        raise ConfigError(f'{name}: "mode" has to be "relative" or "absolute", not {json.dumps(fields["mode"])}.')
    angles = {key: None if value is None else float(value) for key, value in fields.items() if key != "mode"}
    mode = {"mode": fields["mode"]} if "mode" in fields else {}
    return {"action_units": {key: float(value) for key, value in units.items()}, **angles, **mode}
