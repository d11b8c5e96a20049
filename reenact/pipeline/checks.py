"""Checks of arguments."""

import typing

from reenact.errors import ConfigError


def check_choice(name: str, value: object, choices: object) -> None:
    """Refuse a value that is not among the choices of a `Literal`.

    Raises:
        ConfigError: names the choices.
    """
    allowed = typing.get_args(choices)
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; choose {' or '.join(map(repr, allowed))}.")
