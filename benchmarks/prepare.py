"""What `train.prepare` is measured by: frames a second, people told apart, and runs that were killed.

``python -m benchmarks.prepare speed``, ``people --data DIR`` and ``kills`` print a table and write JSON.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import tyro

from benchmarks.speed import REPOSITORY, describe_machine
from train.prepare import PrepareSettings, prepare
from train.prepare.assemble import Entry, name_entries, read_units
from train.prepare.labels import Labeller
from train.prepare.people import cluster
from train.prepare.sources import Source, find_sources
from train.prepare.unit import write_unit
from train.prepare.work import unit_path

DRIVING = REPOSITORY / "examples" / "driving"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed:
    """Frames a second of one core: the time of the process, so that a busy machine changes little."""

    out: pathlib.Path = pathlib.Path("runs/prepare-speed.json")
    """Where the JSON goes."""
    data: pathlib.Path | None = None
    """Labelled data folder (docs/data.md); None takes the drawn actor alone."""
    seconds: float = 20.0
    """Length of each clip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class People:
    """Prepare the clips of a labelled folder as if nobody were known, and compare with who is."""

    data: pathlib.Path
    """Labelled data folder (docs/data.md)."""
    out: pathlib.Path = pathlib.Path("runs/prepare-people")
    """Where the set goes; used again, it goes on."""
    workers: int = 1
    """Processes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kills:
    """Kill runs at random moments, let them finish, compare every byte with an unbroken run."""

    out: pathlib.Path = pathlib.Path("runs/prepare-kills.json")
    """Where the JSON goes."""
    count: int = 10
    """Runs to kill."""
    workers: int = 2
    """Processes of each run."""
    seed: int = 0
    """Of the moments."""


def main(command: Speed | People | Kills) -> int:
    """Measure, print, write."""
    torch.set_num_threads(1)  # figures are per core
    cv2.setNumThreads(1)
    if isinstance(command, Speed):
        result = measure_speed(command)
        path = command.out
    elif isinstance(command, People):
        result = measure_people(command)
        path = command.out / "people.json"
    else:
        result = measure_kills(command)
        path = command.out
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": describe_machine(), **result}, indent=2) + "\n")
    print(f"written: {path}")
    return 0 if result.get("equal", True) else 1


def measure_speed(command: Speed) -> dict[str, Any]:
    """Clips made here, each worked on from file to result."""
    labeller, rows = Labeller("own", None), []
    with tempfile.TemporaryDirectory() as folder:
        for name, size, frames in _speed_clips(command):
            path = pathlib.Path(folder) / "clip.mp4"
            _write_clip(path, size, frames, command.seconds)
            settings = PrepareSettings(videos=pathlib.Path(folder), out=pathlib.Path(folder) / "set")
            target = pathlib.Path(folder) / "unit.tar"
            started, wall = time.process_time(), time.perf_counter()
            summary = write_unit(Source(path=path, origin="clip.mp4"), target, labeller, settings, lambda *_: None)
            used, wall = time.process_time() - started, time.perf_counter() - wall
            row = {
                "clip": name,
                "frames_per_s": round(summary.frames / used, 1),
                "faces_per_s": round(summary.face_frames / used, 1),
                "source_frames_per_s": round(command.seconds * 25 / used, 1),
                "busy": round(used / wall, 2),
            }
            rows.append(row)
            print(row, flush=True)
    return {"speed": rows}


def _speed_clips(command: Speed) -> Iterator[tuple[str, tuple[int, int], Iterable[np.ndarray]]]:
    """Name, width and height, and endless frames at 25 a second."""
    actor = [frame for path in sorted(DRIVING.glob("*.mp4")) for frame in _read(path)]
    two: list[Iterator[np.ndarray]] = [itertools.cycle(actor), itertools.cycle(actor[::-1])]
    yield "drawn actor, 256 x 256", (256, 256), itertools.cycle(actor)
    yield "drawn actor, 1280 x 720", (1280, 720), _on_canvas(two[:1], (1280, 720), 480)
    yield "two drawn actors, 1920 x 1080", (1920, 1080), _on_canvas(two, (1920, 1080), 640)
    if command.data is None:
        return
    paths = sorted((command.data / "clips").glob("*.mp4"))
    chosen = [_held_twice(itertools.chain.from_iterable(map(_read, paths[start::4]))) for start in range(4)]
    yield "people, 256 x 256", (256, 256), chosen[0]
    yield "one person, 1280 x 720", (1280, 720), _on_canvas(chosen[1:2], (1280, 720), 512)
    yield "two people, 1920 x 1080", (1920, 1080), _on_canvas(chosen[2:], (1920, 1080), 768)


def _held_twice(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """12.5 frames a second as 25."""
    for frame in frames:
        yield frame
        yield frame


def _on_canvas(clips: list[Iterator[np.ndarray]], size: tuple[int, int], side: int) -> Iterator[np.ndarray]:
    """Clips beside each other on a wall of noise, each `side` px high."""
    width, height = size
    wall = np.random.default_rng(0).normal(110, 12, (height, width, 3)).clip(0, 255).astype(np.uint8)
    for frames in zip(*clips, strict=False):
        canvas = wall.copy()
        for i, frame in enumerate(frames):
            x = round(width * (i + 0.5) / len(clips) - side / 2)
            y = (height - side) // 2
            canvas[y : y + side, x : x + side] = cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC)
        yield canvas


def _write_clip(path: pathlib.Path, size: tuple[int, int], frames: Iterable[np.ndarray], seconds: float) -> None:
    from reenact.media import VideoWriter

    with VideoWriter(path, width=size[0], height=size[1], fps=Fraction(25), overwrite=True) as writer:
        for frame in itertools.islice(frames, round(seconds * 25)):
            writer.write(frame)


def _read(path: pathlib.Path) -> Iterator[np.ndarray]:
    from reenact.media import VideoReader

    with VideoReader(path) as reader:
        yield from reader


def measure_people(command: People) -> dict[str, Any]:
    """Precision and recall of pairs of samples, for the run's own threshold and for others."""
    import csv

    settings = PrepareSettings(videos=command.data / "clips", out=command.out, layout="videos", workers=command.workers)
    facts = prepare(settings)
    with (command.data / "clips.csv").open(newline="") as file:
        table = {f"{row['clip']}.mp4": row for row in csv.DictReader(file)}
    units = [unit_path(command.out / "work" / "units", source) for source in find_sources(settings).sources]
    entries = name_entries(read_units([unit for unit in units if unit.exists()], []), settings).entries
    who = np.array([table[entry.facts["origin"]]["person"] for entry in entries])
    unseen = np.array([table[entry.facts["origin"]]["split"] == "val" for entry in entries])
    code = np.array([entry.person for entry in entries])
    rows = [
        {"threshold": "as run", **_score(code, who)},
        {"threshold": "as run, people that the encoder never saw", **_score(code[unseen], who[unseen])},
    ]
    embedding = np.stack([_mean(entry) for entry in entries])
    for threshold in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7):
        rows.append({"threshold": threshold, **_score(cluster(embedding, threshold), who)})
    sides: dict[str, set[str]] = {}
    for entry, person in zip(entries, who, strict=True):
        sides.setdefault(str(person), set()).add(entry.split)
    torn = sorted(person for person, one in sides.items() if len(one) > 1)
    for row in rows:
        print(row)
    print(
        f"{len(sides)} people in {len(entries)} samples; on two sides: {torn or 'nobody'}; left out: {facts.rejected}"
    )
    return {"people": rows, "true_people": len(sides), "samples": len(entries), "on_two_sides": torn}


def _mean(entry: Entry) -> np.ndarray:
    import base64

    mean = np.frombuffer(base64.b64decode(entry.facts["mean_embedding"]), np.float32).astype(np.float64)
    return mean / np.linalg.norm(mean)


def _score(code: np.ndarray, who: np.ndarray) -> dict[str, float]:
    """Of all pairs called one person, the share that is; of all pairs that are, the share that is called so."""
    pairs = np.triu_indices(len(who), 1)
    called, true = (code[:, None] == code)[pairs], (who[:, None] == who)[pairs]
    both = int((called & true).sum())
    return {
        "precision": round(both / max(int(called.sum()), 1), 4),
        "recall": round(both / max(int(true.sum()), 1), 4),
        "groups": len(np.unique(code)),
    }


def measure_kills(command: Kills) -> dict[str, Any]:
    """``kill -9`` on the whole family of processes at moments drawn evenly from the length of an unbroken run."""
    rng, moments = random.Random(command.seed), []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        videos = root / "videos"
        shutil.copytree(DRIVING, videos)
        shutil.copy(REPOSITORY / "examples" / "portraits" / "astronaut.jpg", videos)
        (videos / "broken.mp4").write_bytes(b"")
        started = time.monotonic()
        _run(videos, root / "whole", command.workers)
        length_s = time.monotonic() - started
        wanted = digests(root / "whole")
        for number in range(command.count):
            out, moment = root / f"killed-{number}", rng.uniform(0, length_s)
            units = _run_and_kill(videos, out, command.workers, moment)
            _run(videos, out, command.workers)
            row = {"killed_after_s": round(moment, 1), "files_done_by_then": units, "equal": digests(out) == wanted}
            moments.append(row)
            print(row, flush=True)
            shutil.rmtree(out)
    equal = all(row["equal"] for row in moments)
    print(f"{command.count} runs of {length_s:.0f} s killed and finished: {'all equal' if equal else 'NOT EQUAL'}")
    return {"kills": moments, "length_s": round(length_s, 1), "files": len(wanted), "equal": equal}


def digests(out: pathlib.Path) -> dict[str, str]:
    """Hash of every file of a set, the work folder apart."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file() and path.relative_to(out).parts[0] != "work"]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _command(videos: pathlib.Path, out: pathlib.Path, workers: int) -> list[str]:
    options = {"--videos": videos, "--out": out, "--workers": workers}
    return [sys.executable, "-m", "train.prepare", *(str(word) for pair in options.items() for word in pair)]


def _run(videos: pathlib.Path, out: pathlib.Path, workers: int) -> None:
    subprocess.run(_command(videos, out, workers), cwd=REPOSITORY, check=True, capture_output=True)


def _run_and_kill(videos: pathlib.Path, out: pathlib.Path, workers: int, after_s: float) -> int:
    """Start a run, kill it and all its processes.

    Returns:
        Number of results it had written.
    """
    process = subprocess.Popen(
        _command(videos, out, workers),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(list((out / "work" / "units").glob("[!.]*.tar")))


if __name__ == "__main__":
    Command = Annotated[Speed | People | Kills, tyro.conf.OmitSubcommandPrefixes]
    sys.exit(main(tyro.cli(Command, prog="benchmarks.prepare")))  # type: ignore[arg-type]
