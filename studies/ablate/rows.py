"""Rows of an ablation, each trained once and then kept in a JSON file."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import torch

from reenact.errors import ConfigError
from reenact.media.output import replacing
from train.run.loop import LoopConfig, run

Figure = float | str | None
"""A number; a text such as "8.07 ± 2.59" or the reason why a figure is absent; None if there is none yet."""


Figures = dict[str, Figure]
"""Figures of one row by name."""


def keep_row(
    out: pathlib.Path,
    name: str,
    settings: dict[str, Any],
    train: Callable[[pathlib.Path], Figures],
    load_data: Callable[[], object] | None = None,
) -> Figures:
    """Figures of one row: read from ``out/<name>.json`` if it is finished, else trained and written there.

    Args:
        out: folder of the ablation.
        name: file name of the row, without suffix; its run folder is ``out/<name>``.
        settings: all that changes the row's figures (steps, side, losses); kept beside them.
        train: trains and measures the row in the given run folder, which it resumes.
        load_data: called for an unfinished row before anything is written, so that missing data leaves no folder.

    Raises:
        ConfigError: the row was finished, or begun, with other settings.
    """
    path, started = out / f"{name}.json", out / name / "settings.json"
    settings = json.loads(json.dumps(settings))
    for kept in (path, started):
        if kept.is_file():
            _require_same(kept, json.loads(kept.read_text())["settings"], settings)
    if path.is_file():
        return json.loads(path.read_text())["figures"]
    if load_data is not None:
        load_data()
    write_json(started, {"settings": settings})
    figures = train(out / name)
    write_json(path, {"settings": settings, "figures": figures})
    return figures


def finished_row(out: pathlib.Path, name: str) -> Figures | None:
    """Figures of a finished row, of any settings; None if it is not finished."""
    path = out / f"{name}.json"
    return json.loads(path.read_text())["figures"] if path.is_file() else None


def train_row(task: Any, loop: LoopConfig, folder: pathlib.Path, system: str) -> Figures:
    """Train a recipe's task in its run folder; the figures of its last validation."""
    figures = run(task, loop, folder, command=f"-m studies.ablate {system}")
    if not figures:  # the run had ended, but was stopped before its figures were written
        task.start_from(folder / "export")
        figures = task.validate(task.networks, torch.device("cpu"))
    return dict(figures)


def _require_same(path: pathlib.Path, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    changed = [key for key in {**kept, **wanted} if kept.get(key) != wanted.get(key)]
    if changed:
        was = ", ".join(f"{key} {kept.get(key)!r}, now {wanted.get(key)!r}" for key in changed)
        raise ConfigError(
            f"{path} belongs to other settings (it was {was}); use the old settings, take another --out, or delete "
            f"{path.stem if path.name != 'settings.json' else path.parent.name} and its .json there"
        )


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
