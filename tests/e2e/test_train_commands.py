"""The training command as people use it: launched, killed, resumed, streamed, asked for its price, and misused."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest

from reenact.geometry.morphable import load_morphable
from tests.labelled_set import painted_faces, write_labelled
from tests.toy_training import logged
from train.cli import main
from train.data.pack import pack

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--config_file")
ENVIRONMENT = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    model = load_morphable()
    splits = {"train": painted_faces(model, 1, 3, 4, 4), "val": painted_faces(model, 2, 1, 9, 2)}
    return write_labelled(tmp_path_factory.mktemp("painted") / "data", splits)


def words(data: pathlib.Path, recipe: str, out: pathlib.Path, *more: str) -> list[str]:
    small = "--steps 4 --batch-size 2 --side 64 --log-every 1 --mixed-precision no --track none"
    cache = str(data.parent / "cache")
    return [recipe, "--data", str(data), "--out", str(out), "--cache", cache, *small.split(), *more]


@pytest.mark.processes
def test_accelerate_launches_one_process(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    command = [*LAUNCH, "train/configs/cpu.yaml", "-m", "train", *words(data, "correspondence", tmp_path / "run")]
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert logged(tmp_path / "run", "l1").keys() == {1, 2, 3, 4}
    assert (tmp_path / "run" / "export" / "model.safetensors").is_file()


@pytest.mark.processes
def test_a_lost_process_ends_the_launch_and_the_same_command_goes_on(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = ("--steps", "160", "--save-every", "10", "--batch-size", "64")
    recipe = words(data, "facegan_landmarks", tmp_path, *options)
    command = [*LAUNCH, "train/configs/two-cpus.yaml", "-m", "train", *recipe]
    launcher = subprocess.Popen(
        command, cwd=REPOSITORY, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: any((tmp_path / "checkpoints").glob("*.pt")), launcher)
        ranks = [child for child in psutil.Process(launcher.pid).children() if "facegan_landmarks" in child.cmdline()]
        assert len(ranks) == 2
        ranks[1].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        error = launcher.communicate(timeout=90)[1]
    finally:
        for process in (*psutil.Process().children(recursive=True),):
            if "facegan_landmarks" in " ".join(process.cmdline()):
                process.kill()
    assert launcher.returncode != 0
    assert time.monotonic() - killed < 60
    assert "exitcode  : -9" in error or "Signal 9" in error, error[-2000:]
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "resumed at step" in done.stdout
    assert list(logged(tmp_path, "landmarks")) == list(range(1, 161))


def wait_for(condition: Any, process: subprocess.Popen[str], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def test_a_streamed_run_resumes_in_the_window_of_its_step(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pack(data, tmp_path / "shards", pictures_per_shard=6)
    stream = ("--stream", "--shards-per-window", "1", "--steps-per-window", "2", "--save-every", "3")
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    assert main(words(tmp_path / "shards", "tracker", whole, *stream)) == 0
    assert main(words(tmp_path / "shards", "tracker", halved, *stream)) == 0
    (halved / "checkpoints" / "step-0000004.pt").unlink()  # as if it had been killed in step 4
    assert main(words(tmp_path / "shards", "tracker", halved, *stream)) == 0
    assert logged(halved, "mesh") == pytest.approx(logged(whole, "mesh"), abs=1e-6)
    record = json.loads((halved / "run.json").read_text())
    assert [start["step"] for start in record["starts"]] == [0, 3]
    assert record["settings"]["data_facts"]["train"]["shards"] >= 2


def test_pictures_may_stay_on_the_device(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert main(words(data, "correspondence", tmp_path, "--resident", "--steps", "2")) == 0
    assert np.isfinite(list(logged(tmp_path, "l1").values())).all()


def test_a_dry_run_prints_the_cost_and_writes_nothing(
    data: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(data, "correspondence", tmp_path / "run", "--dry-run", "--accumulate", "3")) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["arguments"]["recipe"] == "correspondence"
    assert facts["loop"]["accumulate"] == 3
    assert facts["data"]["train"]["pictures"] == 16
    assert {"commit", "versions", "hardware"} <= facts.keys()
    assert facts["precision"] == "fp32 (as asked)"
    assert facts["cost"]["parameters"]["networks"] > 3_000_000
    assert facts["cost"]["gmac_per_sample"] > 0.1
    assert facts["cost"]["samples"] == 4 * 2 * 3
    assert facts["cost"]["samples_per_s"] > 0
    assert not (tmp_path / "run").exists()
    assert main(words(data, "morphable", tmp_path / "run", "--dry-run")) == 0
    assert "closed form" in json.loads(capsys.readouterr().out)["cost"]
    assert not (tmp_path / "run").exists()


def refusal(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line on stderr of a command that ends with 2."""
    capsys.readouterr()
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("libpng")]
    assert len(lines) == 1
    assert lines[0].startswith("train: ")
    return lines[0]


def test_what_can_be_mended_is_one_line(
    data: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    fresh_accelerator: Callable[[], None],
) -> None:
    assert "there is no recipe 'trakcer'; did you mean 'tracker'?" in refusal(
        capsys, words(data, "trakcer", tmp_path / "a")
    )
    assert "clips.csv is missing; --data needs a folder as described" in refusal(
        capsys, words(tmp_path / "none", "tracker", tmp_path / "a")
    )
    assert "has the presets tiny, paper, not 'huge'" in refusal(
        capsys, words(data, "correspondence", tmp_path / "a", "--preset", "huge")
    )
    whole_set = "is learned from the whole set at once; leave --stream out"
    assert whole_set in refusal(capsys, words(data, "morphable", tmp_path / "a", "--stream"))
    assert "--own-meshes tracks the whole set" in refusal(
        capsys, words(data, "correspondence", tmp_path / "a", "--stream", "--own-meshes")
    )
    for more in ((), ("--dry-run",)):
        fp16 = words(data, "parser", tmp_path / "a", "--mixed-precision", "fp16", *more)
        assert "fp16 needs a GPU" in refusal(capsys, fp16)
    fresh_accelerator()
    assert main(words(data, "parser", tmp_path / "run", "--steps", "1")) == 0
    other = refusal(capsys, words(data, "tracker", tmp_path / "run", "--steps", "1"))
    assert "holds a run with other settings: batch_size was 2" not in other
    assert 'recipe was "parser", now "tracker"' in other


def test_a_broken_label_stops_the_run_and_is_named(
    data: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "clips" / "train0.npz"
    labels = dict(np.load(path))
    labels["embedding"][:] = np.nan
    np.savez(path, **labels)
    options = ("--batch-size", "8", "--save-every", "1")
    line = refusal(capsys, words(tmp_path / "data", "identity", tmp_path / "run", *options))
    assert "loss term cosine is nan at step " in line
    assert "train0:" in line
    assert "The last checkpoint is kept." in line
