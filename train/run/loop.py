"""The training loop of every recipe: `run`, read from top to bottom.

It runs under ``accelerate launch -m train RECIPE`` on one CPU, one GPU or many; the same command resumes.
"""

import copy
import dataclasses
import math
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import nn

from reenact.errors import ConfigError
from reenact.media.output import disk_errors, remove_partials
from train.run.average import WeightAverage, fill
from train.run.batches import Feed, Prefetcher, seed_forward
from train.run.export import as_loaded
from train.run.log import Logbook, Pace
from train.run.precision import Precision, describe_precision
from train.run.processes import (
    apply_gradients,
    clip_gradients,
    make_accelerator,
    mean_over_processes,
    prepare_modules,
    synchronised_modules,
)
from train.run.provenance import check_run, describe_hardware, read_commit, settings_of, write_run
from train.run.state import TrainingState
from train.run.trackers import TrackerName, choose_trackers, open_trackers

Batch = dict[str, torch.Tensor]
Losses = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Length and speed of a run."""

    steps: int
    """Optimizer steps of the whole run; 0 measures the initial weights."""
    batch_size: int
    """Samples per micro-batch, that is per process and round of accumulation."""
    accumulate: int = 1
    """Micro-batches per step and process; 2 on one process equals 1 on two processes."""
    learning_rate: float = 1e-3
    """Peak of the schedule: linear warm-up, then a cosine down to `final_rate` of the peak."""
    final_rate: float = 0.02
    """Share of the peak at the end; 1 keeps the rate constant after the warm-up."""
    critic_learning_rate: float = 4e-4
    """Of the critic, constant. Higher than the generator's, as in two-time-scale updates."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of AdamW."""
    critic_betas: tuple[float, float] = (0.5, 0.99)
    """Of the critic's AdamW; little momentum, because its target moves."""
    warmup_steps: int = 200
    """Steps of the linear warm-up."""
    clip_norm: float = 1.0
    """Longer gradients are scaled down to this norm."""
    ema_decay: float = 0.998
    """Of the averaged weights, which are validated and exported."""
    mixed_precision: Precision = "auto"
    """Of the forward passes; `auto` is bf16 where the CPU or GPU computes in it, which about doubles the speed."""
    compile: bool = False
    """Compile networks and losses with torch.compile: minutes of start-up, then 1.3 to 2 times the speed."""
    partial_gradients: bool = False
    """Set it if some weights get no gradient in some steps; DDP then searches for them, which costs time."""
    seed: int = 0
    """Micro-batch m of step k is a function of seed, k and m alone, so that resumed runs see the same batches."""
    log_every: int = 50
    """Steps between lines of the log."""
    save_every: int = 500
    """Steps between checkpoints of the whole state."""
    validate_every: int = 1000
    """Steps between validations, which also write a sample grid and export the weights."""

    def __post_init__(self) -> None:
        if min(self.batch_size, self.accumulate, self.log_every, self.save_every, self.validate_every) < 1:
            raise ConfigError("batch_size, accumulate, log_every, save_every and validate_every must each be 1 or more")
        if self.steps < 0:
            raise ConfigError(f"steps is {self.steps}; it must be 0 or more")


class Task(Protocol):
    """What a recipe trains: networks, batches and losses.

    `sample_batch` and `use_data` run ahead in another thread; the other methods must not use what these two change.
    """

    networks: nn.Module
    """Everything that is trained; called as ``networks(*inputs(batch))``, so that DDP sees every forward pass."""
    critic: nn.Module | None
    """The discriminator, called as ``critic(inputs)``; None without an adversarial loss."""

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        """A batch that depends on `rng` alone.

        For error texts, it may have ``names`` of the samples' pictures, or their ``rows`` in ``self.train``.
        """
        ...

    def use_data(self, train: Any) -> None:
        """Sample from this data from now on; called only when pictures are streamed."""
        ...

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Arguments of the networks."""
        ...

    def compute_losses(self, outputs: Any, batch: Batch, critic: nn.Module | None) -> Losses:
        """Weighted terms, means over the batch, whose sum is minimised; the critic's inputs stay attached."""
        ...

    def compute_critic_losses(self, outputs: Any, batch: Batch, critic: nn.Module) -> Losses:
        """The critic's terms; `outputs` must be detached."""
        ...

    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]: ...

    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """(h, w, 3) uint8 RGB picture of results on validation people, or None."""
        ...

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        """Write ``config.json`` and ``model.safetensors`` for inference."""
        ...


def run(
    task: Task,
    config: LoopConfig,
    out: pathlib.Path,
    *,
    command: str,
    feed: Feed | None = None,
    settings: Mapping[str, Any] | None = None,
    track: Sequence[TrackerName] | None = None,
) -> dict[str, float]:
    """Train `task`, resuming from `out` if it holds an earlier part of the same run.

    Args:
        task: networks, batches and losses.
        config: length and speed.
        out: run folder; gets ``run.json``, ``log.jsonl``, ``checkpoints/``, ``samples/`` and ``export/``.
        command: the command line, which the exported weights name.
        feed: source of new training data during the run; None: the task has all of it.
        settings: the recipe's arguments for ``run.json``; a run with other settings is not resumed.
        track: ``tensorboard``, ``trackio``; None is TensorBoard if installed.

    Returns:
        Figures of the last validation; empty on all but the main process.

    Raises:
        FloatingPointError: a loss is not finite; the text names the step, the term and the rows of the batch.
        ConfigError: `out` belongs to a run with another recipe or settings.
        CheckpointError: the run cannot be resumed.
        OutputError: the disk is full; the last checkpoint is complete.
    """
    accelerator = make_accelerator(config.mixed_precision, config.accumulate, config.partial_gradients)
    device, is_main = accelerator.device, accelerator.is_main_process
    precision = describe_precision(config.mixed_precision, device)
    record = check_run(out, settings_of(config, settings or {}, accelerator.num_processes))
    tracker_names = choose_trackers(track)
    set_seed(config.seed)

    # a copy outside of DDP, FSDP and torch.compile for the averaged weights
    averaged = copy.deepcopy(task.networks).to(device, memory_format=torch.channels_last)
    compute_losses = torch.compile(task.compute_losses) if config.compile else task.compute_losses
    if config.compile:
        task.networks.compile()
    trained = prepare_modules(accelerator, task.networks, task.critic, config)
    networks, critic = trained["networks"].module, trained["critic"].module if "critic" in trained else None
    average = WeightAverage(trained["networks"].unwrapped, config.ema_decay)
    state = TrainingState(accelerator, trained, average)
    step = state.restore(out / "checkpoints")
    accelerator.wait_for_everyone()
    if is_main:
        remove_partials(out / "checkpoints")
        write_run(out, record, step, command, accelerator.num_processes, precision)
    accelerator.print(f"precision: {precision}")
    if step:
        accelerator.print(f"resumed at step {step} from {out / 'checkpoints'}")

    batches = Prefetcher(
        task,
        feed,
        seed=config.seed,
        batch_size=config.batch_size,
        steps=range(step, config.steps),
        accumulate=config.accumulate,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        device=device,
    )
    synchronised = synchronised_modules(accelerator, trained)
    trackers = open_trackers(tracker_names, out, step, record["settings"]) if is_main else []
    pace = Pace(step, config.steps, config.batch_size * config.accumulate * accelerator.num_processes)
    figures: dict[str, float] = {}

    with Logbook(out, trackers, step, active=is_main) as log, batches:
        while step < config.steps:
            for group in trained["networks"].optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate_factor(step, config)
            terms: list[Losses] = []
            for index in range(config.accumulate):
                batch = batches.next()
                names = batch.pop("names", None)
                micro = batches.micro_index(index)
                seed_forward(config.seed, step, micro)
                with accelerator.accumulate(*synchronised):
                    outputs = networks(*task.inputs(batch))
                    if critic is not None:
                        critic.requires_grad_(False)
                    losses = compute_losses(outputs, batch, critic)
                    require_finite(losses, step, micro, names)
                    accelerator.backward(torch.stack(list(losses.values())).sum())
                    if critic is not None:
                        critic.requires_grad_(True)
                        critic_losses = task.compute_critic_losses(outputs, batch, critic)
                        require_finite(critic_losses, step, micro, names)
                        accelerator.backward(torch.stack(list(critic_losses.values())).sum())
                        losses = losses | critic_losses
                terms.append({name: value.detach() for name, value in losses.items()})
            norms = clip_gradients(accelerator, trained)
            if accelerator.scaler is None:  # with fp16 the scaler skips such a step and lowers the scale
                require_finite(norms, step, micro, names)
            apply_gradients(accelerator, trained)
            average.update(trained["networks"].unwrapped)
            step += 1

            if step % config.log_every == 0:
                line = mean_over_processes(accelerator, terms) | {name: float(norm) for name, norm in norms.items()}
                line["learning_rate"] = trained["networks"].optimizer.param_groups[0]["lr"]
                log.write(step, line | pace.read(step, batches.waited_s))
            pause_began = time.perf_counter()
            if step % config.validate_every == 0 or step == config.steps:
                figures = validate_and_export(task, averaged, average, log, step, config, command)
            if step % config.save_every == 0 or step == config.steps:
                state.save(out / "checkpoints", step)
            pace.leave_out(time.perf_counter() - pause_began)
        if config.steps == 0:  # only measure the initial weights
            figures = validate_and_export(task, averaged, average, log, 0, config, command)
    accelerator.end_training()
    return figures


def learning_rate_factor(step: int, config: LoopConfig) -> float:
    """Share of the peak: linear warm-up times a cosine from 1 down to `final_rate`."""
    warmup = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    progress = min(step / max(config.steps, 1), 1.0)
    return warmup * (config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * progress)))


def require_finite(terms: Mapping[str, torch.Tensor], step: int, micro: int, names: Sequence[str] | None) -> None:
    """Stop the run before a number that is not finite reaches the weights.

    Raises:
        FloatingPointError: one is not finite; the text has the pictures of the batch, `names`.
    """
    values = torch.stack([value.detach().float() for value in terms.values()])
    if bool(torch.isfinite(values).all()):  # waits once for the device, not for each term
        return
    name, value = next(
        (name, value) for name, value in zip(terms, values.tolist(), strict=True) if not math.isfinite(value)
    )
    what = "norm" if name.endswith("grad_norm") else "loss term"
    rows = "rows " + ", ".join(map(str, names)) if names else "its rows have no names"
    raise FloatingPointError(
        f"{what} {name} is {value} at step {step}, micro-batch {micro} ({rows}). The last checkpoint is kept. Look at "
        "these pictures and labels; if they are good, start again with a lower --learning-rate in another --out"
    )


def validate_and_export(
    task: Task,
    networks: nn.Module,
    average: WeightAverage,
    log: Logbook,
    step: int,
    config: LoopConfig,
    command: str,
) -> dict[str, float]:
    """Measure and export the averaged weights on the main process, in `networks`; every process must call it."""
    weights = average.whole_values()
    if not log.active:
        return {}
    fill(networks.state_dict(), weights)
    as_loaded(networks).eval()  # the figures are those of the file
    device = next(networks.parameters()).device
    with torch.no_grad():
        figures = {name: round(float(value), 5) for name, value in task.validate(networks, device).items()}
        picture = task.draw_samples(networks, device)
    log.draw(step, picture)
    facts = {"command": command, "steps": step, "config": dataclasses.asdict(config)}
    facts |= {"commit": read_commit(), "hardware": describe_hardware(), "torch": torch.__version__}
    with disk_errors(log.out / "export"):
        task.export(networks, log.out / "export", facts | {"validation": figures})
    log.write(step, {"validation": figures})
    return figures
