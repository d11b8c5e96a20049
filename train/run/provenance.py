"""Settings, versions and hardware of a run, kept in ``run.json`` of its folder."""

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from reenact.errors import CheckpointError, ConfigError
from reenact.media.output import replacing

FORMAT_VERSION = 1
FREE = (
    "steps", "log_every", "save_every", "validate_every", "track",
    "threads", "compile", "accumulate", "cache", "data", "out", "dry_run",
)  # fmt: skip
"""Settings that may change between starts of a run: length, logging, and how the machine does the work.

The data folder may move; its content is compared by `data_facts`. `accumulate` is compared times the number of
processes."""
_LIBRARIES = ("torch", "accelerate", "numpy", "opencv-python-headless", "safetensors", "reenact")


def data_facts(**splits: Any) -> dict[str, dict[str, Any]]:
    """Size of each split and a digest of the names of its pictures."""
    return {
        name: {
            "pictures": len(data),
            "clips": len(data.clip_ranges),
            "people": int(data.person.max()) + 1 if len(data) else 0,
            "names_sha256": digest(data.names),
        }
        for name, data in splits.items()
    }


def digest(words: Iterable[str]) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a list of words."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def program_facts() -> dict[str, Any]:
    """Commit, versions and hardware of this process."""
    return {
        "commit": read_commit(),
        "versions": {"python": platform.python_version()} | library_versions(),
        "hardware": describe_hardware(),
    }


def library_versions(names: Iterable[str] = _LIBRARIES) -> dict[str, str]:
    """Installed version of each library."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def describe_hardware() -> str:
    """The GPU's name, or the CPU and its threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()} CPU, {torch.get_num_threads()} threads"


def read_commit() -> str:
    """Short hash of the git commit of this file; "unknown" outside a checkout."""
    folder = pathlib.Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def check_run(out: pathlib.Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``out/run.json`` and compare its settings with the settings of the current start.

    Returns:
        Its content with the new settings; for a new run, without any starts.

    Raises:
        ConfigError: `out` holds a run with other settings; the text lists the differences.
        CheckpointError: the file is missing or damaged.
    """
    path = out / "run.json"
    wanted = json.loads(json.dumps(dict(settings), default=str))
    if not path.is_file():
        if (out / "checkpoints").is_dir() and any((out / "checkpoints").iterdir()):
            raise CheckpointError(
                f"{out} has checkpoints but no run.json, so their settings are unknown; give another --out "
                "(--init OUT/export starts from exported weights)"
            )
        return {"format_version": FORMAT_VERSION, "settings": wanted, "starts": []}
    try:
        found = json.loads(path.read_text())
        differences = compare(found["settings"], wanted)
        starts = list(found["starts"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); give another --out") from error
    if differences:
        raise ConfigError(
            f"{out} holds a run with other settings: {'; '.join(differences)}. Give another --out, or the settings "
            "of that run to resume it"
        )
    return {"format_version": FORMAT_VERSION, "settings": wanted, "starts": starts}


def compare(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Differences in words, except for those in `FREE`."""
    differences = []
    for name in sorted(found.keys() | wanted.keys()):
        if not prefix and name in FREE:
            continue
        old, new = found.get(name), wanted.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            differences += compare(old, new, f"{prefix}{name}.")
        elif old != new:
            differences.append(f"{prefix}{name} was {_in_words(old)}, now {_in_words(new)}")
    return differences


def _in_words(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)


def write_run(out: pathlib.Path, run: dict[str, Any], step: int, command: str, processes: int, precision: str) -> None:
    """Add this start to the result of `check_run` and write ``out/run.json``."""
    start = {"step": step, "command": command, "processes": processes, "precision": precision}
    run["starts"].append(start | {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z")} | program_facts())
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "run.json", overwrite=True) as partial:
        partial.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


def settings_of(config: Any, arguments: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Arguments of the recipe and configuration of the loop, which takes precedence."""
    loop = dataclasses.asdict(config)
    return {**arguments, **loop, "micro_batches_per_step": config.accumulate * processes}
