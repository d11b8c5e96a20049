"""From pairs to tasks: what is tracked, what is drawn, what is left out."""

import numpy as np
import pytest
import torch

from reenact.types import FaceGeometry
from tests.synthetic import face_geometry
from tests.unit.train.evaluate.made_up import set_of, settings
from train.data.faces import FaceData
from train.evaluate.jobs import Driver
from train.evaluate.pairs import Pair, PairSet, Run, Triplet
from train.evaluate.plan import list_items, plan_jobs, plan_sources, plan_tracking


@pytest.fixture
def data() -> FaceData:
    """Clips at rows 0-29 and 30-39, a still at 40."""
    return set_of([0.0] * 30, [0.0] * 10, stills=[0.0])


@pytest.fixture
def pairs() -> PairSet:
    return PairSet(
        protocol="cross",
        split="val",
        seed=0,
        pairs=(
            Pair(source="c0:0", target="c0:3"),
            Pair(source="c0:0", target="c0:20"),
            Pair(source="s0", target="c1:4"),
            Pair(source="c1:0", target="s0"),
        ),
        runs=(Run(source="s0", driving=("c1:5", "c1:6", "c1:7")),),
        triplets=(Triplet(source="c0:1", second="c0:2", driving="c1:9"),),
    )


def face(x: float) -> FaceGeometry:
    return face_geometry(torch.full((1, 478, 3), float(x)), torch.eye(3)[None])


def found(rows: tuple[int, ...]) -> Driver:
    return Driver(geometry={row: face(row) for row in rows}, references={"absolute": face(-1), "relative": face(-2)})


def test_clips_are_tracked_as_far_as_needed(data: FaceData, pairs: PairSet) -> None:
    items = list_items(pairs, data)
    tasks = plan_tracking(items, data, settings(fps=0.5))  # ten seconds are five frames
    assert tasks[0].rows == tuple(range(21))
    assert tasks[30].rows == tuple(range(30, 40))
    assert (tasks[40].rows, tasks[40].is_clip) == ((40,), False)
    long = plan_tracking(items, data, settings())  # the reference is searched in the whole clip
    assert long[0].rows == tuple(range(30))


def test_jobs_keep_to_one_source_and_one_driver(data: FaceData, pairs: PairSet) -> None:
    items = list_items(pairs, data)
    sources = {row: found(task.rows) for row, task in plan_sources(items).items()}
    assert sorted(sources) == [0, 1, 30, 40]
    drivers = {row: found(task.rows) for row, task in plan_tracking(items, data, settings()).items()}
    jobs, lost = plan_jobs(items, data, sources, drivers, ("absolute", "relative"))
    assert lost == 0
    by_kind = {kind: [job for job in jobs if job.kind == kind] for kind in ("pair", "run", "triplet")}
    assert [job.mode for job in by_kind["run"]] == ["absolute", "relative"]
    assert [job.driving for job in by_kind["run"]] == [(35, 36, 37)] * 2
    (triplet,) = by_kind["triplet"]
    assert (triplet.source, triplet.second, triplet.driving, triplet.mode) == (1, 2, (39,), "absolute")
    assert not triplet.truth
    same = next(job for job in by_kind["pair"] if job.source == 0)
    assert (same.driving, same.truth) == ((3, 20), True)
    assert float(same.neutral.mesh_px[0, 0, 0]) == 0.0  # its own source
    assert np.allclose(same.driving_geometry.mesh_px[:, 0, 0], [3, 20])
    other = [job for job in by_kind["pair"] if job.source == 40]
    assert [float(job.neutral.mesh_px[0, 0, 0]) for job in other] == [-1.0, -2.0]
    assert not any(job.truth for job in other)


def test_inputs_without_a_face_are_counted(data: FaceData, pairs: PairSet) -> None:
    items = list_items(pairs, data)
    sources = {row: found(task.rows) for row, task in plan_sources(items).items()}
    drivers = {row: found(task.rows) for row, task in plan_tracking(items, data, settings()).items()}
    del drivers[0].geometry[3]
    sources[40] = Driver(geometry={}, references={})
    jobs, lost = plan_jobs(items, data, sources, drivers, ("absolute",))
    assert lost == 3  # one pair by its driving frame, one pair and the run by their source
    assert sorted((job.kind, job.source, job.driving) for job in jobs) == [
        ("pair", 0, (20,)),
        ("pair", 30, (40,)),
        ("triplet", 1, (39,)),
    ]


def test_a_job_has_a_few_frames_at_most(data: FaceData) -> None:
    many = tuple(Pair(source="c0:0", target=f"c0:{i}") for i in range(1, 20))
    pairs = PairSet(protocol="self", split="val", seed=0, pairs=many)
    items = list_items(pairs, data)
    drivers = {row: found(task.rows) for row, task in plan_tracking(items, data, settings()).items()}
    jobs, _ = plan_jobs(items, data, {0: found((0,))}, drivers, ("absolute",))
    assert [len(job.driving) for job in jobs] == [8, 8, 3]
