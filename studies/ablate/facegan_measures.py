"""Figures of FACEGAN's tables 1 and 2 for weights with and without L_T, measured as in `train.evaluate`.

    self      a clip's first frame driven by later ones, which are the true results
    cross     frames of every clip, each driving a picture of another person
    triplet   two pictures of one person, and another person whose motion is nearly that of the second (LSIM)

Every driver is a single picture: in `cross` and `triplet` the head keeps its size and place. The embedded tracker finds
the geometry of inputs and results. Only the LSIM of landmarks that are not drawn uses the labels, and ten times as many
triplets.
"""

import dataclasses
import operator
import pathlib
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.errors import CheckpointError
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.systems.base import MotionMode
from reenact.systems.facegan.landmarks import motion_vector, normalise_landmarks, place_landmarks
from reenact.systems.facegan.motion import carry_motion
from reenact.systems.facegan.reenactor import DrivenFace, FaceganIdentity, FaceganReenactor
from reenact.types import FaceGeometry
from studies.ablate.rows import Figure, Figures
from train.data.faces import FaceData
from train.evaluate import metrics
from train.evaluate.bench import Bench
from train.evaluate.bootstrap import Estimate, bootstrap_mean
from train.evaluate.inputs import label_geometry
from train.evaluate.jobs import Driver, Job, Outcome, TrackTask
from train.evaluate.methods import CopySource, Driving, Method, SystemMethod
from train.evaluate.pairs import PairSet, rows_by_name
from train.evaluate.protocols import draw_pairs
from train.evaluate.settings import PICTURE_PX, ProtocolName, Settings

Part = Literal["self", "cross", "triplet", "landmarks"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A figure of a table."""

    title: str
    part: Part
    key: str
    """In the values of `Outcome`."""
    digits: int


COLUMNS_1 = (
    Column(title="self MSE ↓", part="self", key="mse", digits=4),
    Column(title="cross CSIM ↑", part="cross", key="csim", digits=3),
    Column(title="cross PSIM ↑", part="cross", key="psim", digits=3),
    Column(title="cross ED ↓", part="cross", key="ed", digits=3),
    Column(title="cross CSIM by the judge ↑", part="cross", key="csim_judge", digits=3),
    Column(title="cross pose, degrees ↓", part="cross", key="pose_error_deg", digits=2),
)
"""The paper's four, another face recogniser, and the pose error."""

COLUMNS_2 = (
    Column(title="LSIM ↓", part="triplet", key="lsim", digits=5),
    Column(title="LSIM of l_t ↓", part="landmarks", key="lsim", digits=5),
)
"""Of the pictures, as in the paper, and of the landmarks before they are drawn."""

WITH, WITHOUT, DIFFERENCE, COPY = "with", "without", "difference", "copy"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """How much is measured."""

    self_pairs: int = 34
    """Two of each clip if there are 17; more say little about cross-reenactment."""
    cross_pairs: int = 153
    """Nine drivers of each clip if there are 17."""
    triplets: int = 153
    """Drawn and measured: nine of each clip if there are 17."""
    landmark_triplets: int = 1700
    """Triplets whose landmarks are compared; the first of them are also drawn."""
    draws: int = 2000
    """Bootstrap draws behind each interval."""
    judge: str | None = None
    """See `train.evaluate.settings.Settings`; None leaves its column empty."""
    labels: bool = False
    """Take the inputs' geometry from the labels, for pictures that no tracker knows."""


class LandmarkMethod(SystemMethod):
    """FACEGAN's weights, with L_T or with the driver's own landmarks in its place."""

    def __init__(self, folder: pathlib.Path, device: torch.device, *, with_transformer: bool) -> None:
        """Load them.

        Raises:
            CheckpointError: they cannot be used, or are another system's.
        """
        label = WITH if with_transformer else WITHOUT
        super().__init__(str(folder), label, device)
        if not isinstance(self.system, FaceganReenactor):
            raise CheckpointError(f"{folder} holds a {self.system.system!r} system, not facegan's L_T; give facegan's")
        self.facegan: FaceganReenactor = self.system
        self.with_transformer = with_transformer

    def draw(self, identity: FaceganIdentity, driving: Driving) -> Float[Tensor, "f 3 s s"]:
        """See `Method.draw`."""
        return self.facegan.render(identity, self.drive(identity, driving.geometry, driving.neutral, driving.mode)).rgb

    def drive(
        self, identity: FaceganIdentity, driving: FaceGeometry, neutral: FaceGeometry, mode: MotionMode
    ) -> DrivenFace:
        """Landmarks of the result; the head stands in the same place with L_T and without."""
        motion, reference = (self.facegan.read_motion(None, each) for each in (driving, neutral))
        if self.with_transformer:
            return self.facegan.retarget(identity, motion, reference, mode)
        pose = carry_motion(identity.motion, motion, reference, mode).pose
        shape = normalise_landmarks(driving.mesh_px, motion.pose)
        return DrivenFace(landmarks=place_landmarks(shape, pose), pose=pose)

    def landmarks(self, source: FaceGeometry, driving: FaceGeometry) -> Float[Tensor, "n 68 2"]:
        """l_t of n sources, each with its own driver, normalised as `normalise_landmarks` does."""
        own, other = (self.facegan.read_motion(None, each) for each in (source, driving))
        if not self.with_transformer:
            return normalise_landmarks(driving.mesh_px, other.pose)
        shape, sides = normalise_landmarks(source.mesh_px, own.pose), self.facegan.config.sides
        motions = (motion_vector(each.action_units, each.angles_rad, sides) for each in (other, own))
        return shape + self.facegan.networks.transformer(shape, *motions).float()


class LandmarkMeasures:
    """Pairs, drawn and tracked once, and the figures of any weights on them."""

    def __init__(self, data: FaceData, name: str, seed: int, config: MeasureConfig) -> None:
        """Draw the pairs and track them; errors call the data `name`."""
        self.config, self.data = config, data
        self.bench = Bench(self._settings("cross", name, seed), data, [])
        drawn = {protocol: draw_pairs(data, self._settings(protocol, name, seed)) for protocol in ("self", "cross")}
        rows = rows_by_name(data)
        self.triplets = np.array(
            [(rows[each.source], rows[each.driving], rows[each.second]) for each in drawn["cross"].triplets], int
        ).reshape(-1, 3)
        self.jobs = self._plan(drawn)
        drivers = {part: [job.driving[0] for job in jobs] for part, jobs in self.jobs.items()}
        self.drivers = drivers | {"landmarks": self.triplets[:, 1].tolist()}

    def measure(self, folder: pathlib.Path) -> Figures:
        """Figures of the weights in a folder, as "<row>: <column>": means with intervals over the people who drive."""
        device = self.bench.device
        methods: dict[str, Method] = {
            WITH: LandmarkMethod(folder, device, with_transformer=True),
            WITHOUT: LandmarkMethod(folder, device, with_transformer=False),
            COPY: CopySource(),
        }
        found = {name: self.values(method) for name, method in methods.items()}
        figures: Figures = {}
        for column in COLUMNS_1 + COLUMNS_2:
            values = {name: each[column.part, column.key] for name, each in found.items()}
            values[DIFFERENCE] = values[WITH] - values[WITHOUT]
            figures |= {f"{name}: {column.title}": self._figure(each, column) for name, each in values.items()}
        return figures

    def measure_beside(self, name: str) -> Figures:
        """Figures of another system on the same pairs, as "<column>"; those of undrawn landmarks are missing.

        Raises:
            CheckpointError: no such system.
        """
        found = self.values(SystemMethod(name, name, self.bench.device))
        found["landmarks", "lsim"] = np.full(len(self.triplets), np.nan)
        return {column.title: self._figure(found[column.part, column.key], column) for column in COLUMNS_1 + COLUMNS_2}

    def values(self, method: Method) -> dict[tuple[Part, str], Float[np.ndarray, "n"]]:
        """By part and key: one value for each driver, NaN if no face was found."""
        self.bench.forget()
        self.bench.methods = [method]
        outcomes = {part: [self._work(job, method) for job in jobs] for part, jobs in self.jobs.items()}
        values: dict[tuple[Part, str], Float[np.ndarray, "n"]] = {
            (column.part, column.key): np.array([each.values.get(column.key, np.nan) for each in outcomes[column.part]])
            for column in COLUMNS_1 + COLUMNS_2
            if column.part in outcomes
        }
        values["landmarks", "lsim"] = self.landmark_errors(method)
        return values

    @torch.inference_mode()
    def landmark_errors(self, method: Method) -> Float[np.ndarray, "n"]:
        """LSIM of each triplet's l_t, by the labels; of the source's own landmarks for other methods."""
        source, driving, second = (self._labels(rows) for rows in self.triplets.T)
        points_px = source.mesh_px[:, list(LANDMARKS_68), :2]
        if isinstance(method, LandmarkMethod):
            pose = method.facegan.read_motion(None, source).pose
            points_px = place_landmarks(method.landmarks(source, driving), pose)
        return metrics.lsim(points_px, second.mesh_px[:, list(LANDMARKS_68)], PICTURE_PX).numpy()

    def _labels(self, rows: np.ndarray) -> FaceGeometry:
        return FaceGeometry.cat([label_geometry(self.data, int(row)) for row in rows])

    def _work(self, job: Job, method: Method) -> Outcome:
        return next(each for each in self.bench.work(job) if each.method == method.label)

    def _settings(self, protocol: ProtocolName, name: str, seed: int) -> Settings:
        config = self.config
        return Settings(
            system=("facegan",),
            data=name,
            out=pathlib.Path(),
            protocol=protocol,
            pairs=config.self_pairs if protocol == "self" else config.cross_pairs,
            triplets=max(config.triplets, config.landmark_triplets),
            seed=seed,
            runs=0,
            judge=None if config.judge is None else pathlib.Path(config.judge),
            labels=config.labels,
        )

    def _plan(self, drawn: dict[str, PairSet]) -> dict[Part, list[Job]]:
        rows = rows_by_name(self.data)
        wanted: dict[Part, list[tuple[int, int, int | None]]] = {
            "self": [(rows[each.source], rows[each.target], None) for each in drawn["self"].pairs],
            "cross": [(rows[each.source], rows[each.target], None) for each in drawn["cross"].pairs],
            "triplet": [(int(a), int(b), int(c)) for a, b, c in self.triplets[: self.config.triplets]],
        }
        taking_part = sorted({row for parts in wanted.values() for three in parts for row in three[:2]})
        found = {row: self.bench.track(TrackTask(rows=(row,), is_clip=False)) for row in taking_part}
        return {
            part: list(_jobs(part, sorted(rows, key=operator.itemgetter(0)), found)) for part, rows in wanted.items()
        }

    def _figure(self, values: Float[np.ndarray, "n"], column: Column) -> Figure:
        people = self.data.person[self.drivers[column.part]]
        known = np.isfinite(values)
        if not known.any():
            return None
        return in_words(bootstrap_mean(values[known], people[known], self.config.draws), column.digits)


def in_words(estimate: Estimate, digits: int) -> str:
    """A mean and its interval: 0.812 [0.790, 0.835]."""
    mean = f"{estimate.mean:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return mean
    return f"{mean} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _jobs(part: Part, wanted: Sequence[tuple[int, int, int | None]], found: dict[int, Driver]) -> Iterator[Job]:
    for source, driving, second in wanted:
        if source not in found[source].geometry or driving not in found[driving].geometry:
            continue  # no face was found in it
        own, other = found[source].geometry[source], found[driving].geometry[driving]
        yield Job(
            kind="triplet" if part == "triplet" else "pair",
            source=source,
            source_geometry=own,
            driving=(driving,),
            driving_geometry=other,
            neutral=own if part == "self" else other,
            mode="absolute",
            truth=part == "self",
            second=second,
        )
