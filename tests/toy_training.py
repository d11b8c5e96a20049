"""A task that trains in milliseconds, for tests of the training loop in this process and in child processes."""

import dataclasses
import io
import json
import multiprocessing
import os
import pathlib
import resource
import runpy
import signal
import socket
import sys
from typing import Any

import accelerate
import numpy as np
import torch
from torch import nn

import train.run.log
import train.run.loop
from reenact.errors import ReenactError
from train.run.average import gather
from train.run.batches import micro_batch_rng
from train.run.export import write_model
from train.run.loop import Batch, LoopConfig, Losses, run

_RUN_NAME = "toy_process"

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
    """Simulates a kill inside the test process."""


class ToyTask:
    """Fits a linear map with a small network with dropout and optional batch norm."""

    def __init__(
        self,
        *,
        stop_at: int | None = None,
        nan_at: int | None = None,
        critic: bool = False,
        batch_norm: bool = True,
        dropout: float = 0.2,
        joined: int = 1,
    ) -> None:
        """`joined`: a batch holds the micro-batches of this many processes."""
        torch.manual_seed(5)
        norm = nn.BatchNorm2d(4) if batch_norm else nn.GroupNorm(2, 4)
        self.networks = nn.Sequential(nn.Conv2d(2, 4, 1), norm, nn.Dropout(dropout), nn.Conv2d(4, 1, 1))
        self.critic = nn.Sequential(nn.Conv2d(1, 3, 1), nn.SiLU(), nn.Conv2d(3, 1, 1)) if critic else None
        self.stop_at, self.nan_at, self.joined, self.step = stop_at, nan_at, joined, 0
        self.gain = 1.0
        self.losses: list[float] = []
        self.batches: list[torch.Tensor] = []

    def use_data(self, train: float) -> None:
        self.gain = train

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        generators = [rng] if self.joined == 1 else [micro_batch_rng(0, self.step, m) for m in range(self.joined)]
        parts = [generator.normal(size=(size // self.joined, 2, 3, 3)) for generator in generators]
        self.step += 1
        x = torch.from_numpy(np.concatenate(parts).astype(np.float32))
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
    """The parsed lines of ``OUT/log.jsonl``."""
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def logged(out: pathlib.Path, name: str) -> dict[int, Any]:
    """A figure of a run's log by step."""
    return {line["step"]: line[name] for line in read_log(out) if name in line}


def free_port() -> int:
    """A free port on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes() -> multiprocessing.context.ForkServerContext:
    """Context that starts processes in milliseconds: the fork server has already imported the loop."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train.run.loop", "torch._dynamo"])  # the first optimiser imports torch._dynamo
    return context


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launch:
    """One process of a toy run."""

    out: pathlib.Path
    config: LoopConfig = CONFIG
    task: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of `ToyTask`."""
    rank: int = 0
    world_size: int = 1
    port: int = 0
    kill: str | None = None
    """When the process kills itself; see `kill_at`."""
    fsdp2: bool = False
    """Shard the networks with FSDP2."""
    disk_bytes: int | None = None
    """Maximum file size, to simulate a full disk."""


def launch(start: Launch) -> None:
    """Run the toy task in this process, like a launcher. Writes the rank's final state to ``OUT/rank-N.pt``."""
    torch.set_num_threads(1)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    if start.world_size > 1:
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        values = (start.rank, start.rank, start.world_size, start.world_size, "127.0.0.1", start.port)
        os.environ |= {name: str(value) for name, value in zip(names, values, strict=True)} | {"OMP_NUM_THREADS": "1"}
    if start.fsdp2:
        pretend_fsdp2()
    if start.kill is not None:
        kill_at(start.kill)
    if start.disk_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (start.disk_bytes, start.disk_bytes))
    gradients: list[dict[str, torch.Tensor]] = []
    clip = train.run.loop.clip_gradients

    def recording(accelerator: Any, trained: Any) -> Any:
        found = {
            f"{who}.{name}": weight.grad
            for who, one in trained.items()
            for name, weight in one.unwrapped.named_parameters()
        }
        gradients.append({name: gather(gradient).clone() for name, gradient in found.items()})
        return clip(accelerator, trained)

    train.run.loop.clip_gradients = recording
    task = ToyTask(**start.task)
    try:
        run(task, start.config, start.out, command="toy", track=["none"])
    except ReenactError as error:
        (start.out / "error.txt").write_text(str(error))
        sys.exit(2)
    modules = {"networks": task.networks} | ({} if task.critic is None else {"critic": task.critic})
    weights = {f"{who}.{name}": value for who, module in modules.items() for name, value in module.state_dict().items()}
    torch.save(
        {"gradients": gradients, "losses": task.losses} | ({} if start.fsdp2 else {"weights": weights}),
        start.out / f"rank-{start.rank}.pt",
    )


def kill_at(moment: str) -> None:
    """Make this process send itself SIGKILL at the N-th ``loss``, ``save``, ``rename`` or ``log``, such as "save 1"."""
    what, number = moment.split()
    left = [int(number)]

    def due() -> bool:
        left[0] -= 1
        return left[0] < 0

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if what == "loss":
        compute = ToyTask.compute_losses
        ToyTask.compute_losses = lambda *arguments: die() if due() else compute(*arguments)  # type: ignore[method-assign]
    if what == "save":  # half of a checkpoint is written
        save = torch.save

        def half(state: Any, file: Any) -> None:
            if due():
                buffer = io.BytesIO()
                save(state, buffer)
                file.write(buffer.getvalue()[: len(buffer.getvalue()) // 2])
                file.flush()
                die()
            save(state, file)

        torch.save = half
    if what == "rename":  # the checkpoint is complete, but not renamed
        replace = pathlib.Path.replace
        pathlib.Path.replace = lambda path, to: (  # type: ignore[method-assign, assignment]
            die() if path.name.startswith(".step-") and due() else replace(path, to)
        )
    if what == "log":  # half of a log line is written
        write = train.run.log.Logbook.write

        def cut(log: Any, step: int, line: Any) -> None:
            if due():
                with (log.out / "log.jsonl").open("a") as file:
                    file.write('{"step": ' + str(step))
                die()
            write(log, step, line)

        train.run.log.Logbook.write = cut  # type: ignore[method-assign]


def pretend_fsdp2() -> None:
    """Let accelerate use FSDP on CPUs. Accelerate allows it only on accelerators, but PyTorch supports it with gloo."""
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "NO_WRAP"}
    state = accelerate.PartialState(cpu=True)
    state._shared_state["distributed_type"] = accelerate.DistributedType.MULTI_GPU


def start_process(start: Launch) -> multiprocessing.context.ForkServerProcess:
    """Start one process. It runs this file by path, because a library may install its own package `tests`."""
    fields = {field.name: getattr(start, field.name) for field in dataclasses.fields(start)}
    child = processes().Process(target=runpy.run_path, args=(__file__, {"FIELDS": fields}, _RUN_NAME))
    child.start()
    return child


def run_processes(starts: list[Launch], timeout_s: float = 60) -> list[int | None]:
    """Start one process each and wait for all.

    Returns:
        Their exit codes; negative numbers are signals.
    """
    children = [start_process(start) for start in starts]
    for child in children:
        child.join(timeout_s)
        if child.is_alive():
            child.kill()
            child.join()
    return [child.exitcode for child in children]


if __name__ == _RUN_NAME:
    launch(Launch(**FIELDS))  # type: ignore[name-defined]
