"""Action Units of the Facial Action Coding System: numbers, sides, names and the scale of intensities."""

import re

from reenact.errors import ConfigError

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""FACS numbers of the 17 Action Units, in the order of every `action_units` array."""
SIDED_UNITS = (2, 12, 14, 15, 45)
"""Units that people can show on one side of the face."""
FACS_MAXIMUM = 5.0
"""Intensity E of FACS, the strongest; 1 inside the program."""

_UNIT_NAME = re.compile(r"(?:AU)?0*(\d{1,4})([LR]?)", re.IGNORECASE)


def split_unit(name: str) -> tuple[int, int | None]:
    """FACS number and side (0 left, 1 right, None both) of a unit's name: "12", "45L", "AU45r".

    Raises:
        ConfigError: unknown unit, or a side of a unit without sides.
    """
    match = _UNIT_NAME.fullmatch(name.strip())
    if match is None or int(match[1]) not in ACTION_UNITS:
        raise ConfigError(f"There is no Action Unit {name!r}; the units are {_listed(ACTION_UNITS)}.")
    number = int(match[1])
    if match[2] and number not in SIDED_UNITS:
        raise ConfigError(
            f"AU{number} has no left and right; units with sides are {_listed(SIDED_UNITS)}. Set {number} instead."
        )
    return number, {"": None, "L": 0, "R": 1}[match[2].upper()]


def unit_name(name: str) -> str:
    """The standard form of a unit's name: "12", "45L"."""
    number, side = split_unit(name)
    return f"{number}{'' if side is None else 'LR'[side]}"


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
