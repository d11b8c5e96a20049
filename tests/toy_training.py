"""A task that trains in milliseconds, for tests of the loop; also in processes of their own."""

import json
import pathlib
from typing import Any

import numpy as np
import torch
from torch import nn

from train.export import write_model
from train.loop import Batch, LoopConfig, Losses

CONFIG = LoopConfig(
    steps=4,
    batch_size=3,
    learning_rate=0.02,
    warmup_steps=2,
    mixed_precision="no",
    log_every=1,
    save_every=2,
    validate_every=4,
)


class Killed(Exception):
    """Stands for a kill."""


class ToyTask:
    """Fit a linear map through a small network with dropout and, if asked, batch norm."""

    def __init__(
        self, *, stop_at: int | None = None, nan_at: int | None = None, critic: bool = False, batch_norm: bool = True
    ) -> None:
        torch.manual_seed(5)
        norm = nn.BatchNorm2d(4) if batch_norm else nn.GroupNorm(2, 4)
        self.networks = nn.Sequential(nn.Conv2d(2, 4, 1), norm, nn.Dropout(0.2), nn.Conv2d(4, 1, 1))
        self.critic = nn.Sequential(nn.Conv2d(1, 3, 1), nn.SiLU(), nn.Conv2d(3, 1, 1)) if critic else None
        self.stop_at, self.nan_at = stop_at, nan_at
        self.gain = 1.0
        self.losses: list[float] = []
        self.batches: list[torch.Tensor] = []

    def use_data(self, train: float) -> None:
        self.gain = train

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        x = torch.from_numpy(rng.normal(size=(size, 2, 3, 3)).astype(np.float32))
        self.batches.append(x)
        batch: dict[str, Any] = {"x": x.to(device), "y": self.gain * (x[:, :1] - 0.5 * x[:, 1:]).to(device)}
        return batch | {"names": [f"clip{len(self.batches) - 1}:{row}" for row in range(size)]}

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["x"],)

    def compute_losses(self, outputs: torch.Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
        if self.stop_at == len(self.losses):
            raise Killed
        error = (outputs - batch["y"]).square().mean()
        self.losses.append(error.item())
        if self.nan_at == len(self.losses) - 1:
            return {"fine": error, "broken": error * float("nan")}
        return {"error": error} | ({} if critic is None else {"adversarial": -critic(outputs).mean()})

    def compute_critic_losses(self, outputs: Any, batch: Batch, critic: nn.Module) -> Losses:
        return {"critic": (1 - critic(batch["y"])).relu().mean() + (1 + critic(outputs.detach())).relu().mean()}

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        assert not networks.training
        return {"bias": float(networks[0].bias.sum())}

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        return np.zeros((8, 8, 3), np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        write_model(networks, folder, {"model": "toy", "network": {}}, facts)


def read_log(out: pathlib.Path) -> list[dict[str, Any]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
