"""One process or many: what accelerate is asked for, and what the loop needs beyond it.

DDP is the plan for networks of this size; FSDP2 (``train/configs/fsdp2.yaml``) cuts weights, gradients and moments into
shards where memory is short.
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

PATIENCE = datetime.timedelta(hours=1)
"""How long processes wait for one that decodes or validates. One that dies is noticed at once, by the launcher."""


def wants_cpu() -> bool:
    """Whether to stay off GPUs: there is none, or the launcher was told so."""
    return not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")


def join_processes() -> accelerate.PartialState:
    """The processes of this launch; before the accelerator is made, for what must be done by one before the others."""
    if accelerate.PartialState._shared_state:
        return accelerate.PartialState()
    return accelerate.PartialState(cpu=wants_cpu(), timeout=PATIENCE)


def make_accelerator(mixed_precision: Precision, accumulate: int, partial_gradients: bool) -> accelerate.Accelerator:
    """The accelerator of a run.

    Raises:
        ConfigError: a combination that would not do what it says.
    """
    handlers = [
        InitProcessGroupKwargs(timeout=PATIENCE),
        DistributedDataParallelKwargs(
            # a critic sees two batches before its backward: buffers that change in between would break it; what is
            # validated and saved has the main process's statistics
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            find_unused_parameters=partial_gradients,
        ),
    ]
    cpu = wants_cpu()
    mixed_precision = choose_precision(mixed_precision, torch.device("cpu" if cpu else "cuda"))
    if mixed_precision == "fp16" and cpu:
        raise ConfigError("fp16 needs a GPU; take --mixed-precision auto or no")
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
    """What the launcher's configuration asks for; precision is left to autocast, as under DDP.

    FSDP2's own policy would cast inputs and outputs too, and a flow in bfloat16 is off by a pixel.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true":
        return None
    if os.environ.get("FSDP_VERSION") != "2":
        raise ConfigError("only version 2 of FSDP is supported; set fsdp_version: 2, as in train/configs/fsdp2.yaml")
    return FullyShardedDataParallelPlugin(mixed_precision_policy=MixedPrecisionPolicy())


@dataclasses.dataclass(frozen=True)
class Player:
    """A network that learns, prepared for the processes of this launch."""

    module: nn.Module
    """Called in training; in DDP if there are several processes."""
    bare: nn.Module
    """The same without DDP."""
    optimizer: torch.optim.Optimizer
    clip_norm: float
    """Gradients are scaled down to this norm."""


def prepare_players(
    accelerator: accelerate.Accelerator, networks: nn.Module, critic: nn.Module | None, config: Any
) -> dict[str, Player]:
    """``networks`` and, if there is one, ``critic``, each with its AdamW.

    Args:
        accelerator: of this run.
        networks: what is trained.
        critic: its adversary, or None.
        config: the loop's configuration.
    """
    adamw = {"lr": config.learning_rate, "betas": config.betas, "weight_decay": config.weight_decay}
    players = {"networks": _prepare(accelerator, networks, adamw, config.clip_norm, may_shard=True)}
    if critic is not None:
        adamw = {"lr": config.critic_learning_rate, "betas": config.critic_betas}
        # whole even under FSDP2: it is small, and FSDP2 does not know that it is frozen every other pass
        players["critic"] = _prepare(accelerator, critic, adamw, math.inf, may_shard=False)
    return players


def _prepare(
    accelerator: accelerate.Accelerator, module: nn.Module, adamw: dict[str, Any], clip_norm: float, *, may_shard: bool
) -> Player:
    sharded = accelerator.is_fsdp2 and may_shard
    # FSDP2 shards contiguous weights only
    layout = torch.contiguous_format if sharded else torch.channels_last
    module = module.to(accelerator.device, memory_format=layout)
    _share_start(accelerator, module)
    optimizer = torch.optim.AdamW(module.parameters(), fused=True, **adamw)
    if not accelerator.is_fsdp2:
        with _old_name_of_an_option():
            prepared, wrapped = accelerator.prepare(module, optimizer)
        return Player(prepared, accelerator.unwrap_model(prepared), wrapped.optimizer, clip_norm)
    if accelerator.native_amp:  # accelerate wraps the forward for DDP alone
        dtype = torch.float16 if accelerator.mixed_precision == "fp16" else torch.bfloat16
        module.forward = convert_outputs_to_fp32(torch.autocast(accelerator.device.type, dtype)(module.forward))
    if sharded:
        prepared, wrapped = accelerator.prepare(module, optimizer)
        return Player(prepared, prepared, wrapped.optimizer, clip_norm)
    with _old_name_of_an_option():
        parallel = DistributedDataParallel(module, broadcast_buffers=False, gradient_as_bucket_view=True)
    return Player(parallel, module, optimizer, clip_norm)


@contextlib.contextmanager
def _old_name_of_an_option() -> Iterator[None]:
    """PyTorch 2.15 renames `broadcast_buffers`; the versions before, and accelerate, know no other name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        yield


def _share_start(accelerator: accelerate.Accelerator, module: nn.Module) -> None:
    """Give every process the main one's weights; DDP would, FSDP2 would not."""
    if accelerator.num_processes > 1:
        with torch.no_grad():
            for value in module.state_dict().values():
                torch.distributed.broadcast(value, src=0)


def synchronised_modules(accelerator: accelerate.Accelerator, players: Mapping[str, Player]) -> list[nn.Module]:
    """Whose gradients are summed over processes in the last round of an accumulation only.

    Under FSDP2 accelerate can say so to sharded modules alone; the critic's are summed in every round, to the same end.
    """
    return [player.module for name, player in players.items() if name == "networks" or not accelerator.is_fsdp2]


def clip_gradients(accelerator: accelerate.Accelerator, players: Mapping[str, Player]) -> dict[str, torch.Tensor]:
    """Scale every player's gradient down to its norm, if it is longer.

    Returns:
        ``grad_norm`` and ``critic_grad_norm`` before clipping.
    """
    norms = {}
    for name, player in players.items():
        if accelerator.scaler is not None:
            accelerator.scaler.unscale_(player.optimizer)
        norm = nn.utils.clip_grad_norm_(player.module.parameters(), player.clip_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        norms["grad_norm" if name == "networks" else f"{name}_grad_norm"] = norm
    return norms


def apply_gradients(accelerator: accelerate.Accelerator, players: Mapping[str, Player]) -> None:
    """Step every optimiser, then clear the gradients.

    One scaler serves all of them (fp16): it is asked by each and updated once at the end. Accelerate's own
    ``optimizer.step`` would update it in between, and the second gradient would be divided by the scale twice.
    """
    for player in players.values():
        if accelerator.scaler is None:
            player.optimizer.step()
        else:
            accelerator.scaler.step(player.optimizer)
    if accelerator.scaler is not None:
        accelerator.scaler.update()
    for player in players.values():
        player.optimizer.zero_grad()


def mean_over_processes(
    accelerator: accelerate.Accelerator, terms: Sequence[Mapping[str, torch.Tensor]]
) -> dict[str, float]:
    """Each loss term, averaged over the micro-batches of a step and over processes; all of them must call it."""
    names = list(terms[0])
    rows = torch.stack([torch.stack([term[name].float() for name in names]) for term in terms])
    means = accelerator.reduce(rows.mean(0), "mean")
    return dict(zip(names, means.tolist(), strict=True))
