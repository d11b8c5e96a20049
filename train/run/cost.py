"""What a run costs: sizes, operations per sample and the speed of this machine."""

import contextlib
import copy
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from accelerate.utils import convert_outputs_to_fp32
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from train.run.precision import choose_precision

SAMPLES = 2
"""Samples of a measured step; batch norms refuse a single one."""


def measure_cost(task: Any, config: Any, device: torch.device, processes: int = 1) -> dict[str, Any]:
    """Take two small steps without an optimiser.

    The weights and statistics of `task` are restored; `config` is the `LoopConfig`.

    Returns:
        Parameters of each network, GMAC per sample (convolutions and matrix products of forward, losses and backward),
        samples of the whole run, and samples per second of one process in batches of two.
    """
    modules = {"networks": task.networks} | ({} if task.critic is None else {"critic": task.critic})
    batch = task.sample_batch(np.random.default_rng(config.seed), SAMPLES, device)
    for name in ("names", "rows"):
        batch.pop(name, None)
    before = {name: copy.deepcopy(module.state_dict()) for name, module in modules.items()}
    with _in_precision(modules.values(), choose_precision(config.mixed_precision, device), device):
        with FlopCounterMode(display=False) as counter:
            _step(task, batch)
        began = time.perf_counter()
        _step(task, batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took_s = time.perf_counter() - began
    for name, module in modules.items():
        module.load_state_dict(before[name])
        module.zero_grad()
    return {
        "parameters": {name: sum(weight.numel() for weight in module.parameters()) for name, module in modules.items()},
        "gmac_per_sample": round(counter.get_total_flops() / 2 / SAMPLES / 1e9, 4),
        "samples": config.steps * config.batch_size * config.accumulate * processes,
        "samples_per_s": float(f"{SAMPLES / took_s:.3g}"),
        "measured": f"one step with a batch of {SAMPLES}, without optimiser, validation and waiting for data",
    }


@contextlib.contextmanager
def _in_precision(modules: Iterable[nn.Module], precision: str, device: torch.device) -> Iterator[None]:
    """Move `modules` to `device`; their forward passes use `precision` inside the block, as in training."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    for module in modules:
        module.to(device)
        if precision != "no":
            module.forward = convert_outputs_to_fp32(torch.autocast(device.type, dtype)(module.forward))
    yield
    for module in modules:
        vars(module).pop("forward", None)


def _step(task: Any, batch: dict[str, Any]) -> None:
    outputs = task.networks(*task.inputs(batch))
    if task.critic is not None:
        task.critic.requires_grad_(False)
    _backward(task.compute_losses(outputs, batch, task.critic))
    if task.critic is not None:
        task.critic.requires_grad_(True)
        _backward(task.compute_critic_losses(outputs, batch, task.critic))


def _backward(losses: dict[str, torch.Tensor]) -> None:
    torch.stack(list(losses.values())).sum().backward()
