"""The benchmark of profiles on made-up trackers."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import profiles
from reenact.errors import NoFaceFoundError
from reenact.geometry.morphable import load_morphable
from reenact.geometry.rasterise import rasterise
from reenact.media.frame import Frame
from reenact.types import FaceGeometry
from tests.synthetic import face_geometry, face_set
from train.data.faces import FaceData


@pytest.fixture(scope="module")
def data() -> FaceData:
    model = load_morphable()
    data = face_set(model, np.random.default_rng(2), clips=1, frames=2, stills=6)
    covered = rasterise(torch.from_numpy(data.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    return dataclasses.replace(data, parsing=covered.astype(np.uint8))


class Blind:
    """Reads every head as frontal and misses yaws beyond 50 degrees; it is called in the order of the yaws."""

    def __init__(self) -> None:
        self.asked = 0

    def track(self, frame: Frame) -> FaceGeometry:
        yaw_deg = profiles.YAWS_DEG[self.asked % len(profiles.YAWS_DEG)]
        self.asked += 1
        if yaw_deg > 50:
            raise NoFaceFoundError("none")
        return face_geometry(torch.zeros(1, 478, 3), torch.eye(3)[None])


def test_errors_of_a_tracker_that_reads_every_head_as_frontal(data: FaceData) -> None:
    rows = profiles.choose_rows(data, 2)
    assert len({int(data.person[row]) for row in rows}) == len(rows) == 2
    trackers: Any = {"blind": Blind()}
    lines = profiles.measure_trackers(trackers, load_morphable(), data, rows)["blind"]
    assert [line["yaw_deg"] for line in lines] == list(profiles.YAWS_DEG)
    assert [line["found"] for line in lines] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert all(line["yaw_read_deg"] == pytest.approx(0) for line in lines[:3])
    assert lines[2]["rotation_error_deg"] == pytest.approx(40, abs=12)  # pitch and roll are wrong as well
    assert lines[2]["found_right"] == 0
    assert np.isnan(lines[5]["yaw_read_deg"])


def test_labels_agree_with_fitted_meshes_and_both_tables_are_printed(data: FaceData) -> None:
    lines = profiles.compare_labels(load_morphable(), data)
    assert sum(line["pictures"] for line in lines) == int((np.abs(data.yaw_deg) >= 5).sum())
    assert all(line["fitted_deg"] == pytest.approx(line["labelled_deg"], abs=1.5) for line in lines)
    measured = {"yaw_deg": 40, "found": 1.0, "found_right": 0.5, "yaw_read_deg": 28.4}
    errors = {"rotation_error_deg": 12.0, "rotation_error_median_deg": 11.0}
    text = profiles.table({"pictures": ["a"], "trackers": {"own": [measured | errors]}, "labels": lines})
    assert "| own | 40 | 100% | 50% | 28.4 | 12.0 | 11.0 |" in text
