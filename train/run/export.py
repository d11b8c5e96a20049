"""Weights for inference: half-precision safetensors with configuration and model card."""

import json
import pathlib
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from reenact.errors import CheckpointError
from reenact.hub.card import card_text, is_handmade
from reenact.hub.checkpoint import load_weights, read_checkpoint

FORMAT_VERSION = 1


def write_model(networks: nn.Module, folder: pathlib.Path, config: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write ``model.safetensors`` (fp16, statistics of norms fp32), ``config.json`` and ``README.md`` into `folder`.

    Args:
        networks: with the weights.
        folder: created if missing; a ``README.md`` written or changed by hand is kept.
        config: at least "model" and "network".
        facts: about the training; "validation" goes into the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: as_shipped(name, value).detach().cpu().contiguous()
        for name, value in networks.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(weights, folder / "model.safetensors.tmp", metadata={"format": "pt"})
    (folder / "model.safetensors.tmp").rename(folder / "model.safetensors")
    config = {"format_version": FORMAT_VERSION} | config | {"training": facts}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    if not is_handmade(folder / "README.md"):
        parameters = sum(value.numel() for value in weights.values())
        size_bytes = (folder / "model.safetensors").stat().st_size
        card = card_text(config, parameters=parameters, size_bytes=size_bytes)
        (folder / "README.md").write_text(card, encoding="utf-8")


def as_shipped(name: str, value: torch.Tensor) -> torch.Tensor:
    """Half precision except for the running statistics of norms: a variance may exceed 65,504."""
    if not value.is_floating_point() or name.endswith(("running_mean", "running_var")):
        return value
    return value.half()


def as_loaded(networks: nn.Module) -> nn.Module:
    """Round weights in place to those of the exported file, so that validation measures the export."""
    with torch.no_grad():
        for name, value in networks.state_dict().items():
            value.copy_(as_shipped(name, value).to(value.dtype))
    return networks


def start_from(networks: nn.Module, folder: pathlib.Path | None) -> None:
    """Load exported weights into `networks` before a run; None changes nothing.

    Weights that only one side has are ignored: a run can start from a part of its networks.

    Raises:
        CheckpointError: the folder cannot be read, or its weights have other shapes or no name in common.
    """
    if folder is None:
        return
    weights, wanted = read_checkpoint(folder).weights, networks.state_dict()
    if not weights.keys() & wanted.keys():
        raise CheckpointError(
            f"The weights in {folder} and {type(networks).__name__} have no name in common; "
            "--init needs the export folder of the same recipe."
        )
    load_weights(networks, {name: weights.get(name, value) for name, value in wanted.items()}, where=folder)
