"""Two real processes (gloo) against one."""

import dataclasses
import pathlib
import signal
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from reenact.hub.checkpoint import read_checkpoint
from tests.toy_training import CONFIG, Launch, free_port, logged, read_log, run_processes

pytestmark = pytest.mark.processes
PLAIN = dataclasses.replace(CONFIG, steps=3, validate_every=3)


def run_two(out: pathlib.Path, codes: Sequence[int] = (0, 0), **changes: Any) -> list[dict[str, Any]]:
    """What both ranks end with, if they live to say so."""
    port = free_port()
    starts = [Launch(out=out, rank=rank, world_size=2, port=port, **changes) for rank in range(2)]
    assert run_processes(starts) == list(codes)
    return [torch.load(out / f"rank-{rank}.pt") for rank in range(2)] if not any(codes) else []


def run_one(out: pathlib.Path, **changes: Any) -> dict[str, Any]:
    assert run_processes([Launch(out=out, **changes)]) == [0]
    return torch.load(out / "rank-0.pt")


def assert_equal(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], atol: float = 1e-6) -> None:
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], atol=atol, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("critic", [False, True])
def test_two_processes_have_the_gradients_of_one_with_the_doubled_batch(tmp_path: pathlib.Path, critic: bool) -> None:
    task = {"critic": critic, "batch_norm": False, "dropout": 0.0}
    two = run_two(tmp_path / "two", config=PLAIN, task=task)
    one = run_one(tmp_path / "one", config=dataclasses.replace(PLAIN, batch_size=6), task=task | {"joined": 2})
    for step in range(3):
        assert_equal(two[0]["gradients"][step], one["gradients"][step])
        assert_equal(two[1]["gradients"][step], one["gradients"][step])
    assert_equal(two[0]["weights"], one["weights"], atol=1e-5)  # Adam divides by the gradient's size
    assert_equal(two[0]["weights"], two[1]["weights"], atol=0)


@pytest.mark.parametrize("critic", [False, True])
def test_two_processes_are_one_that_accumulates(tmp_path: pathlib.Path, critic: bool) -> None:
    """Batches, dropout and logged means are the same too; batch norm counts its own rank's batches alone."""
    two = run_two(tmp_path / "two", config=dataclasses.replace(PLAIN, accumulate=2), task={"critic": critic})
    one = run_one(tmp_path / "one", config=dataclasses.replace(PLAIN, accumulate=4), task={"critic": critic})
    for step in range(3):
        assert_equal(two[0]["gradients"][step], one["gradients"][step])
    assert sorted(two[0]["losses"] + two[1]["losses"]) == pytest.approx(sorted(one["losses"]), abs=1e-6)
    for ours, theirs in zip(read_log(tmp_path / "two"), read_log(tmp_path / "one"), strict=True):
        assert ours.get("error") == pytest.approx(theirs.get("error"), abs=1e-6)
        assert ours.get("grad_norm") == pytest.approx(theirs.get("grad_norm"), abs=1e-5)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_fsdp2_learns_saves_and_exports_what_ddp_does(tmp_path: pathlib.Path, precision: str) -> None:
    """Weights, moments and averages are shards there; checkpoints and exports hold them whole."""
    task = {"critic": True, "dropout": 0.0}  # masks follow the layout of a tensor, and shards want another
    config = dataclasses.replace(CONFIG, mixed_precision=precision)
    ddp = run_two(tmp_path / "ddp", config=config, task=task)
    sharded = run_two(tmp_path / "fsdp2", config=config, task=task, fsdp2=True)
    for step in range(4):
        assert_equal(sharded[0]["gradients"][step], ddp[0]["gradients"][step], atol=1e-5)
    states = [torch.load(tmp_path / name / "checkpoints" / "step-0000004.pt") for name in ("fsdp2", "ddp")]
    for part in ("networks", "critic"):
        assert_equal(*(without_noise(state["modules"][part]) for state in states), atol=1e-4)
    assert_equal(*(without_noise(state["average"]["values"]) for state in states), atol=1e-4)
    exports = [read_checkpoint(tmp_path / name / "export", model="toy").weights for name in ("fsdp2", "ddp")]
    assert_equal(*(without_noise(weights) for weights in exports), atol=1e-3)
    learned = torch.load(tmp_path / "fsdp2" / "checkpoints" / "step-0000002.pt")["modules"]["critic"]["0.weight"]
    assert not torch.equal(learned, states[0]["modules"]["critic"]["0.weight"])


def without_noise(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """But for the bias before batch norm: its gradient is rounding errors, which Adam makes as large as any other."""
    noisy = ("0.bias", "1.running_mean")
    return {name: value for name, value in weights.items() if name not in noisy}


def test_a_killed_run_goes_on_with_or_without_shards_and_with_other_processes(tmp_path: pathlib.Path) -> None:
    """A checkpoint is whole, whoever wrote it: the losses stay those of the unbroken run."""
    task = {"critic": True, "dropout": 0.0, "batch_norm": False}
    run_two(tmp_path / "whole", config=CONFIG, task=task)
    for sharded, then in ((True, "shards"), (True, "whole weights"), (False, "one process")):
        out = tmp_path / f"{sharded}-{then}"
        killed = run_two(out, [-signal.SIGKILL] * 2, config=CONFIG, task=task, fsdp2=sharded, kill="loss 3")
        assert killed == []
        if then == "one process":
            run_one(out, config=dataclasses.replace(CONFIG, accumulate=2), task=task)
        else:
            run_two(out, config=CONFIG, task=task, fsdp2=then == "shards")
        for name in ("error", "adversarial", "critic"):
            assert logged(out, name) == pytest.approx(logged(tmp_path / "whole", name), abs=1e-5), then
