"""The moving average of the weights, which is validated and exported."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor


class WeightAverage:
    """Exponential moving average of parameters and buffers.

    The decay is (1 + n) / (10 + n) after n updates until that exceeds `decay`, so that the untrained start is forgotten
    quickly. Counters are copied. Under FSDP2 every process averages its own shard; shards are gathered only for
    validation, export and checkpoints.

    Args:
        networks: unwrapped, as prepared for training.
        decay: share of the old average that an update keeps.
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        self.decay, self.count = decay, 0
        self.values = {name: value.detach().clone() for name, value in networks.state_dict().items()}

    @torch.no_grad()
    def update(self, networks: nn.Module) -> None:
        """Move the averages towards the current weights."""
        share = 1.0 if self.count == 0 else 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        averages: list[torch.Tensor] = []
        values: list[torch.Tensor] = []
        for name, value in networks.state_dict().items():
            average, value = _local(self.values[name]), _local(value)
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, share)
        self.count += 1

    def whole_values(self) -> dict[str, torch.Tensor]:
        """Unsharded averages on the CPU, by name; every process must call it."""
        return gather(self.values)  # type: ignore[return-value]

    def state_dict(self) -> dict[str, object]:
        """Count and unsharded values on the CPU; every process must call it."""
        return {"count": self.count, "values": self.whole_values()}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Load the result of `state_dict`, sharded like the current values."""
        self.count = int(state["count"])  # type: ignore[call-overload]
        fill(self.values, state["values"])  # type: ignore[arg-type]


def gather(tree: object) -> object:
    """`tree` of dicts and lists with unsharded tensors on the CPU; every process must call it."""
    if isinstance(tree, Mapping):
        return {key: gather(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(gather(value) for value in tree)
    if isinstance(tree, DTensor):
        tree = tree.full_tensor()
    return tree.detach().cpu() if isinstance(tree, torch.Tensor) else tree


@torch.no_grad()
def fill(targets: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
    """Copy unsharded `values` into `targets` of the same names, each process its own shard.

    Raises:
        KeyError: the names differ.
    """
    if targets.keys() != values.keys():
        raise KeyError(", ".join(sorted(targets.keys() ^ values.keys())[:5]))
    for name, target in targets.items():
        target.copy_(as_placed(values[name], target))


def as_placed(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`value` with the device, memory format and sharding of `like`."""
    if isinstance(like, DTensor):
        local = value.to(like.device)
        return distribute_tensor(local, like.device_mesh, like.placements, src_data_rank=None)
    return torch.empty_like(like, dtype=value.dtype).copy_(value)


def _local(value: torch.Tensor) -> torch.Tensor:
    """The shard of this process; shares memory."""
    return value.to_local() if isinstance(value, DTensor) else value
