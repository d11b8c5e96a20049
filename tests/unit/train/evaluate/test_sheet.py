"""The contact sheet shows the best, the median and the worst pairs."""

import pathlib
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.synthetic import face_geometry
from tests.unit.train.evaluate.made_up import outcome
from train.evaluate.jobs import Job, Outcome
from train.evaluate.sheet import choose_pairs, draw_sheet, write_sheet


def names(chosen: list[tuple[str, Outcome]]) -> list[tuple[str, int]]:
    return [(name, each.driving) for name, each in chosen]


def test_pairs_are_ordered_by_lpips_where_it_is_measured() -> None:
    outcomes = [outcome("a", row, lpips=value, akd_px=9 - value, l1=1) for row, value in enumerate([5, 1, 4, 2, 3])]
    assert names(choose_pairs(outcomes, 1)) == [("best", 1), ("median", 4), ("worst", 0)]


def test_else_by_landmarks_and_pixels_together() -> None:
    akd, pixels = [1.0, 2.0, 3.0, 4.0], [0.02, 0.01, 0.04, 0.03]
    outcomes = [outcome("a", i, akd_px=a, l1=b) for i, (a, b) in enumerate(zip(akd, pixels, strict=True))]
    chosen = names(choose_pairs(outcomes, 2))
    assert {row for name, row in chosen if name == "best"} == {0, 1}


def test_without_a_real_picture_by_identity_pose_and_expression() -> None:
    outcomes = [
        outcome("a", 0, csim=0.9, pose_error_deg=1, ed=0.1),
        outcome("a", 1, csim=0.5, pose_error_deg=9, ed=0.9),
        outcome("a", 2, csim=0.7, pose_error_deg=5, ed=0.5),
    ]
    assert names(choose_pairs(outcomes, 1)) == [("best", 0), ("median", 2), ("worst", 1)]


def test_a_result_without_a_face_is_the_worst() -> None:
    outcomes = [outcome("a", 0, lpips=1, found=0.0), outcome("a", 1, lpips=5, found=1.0), outcome("a", 2, lpips=9)]
    assert names(choose_pairs(outcomes, 1)) == [("best", 1), ("median", 2), ("worst", 0)]


def test_no_pair_is_shown_twice() -> None:
    outcomes = [outcome("a", row, lpips=row) for row in range(4)]
    assert len(choose_pairs(outcomes, 3)) == 4


class Flat:
    """A bench whose pictures are of one grey."""

    def frame(self, row: int) -> np.ndarray:
        return np.full((256, 256, 3), row, np.uint8)

    def draw(self, job: Job, method: Any) -> list[np.ndarray]:
        assert len(job.driving) == len(job.driving_geometry) == 1
        return [np.full((256, 256, 3), 100 + job.driving[0], np.uint8)]


@pytest.fixture
def job() -> Job:
    geometry = face_geometry(torch.zeros(3, 478, 3), torch.eye(3).expand(3, -1, -1))
    return Job(
        kind="pair",
        source=7,
        source_geometry=geometry[:1],
        driving=(11, 12, 13),
        driving_geometry=geometry,
        neutral=geometry[:1],
        mode="absolute",
        truth=True,
    )


def test_source_driving_and_result_stand_side_by_side(job: Job, tmp_path: pathlib.Path) -> None:
    outcomes = [outcome("a", row, source=7, lpips=row, found=1.0) for row in (11, 12, 13)]
    bench: Any = Flat()
    method: Any = None
    sheet = draw_sheet(bench, method, [job], outcomes, 1)
    assert sheet.shape == (28 + 3 * (256 + 28), 768, 3)
    for i, driving in enumerate((11, 12, 13)):
        middle = sheet[28 + i * 284 + 128]
        assert [int(middle[x, 0]) for x in (128, 384, 640)] == [7, driving, 100 + driving]
    write_sheet(sheet, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == sheet.shape
