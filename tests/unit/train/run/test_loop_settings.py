"""run.json: what a run folder belongs to. The log's rewinding, the pace, and what a run will cost."""

import dataclasses
import json
import pathlib
import time

import numpy as np
import pytest
import torch
from torch import nn

from reenact.errors import CheckpointError, ConfigError
from tests.toy_training import CONFIG, ToyTask, read_log
from train.run import log as logbook
from train.run.cost import measure_cost
from train.run.log import Logbook, Pace, rewind_log
from train.run.loop import LoopConfig, run
from train.run.provenance import check_run, settings_of

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
TWO = dataclasses.replace(CONFIG, steps=2, validate_every=2)


def test_run_json_holds_settings_and_every_start(tmp_path: pathlib.Path) -> None:
    for steps in (2, 4):
        run(ToyTask(), dataclasses.replace(TWO, steps=steps), tmp_path, command=f"toy {steps}", settings={"side": 64})
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["settings"]["side"] == 64
    assert record["settings"]["steps"] == 4
    assert record["settings"]["micro_batches_per_step"] == 1
    assert [start["command"] for start in record["starts"]] == ["toy 2", "toy 4"]
    assert [start["step"] for start in record["starts"]] == [0, 2]
    assert {"commit", "versions", "hardware", "processes", "time"} <= record["starts"][0].keys()
    assert record["starts"][0]["versions"]["torch"] == torch.__version__.split("+")[0] or torch.__version__


def test_a_folder_of_other_settings_is_refused_with_the_differences(tmp_path: pathlib.Path) -> None:
    settings = {"recipe": "tracker", "side": None, "facts": {"train": {"pictures": 9}}}
    run(ToyTask(), TWO, tmp_path, command="toy", settings=settings)
    before = (tmp_path / "log.jsonl").read_bytes()
    other = {"recipe": "parser", "side": 64, "facts": {"train": {"pictures": 8}}}
    with pytest.raises(ConfigError) as caught:
        run(ToyTask(), dataclasses.replace(TWO, batch_size=5), tmp_path, command="toy", settings=other)
    assert str(caught.value) == (
        f"{tmp_path} holds a run with other settings: batch_size was 3, now 5; facts.train.pictures was 9, now 8; "
        'recipe was "tracker", now "parser"; side was not set, now 64. Give another --out, or the settings of that run '
        "to resume it"
    )
    assert (tmp_path / "log.jsonl").read_bytes() == before
    assert len(json.loads((tmp_path / "run.json").read_text())["starts"]) == 1


@pytest.mark.parametrize(
    "change",
    [{"steps": 6}, {"log_every": 3}, {"save_every": 4}, {"validate_every": 3}, {"compile": True}],
    ids=lambda change: next(iter(change)),
)
def test_length_logging_and_speed_may_change(tmp_path: pathlib.Path, change: dict[str, int]) -> None:
    found = settings_of(CONFIG, {"threads": 1, "data": "here"}, 1)
    (tmp_path / "run.json").write_text(json.dumps({"settings": found, "starts": []}))
    wanted = settings_of(dataclasses.replace(CONFIG, **change), {"threads": 2, "data": "there"}, 1)
    assert check_run(tmp_path, wanted)["settings"] == json.loads(json.dumps(wanted))


def test_micro_batches_may_move_between_processes_but_not_change_in_number(tmp_path: pathlib.Path) -> None:
    found = settings_of(dataclasses.replace(CONFIG, accumulate=4), {}, 1)
    (tmp_path / "run.json").write_text(json.dumps({"settings": found, "starts": []}))
    check_run(tmp_path, settings_of(dataclasses.replace(CONFIG, accumulate=2), {}, 2))
    with pytest.raises(ConfigError, match="micro_batches_per_step was 4, now 8"):
        check_run(tmp_path, settings_of(dataclasses.replace(CONFIG, accumulate=4), {}, 2))


def test_checkpoints_without_run_json_and_damaged_ones_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    check_run(tmp_path, {})
    (tmp_path / "checkpoints" / "step-0000001.pt").touch()
    with pytest.raises(CheckpointError, match="has checkpoints but no run.json"):
        check_run(tmp_path, {})
    (tmp_path / "run.json").write_text('{"settings": {')
    with pytest.raises(CheckpointError, match="run.json is damaged"):
        check_run(tmp_path, {})


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="must each be 1 or more"):
        LoopConfig(steps=1, batch_size=1, accumulate=0)
    with pytest.raises(ConfigError, match="steps is -1; it must be 0 or more"):
        LoopConfig(steps=-1, batch_size=1)


def test_a_log_is_cut_back_to_the_step_that_was_restored(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = ['{"step": 1}\n', '{"step": 2}\n', '{"step": 2, "validation": {}}\n', '{"step": 3}\n', '{"step": 4, "er']
    path.write_text("".join(lines))
    rewind_log(path, 2)
    assert path.read_text() == "".join(lines[:3])
    rewind_log(path, 0)
    assert path.read_text() == ""
    rewind_log(tmp_path / "none.jsonl", 2)


def test_the_log_holds_what_json_can_say(tmp_path: pathlib.Path) -> None:
    with Logbook(tmp_path, [], 0, active=True) as log:
        log.write(1, {"loss": 0.123456789, "norm": float("inf"), "validation": {"psnr": 1 / 3}})
    with Logbook(tmp_path / "other", [], 0, active=False) as silent:
        silent.write(1, {"loss": 1.0})
        silent.draw(1, np.zeros((2, 2, 3), np.uint8))
    assert read_log(tmp_path) == [{"step": 1, "loss": 0.1234568, "norm": None, "validation": {"psnr": 0.3333333}}]
    assert not (tmp_path / "other").exists()


def test_the_pace_leaves_out_what_is_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(logbook.time, "perf_counter", lambda: now[0])
    pace = Pace(step=10, steps=40, samples_per_step=8)
    now[0] += 20
    assert pace.read(20, waited_s=1.0) == {"samples_per_s": 4.0, "data_share": 0.05, "minutes_left": round(40 / 60, 1)}
    now[0] += 30
    pace.leave_out(10)
    assert pace.read(30, waited_s=5.0) == {"samples_per_s": 4.0, "data_share": 0.2, "minutes_left": round(25 / 60, 1)}
    monkeypatch.undo()
    assert time.perf_counter() > 0


class Plain:
    """A task whose operations can be counted by hand."""

    def __init__(self, critic: bool, side: int = 10) -> None:
        self.side = side
        self.networks = nn.Conv2d(3, 4, 1, bias=False)
        self.critic = nn.Conv2d(4, 1, 1, bias=False) if critic else None

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> dict[str, torch.Tensor]:
        return {"x": torch.ones(size, 3, self.side, self.side), "rows": torch.zeros(size, dtype=torch.int64)}

    def inputs(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        return (batch["x"],)

    def compute_losses(self, outputs: torch.Tensor, batch: object, critic: nn.Module | None) -> dict[str, torch.Tensor]:
        return {"loss": outputs.mean()} if critic is None else {"loss": critic(outputs).mean()}

    def compute_critic_losses(self, outputs: torch.Tensor, batch: object, critic: nn.Module) -> dict[str, torch.Tensor]:
        return {"critic": critic(outputs.detach()).mean()}


def test_the_cost_of_a_run_is_measured_in_a_small_step() -> None:
    config, cpu = dataclasses.replace(CONFIG, steps=1000, batch_size=8, accumulate=2), torch.device("cpu")
    task = Plain(critic=False)
    before = task.networks.weight.clone()
    cost = measure_cost(task, config, cpu, processes=2)
    assert cost["samples"] == 32_000
    assert cost["samples_per_s"] > 0
    assert cost["gmac_per_sample"] == round(2 * 3 * 4 * 100 / 1e9, 4)  # forward, and the weights' gradient
    assert torch.equal(task.networks.weight, before)
    assert task.networks.weight.grad is None
    large = Plain(critic=True, side=1000)
    cost = measure_cost(large, dataclasses.replace(config, mixed_precision="bf16"), cpu)
    assert cost["parameters"] == {"networks": 12, "critic": 4}
    # the critic forward and its inputs' gradient for the networks; then forward and its weights' gradient
    assert cost["gmac_per_sample"] == pytest.approx((2 * 3 * 4 + 4 * 4) * 1e6 / 1e9, abs=1e-4)
    assert "forward" not in vars(large.networks)
