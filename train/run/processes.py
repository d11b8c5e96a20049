"""One process or many: how Accelerate is set up, and what the loop needs beyond it.

DDP suits networks of this size. FSDP2 (``train/configs/fsdp2.yaml``) shards weights, gradients and moments where memory
is short.
"""

import contextlib
import dataclasses
import datetime
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import accelerate
import torch
from accelerate.utils import (
    DistributedDataParallelKwargs,
    FullyShardedDataParallelPlugin,
    InitProcessGroupKwargs,
    convert_outputs_to_fp32,
)
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from reenact.errors import ConfigError
from train.run.precision import Precision, choose_precision

TIMEOUT = datetime.timedelta(hours=1)
"""How long processes wait for one that decodes or validates. The launcher notices a dead one at once."""


def wants_cpu() -> bool:
    """Whether to train on the CPU: there is no GPU, or the launcher asks for it."""
    return not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")


def join_processes() -> accelerate.PartialState:
    """The processes of this launch, before there is an accelerator."""
    if accelerate.PartialState._shared_state:
        return accelerate.PartialState()
    return accelerate.PartialState(cpu=wants_cpu(), timeout=TIMEOUT)


def make_accelerator(mixed_precision: Precision, accumulate: int, partial_gradients: bool) -> accelerate.Accelerator:
    """The accelerator of a run.

    Raises:
        ConfigError: fp16 without a GPU, or another number of accumulation steps in the launcher's configuration.
    """
    handlers = [
        InitProcessGroupKwargs(timeout=TIMEOUT),
        DistributedDataParallelKwargs(
            # a critic sees two batches before its backward pass, which buffers that change in between would break;
            # validation and checkpoints use the main process's statistics
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            find_unused_parameters=partial_gradients,
        ),
    ]
    cpu = wants_cpu()
    mixed_precision = choose_precision(mixed_precision, torch.device("cpu" if cpu else "cuda"))
    accelerator = accelerate.Accelerator(
        mixed_precision=mixed_precision,
        gradient_accumulation_steps=accumulate,
        cpu=cpu,
        kwargs_handlers=handlers,
        fsdp_plugin=_fsdp2_plugin(),
    )
    if accelerator.gradient_accumulation_steps != accumulate:
        raise ConfigError(
            f"the launcher asks for {accelerator.gradient_accumulation_steps} accumulation steps; "
            "leave that to --accumulate of the recipe"
        )
    return accelerator


def _fsdp2_plugin() -> FullyShardedDataParallelPlugin | None:
    """FSDP2 if the launcher's configuration asks for it, with autocast as under DDP.

    FSDP2's own precision policy also casts inputs and outputs, and a flow in bfloat16 is off by a pixel.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true":
        return None
    if os.environ.get("FSDP_VERSION") != "2":
        raise ConfigError("only version 2 of FSDP is supported; set fsdp_version: 2, as in train/configs/fsdp2.yaml")
    return FullyShardedDataParallelPlugin(mixed_precision_policy=MixedPrecisionPolicy())


@dataclasses.dataclass(frozen=True)
class TrainedModule:
    """A network with its optimizer, prepared for the processes of this launch."""

    module: nn.Module
    """For forward passes; wrapped in DDP if there are several processes."""
    unwrapped: nn.Module
    """The same without DDP."""
    optimizer: torch.optim.Optimizer
    clip_norm: float
    """Longer gradients are scaled down to this norm."""


def prepare_modules(
    accelerator: accelerate.Accelerator, networks: nn.Module, critic: nn.Module | None, config: Any
) -> dict[str, TrainedModule]:
    """``networks`` and, if there is one, ``critic``, each with its AdamW; `config` is the `LoopConfig`."""
    adamw = {"lr": config.learning_rate, "betas": config.betas, "weight_decay": config.weight_decay}
    trained = {"networks": _prepare(accelerator, networks, adamw, config.clip_norm, may_shard=True)}
    if critic is not None:
        adamw = {"lr": config.critic_learning_rate, "betas": config.critic_betas}
        # not sharded under FSDP2: it is small, and FSDP2 cannot handle that it is frozen in every other pass
        trained["critic"] = _prepare(accelerator, critic, adamw, math.inf, may_shard=False)
    return trained


def _prepare(
    accelerator: accelerate.Accelerator, module: nn.Module, adamw: dict[str, Any], clip_norm: float, *, may_shard: bool
) -> TrainedModule:
    sharded = accelerator.is_fsdp2 and may_shard
    # FSDP2 shards contiguous weights only
    layout = torch.contiguous_format if sharded else torch.channels_last
    module = module.to(accelerator.device, memory_format=layout)
    _share_start(accelerator, module)
    optimizer = torch.optim.AdamW(module.parameters(), fused=True, **adamw)
    if not accelerator.is_fsdp2:
        with _old_name_of_an_option():
            prepared, wrapped = accelerator.prepare(module, optimizer)
        return TrainedModule(prepared, accelerator.unwrap_model(prepared), wrapped.optimizer, clip_norm)
    if accelerator.native_amp:  # accelerate wraps the forward for DDP alone
        dtype = torch.float16 if accelerator.mixed_precision == "fp16" else torch.bfloat16
        module.forward = convert_outputs_to_fp32(torch.autocast(accelerator.device.type, dtype)(module.forward))
    if sharded:
        prepared, wrapped = accelerator.prepare(module, optimizer)
        return TrainedModule(prepared, prepared, wrapped.optimizer, clip_norm)
    with _old_name_of_an_option():
        parallel = DistributedDataParallel(module, broadcast_buffers=False, gradient_as_bucket_view=True)
    return TrainedModule(parallel, module, optimizer, clip_norm)


@contextlib.contextmanager
def _old_name_of_an_option() -> Iterator[None]:
    """PyTorch 2.15 renames `broadcast_buffers`; Accelerate and older versions use the old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        yield


def _share_start(accelerator: accelerate.Accelerator, module: nn.Module) -> None:
    """Copy the main process's weights to the others, which FSDP2 does not do."""
    if accelerator.num_processes > 1:
        with torch.no_grad():
            for value in module.state_dict().values():
                torch.distributed.broadcast(value, src=0)


def synchronised_modules(accelerator: accelerate.Accelerator, trained: Mapping[str, TrainedModule]) -> list[nn.Module]:
    """Modules whose gradients are summed over processes only in the last round of an accumulation.

    Under FSDP2 Accelerate can do so with sharded modules alone. The critic is then summed in every round: the same sum.
    """
    return [one.module for name, one in trained.items() if name == "networks" or not accelerator.is_fsdp2]


def clip_gradients(
    accelerator: accelerate.Accelerator, trained: Mapping[str, TrainedModule]
) -> dict[str, torch.Tensor]:
    """Scale gradients down to their `clip_norm`; returns ``grad_norm`` and ``critic_grad_norm`` before clipping."""
    norms = {}
    for name, one in trained.items():
        if accelerator.scaler is not None:
            accelerator.scaler.unscale_(one.optimizer)
        norm = nn.utils.clip_grad_norm_(one.module.parameters(), one.clip_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        norms["grad_norm" if name == "networks" else f"{name}_grad_norm"] = norm
    return norms


def apply_gradients(accelerator: accelerate.Accelerator, trained: Mapping[str, TrainedModule]) -> None:
    """Step every optimizer, then clear the gradients.

    With fp16 they share one scaler, which is updated once at the end. Accelerate's own ``optimizer.step`` would update
    it in between, and the second gradient would be divided by the scale twice.
    """
    for one in trained.values():
        if accelerator.scaler is None:
            one.optimizer.step()
        else:
            accelerator.scaler.step(one.optimizer)
    if accelerator.scaler is not None:
        accelerator.scaler.update()
    for one in trained.values():
        one.optimizer.zero_grad()


def mean_over_processes(
    accelerator: accelerate.Accelerator, terms: Sequence[Mapping[str, torch.Tensor]]
) -> dict[str, float]:
    """Each loss term, averaged over the micro-batches of a step and over processes; every process must call it."""
    names = list(terms[0])
    rows = torch.stack([torch.stack([term[name].float() for name in names]) for term in terms])
    means = accelerator.reduce(rows.mean(0), "mean")
    return dict(zip(names, means.tolist(), strict=True))
