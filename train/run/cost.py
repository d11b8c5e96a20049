"""What a run will cost: operations per sample, and from them hours on named GPUs. Estimates, and labelled so."""

import copy
import dataclasses
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

UTILISATION = 0.35
"""Share of the peak that convolutions of many channels reach in large batches."""
SECONDS_PER_OPERATION = 8e-6
"""What PyTorch needs to launch one: networks of few channels wait for launches, not for numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gpu:
    """Dense peaks from the maker's data sheets, tera-operations (2 per MAC) a second."""

    half: float
    """Matrix units in bf16 with fp32 sums; fp16 on the T4, which has no bf16."""
    single: float
    """In TF32, which PyTorch uses for fp32 convolutions; plain fp32 on the T4."""


GPUS = {
    "A100": Gpu(half=312, single=156),
    "H100 SXM": Gpu(half=989, single=494),
    "H200": Gpu(half=989, single=494),
    "RTX 4090": Gpu(half=165, single=82.6),
    "L4": Gpu(half=121, single=60),
    "T4": Gpu(half=65, single=8.1),
}


def price(task: Any, config: Any, processes: int = 1) -> dict[str, Any]:
    """Sizes and expected hours of a run.

    Args:
        task: of a recipe; its weights are left as they are.
        config: the loop's configuration.
        processes: how many share the work.

    Returns:
        Parameters, GMAC per sample (convolutions and matrix products of forward, losses and backward), samples of the
        whole run, and hours on one GPU of each kind.
    """
    players = {"networks": task.networks} | ({} if task.critic is None else {"critic": task.critic})
    counts = count_step(task, config.seed)
    samples = config.steps * config.batch_size * config.accumulate * processes
    half = config.mixed_precision != "no"
    hours = {
        name: float(f"{estimate_hours(gpu, counts, samples, config.batch_size, half=half):.3g}")
        for name, gpu in GPUS.items()
    }
    peak = "bf16 peak (T4: fp16)" if half else "TF32 peak (T4: fp32)"
    return {
        "parameters": {name: sum(weight.numel() for weight in module.parameters()) for name, module in players.items()},
        "gmac_per_sample": round(counts.gmac_per_sample, 4),
        "operations_per_step": counts.operations,
        "samples": samples,
        "estimated_hours_on_one_gpu": hours,
        "estimate": (
            f"not measured: GMAC x samples at {UTILISATION:.0%} of the dense {peak}, and no step faster than "
            f"{1e6 * SECONDS_PER_OPERATION:.0f} us per launched operation; validation and waiting for data not counted"
        ),
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepCounts:
    """What one step asks of a device."""

    gmac_per_sample: float
    """10^9 multiply-accumulates of convolutions and matrix products: forward, losses and backward."""
    operations: int
    """Calls that PyTorch launches in a step, whatever the batch."""


def estimate_hours(gpu: Gpu, counts: StepCounts, samples: int, batch_size: int, *, half: bool) -> float:
    """Hours of computing `samples` in batches of `batch_size` on one GPU: at `UTILISATION`, or bound by launches."""
    peak = 1e12 * UTILISATION * (gpu.half if half else gpu.single)
    computing_s = 2e9 * counts.gmac_per_sample * samples / peak
    launching_s = counts.operations * SECONDS_PER_OPERATION * samples / batch_size
    return max(computing_s, launching_s) / 3600


class _OperationCounter(TorchDispatchMode):
    """Counts what reaches the device's library."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def count_step(task: Any, seed: int, samples: int = 2) -> StepCounts:
    """Compute one small step on the CPU and count.

    Args:
        task: of a recipe.
        seed: of the batch.
        samples: that are computed; two, for batch norms that see one number per channel refuse a single one.
    """
    batch = task.sample_batch(np.random.default_rng(seed), samples, torch.device("cpu"))
    for name in ("names", "rows"):
        batch.pop(name, None)
    modules = [module for module in (task.networks, task.critic) if isinstance(module, nn.Module)]
    before = [copy.deepcopy(module.state_dict()) for module in modules]  # statistics of norms move
    with FlopCounterMode(display=False) as counter, _OperationCounter() as operations:
        outputs = task.networks(*task.inputs(batch))
        if task.critic is not None:
            task.critic.requires_grad_(False)
        _backward(task.compute_losses(outputs, batch, task.critic))
        if task.critic is not None:
            task.critic.requires_grad_(True)
            _backward(task.compute_critic_losses(outputs, batch, task.critic))
    for module, state in zip(modules, before, strict=True):
        module.load_state_dict(state)
        module.zero_grad()
    return StepCounts(gmac_per_sample=counter.get_total_flops() / 2 / samples / 1e9, operations=operations.count)


def _backward(losses: dict[str, torch.Tensor]) -> None:
    torch.stack(list(losses.values())).sum().backward()
