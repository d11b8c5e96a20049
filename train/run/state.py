"""Checkpoints, from which a run resumes: one complete file each.

They are not for publishing: `export/` is. A file holds the unsharded state of all processes: weights, optimizers,
averages, loss scaling and the step. Batches, dropout and learning rate are functions of the step alone
(`train/run/batches.py`, `train/run/loop.py`) and are not saved.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import accelerate
import torch

from reenact.errors import CheckpointError
from reenact.media.output import replacing
from train.run.average import WeightAverage, as_placed, fill, gather
from train.run.processes import TrainedModule

FORMAT_VERSION = 2
"""Raise it when an older loop cannot resume from the file."""
KEPT = 2
"""Number of newest checkpoints that are not deleted."""


class TrainingState:
    """Everything that changes during a run."""

    def __init__(
        self, accelerator: accelerate.Accelerator, trained: Mapping[str, TrainedModule], average: WeightAverage
    ) -> None:
        self.accelerator, self.trained, self.average = accelerator, trained, average

    def collect(self, step: int) -> dict[str, Any]:
        """The unsharded state on the CPU; every process must call it."""
        scaler = self.accelerator.scaler
        return {
            "format_version": FORMAT_VERSION,
            "step": step,
            "modules": {name: gather(one.unwrapped.state_dict()) for name, one in self.trained.items()},
            "optimizers": {name: gather(one.optimizer.state_dict()) for name, one in self.trained.items()},
            "average": self.average.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def save(self, folder: pathlib.Path, step: int) -> None:
        """Write the checkpoint of `step` and delete old ones; every process must call it.

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
        """Load the newest checkpoint in `folder`.

        Returns:
            The number of finished steps; 0 if there is no checkpoint.

        Raises:
            CheckpointError: the file is damaged, or of another version of the loop or other networks.
        """
        path = self._agree_on(latest_checkpoint(folder))
        if path is None:
            return 0
        state = _read(path)
        try:
            for name, one in self.trained.items():
                fill(one.unwrapped.state_dict(), state["modules"][name])
                one.optimizer.load_state_dict(_as_held(state["optimizers"][name], one.optimizer))
            self.average.load_state_dict(state["average"])
            if self.accelerator.scaler is not None and state["scaler"] is not None:  # None: it ran in another precision
                self.accelerator.scaler.load_state_dict(state["scaler"])
            return int(state["step"])
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} does not fit this recipe ({error}); give another --out") from error

    def _agree_on(self, path: pathlib.Path | None) -> pathlib.Path | None:
        """The checkpoint that the main process chose, which the others must be able to read."""
        if self.accelerator.num_processes == 1:
            return path
        chosen = accelerate.utils.broadcast_object_list([path])[0]
        if chosen is not None and not chosen.is_file():
            raise CheckpointError(f"{chosen} is missing on a machine; --out must be a folder that all machines share")
        return chosen


def latest_checkpoint(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint in `folder`, if there is one."""
    found = _found(folder)
    return found[-1] if found else None


def _found(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("step-*.pt"))


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}); delete it, and the run resumes from the one before"
        ) from error
    if not isinstance(state, dict) or state.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(f"{path} was written by another version of the loop; give another --out")
    return state


def _as_held(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Moments sharded and laid out in memory like their weights, as fused optimizers require."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def placed(value: Any, weight: torch.Tensor) -> Any:
        is_moment = isinstance(value, torch.Tensor) and value.shape == weight.shape and value.ndim > 0
        return as_placed(value, weight.detach()) if is_moment else value

    moments = {
        index: {name: placed(value, weights[int(index)]) for name, value in entry.items()}
        for index, entry in state["state"].items()
    }
    return {"state": moments, "param_groups": state["param_groups"]}
