"""The training loop on a toy task."""

import dataclasses
import json
import pathlib
import types

import accelerate
import numpy as np
import pytest
import torch
from torch import nn

from reenact.errors import CheckpointError, ConfigError
from tests.toy_training import CONFIG, Killed, ToyTask, read_log
from train.run.average import WeightAverage
from train.run.batches import seed_forward, with_names
from train.run.loop import Batch, LoopConfig, Losses, learning_rate_factor, run
from train.run.processes import apply_gradients, clip_gradients, prepare_modules
from train.run.provenance import settings_of
from train.run.state import latest_checkpoint

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


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


def test_it_runs_its_steps_and_leaves_all_it_promises(unbroken: tuple[ToyTask, pathlib.Path]) -> None:
    task, out = unbroken
    assert len(task.losses) == 4
    lines = read_log(out)
    assert [line["step"] for line in lines if "error" in line] == [1, 2, 3, 4]
    assert lines[-1]["validation"].keys() == {"bias"}
    assert {"samples_per_s", "grad_norm", "minutes_left", "data_share", "learning_rate"} <= lines[0].keys()
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["step-0000002.pt", "step-0000004.pt"]
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


def test_half_written_checkpoints_are_ignored_and_removed(tmp_path: pathlib.Path) -> None:
    """A kill while saving leaves a hidden partial file."""
    half = tmp_path / "checkpoints" / ".step-0000002.pt.0123abcd.partial"
    half.parent.mkdir(parents=True)
    (tmp_path / "run.json").write_text(json.dumps({"settings": settings_of(CONFIG, {}, 1), "starts": []}))
    half.write_bytes(b"half")
    assert latest_checkpoint(half.parent) is None
    task = ToyTask()
    run(task, CONFIG, tmp_path, command="toy")
    assert len(task.losses) == 4
    assert not half.exists()
    latest = latest_checkpoint(half.parent)
    assert latest is not None
    assert latest.name == "step-0000004.pt"


def test_a_damaged_checkpoint_is_named(tmp_path: pathlib.Path) -> None:
    run(ToyTask(), dataclasses.replace(CONFIG, steps=2), tmp_path, command="toy")
    path = tmp_path / "checkpoints" / "step-0000002.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"step-0000002\.pt is damaged .*; delete it, and the run resumes from"):
        run(ToyTask(), CONFIG, tmp_path, command="toy")


def test_checkpoints_of_another_network_are_refused(tmp_path: pathlib.Path) -> None:
    run(ToyTask(), dataclasses.replace(CONFIG, steps=2), tmp_path, command="toy")
    with pytest.raises(CheckpointError, match="does not fit this recipe"):
        run(ToyTask(batch_norm=False), CONFIG, tmp_path, command="toy")


def test_a_loss_that_is_not_finite_stops_the_run_by_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FloatingPointError) as caught:
        run(ToyTask(nan_at=3), CONFIG, tmp_path, command="toy")
    assert "loss term broken is nan at step 3, micro-batch 0 (rows clip3:0, clip3:1, clip3:2)" in str(caught.value)
    assert "The last checkpoint is kept" in str(caught.value)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-0000002.pt"]
    resumed = ToyTask()
    run(resumed, CONFIG, tmp_path, command="toy")
    assert np.isfinite(resumed.losses).all()
    assert len(resumed.losses) == 2


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path: pathlib.Path) -> None:
    class Steep(ToyTask):
        def compute_losses(self, outputs: torch.Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
            return {"root": (outputs * 0).square().sum().sqrt()}  # 0, with an infinite slope

    task = Steep()
    before = {name: value.clone() for name, value in task.networks.named_parameters()}
    with pytest.raises(FloatingPointError, match="norm grad_norm is nan at step 0, micro-batch 0"):
        run(task, CONFIG, tmp_path, command="toy")
    for name, value in task.networks.named_parameters():
        assert torch.equal(value, before[name])


def test_a_critic_learns_beside_the_networks(tmp_path: pathlib.Path) -> None:
    task = ToyTask(critic=True)
    assert task.critic is not None
    before = task.critic[0].weight.detach().clone()
    run(task, dataclasses.replace(CONFIG, steps=2, validate_every=2), tmp_path, command="toy")
    assert not torch.equal(task.critic[0].weight, before)
    assert {"error", "adversarial", "critic"} <= read_log(tmp_path)[0].keys()


@pytest.mark.parametrize("critic", [False, True])
def test_accumulated_micro_batches_are_one_larger_batch(tmp_path: pathlib.Path, critic: bool) -> None:
    """Without batch norm and dropout, which see the size of a batch."""
    config = dataclasses.replace(CONFIG, steps=1)
    tasks = [ToyTask(critic=critic, batch_norm=False, dropout=0.0, joined=joined) for joined in (1, 2)]
    run(tasks[0], dataclasses.replace(config, accumulate=2), tmp_path / "two", command="toy")
    run(tasks[1], dataclasses.replace(config, batch_size=6), tmp_path / "one", command="toy")
    for module, other in zip((tasks[0].networks, tasks[0].critic), (tasks[1].networks, tasks[1].critic), strict=True):
        if module is not None and other is not None:
            for value, wanted in zip(module.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(value, wanted, atol=1e-6, rtol=0)
    logged = [read_log(tmp_path / name)[0]["error"] for name in ("two", "one")]
    assert logged[0] == pytest.approx(logged[1], abs=1e-6)


def test_averages_move_once_a_step(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    update = WeightAverage.update
    monkeypatch.setattr(WeightAverage, "update", lambda self, networks: (counts.append(1), update(self, networks))[1])
    run(ToyTask(), dataclasses.replace(CONFIG, accumulate=3), tmp_path, command="toy")
    assert len(counts) == CONFIG.steps


def test_fresh_data_reaches_the_task_before_the_batch_of_its_step(tmp_path: pathlib.Path) -> None:
    class Feed:
        def data_for(self, step: int) -> float | None:
            return {2: 0.0}.get(step)

    class Recording(ToyTask):
        gains: list[float] = []  # noqa: RUF012

        def compute_losses(self, outputs: torch.Tensor, batch: Batch, critic: nn.Module | None) -> Losses:
            self.gains.append(float(batch["y"].abs().max() > 0))
            return super().compute_losses(outputs, batch, critic)

    run(Recording(), CONFIG, tmp_path, command="toy", feed=Feed())
    assert Recording.gains == [1, 1, 0, 0]


def test_what_goes_wrong_while_a_batch_is_sampled_ends_the_run(tmp_path: pathlib.Path) -> None:
    class Broken(ToyTask):
        def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
            if len(self.batches) == 2:
                raise CheckpointError("no such picture")
            return super().sample_batch(rng, size, device)

    task = Broken()
    with pytest.raises(CheckpointError, match="no such picture"):
        run(task, CONFIG, tmp_path, command="toy")
    assert len(task.losses) == 2


def test_fp16_scales_both_losses_once_and_leaves_out_steps_that_overflow(tmp_path: pathlib.Path) -> None:
    """The scaler that accelerate makes on GPUs, put in by hand: weights are those of a run without it."""
    tasks = [ToyTask(critic=True, batch_norm=False) for _ in range(2)]
    accelerator = accelerate.Accelerator(cpu=True)
    trained = [prepare_modules(accelerator, task.networks, task.critic, CONFIG) for task in tasks]
    batch = tasks[0].sample_batch(np.random.default_rng(0), 3, torch.device("cpu"))
    for scaler, task, pair in zip((torch.amp.GradScaler("cpu"), None), tasks, trained, strict=True):
        accelerator.scaler = scaler
        for step in range(3):
            seed_forward(0, step, 0)
            outputs = pair["networks"].module(batch["x"])
            accelerator.backward(task.compute_losses(outputs, batch, pair["critic"].module)["error"])
            accelerator.backward(task.compute_critic_losses(outputs, batch, pair["critic"].module)["critic"])
            norms = clip_gradients(accelerator, pair)
            assert norms.keys() == {"grad_norm", "critic_grad_norm"}
            apply_gradients(accelerator, pair)
    for name in ("networks", "critic"):
        for value, wanted in zip(*(pair[name].unwrapped.parameters() for pair in trained), strict=True):
            torch.testing.assert_close(value, wanted, atol=1e-6, rtol=0)

    accelerator.scaler = scaler = torch.amp.GradScaler("cpu")
    before = [value.clone() for value in trained[0]["networks"].unwrapped.parameters()]
    accelerator.backward(trained[0]["networks"].module(batch["x"]).sum() * float("inf"))
    accelerator.backward(trained[0]["critic"].module(batch["y"]).sum())
    clip_gradients(accelerator, trained[0])
    apply_gradients(accelerator, trained[0])
    assert scaler.get_scale() == 2.0**15
    for value, wanted in zip(trained[0]["networks"].unwrapped.parameters(), before, strict=True):
        assert torch.equal(value, wanted)


def test_fp16_without_a_gpu_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="fp16 needs a GPU; take --mixed-precision auto or no"):
        run(ToyTask(), dataclasses.replace(CONFIG, mixed_precision="fp16"), tmp_path, command="toy")


def test_averages_forget_the_untrained_weights() -> None:
    """While n updates are few the decay is (1 + n) / (10 + n), later the one asked for."""
    layer = nn.Linear(1, 1)
    average = WeightAverage(layer, 0.9)
    value = 0.0
    for n in range(200):
        layer.weight.data.fill_(float(n + 1))
        average.update(layer)
        decay = min(0.9, (1 + n) / (10 + n))
        value = n + 1 if n == 0 else decay * value + (1 - decay) * (n + 1)
        if n in (1, 5, 50, 199):
            assert float(average.values["weight"]) == pytest.approx(value, rel=1e-4)


def test_averages_copy_counters() -> None:
    layer = nn.BatchNorm2d(1)
    average = WeightAverage(layer, 0.9)
    for count in (3, 9):
        layer.num_batches_tracked.fill_(count)
        average.update(layer)
    assert int(average.values["num_batches_tracked"]) == 9


def test_the_learning_rate_warms_up_and_falls_to_a_fiftieth_or_stays() -> None:
    config = LoopConfig(steps=1000, batch_size=1, warmup_steps=100)
    factors = np.array([learning_rate_factor(step, config) for step in range(1001)])
    assert factors[0] == pytest.approx(0.01, abs=1e-3)
    assert factors.argmax() in range(95, 105)
    assert (np.diff(factors[110:]) < 0).all()
    assert factors[-1] == pytest.approx(0.02, abs=1e-6)
    constant = dataclasses.replace(config, warmup_steps=0, final_rate=1)
    assert {learning_rate_factor(step, constant) for step in range(1001)} == {1.0}


def test_rows_of_a_batch_become_the_names_of_their_pictures() -> None:
    task = types.SimpleNamespace(train=types.SimpleNamespace(names=("a:0", "a:1", "still")))
    batch = {"x": torch.zeros(2), "rows": torch.tensor([[0, 1], [2, -1]])}
    assert with_names(task, batch)["names"] == ["a:0 > a:1", "still"]
    assert with_names(task, {"rows": torch.tensor([2, 0])})["names"] == ["still", "a:0"]
    assert with_names(task, {"names": ["own"]}) == {"names": ["own"]}
