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


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ([{"lpips": x, "akd_px": 9 - x, "l1": 1} for x in (5, 2, 3)], (1, 2, 0)),
        ([{"akd_px": 2.0, "l1": 0.02}, {"akd_px": 1.0, "l1": 0.01}, {"akd_px": 3.0, "l1": 0.03}], (1, 0, 2)),
        ([{"csim": x, "pose_error_deg": 9 - 9 * x, "ed": 1 - x} for x in (0.9, 0.5, 0.7)], (0, 2, 1)),
        ([{"lpips": 1, "found": 0.0}, {"lpips": 5, "found": 1.0}, {"lpips": 9}], (1, 2, 0)),  # no face is the worst
    ],
)
def test_pairs_are_ordered_by_what_is_measured(values: list[dict[str, float]], order: tuple[int, int, int]) -> None:
    outcomes = [outcome("a", row, **each) for row, each in enumerate(values)]
    assert names(choose_pairs(outcomes, 1)) == list(zip(("best", "median", "worst"), order, strict=True))
    assert len(choose_pairs(outcomes, 2)) == 3  # each pair once


class Flat:
    """A bench with plain grey pictures."""

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


def test_source_driving_and_result_are_side_by_side(job: Job, tmp_path: pathlib.Path) -> None:
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
