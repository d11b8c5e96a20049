"""What a run of `train.prepare` is told, and whether a folder holds the work of the same run."""

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
"""How the folder is laid out, hence who is known in it."""

Teacher = Literal["own", "mediapipe", "fan"]
"""Who measures the mesh."""

VERSION = 1
"""Raised when the same settings begin to give other output."""

LONGEST_FRAMES, SHORTEST_FRAMES = 250, 8
"""Of a clip sample: what readers of prepared sets rely on."""

NETWORKS = ("perception/detector", "perception/tracker", "perception/parser", "perception/identity")

_FRACTION = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="FPS",
    instance_from_str=lambda words: Fraction(words[0]),
    is_instance=lambda value: isinstance(value, Fraction),
    str_from_instance=lambda value: [str(value)],
)

_NOT_IN_OUTPUT = ("videos", "out", "csv", "teacher_file", "workers", "clean")
"""Fields that say where and how, not what; of the files their content counts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """Turn a folder of clips and pictures into a labelled set of faces, ready for training."""

    videos: pathlib.Path
    """Folder that is searched for clips and pictures, with all folders in it."""
    out: pathlib.Path
    """Where the set is written. Used again with the same settings, the run goes on where it stopped."""
    layout: Layout = "auto"
    """How the folder is laid out: `people` (a folder per person) is never guessed, the others are."""
    csv: pathlib.Path | None = None
    """Table of layout ijbc; by default the only .csv in the folder that has a column for the file and the person."""
    manipulated: bool = False
    """Layout faceforensics: take the manipulated sequences as well."""
    fps: Annotated[Fraction, _FRACTION] = Fraction(25, 2)
    """Frames per second of the clips; slower ones keep their own rate. 12.5 keeps every second frame of most."""
    max_minutes: float | None = None
    """Take no more than this from the beginning of a clip; None takes all."""
    teacher: Teacher = "own"
    """Who measures the mesh: the embedded tracker, MediaPipe, or FAN. People are found by the embedded one."""
    teacher_file: pathlib.Path | None = None
    """MediaPipe's face_landmarker.task."""
    crop_scale: float = CropSpec().face_scale
    """Side of the crop over the larger side of the face, as the systems crop."""
    min_face_px: int = 80
    """Smaller faces are left out: their detail would be invented."""
    min_score: float = 0.5
    """Certainty below which a frame shows no usable face."""
    min_sharpness: float = 0.3
    """Blurred faces are left out; 0 takes all. Sharp ones measure 0.35 to 0.65, blurred by 3 px of 256 below 0.3."""
    max_share_outside: float = 0.25
    """Crops with more of their area outside the picture are left out."""
    min_frames: int = SHORTEST_FRAMES
    """Shorter stretches are left out."""
    max_frames: int = LONGEST_FRAMES
    """Longer stretches are cut."""
    same_person: float = 0.55
    """Mean similarity from which on two faces count as one person, where folders do not say who it is."""
    same_side: float = 0.4
    """People more alike than this go to the same split, in case they are one person after all."""
    val_share: float = 0.1
    """Share of people in val."""
    test_share: float = 0.1
    """Share of people in test."""
    seed: int = 0
    """Decides who goes where, and the order of samples in the shards."""
    shard_mb: int = 16
    """Shards are begun anew at this size: 16 MB are some 4,000 frames, 0.9 GB when they are decoded for training."""
    workers: int | None = None
    """Processes; None takes one per core, 0 works in this one."""
    clean: bool = False
    """Remove OUT/work when the set is complete; adding clips later then starts from the beginning."""

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
            raise ConfigError(f"--workers is {self.workers}; give the number of processes, 0 for none beside this one.")
        if self.teacher_file is not None and self.teacher != "mediapipe":
            raise ConfigError("--teacher-file belongs to --teacher mediapipe; leave it out or choose that teacher.")

    @property
    def process_count(self) -> int:
        """Processes to start; 0 for none."""
        if self.workers is not None:
            return self.workers
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1


def fingerprint(settings: PrepareSettings, layout: str, sources: str) -> dict[str, Any]:
    """All that changes the output, for the index and for the comparison with an earlier run.

    Args:
        settings: as given.
        layout: the one that was found, where `settings` says auto.
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
    """Hash of anything that JSON can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def refuse_other_run(out: pathlib.Path, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Compare with the settings found in `out`; the list of files may have changed.

    Raises:
        OutputError: any other setting differs; the text names each with both values.
    """
    keys = sorted((set(mine) | set(theirs)) - {"sources"})
    different = [key for key in keys if mine.get(key) != theirs.get(key)]
    if different:
        listed = "; ".join(f"{key}: {_short(theirs.get(key))} there, {_short(mine.get(key))} now" for key in different)
        raise OutputError(
            f"{out} holds a set made with other settings ({listed}); give another --out, the same settings, "
            "or delete that folder."
        )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {str(one)[:8]}" for name, one in sorted(value.items()))
    return "not set" if value is None else str(value)
