"""Speed of `train.prepare`, and accuracy of its grouping into people.

``python -m benchmarks.prepare speed`` and ``people --data DIR`` print a table and write JSON. To compare killed runs
with whole ones: ``REENACT_PREPARE_KILLS=10 pytest -m "" tests/e2e/test_prepare.py``.
"""

import dataclasses
import itertools
import pathlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import tyro

from benchmarks.speed import REPOSITORY, describe_machine, write_result
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
    """Frames per second of one core, in processor time, which depends little on other load."""

    out: pathlib.Path = pathlib.Path("runs/prepare-speed.json")
    """Output file."""
    data: pathlib.Path | None = None
    """Labelled data folder (docs/data.md). Default: only clips of the drawn actor."""
    seconds: float = 20.0
    """Length of each clip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class People:
    """Prepare the clips of a labelled folder without their people, and compare the groups with the labels."""

    data: pathlib.Path
    """Labelled data folder (docs/data.md)."""
    out: pathlib.Path = pathlib.Path("runs/prepare-people")
    """Folder of the prepared set; an existing one is resumed."""
    workers: int = 1
    """Worker processes."""


def main(command: Speed | People) -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)  # figures are per core
    cv2.setNumThreads(1)
    if isinstance(command, Speed):
        result, path = measure_speed(command), command.out
    else:
        result, path = measure_people(command), command.out / "people.json"
    write_result(path, {"machine": describe_machine(), **result})


def measure_speed(command: Speed) -> dict[str, Any]:
    """Speed on generated clips, each processed from file to unit."""
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
    """Name, width and height, and endless frames at 25 per second."""
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
    """12.5 frames per second as 25."""
    for frame in frames:
        yield frame
        yield frame


def _on_canvas(clips: list[Iterator[np.ndarray]], size: tuple[int, int], side: int) -> Iterator[np.ndarray]:
    """Clips side by side on a noisy background, each `side` px high."""
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
    """Precision and recall of pairs of samples, for the threshold of the run and for others."""
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
        {"threshold": "as run, people unknown to the encoder", **_score(code[unseen], who[unseen])},
    ]
    embedding = np.stack([_mean(entry) for entry in entries])
    for threshold in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7):
        rows.append({"threshold": threshold, **_score(cluster(embedding, threshold), who)})
    splits: dict[str, set[str]] = {}
    for entry, person in zip(entries, who, strict=True):
        splits.setdefault(str(person), set()).add(entry.split)
    divided = sorted(person for person, one in splits.items() if len(one) > 1)
    for row in rows:
        print(row)
    print(f"{len(splits)} people in {len(entries)} samples; left out: {facts.rejected}")
    print(f"people in two splits: {', '.join(divided) or 'none'}")
    return {"people": rows, "true_people": len(splits), "samples": len(entries), "in_two_splits": divided}


def _mean(entry: Entry) -> np.ndarray:
    import base64

    mean = np.frombuffer(base64.b64decode(entry.facts["mean_embedding"]), np.float32).astype(np.float64)
    return mean / np.linalg.norm(mean)


def _score(code: np.ndarray, who: np.ndarray) -> dict[str, float]:
    """Precision and recall of the statement that two samples show one person."""
    pairs = np.triu_indices(len(who), 1)
    called, true = (code[:, None] == code)[pairs], (who[:, None] == who)[pairs]
    both = int((called & true).sum())
    return {
        "precision": round(both / max(int(called.sum()), 1), 4),
        "recall": round(both / max(int(true.sum()), 1), 4),
        "groups": len(np.unique(code)),
    }


if __name__ == "__main__":
    Command = Annotated[Speed | People, tyro.conf.OmitSubcommandPrefixes]
    main(tyro.cli(Command, prog="benchmarks.prepare"))  # type: ignore[arg-type]
