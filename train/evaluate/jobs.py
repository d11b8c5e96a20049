"""Units of work for processes, and their results."""

import dataclasses
from typing import Literal

import numpy as np

from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry

JobKind = Literal["pair", "run", "triplet"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackTask:
    """Rows of one clip to track, or one still."""

    rows: tuple[int, ...]
    """Consecutive rows from the first of the clip on; a single row for a still."""
    is_clip: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driver:
    """Faces of a `TrackTask`."""

    geometry: dict[int, FaceGeometry]
    """By row, f = 1; rows without a face are missing."""
    references: dict[MotionMode, FaceGeometry]
    """The neutral frame that `reenact video` would choose; empty if no face was found."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One source driven by some frames of one driver, to be drawn by every method."""

    kind: JobKind
    source: int
    source_geometry: FaceGeometry
    driving: tuple[int, ...]
    driving_geometry: FaceGeometry
    neutral: FaceGeometry
    mode: MotionMode
    truth: bool
    """Whether the driving frames are real pictures of the results."""
    second: int | None = None
    """Row of `Triplet.second`."""
    yaw_match: int | None = None
    """Row of `Pair.yaw_match`."""
    direction: str = ""
    """Of `profiled_pairs`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Measured values of one result, or of one run, of one method."""

    method: str
    mode: MotionMode
    kind: JobKind
    source: int
    driving: int
    """The first frame of a run."""
    values: dict[str, float]
    """By `Metric.key`; values that could not be measured are missing."""
    direction: str = ""
    """Of `profiled_pairs`."""
    features: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Feature vectors for measures of sets, by `Metric.key`."""


REAL = "real driving frame"
"""Method name of outcomes that measure the real frame itself, as a reference."""
