"""Units of work that processes share out, and what comes back from them."""

import dataclasses
from typing import Literal

import numpy as np

from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry

JobKind = Literal["pair", "run", "triplet"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackTask:
    """Rows of one clip whose geometry is wanted, or one still."""

    rows: tuple[int, ...]
    """Consecutive rows of the clip from its first on; a single one for a still."""
    is_clip: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driver:
    """What was found in the frames of a `TrackTask`."""

    geometry: dict[int, FaceGeometry]
    """By row, f = 1; rows without a face are missing."""
    references: dict[MotionMode, FaceGeometry]
    """The neutral frame that `reenact video` would choose; empty if no face was found."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One source, driven by some frames of one driver, drawn by every method."""

    kind: JobKind
    source: int
    source_geometry: FaceGeometry
    driving: tuple[int, ...]
    driving_geometry: FaceGeometry
    neutral: FaceGeometry
    mode: MotionMode
    truth: bool
    """Whether the driving frames are also what the results should look like."""
    twin: int | None = None
    """Of a triplet: the row whose landmarks the result should have. Of a pair: a picture of the source's person at the
    driver's yaw."""
    direction: str = ""
    """Of `profiled_pairs`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Measures of one result (or of one run) of one method."""

    method: str
    mode: MotionMode
    kind: JobKind
    source: int
    driving: int
    """The first frame, for a run."""
    values: dict[str, float]
    """By `Metric.key`; what could not be measured is missing."""
    direction: str = ""
    """Of `profiled_pairs`."""
    features: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Rows of set measures, by `Metric.key`."""


REAL = "real driving frame"
"""Method name of outcomes that measure the driving frame itself: what can be reached."""
