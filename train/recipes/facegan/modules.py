"""FACEGAN's three modules are trained apart: reading what is there already, writing all that is there so far."""

import dataclasses
import os
import pathlib
from typing import Any

import torch
from torch import nn

from reenact.errors import CheckpointError, ConfigError
from reenact.hub.checkpoint import load_weights, read_checkpoint
from reenact.systems.facegan.config import PRESETS, FaceganConfig, PresetName
from train.run.export import write_model

RECIPE_OF = {
    "transformer": "facegan_landmarks",
    "reenactor": "facegan_reenactor",
    "mixer": "facegan_background",
}
"""Which recipe trains which module."""

Weights = dict[str, torch.Tensor]


def preset_config(name: str | None) -> FaceganConfig:
    """The preset's configuration, `tiny` by default.

    Raises:
        ConfigError: there is none of this name.
    """
    known: dict[str, PresetName] = {preset: preset for preset in PRESETS}
    if (name or "tiny") not in known:
        raise ConfigError(f"FACEGAN has the presets {', '.join(known)}, not {name!r}")
    return PRESETS[known[name or "tiny"]]


def read_modules(init: pathlib.Path | None) -> dict[str, Weights]:
    """Weights by module, from one export folder or several joined by ``:`` (``;`` on Windows); later ones win.

    ``FOLDER@transformer`` takes this module alone, for exports carry along what their run was given.

    Raises:
        CheckpointError: a folder holds no FACEGAN weights, or not the module asked for.
    """
    found: dict[str, Weights] = {}
    for part in str(init).split(os.pathsep) if init is not None else ():
        folder, _, only = part.rpartition("@")
        if only not in RECIPE_OF:
            folder, only = part, ""
        checkpoint = read_checkpoint(pathlib.Path(folder), model="facegan")
        split: dict[str, Weights] = {}
        for name, value in checkpoint.weights.items():
            module, _, rest = name.partition(".")
            split.setdefault(module, {})[rest] = value
        strangers = split.keys() - RECIPE_OF.keys()
        if strangers:
            raise CheckpointError(f"{folder} holds {', '.join(sorted(strangers))}, which FACEGAN has no module for")
        if only and only not in split:
            raise CheckpointError(f"{folder} holds no {only}, only {', '.join(sorted(split))}")
        found |= {only: split[only]} if only else split
    return found


def fill_modules(networks: nn.Module, modules: dict[str, Weights], where: pathlib.Path | None) -> dict[str, Weights]:
    """Load those that `networks` has (as attributes of these names); returns the others, to be exported along."""
    others: dict[str, Weights] = {}
    for name, weights in modules.items():
        module = getattr(networks, name, None)
        if isinstance(module, nn.Module):
            load_weights(module, weights, where=str(where))
        else:
            others[name] = weights
    return others


def write_modules(
    networks: nn.Module,
    others: dict[str, Weights],
    config: FaceganConfig,
    folder: pathlib.Path,
    facts: dict[str, Any],
) -> None:
    """Write one folder with the modules of `networks` and the others."""
    shipped = nn.Module()
    for name in RECIPE_OF:
        module = getattr(networks, name, None)
        if isinstance(module, nn.Module):
            shipped.add_module(name, module)
        elif name in others:
            shipped.add_module(name, _Held(others[name]))
    present = [name for name, _ in shipped.named_children()]
    network = dataclasses.asdict(config)
    write_model(shipped, folder, {"model": "facegan", "network": network}, facts | {"modules": present})


class _Held(nn.Module):
    """Weights without a network: `state_dict` gives them back under their own names."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        destination = {} if destination is None else destination
        destination |= {prefix + name: value for name, value in self.weights.items()}
        return destination
