"""Systems whose parts are trained by several recipes and shipped as one checkpoint."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from reenact.errors import CheckpointError
from reenact.hub.checkpoint import load_weights, read_checkpoint
from train.run.export import write_model

Weights = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of a system: modules of its networks, each trained by a recipe of its own."""

    system: str
    """Name of the system."""
    recipes: dict[str, str]
    """Recipe of each part, in the order in which they ship."""
    networks: Callable[[Any], nn.Module]
    """All parts of given sizes, as attributes of these names."""

    def read(self, init: pathlib.Path | None) -> dict[str, Weights]:
        """Weights of each part in one export folder, or in several joined by ``:`` (``;`` on Windows).

        If several folders hold a part, the last one counts. ``FOLDER@PART`` takes one part alone, for exports carry
        the parts that their run started from.

        Raises:
            CheckpointError: a folder holds no weights of this system, or not the part asked for.
        """
        found: dict[str, Weights] = {}
        for word in str(init).split(os.pathsep) if init is not None else ():
            folder, _, only = word.rpartition("@")
            if only not in self.recipes:
                folder, only = word, ""
            present: dict[str, Weights] = {}
            for name, value in read_checkpoint(pathlib.Path(folder), model=self.system).weights.items():
                part, _, rest = name.partition(".")
                present.setdefault(part, {})[rest] = value
            unknown = present.keys() - self.recipes.keys()
            if unknown or not present:
                raise CheckpointError(
                    f"{folder} holds {', '.join(sorted(unknown)) or 'nothing'}; the parts of {self.system} are "
                    f"{', '.join(self.recipes)}"
                )
            if only and only not in present:
                raise CheckpointError(f"{folder} holds no {only}, only {', '.join(sorted(present))}")
            found |= {only: present[only]} if only else present
        return found

    def fill(
        self, networks: nn.Module, parts: Mapping[str, Weights], config: Any, where: pathlib.Path | None
    ) -> dict[str, nn.Module]:
        """Load the parts that `networks` has as attributes; return the others, to be exported along.

        Raises:
            CheckpointError: a part is of other sizes than `config`.
        """
        others = [name for name in parts if not hasattr(networks, name)]
        whole = self.networks(config) if others else networks
        for name, weights in parts.items():
            load_weights(getattr(whole if name in others else networks, name), weights, where=str(where))
        return {name: getattr(whole, name) for name in others}

    def write(
        self,
        networks: nn.Module,
        carried: Mapping[str, nn.Module],
        config: Any,
        folder: pathlib.Path,
        facts: dict[str, Any],
    ) -> None:
        """Write one folder with the parts of `networks` and the carried ones; untrained parts are left out."""
        found = {name: getattr(networks, name, carried.get(name)) for name in self.recipes}
        shipped = nn.ModuleDict({name: part for name, part in found.items() if part is not None})
        settings = {"model": self.system, "network": dataclasses.asdict(config)}
        write_model(shipped, folder, settings, facts | {"parts": list(shipped)})
