"""Weights for inference: half-precision safetensors and a config beside them."""

import json
import pathlib
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

FORMAT_VERSION = 1


def write_model(networks: nn.Module, folder: pathlib.Path, config: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write ``model.safetensors`` (fp16, statistics of norms fp32) and ``config.json`` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: as_shipped(name, value).detach().cpu().contiguous()
        for name, value in networks.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(weights, folder / "model.safetensors.tmp", metadata={"format": "pt"})
    (folder / "model.safetensors.tmp").rename(folder / "model.safetensors")
    text = json.dumps({"format_version": FORMAT_VERSION} | config | {"training": facts}, indent=2)
    (folder / "config.json").write_text(text + "\n")


def as_shipped(name: str, value: torch.Tensor) -> torch.Tensor:
    """Half precision, but for the running statistics of norms: a variance may exceed 65,504."""
    if not value.is_floating_point() or name.endswith(("running_mean", "running_var")):
        return value
    return value.half()


def as_loaded(networks: nn.Module) -> nn.Module:
    """Round weights in place to what the exported file holds, so that validation measures what ships."""
    with torch.no_grad():
        for name, value in networks.state_dict().items():
            value.copy_(as_shipped(name, value).to(value.dtype))
    return networks


def start_from(networks: nn.Module, folder: pathlib.Path | None) -> None:
    """Load exported weights into `networks` before a run; None leaves them as they are."""
    if folder is not None:
        weights = load_file(folder / "model.safetensors")
        current = networks.state_dict()
        networks.load_state_dict({name: weights.get(name, value) for name, value in current.items()})
