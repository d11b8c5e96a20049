"""The training loop: one function, read from top to bottom. Every recipe goes through it.

Runs under ``accelerate launch -m train RECIPE`` on one CPU, one GPU or many; the same command resumes.
"""

import copy
import dataclasses
import json
import math
import pathlib
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any, Protocol

import accelerate
import cv2
import numpy as np
import torch
from accelerate.utils import set_seed
from torch import nn
from torch.optim.swa_utils import AveragedModel

from train.export import as_loaded

Batch = dict[str, torch.Tensor]
Losses = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long and how fast; what is learned is the task's affair."""

    steps: int
    """Optimiser steps in the whole run; 0 measures the weights it starts from."""
    batch_size: int
    """Samples per step and process."""
    learning_rate: float = 1e-3
    """Peak of the schedule: linear warm-up, then a cosine down to 2 % of the peak."""
    critic_learning_rate: float = 4e-4
    """Constant; only for tasks with a critic. Faster than the generator, as two-time-scale updates want."""
    weight_decay: float = 1e-4
    """Of AdamW, on all weights."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of AdamW."""
    warmup_steps: int = 200
    """Steps of the linear warm-up."""
    clip_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.998
    """Of the weights that are validated and shipped."""
    mixed_precision: str = "bf16"
    """"no", "fp16" or "bf16"; bf16 about doubles the speed of recent CPUs."""
    compile: bool = False
    """Compile networks and losses (torch.compile): minutes of start-up for 1.3 to 2 times the speed."""
    seed: int = 0
    """Batch k is a function of seed and k alone, so that a resumed run sees the batches of an unbroken one."""
    log_every: int = 50
    """Steps between lines of the log."""
    save_every: int = 500
    """Steps between checkpoints of the whole state."""
    validate_every: int = 1000
    """Steps between validations, each with a sample grid and exported weights."""


class Task(Protocol):
    """What a recipe trains: networks, batches and losses."""

    networks: nn.Module
    """All that the optimiser moves; called as ``networks(*inputs(batch))``, so that DDP sees every forward."""
    critic: nn.Module | None
    """The discriminator, called as ``critic(inputs)``; None where there is no adversarial loss."""

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch: ...

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """The part of a batch that the networks see."""
        ...

    def compute_losses(self, outputs: Any, batch: Batch, critic: nn.Module | None) -> Losses:
        """Weighted terms; their sum is minimised."""
        ...

    def compute_critic_losses(self, outputs: Any, batch: Batch, critic: nn.Module) -> Losses: ...

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]: ...

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB picture of results on validation people, or None."""
        ...

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        """Write ``config.json`` and ``model.safetensors`` for inference."""
        ...


class StepCounter:
    """The number of finished steps, saved and restored with the accelerator's state."""

    def __init__(self) -> None:
        self.step = 0

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state["step"]


def run(task: Task, config: LoopConfig, out: pathlib.Path, *, command: str) -> dict[str, float]:
    """Train `task`, resuming from `out` if it holds an earlier part of the same run.

    Args:
        task: what is learned.
        config: how long and how fast.
        out: run folder; gets ``log.jsonl``, ``checkpoints/``, ``samples/`` and ``export/``.
        command: the command line, kept among the facts of the weights.

    Returns:
        The figures of the last validation.

    Raises:
        FloatingPointError: a loss is not finite; the text names the step and the term.
    """
    accelerator = accelerate.Accelerator(mixed_precision=config.mixed_precision, cpu=not torch.cuda.is_available())
    device = accelerator.device
    set_seed(config.seed)
    networks, critic = task.networks.to(device, memory_format=torch.channels_last), task.critic
    optimizer = torch.optim.AdamW(
        networks.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate_factor(step, config))
    ema = AveragedModel(networks, multi_avg_fn=_warmed_ema(config.ema_decay), use_buffers=True)
    counter = StepCounter()
    compute_losses = torch.compile(task.compute_losses) if config.compile else task.compute_losses
    if config.compile:
        networks.compile()
    networks, optimizer = accelerator.prepare(networks, optimizer)
    critic_optimizer = None
    if critic is not None:
        critic_optimizer = torch.optim.AdamW(critic.parameters(), lr=config.critic_learning_rate, betas=(0.5, 0.99))
        critic, critic_optimizer = accelerator.prepare(critic, critic_optimizer)
    accelerator.register_for_checkpointing(ema, counter, schedule)
    latest = _latest_checkpoint(out)
    if latest is not None:
        accelerator.load_state(str(latest))
        accelerator.print(f"resumed at step {counter.step} from {latest}")

    started, first_step, data_s = time.perf_counter(), counter.step, 0.0
    figures: dict[str, float] = {}
    while counter.step < config.steps:
        tick = time.perf_counter()
        rng = np.random.default_rng([config.seed, counter.step, accelerator.process_index])
        batch = task.sample_batch(rng, config.batch_size, device)
        data_s += time.perf_counter() - tick

        outputs = networks(*task.inputs(batch))
        if critic is not None:
            critic.requires_grad_(False)
        losses = compute_losses(outputs, batch, critic)
        _require_finite(losses, counter.step)
        accelerator.backward(torch.stack(list(losses.values())).sum())
        grad_norm = accelerator.clip_grad_norm_(networks.parameters(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        ema.update_parameters(accelerator.unwrap_model(networks))

        if critic is not None and critic_optimizer is not None:
            critic.requires_grad_(True)
            critic_losses = task.compute_critic_losses(outputs, batch, critic)
            _require_finite(critic_losses, counter.step)
            accelerator.backward(torch.stack(list(critic_losses.values())).sum())
            critic_optimizer.step()
            critic_optimizer.zero_grad()
            losses = losses | critic_losses

        counter.step += 1
        if counter.step % config.log_every == 0:
            elapsed = time.perf_counter() - started
            rate = (counter.step - first_step) * config.batch_size * accelerator.num_processes / elapsed
            left_s = (config.steps - counter.step) * elapsed / (counter.step - first_step)
            line = {name: round(float(value.detach()), 5) for name, value in losses.items()}
            line |= {"grad_norm": round(float(grad_norm), 3), "samples_per_s": round(rate, 1)}
            line |= {"data_share": round(data_s / elapsed, 3), "minutes_left": round(left_s / 60, 1)}
            _log(accelerator, out, {"step": counter.step} | line)
        if counter.step % config.validate_every == 0 or counter.step == config.steps:
            if accelerator.is_main_process:
                figures = _validate_and_export(task, ema.module, out, counter.step, config, device, command)
            _log(accelerator, out, {"step": counter.step, "validation": figures})
        if counter.step % config.save_every == 0 or counter.step == config.steps:
            _save_checkpoint(accelerator, out, counter.step)
    if config.steps == 0 and accelerator.is_main_process:  # only measure the weights that the task starts from
        figures = _validate_and_export(task, ema.module, out, 0, config, device, command)
        _log(accelerator, out, {"step": 0, "validation": figures})
    accelerator.end_training()
    return figures


def _warmed_ema(decay: float) -> Callable[[list[torch.Tensor], list[torch.Tensor], torch.Tensor], None]:
    """Moving average that forgets its first, untrained values: decay (1 + n) / (10 + n) until that exceeds `decay`."""

    @torch.no_grad()
    def update(averages: list[torch.Tensor], values: list[torch.Tensor], count: torch.Tensor) -> None:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value.to(average.dtype), 1 - now)
            else:
                average.copy_(value)

    return update


def _learning_rate_factor(step: int, config: LoopConfig) -> float:
    warmup = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    progress = min(step / max(config.steps, 1), 1.0)
    return warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def _require_finite(losses: Losses, step: int) -> None:
    for name, value in losses.items():
        if not torch.isfinite(value).all():
            raise FloatingPointError(
                f"loss term {name} is {float(value.detach())} at step {step}; resume with a lower learning rate"
            )


def _validate_and_export(
    task: Task,
    networks: nn.Module,
    out: pathlib.Path,
    step: int,
    config: LoopConfig,
    device: torch.device,
    command: str,
) -> dict[str, float]:
    networks = as_loaded(copy.deepcopy(networks)).eval()  # the figures are those of the file
    with torch.no_grad():
        figures = {name: round(float(value), 5) for name, value in task.validate(networks, device).items()}
        picture = task.draw_samples(networks, device)
    if picture is not None:
        (out / "samples").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out / "samples" / f"{step:06d}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    facts = {
        "command": command,
        "steps": step,
        "config": dataclasses.asdict(config),
        "commit": _read_commit(),
        "hardware": _describe_hardware(),
        "torch": torch.__version__,
        "validation": figures,
    }
    task.export(networks, out / "export", facts)
    return figures


def _describe_hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()} CPU, {torch.get_num_threads()} threads"


def _read_commit() -> str:
    try:
        return subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _log(accelerator: accelerate.Accelerator, out: pathlib.Path, line: dict[str, Any]) -> None:
    if not accelerator.is_main_process:
        return
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def _latest_checkpoint(out: pathlib.Path) -> pathlib.Path | None:
    found = sorted(path for path in (out / "checkpoints").glob("step-*") if path.suffix != ".tmp")
    return found[-1] if found else None


def _save_checkpoint(accelerator: accelerate.Accelerator, out: pathlib.Path, step: int) -> None:
    """Write the state beside the old one, then rename: a kill at any moment leaves a whole checkpoint."""
    final = out / "checkpoints" / f"step-{step:07d}"
    partial = final.with_suffix(".tmp")
    accelerator.save_state(str(partial), safe_serialization=True)
    if accelerator.is_main_process:
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        for old in sorted((out / "checkpoints").glob("step-*"))[:-2]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()
