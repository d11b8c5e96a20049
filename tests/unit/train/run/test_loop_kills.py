"""Runs that are killed, run out of disk or lose a process, and go on by the same call."""

import dataclasses
import json
import pathlib
import signal
import time

import pytest
import torch

from tests.toy_training import CONFIG, Launch, free_port, read_log, run_processes, start_process

RUN = dataclasses.replace(CONFIG, steps=12, save_every=3, validate_every=4, accumulate=2)
pytestmark = pytest.mark.processes
TASK = {"critic": True}
FIGURES = ("error", "adversarial", "critic", "grad_norm", "critic_grad_norm", "learning_rate", "validation")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("unbroken")
    assert run_processes([Launch(out=out, config=RUN, task=TASK)]) == [0]
    return out


def assert_as_unbroken(out: pathlib.Path, unbroken: pathlib.Path) -> None:
    """The same lines, each once, with the same figures; the same weights, moments and averages at the end."""
    found, wanted = read_log(out), read_log(unbroken)
    assert [(line["step"], "validation" in line) for line in found] == [
        (line["step"], "validation" in line) for line in wanted
    ]
    for ours, theirs in zip(found, wanted, strict=True):
        for name in FIGURES:
            assert ours.get(name) == pytest.approx(theirs.get(name), abs=1e-6), (ours["step"], name)
    names = [sorted(path.name for path in (folder / "checkpoints").iterdir()) for folder in (out, unbroken)]
    assert names[0] == names[1]
    ours, theirs = (torch.load(folder / "checkpoints" / names[0][-1]) for folder in (out, unbroken))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(["loss 3"], id="before the first checkpoint"),
        pytest.param(["loss 15"], id="in the middle of a step"),
        pytest.param(["save 0"], id="while the first checkpoint is written"),
        pytest.param(["save 1", "save 0"], id="while later ones are written"),
        pytest.param(["rename 2"], id="before a checkpoint gets its name"),
        pytest.param(["log 10", "log 3"], id="in the middle of a line of the log"),
    ],
)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    tmp_path: pathlib.Path, unbroken: pathlib.Path, kills: list[str]
) -> None:
    for kill in kills:
        assert run_processes([Launch(out=tmp_path, config=RUN, task=TASK, kill=kill)]) == [-signal.SIGKILL]
    assert run_processes([Launch(out=tmp_path, config=RUN, task=TASK)]) == [0]
    assert_as_unbroken(tmp_path, unbroken)
    starts = json.loads((tmp_path / "run.json").read_text())["starts"]
    assert len(starts) == len(kills) + 1
    assert [start["step"] % 3 for start in starts] == [0] * len(starts)


def test_kills_from_outside_at_any_moment(tmp_path: pathlib.Path, unbroken: pathlib.Path) -> None:
    """Each start lives a little longer than the one before, whatever it is at."""
    for attempt in range(40):
        child = start_process(Launch(out=tmp_path, config=RUN, task=TASK))
        child.join(0.15 + 0.1 * attempt)
        child.kill()
        child.join()
        if child.exitcode == 0:
            break
    assert child.exitcode == 0, "never came to an end"
    assert_as_unbroken(tmp_path, unbroken)


def test_a_full_disk_is_one_clear_error_and_costs_no_checkpoint(tmp_path: pathlib.Path, unbroken: pathlib.Path) -> None:
    config = dataclasses.replace(RUN, steps=6)
    assert run_processes([Launch(out=tmp_path, config=config, task=TASK)]) == [0]
    whole = (tmp_path / "checkpoints" / "step-0000006.pt").read_bytes()
    child = start_process(Launch(out=tmp_path, config=RUN, task=TASK, disk_bytes=len(whole) // 2))
    child.join(60)
    assert child.exitcode == 2
    error = (tmp_path / "error.txt").read_text()
    assert error.startswith(
        f"{tmp_path / 'checkpoints' / 'step-0000009.pt'} could not be written: the disk is full; make"
    )
    assert "\n" not in error.strip()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-0000003.pt", "step-0000006.pt"]
    assert (tmp_path / "checkpoints" / "step-0000006.pt").read_bytes() == whole
    assert run_processes([Launch(out=tmp_path, config=RUN, task=TASK)]) == [0]
    assert [line["step"] for line in read_log(tmp_path) if "error" in line] == list(range(1, 13))


def test_a_process_that_dies_takes_the_other_along_and_both_go_on(
    tmp_path: pathlib.Path, unbroken: pathlib.Path
) -> None:
    """The other one notices within seconds: no launcher is needed to end it."""
    config, port = dataclasses.replace(RUN, accumulate=1), free_port()
    began = time.monotonic()
    starts = [Launch(out=tmp_path, config=config, task=TASK, rank=rank, world_size=2, port=port) for rank in range(2)]
    codes = run_processes([dataclasses.replace(starts[0]), dataclasses.replace(starts[1], kill="loss 8")])
    assert codes[1] == -signal.SIGKILL
    assert codes[0] not in (0, None)
    assert time.monotonic() - began < 45
    again = [dataclasses.replace(start, port=free_port()) for start in starts]
    assert run_processes([dataclasses.replace(start, port=again[0].port) for start in again]) == [0, 0]
    found = {line["step"]: line["error"] for line in read_log(tmp_path) if "error" in line}
    wanted = {line["step"]: line["error"] for line in read_log(unbroken) if "error" in line}
    assert list(found) == list(wanted)
    assert list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-5)
