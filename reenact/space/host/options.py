"""What a host can set, on the command line of ``app.py`` or in variables of the environment."""

import argparse
import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from reenact.errors import ConfigError
from reenact.provenance.origin import Origin, signer_of
from reenact.systems.catalog import find_system, system_for


def _option(default: Any, read: Callable[[str], Any], metavar: str, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"read": read, "metavar": metavar, "help": text})


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _systems(text: str) -> tuple[str, ...]:
    named = tuple(find_system(name).id for name in _words(text))
    if system_for("default") not in named:
        raise ConfigError(f"The systems are set to {text}; {system_for('default')} is always needed, name it too.")
    return named


_TAKES: dict[Callable[[str], Any], str] = {_positive: "a number above 0", _count: "a whole number above 0"}
"""What an option takes, for its error."""


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostOptions:
    """Limits and services of a page; without any it is for its owner alone.

    A field of the name ``max_seconds`` is the option ``--max-seconds`` and the variable ``REENACT_MAX_SECONDS``.
    """

    max_seconds: float | None = _option(
        None,
        _positive,
        "SECONDS",
        "longest clip that the page takes and makes; longer motions are cut; any length if not set",
    )
    max_megapixels: float | None = _option(
        None, _positive, "NUMBER", "largest picture, and largest frame of a clip, in millions of pixels"
    )
    max_megabytes: float = _option(200.0, _positive, "NUMBER", "largest file that can be uploaded; 200 if not set")
    runs_per_hour: int | None = _option(
        None, _count, "NUMBER", "runs that a visitor has in an hour; callers with an API key have as many as they want"
    )
    queue: int = _option(20, _count, "NUMBER", "runs that may wait for their turn; 20 if not set")
    systems: tuple[str, ...] | None = _option(
        None, _systems, "NAMES", "systems that the page offers, separated by commas; all that are installed if not set"
    )
    mcp: bool = _option(False, bool, "", "offer the endpoints to MCP clients, too; needs the extra mcp")
    metrics: bool = _option(False, bool, "", "give figures for Prometheus at /metrics")
    behind_proxy: bool = _option(
        False, bool, "", "a proxy stands before the page: visitors are told apart by the last X-Forwarded-For address"
    )
    json_log: bool = _option(False, bool, "", "write the log as JSON, a line for each event")
    grace_seconds: float = _option(
        30.0, _positive, "SECONDS", "how long runs may go on after SIGTERM before they are stopped; 30 if not set"
    )
    no_watermark: bool = _option(
        False, bool, "", "leave out the invisible watermark of results; their pixels are then exactly those drawn"
    )
    label: str | None = _option(
        None, str, "TEXT", "text in the lower right corner of results, such as AI-generated; none if not set"
    )
    consent: bool = _option(
        False, bool, "", "ask visitors to confirm, before their first run, that the people they show agreed to it"
    )
    c2pa_certificate: str | None = _option(
        None, str, "FILE", "sign a C2PA manifest into results: certificate chain (PEM); needs the extra c2pa"
    )
    c2pa_key: str | None = _option(None, str, "FILE", "private key (PEM) for --c2pa-certificate")
    api_keys: tuple[str, ...] = ()
    """Programs have to send one of them; any program may call the page if empty. Only from the environment."""
    logins: tuple[tuple[str, str], ...] = ()
    """Names and passwords, likewise; anybody may see the page if empty."""

    def __post_init__(self) -> None:
        if self.mcp and self.logins:
            raise ConfigError("MCP clients cannot log in; use API keys in place of a login, or leave MCP out.")
        if (self.c2pa_certificate is None) != (self.c2pa_key is None):
            raise ConfigError("A C2PA certificate and its key belong together; give both.")

    def origin(self) -> Origin:
        """What result files say of where they come from.

        Raises:
            ConfigError: the certificate cannot sign.
            MissingDependencyError: the library that signs is missing.
        """
        signer = signer_of(self.c2pa_certificate, self.c2pa_key)
        if signer is not None:
            signer.check()
        return Origin(watermark=not self.no_watermark, label=self.label, signer=signer)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line; `host_options` reads them."""
    for field in filter(lambda field: field.metadata, dataclasses.fields(HostOptions)):
        is_bool = field.metadata["read"] is bool
        shared: dict[str, Any] = {"action": "store_true"} if is_bool else {"metavar": field.metadata["metavar"]}
        parser.add_argument(_option_name(field.name), help=field.metadata["help"], **shared)


def host_options(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> HostOptions:
    """What a command line says, or else the environment; the secrets come from the environment alone.

    Raises:
        ConfigError: a value that an option does not take, options that contradict each other, or a login without a
            password.
    """
    fields = [field for field in dataclasses.fields(HostOptions) if field.metadata]
    named = {field.name: _value(field, getattr(arguments, field.name), environment) for field in fields}
    keys = tuple(_words(environment.get("REENACT_API_KEYS", "")))
    pairs = [word.partition(":") for word in _words(environment.get("REENACT_LOGIN", ""))]
    if not all(name and password for name, _, password in pairs):
        raise ConfigError("REENACT_LOGIN holds a login without a name or password; write NAME:PASSWORD.")
    return HostOptions(**named, api_keys=keys, logins=tuple((name, password) for name, _, password in pairs))


def _value(field: dataclasses.Field[Any], given: Any, environment: Mapping[str, str]) -> Any:
    """The value of an option; `given` is what the command line says, None or False if nothing."""
    name, read = _variable(field.name), field.metadata["read"]
    variable = environment.get(name, "")
    if read is bool:
        return given or variable not in ("", "0")
    if given is None and not variable:
        return field.default
    name, text = (name, variable) if given is None else (_option_name(field.name), given)
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"{name} takes {_TAKES[read]}, got {text!r}.") from error


def _option_name(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _variable(name: str) -> str:
    return f"REENACT_{name.upper()}"
