"""Settings of `train.prepare`, and the comparison with the settings of an earlier run."""

import dataclasses
import hashlib
import json
import os
import pathlib
from fractions import Fraction
from typing import Annotated, Any, Literal

import tyro

from reenact.errors import ConfigError, OutputError
from reenact.types import CropSpec
from reenact.weights import WEIGHTS_NAME, embedded_weights
from train.data.shards import sha256_of

Layout = Literal["auto", "videos", "people", "voxceleb", "rafd", "multipie", "ijbc", "faceforensics"]
"""Folder layout; most layouts name the person in each file."""

Teacher = Literal["own", "mediapipe", "fan"]
"""Tracker that labels the mesh."""

VERSION = 1
"""Increased whenever the same settings give different output."""

LONGEST_FRAMES, SHORTEST_FRAMES = 250, 8
"""Length of a clip sample; readers of prepared sets rely on these limits."""

NETWORKS = ("perception/detector", "perception/tracker", "perception/parser", "perception/identity")

_FRACTION = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="FPS",
    instance_from_str=lambda words: Fraction(words[0]),
    is_instance=lambda value: isinstance(value, Fraction),
    str_from_instance=lambda value: [str(value)],
)

_NOT_IN_OUTPUT = ("videos", "out", "csv", "teacher_file", "workers", "clean")
"""Fields that do not change the output: paths (the digest of the files counts instead) and how the work is done."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """Turn a folder of clips and pictures into a labelled set of faces, ready for training."""

    videos: pathlib.Path
    """Folder that is searched for clips and pictures, including its subfolders."""
    out: pathlib.Path
    """Output folder. The same folder and settings resume an interrupted run."""
    layout: Layout = "auto"
    """Folder layout. `people` (one folder per person) must be given; auto detects the others."""
    csv: pathlib.Path | None = None
    """Table of layout ijbc. Default: the only .csv in the folder that has a file column and a person column."""
    manipulated: bool = False
    """Layout faceforensics: include the manipulated sequences."""
    fps: Annotated[Fraction, _FRACTION] = Fraction(25, 2)
    """Highest frame rate of the clips. 12.5 keeps every second frame of a clip at 25 frames per second."""
    max_minutes: float | None = None
    """Use only this much from the start of each clip; None uses all."""
    teacher: Teacher = "own"
    """Tracker that labels the mesh: the embedded one, MediaPipe or FAN. The embedded one always finds the people."""
    teacher_file: pathlib.Path | None = None
    """MediaPipe's face_landmarker.task."""
    crop_scale: float = CropSpec().face_scale
    """Side of the crop divided by the larger side of the face; the default is what the systems use."""
    min_face_px: int = 80
    """Smaller faces are left out because they lack detail."""
    min_score: float = 0.5
    """Tracker confidence below which a frame is not used."""
    min_sharpness: float = 0.3
    """Less sharp faces are left out; 0 keeps all. Sharp faces measure 0.35 to 0.65; a blur of 3 px in 256 is below
    0.3."""
    max_share_outside: float = 0.25
    """Crops with more of their area outside the picture are left out."""
    min_frames: int = SHORTEST_FRAMES
    """Shorter stretches are left out."""
    max_frames: int = LONGEST_FRAMES
    """Longer stretches are split."""
    same_person: float = 0.55
    """Mean similarity at which two faces count as one person, where the layout does not name the person."""
    same_side: float = 0.4
    """People at least this similar go to the same split, because they may be the same person."""
    val_share: float = 0.1
    """Share of people in val."""
    test_share: float = 0.1
    """Share of people in test."""
    seed: int = 0
    """Seed of the splits and of the sample order."""
    shard_mb: int = 16
    """A new shard starts at this size. 16 MB hold about 4,000 frames, which are 0.9 GB when decoded for training."""
    workers: int | None = None
    """Worker processes; None: one per core, 0: work in the main process."""
    clean: bool = False
    """Remove OUT/work when the set is complete. A later run with more clips then starts from the beginning."""

    def __post_init__(self) -> None:
        ranges = {
            "fps": (1, 120),
            "crop_scale": (1.4, 4),
            "min_face_px": (16, 4096),
            "min_score": (0.05, 0.99),
            "min_sharpness": (0, 1),
            "max_share_outside": (0, 1),
            "min_frames": (SHORTEST_FRAMES, LONGEST_FRAMES),
            "max_frames": (self.min_frames, LONGEST_FRAMES),
            "same_person": (-1, 1),
            "same_side": (-1, self.same_person),
            "val_share": (0, 0.9),
            "test_share": (0, 0.9 - self.val_share),
            "shard_mb": (1, 100_000),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}; give a value from {low} to {high:g}."
                )
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise ConfigError(f"--max-minutes is {self.max_minutes}; give a positive number, or leave it out.")
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"--workers is {self.workers}; give a number of processes, or 0 for the main process.")
        if self.teacher_file is not None and self.teacher != "mediapipe":
            raise ConfigError(
                "--teacher-file is only used by --teacher mediapipe; leave it out or choose that teacher."
            )

    @property
    def process_count(self) -> int:
        """Worker processes to start."""
        if self.workers is not None:
            return self.workers
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1


def fingerprint(settings: PrepareSettings, layout: str, sources: str) -> dict[str, Any]:
    """Everything that changes the output, for the index and for the comparison with an earlier run.

    Args:
        settings: of the run.
        layout: the detected layout, also where `settings` say auto.
        sources: digest of the list of files.
    """
    taken: dict[str, Any] = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if field.name not in _NOT_IN_OUTPUT
    }
    taken |= {"fps": str(settings.fps), "layout": layout, "version": VERSION, "sources": sources}
    taken["weights"] = {name: sha256_of(embedded_weights(name) / WEIGHTS_NAME) for name in NETWORKS}
    if settings.teacher == "mediapipe":
        from reenact.perception.mediapipe import find_model

        taken["weights"]["teacher"] = sha256_of(find_model(settings.teacher_file))
    return taken


def digest_of(value: Any) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def refuse_other_run(out: pathlib.Path, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Compare with the settings found in `out`. The list of files may differ.

    Raises:
        OutputError: another setting differs; the text names each with both values.
    """
    keys = sorted((set(mine) | set(theirs)) - {"sources"})
    different = [key for key in keys if mine.get(key) != theirs.get(key)]
    if different:
        listed = "; ".join(f"{key}: was {_short(theirs.get(key))}, now {_short(mine.get(key))}" for key in different)
        raise OutputError(
            f"{out} holds a set made with other settings ({listed}); give the same settings or another --out, "
            "or delete that folder."
        )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {str(one)[:8]}" for name, one in sorted(value.items()))
    return "not set" if value is None else str(value)
