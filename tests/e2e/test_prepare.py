"""``python -m train.prepare`` as a program: worker processes, kills, limits of the system."""

import hashlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DRIVING = REPOSITORY / "examples" / "driving"
NETWORKS = ("perception/detector", "perception/tracker", "perception/parser", "perception/identity")

pytestmark = pytest.mark.processes

KILLS = int(os.environ.get("REENACT_PREPARE_KILLS", "1"))
"""Number of killed runs; benchmarks/prepare.py says how to try more."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, embedded: Callable[[str], pathlib.Path]) -> pathlib.Path:
    """Three clips of a drawn actor and two files that are no clips."""
    for name in NETWORKS:
        embedded(name)
    folder = tmp_path_factory.mktemp("videos")
    for name in ("actor-nod.mp4", "actor-smile.mp4", "actor-wink.mp4"):
        shutil.copy(DRIVING / name, folder)
    (folder / "broken.mp4").write_bytes((DRIVING / "actor-nod.mp4").read_bytes()[:900])
    (folder / "empty.mov").write_bytes(b"")
    return folder


def digests(out: pathlib.Path) -> dict[str, str]:
    """Hash of every file of a set, without the work folder."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file() and path.relative_to(out).parts[0] != "work"]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def start(
    videos: pathlib.Path, out: pathlib.Path, *words: str, limit: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "train.prepare", "--videos", str(videos), "--out", str(out), *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=limit,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def whole(videos: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str, str]:
    """An uninterrupted run of two workers: its folder, stdout and stderr."""
    out = tmp_path_factory.mktemp("whole") / "set"
    code, said, err = finish(start(videos, out, "--workers", "2"))
    assert code == 0, err
    return out, said, err


def test_a_folder_becomes_a_set(whole: tuple[pathlib.Path, str, str]) -> None:
    out, said, err = whole
    assert "1 people (train 1, val 0, test 0); 3 clips, 75 frames, 0.1 minutes; 0 stills" in said
    assert "left out: unreadable 2" in said
    assert "warning: only one person: all samples are in train" in said
    assert f"open {out / 'report.html'}" in said
    assert "5/5 files" in err
    assert "frames/s" in err
    assert set(digests(out)) >= {"index.json", "rejected.csv", "report.html", "shards/train-000000.tar"}


def test_killed_and_run_again_it_is_the_same(
    videos: pathlib.Path, whole: tuple[pathlib.Path, str, str], tmp_path: pathlib.Path
) -> None:
    for number in range(KILLS):
        out = tmp_path / f"set-{number}"
        units = out / "work" / "units"
        killed = start(videos, out, "--workers", "2")
        deadline = time.monotonic() + 60
        while len(list(units.glob("[!.]*.tar"))) <= number % 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
        assert not (out / "index.json").exists() or number % 3 == 2
        done = {path.name: path.stat().st_mtime_ns for path in units.glob("[!.]*.tar")}
        assert done
        code, _, err = finish(start(videos, out, "--workers", "0"))  # the number of processes changes nothing
        assert code == 0, err
        assert digests(out) == digests(whole[0])
        assert {name: (units / name).stat().st_mtime_ns for name in done} == done  # not processed again


def test_a_killed_worker_is_reported_with_its_file(videos: pathlib.Path, tmp_path: pathlib.Path) -> None:
    from train.prepare import PrepareProgress, PrepareSettings, prepare
    from train.prepare.work import WorkError

    units = tmp_path / "set" / "work" / "units"

    def kill_workers(progress: PrepareProgress) -> None:
        import multiprocessing

        if progress.files_done >= 2:  # broken.mp4 comes before the second clip
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    settings = PrepareSettings(videos=videos, out=tmp_path / "set", workers=1)
    with pytest.raises(WorkError) as raised:
        prepare(settings, progress=kill_workers)
    said = str(raised.value)
    assert f"The process working on {videos / 'actor-wink.mp4'} was killed by signal 9 (SIGKILL)" in said
    assert "Finished files are kept" in said
    assert len(list(units.iterdir())) == 2
    assert not (tmp_path / "set" / "index.json").exists()


def test_a_limit_of_the_file_size_is_one_error(videos: pathlib.Path, tmp_path: pathlib.Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    code, _, err = finish(start(videos, tmp_path / "set", "--workers", "0", limit=small_files))
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert "could not be written" in last or "cannot be written" in last
    assert "Traceback" not in err
    assert [path for path in (tmp_path / "set").rglob("*") if path.is_file() and path.stat().st_size > 8000] == []
