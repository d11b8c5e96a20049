"""Network configurations: from the JSON of a checkpoint to a dataclass."""

import dataclasses
import typing
from typing import Any, TypeVar, cast

from reenact.errors import ConfigError, one_line

Config = TypeVar("Config")


def parse_config(config_class: type[Config], given: object, *, where: str) -> Config:
    """Build a config dataclass from JSON values; lists become tuples, objects become nested dataclasses.

    Args:
        config_class: a dataclass.
        given: the JSON object.
        where: it stands, for errors: '"network" in .../config.json'.

    Raises:
        ConfigError: fields that are unknown, missing or refused by the class.
    """
    if not isinstance(given, dict):
        raise ConfigError(f"{where} is not a JSON object.")
    values = cast(dict[str, Any], given)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, config_class))}
    unknown = sorted(set(values) - set(fields))
    missing = [name for name, field in fields.items() if name not in values and _is_required(field)]
    if unknown or missing:
        problems = [
            f"{what}: {', '.join(names)}" for what, names in (("unknown", unknown), ("missing", missing)) if names
        ]
        raise ConfigError(f"{where} does not fit {config_class.__name__} ({'; '.join(problems)}).")
    types = typing.get_type_hints(config_class)
    parsed = {name: _parse_value(types[name], value, f"{name} of {where}") for name, value in values.items()}
    try:
        return config_class(**parsed)
    except (TypeError, ValueError, ConfigError) as error:
        reason = one_line(error).rstrip(".")
        raise ConfigError(f"{where} does not fit {config_class.__name__}: {reason}.") from error


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _parse_value(wanted: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        return parse_config(cast(type[Any], wanted), value, where=where)
    return _as_tuple(value)


def _as_tuple(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_as_tuple(item) for item in cast(list[Any], value))
    return value
