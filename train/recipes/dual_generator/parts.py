"""Shape and face generator are trained apart and shipped as one checkpoint."""

import dataclasses
import os
import pathlib
from collections.abc import Collection
from typing import Any

from torch import nn

from reenact.errors import CheckpointError, ConfigError
from reenact.hub.checkpoint import load_weights, read_checkpoint
from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig, PresetName
from reenact.systems.dual_generator.networks import DualGeneratorNetworks
from train.run.export import write_model

PARTS = {"shape": "dual_generator_shape", "face": "dual_generator_face"}
"""Which recipe trains which part."""


def network_of(arguments: Any) -> DualGeneratorConfig:
    """Sizes of ``--preset``, `tiny` by default.

    Raises:
        ConfigError: there is no such preset.
    """
    known: dict[str, PresetName] = {name: name for name in PRESETS}
    name = arguments.preset or "tiny"
    if name not in known:
        raise ConfigError(f"the dual generator has no preset {name!r}; choose one of: {', '.join(known)}")
    return PRESETS[known[name]]


def start_parts(whole: DualGeneratorNetworks, init: pathlib.Path | None) -> frozenset[str]:
    """Load the parts that an export holds, or several joined by ``:`` (``;`` on Windows), and name them.

    They are exported along; later folders win.

    Raises:
        CheckpointError: the folder holds no weights of the dual generator, or of other sizes.
    """
    found: set[str] = set()
    for folder in str(init).split(os.pathsep) if init is not None else ():
        weights = read_checkpoint(pathlib.Path(folder), model="dual_generator").weights
        present = {name.split(".")[0] for name in weights} & PARTS.keys()
        if not present:
            raise CheckpointError(
                f"{folder} holds neither part of the dual generator; give the export of {PARTS['shape']}."
            )
        for part in present:
            own = {
                name.removeprefix(f"{part}."): value for name, value in weights.items() if name.startswith(f"{part}.")
            }
            load_weights(getattr(whole, part), own, where=folder)
        found |= present
    return frozenset(found)


def export_part(
    whole: DualGeneratorNetworks,
    others: Collection[str],
    part: str,
    trained: nn.Module,
    folder: pathlib.Path,
    facts: dict[str, Any],
) -> None:
    """Write the part that was trained and those that came with ``--init``; what nobody trained is left out.

    Args:
        whole: holds the other part.
        others: which other parts were trained, of `start_parts`.
        part: "shape" or "face".
        trained: the averaged weights of that part.
        folder: of the checkpoint.
        facts: of the training.
    """
    shipped = nn.Module()
    for name in PARTS:
        if name == part:
            shipped.add_module(name, trained)
        elif name in others:
            shipped.add_module(name, getattr(whole, name))
    present = [name for name, _ in shipped.named_children()]
    config = {"model": "dual_generator", "network": dataclasses.asdict(whole.config)}
    write_model(shipped, folder, config, facts | {"part": part, "parts": present})
