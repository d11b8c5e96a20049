"""Resume files of a run: one file per checkpoint, whole or not at all.

They are for the run's own resumes, not for publishing: `export/` holds what ships. A file has the whole state, however
many processes share it: weights, optimisers, averages, loss scaling and the step. Batches, dropout and learning rate
are functions of the step alone (`train/run/batches.py`, `train/run/loop.py`) and need no saving.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import accelerate
import torch

from reenact.errors import CheckpointError
from reenact.media.output import replacing
from train.run.average import WeightAverage, as_placed, fill, whole
from train.run.processes import Player

FORMAT_VERSION = 2
"""Of the file; raised when an older loop could not resume from it."""
KEPT = 2
"""So many newest checkpoints stay."""


class TrainingState:
    """All that changes while a run goes on.

    Args:
        accelerator: of the run.
        players: networks and critic with their optimisers.
        average: of the networks' weights.
    """

    def __init__(
        self, accelerator: accelerate.Accelerator, players: Mapping[str, Player], average: WeightAverage
    ) -> None:
        self.accelerator, self.players, self.average = accelerator, players, average

    def collect(self, step: int) -> dict[str, Any]:
        """The whole state on the CPU; all processes must call it, for shards are gathered."""
        scaler = self.accelerator.scaler
        return {
            "format_version": FORMAT_VERSION,
            "step": step,
            "modules": {name: whole(player.bare.state_dict()) for name, player in self.players.items()},
            "optimizers": {name: whole(player.optimizer.state_dict()) for name, player in self.players.items()},
            "average": self.average.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def save(self, folder: pathlib.Path, step: int) -> None:
        """Write the checkpoint of `step`, then remove all but the newest; all processes must call it.

        Raises:
            OutputError: it cannot be written; older checkpoints are untouched.
        """
        state = self.collect(step)
        if self.accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"step-{step:07d}.pt"
            with replacing(path, overwrite=True) as partial, partial.open("wb") as file:
                torch.save(state, file)
            for old in _found(folder)[:-KEPT]:
                old.unlink()
        self.accelerator.wait_for_everyone()

    def restore(self, folder: pathlib.Path) -> int:
        """Take over the newest checkpoint in `folder`.

        Returns:
            The number of finished steps; 0 if there is no checkpoint.

        Raises:
            CheckpointError: the file is damaged, of another loop, or of other networks.
        """
        path = self._agree_on(latest_checkpoint(folder))
        if path is None:
            return 0
        state = _read(path)
        try:
            for name, player in self.players.items():
                fill(player.bare.state_dict(), state["modules"][name])
                player.optimizer.load_state_dict(_as_held(state["optimizers"][name], player.optimizer))
            self.average.load_state_dict(state["average"])
            if self.accelerator.scaler is not None and state["scaler"] is not None:  # None: it ran in another precision
                self.accelerator.scaler.load_state_dict(state["scaler"])
            return int(state["step"])
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} does not fit this recipe ({error}); give another --out") from error

    def _agree_on(self, path: pathlib.Path | None) -> pathlib.Path | None:
        """The main process's choice of checkpoint, which every other process must see too."""
        if self.accelerator.num_processes == 1:
            return path
        chosen = accelerate.utils.broadcast_object_list([path])[0]
        if chosen is not None and not chosen.is_file():
            raise CheckpointError(
                f"{chosen} is not there on every machine; --out must be a folder that all of them share"
            )
        return chosen


def latest_checkpoint(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest whole checkpoint in `folder`, if there is one."""
    found = _found(folder)
    return found[-1] if found else None


def _found(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("step-*.pt"))


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}); delete it, and the run goes on from the checkpoint before it"
        ) from error
    if not isinstance(state, dict) or state.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(f"{path} was written by another version of the loop; give another --out")
    return state


def _as_held(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Moments in the shards and memory format of their weights, which fused optimisers rely on."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def placed(value: Any, weight: torch.Tensor) -> Any:
        is_moment = isinstance(value, torch.Tensor) and value.shape == weight.shape and value.ndim > 0
        return as_placed(value, weight.detach()) if is_moment else value

    moments = {
        index: {name: placed(value, weights[int(index)]) for name, value in entry.items()}
        for index, entry in state["state"].items()
    }
    return {"state": moments, "param_groups": state["param_groups"]}
