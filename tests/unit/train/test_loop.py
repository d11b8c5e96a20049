"""The training loop on a toy task."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import accelerate.state
import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from train.export import write_model
from train.loop import Batch, LoopConfig, Losses, _latest_checkpoint, _learning_rate_factor, _warmed_ema, run


class Killed(Exception):
    """Stands for a kill."""


class ToyTask:
    """Fit a linear map through a small network with batch norm and dropout."""

    def __init__(self, *, stop_at: int | None = None, nan_at: int | None = None, critic: bool = False) -> None:
        torch.manual_seed(5)
        self.networks = nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.2), nn.Conv2d(4, 1, 1))
        self.critic = nn.Conv2d(1, 1, 1) if critic else None
        self.stop_at, self.nan_at = stop_at, nan_at
        self.losses: list[float] = []
        self.batches: list[torch.Tensor] = []

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        if self.stop_at == len(self.losses):
            raise Killed
        x = torch.from_numpy(rng.normal(size=(size, 2, 3, 3)).astype(np.float32))
        self.batches.append(x)
        return {"x": x.to(device), "y": (x[:, :1] - 0.5 * x[:, 1:]).to(device)}

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        return (batch["x"],)

    def compute_losses(self, outputs: torch.Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
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


@pytest.fixture(autouse=True)
def fresh_accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accelerate keeps its state for the process; here every test is a program of its own, on the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[ToyTask, pathlib.Path]:
    """A run of four steps."""
    out = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        task = ToyTask()
        run(task, CONFIG, out, command="-m train toy")
    return task, out


def read_log(out: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_it_runs_its_steps_and_leaves_all_it_promises(unbroken: tuple[ToyTask, pathlib.Path]) -> None:
    task, out = unbroken
    assert len(task.losses) == 4
    lines = read_log(out)
    assert [line["step"] for line in lines if "error" in line] == [1, 2, 3, 4]
    assert lines[-1]["validation"].keys() == {"bias"}
    assert {"samples_per_s", "grad_norm", "minutes_left", "data_share"} <= lines[0].keys()
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["step-0000002", "step-0000004"]
    assert (out / "samples" / "000004.png").is_file()
    facts = json.loads((out / "export" / "config.json").read_text())["training"]
    assert facts["command"] == "-m train toy"
    assert facts["steps"] == 4
    assert facts["config"] == json.loads(json.dumps(dataclasses.asdict(CONFIG)))
    assert facts["validation"] == lines[-1]["validation"]


@pytest.mark.parametrize("stop_at", [1, 3])
def test_the_same_call_resumes_with_the_losses_of_an_unbroken_run(
    unbroken: tuple[ToyTask, pathlib.Path], tmp_path: pathlib.Path, stop_at: int
) -> None:
    """Batches, dropout, optimiser, schedule and averages go on where they were."""
    expected, whole = unbroken
    broken = ToyTask(stop_at=stop_at)
    with pytest.raises(Killed):
        run(broken, CONFIG, tmp_path, command="toy")
    saved = stop_at // 2 * 2
    resumed = ToyTask()
    run(resumed, CONFIG, tmp_path, command="toy")
    assert broken.losses == pytest.approx(expected.losses[:stop_at], abs=1e-6)
    assert resumed.losses == pytest.approx(expected.losses[saved:], abs=1e-6)
    for ours, theirs in zip(resumed.batches, expected.batches[saved:], strict=True):
        assert torch.equal(ours, theirs)
    for name, value in resumed.networks.state_dict().items():
        torch.testing.assert_close(value, expected.networks.state_dict()[name], atol=1e-6, rtol=0)
    bias = (read_log(tmp_path)[-1]["validation"]["bias"], read_log(whole)[-1]["validation"]["bias"])
    assert bias[0] == pytest.approx(bias[1], abs=2e-5), "the averaged weights"


def test_a_finished_run_does_nothing_more(unbroken: tuple[ToyTask, pathlib.Path]) -> None:
    task = ToyTask()
    assert run(task, CONFIG, unbroken[1], command="toy") == {}
    assert task.losses == []


def test_half_written_checkpoints_are_ignored_and_replaced(tmp_path: pathlib.Path) -> None:
    """A kill while saving leaves a folder that ends in .tmp."""
    half = tmp_path / "checkpoints" / "step-0000002.tmp"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    assert _latest_checkpoint(tmp_path) is None
    task = ToyTask()
    run(task, CONFIG, tmp_path, command="toy")
    assert len(task.losses) == 4
    assert not half.exists()
    latest = _latest_checkpoint(tmp_path)
    assert latest is not None
    assert latest.name == "step-0000004"


def test_a_loss_that_is_not_finite_stops_the_run_by_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        FloatingPointError, match="loss term broken is nan at step 1; resume with a lower learning rate"
    ):
        run(ToyTask(nan_at=1), CONFIG, tmp_path, command="toy")


def test_a_critic_learns_beside_the_networks(tmp_path: pathlib.Path) -> None:
    task = ToyTask(critic=True)
    assert task.critic is not None
    before = task.critic.weight.detach().clone()
    run(task, dataclasses.replace(CONFIG, steps=2, validate_every=2), tmp_path, command="toy")
    assert not torch.equal(task.critic.weight, before)
    assert {"error", "adversarial", "critic"} <= read_log(tmp_path)[0].keys()


def test_averages_forget_the_untrained_weights() -> None:
    """While n steps are few the decay is (1 + n) / (10 + n), later the one asked for."""
    layer = nn.Linear(1, 1)
    average = AveragedModel(layer, multi_avg_fn=_warmed_ema(0.9), use_buffers=True)
    value = 0.0
    for n in range(200):
        layer.weight.data.fill_(float(n + 1))
        average.update_parameters(layer)
        decay = min(0.9, (1 + n) / (10 + n))
        value = n + 1 if n == 0 else decay * value + (1 - decay) * (n + 1)
        if n in (1, 5, 50, 199):
            assert float(average.module.weight.detach()) == pytest.approx(value, rel=1e-4)


def test_averages_copy_counters() -> None:
    layer = nn.BatchNorm2d(1)
    average = AveragedModel(layer, multi_avg_fn=_warmed_ema(0.9), use_buffers=True)
    for count in (3, 9):
        layer.num_batches_tracked.fill_(count)
        average.update_parameters(layer)
    assert int(average.module.num_batches_tracked) == 9


def test_the_learning_rate_warms_up_and_falls_to_a_fiftieth() -> None:
    config = LoopConfig(steps=1000, batch_size=1, warmup_steps=100)
    factors = np.array([_learning_rate_factor(step, config) for step in range(1001)])
    assert factors[0] == pytest.approx(0.01, abs=1e-3)
    assert factors.argmax() in range(95, 105)
    assert (np.diff(factors[110:]) < 0).all()
    assert factors[-1] == pytest.approx(0.02, abs=1e-6)
