"""A model card from ``config.json`` alone: what the training run knows of itself, in words."""

import json
import pathlib
import re
from typing import Any, cast

import yaml

from reenact.errors import Hint, OutputError
from reenact.hub.card import LIBRARY, LICENCE, MARK, kind_of, validation_of
from reenact.hub.checkpoint import read_checkpoint
from reenact.hub.figures import table
from reenact.hub.names import CARD_NAME
from reenact.hub.remote import one_line
from reenact.weights import CONFIG_NAME, WEIGHTS_NAME

_USE = """**Intended use**: research, teaching, and pictures of people who agreed to be shown so.
**Misuse**: deceiving, harassing, impersonating, identifying or watching people.
**Limits**: the figures below hold for the validation people and pictures like theirs; nothing else was measured."""

_DATA = (
    "The pictures are those of the folder that the command reads with `--data`; they are no part of this repository."
)


def write_card(folder: pathlib.Path, *, licence: str = LICENCE, overwrite: bool = False) -> pathlib.Path:
    """Write ``README.md`` into a checkpoint's folder.

    Args:
        folder: with config.json and model.safetensors.
        licence: on which terms the weights are given away, as the Hub spells it.
        overwrite: replace a card that somebody wrote; one that this function wrote is replaced in any case.

    Returns:
        Where the card is.

    Raises:
        CheckpointError: the folder is no checkpoint.
        OutputError: there is a card already, or it cannot be written.
    """
    checkpoint = read_checkpoint(folder)
    path = checkpoint.folder / CARD_NAME
    parameters = sum(value.numel() for value in checkpoint.weights.values())
    if is_handmade(path) and not overwrite:
        raise OutputError(f"{path} was written by hand; allow overwriting to replace it.", hint=Hint.OVERWRITE)
    size_bytes = (checkpoint.folder / WEIGHTS_NAME).stat().st_size
    text = card_text(checkpoint.config, parameters=parameters, size_bytes=size_bytes, licence=licence)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {one_line(error)}.") from error
    return path


def is_handmade(path: pathlib.Path) -> bool:
    """Whether there is a card at `path` that somebody wrote or changed."""
    return path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace")


def card_text(config: dict[str, Any], *, parameters: int, size_bytes: int, licence: str = LICENCE) -> str:
    """The card's text.

    Args:
        config: config.json.
        parameters: numbers in the weights.
        size_bytes: of model.safetensors.
        licence: as the Hub spells it.
    """
    kind = kind_of(config["model"])
    metadata: dict[str, Any] = {"license": licence, "library_name": LIBRARY}
    if kind.task is not None:
        metadata["pipeline_tag"] = kind.task
    metadata["tags"] = list(kind.tags)
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    facts: Any = config.get("training")
    facts = cast(dict[str, Any], facts) if isinstance(facts, dict) else {}
    size = f"{parameters / 1e6:.2g} M numbers" if parameters >= 1e5 else f"{parameters:,} numbers"
    parts = [
        f"---\n{front}---",
        MARK,
        f"# {kind.title}",
        f"{kind.does} {size}, safetensors of {size_bytes / 1e6:.2f} MB.",
        _USE,
        *_figures(config),
        *_training(facts),
        f"## Network\n\n```json\n{json.dumps(config.get('network', {}), indent=2)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(config: dict[str, Any]) -> list[str]:
    validation = validation_of(config)
    if not validation:
        return ["## Figures\n\nNothing was measured: the training run had no validation people."]
    said = "Measured by the training run, on validation people who are in no training picture."
    return [f"## Figures\n\n{said}\n\n{table(validation)}"]


def _training(facts: dict[str, Any]) -> list[str]:
    if not facts:
        return [f"## Training\n\n{CONFIG_NAME} says nothing of how these weights came to be."]
    names = {"steps": "steps", "meshes": "meshes", "hardware": "hardware", "torch": "torch", "commit": "commit"}
    rows = [f"| {name} | {_cell(facts[key])} |" for key, name in names.items() if key in facts]
    parts = ["## Training"]
    if isinstance(facts.get("command"), str):
        parts.append(f"```\n{_without_folders(facts['command'])}\n```\n\n{_DATA}")
    if rows:
        parts.append("\n".join(["| | |", "|---|---|", *rows]))
    parts.append(f"`{CONFIG_NAME}` holds the whole configuration.")
    return ["\n\n".join(parts)]


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "/")


def _without_folders(command: str) -> str:
    """Absolute paths cut to their last part: where somebody's files lie is nobody's affair."""
    return re.sub(r"(?<![\w.:/])~?/(?:[^\s/]+/)*([^\s/]+)", r"\1", command)
