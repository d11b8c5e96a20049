"""The contact sheet shows the worst, the median and the best pairs."""

import pathlib
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from tests.synthetic import face_geometry
from tests.unit.train.evaluate.made_up import outcome, settings
from train.evaluate.jobs import Job, Outcome
from train.evaluate.sheet import check_order, choose_pairs, draw_sheet, write_sheet


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
    assert names(choose_pairs(outcomes, 1)) == list(zip(("worst", "median", "best"), reversed(order), strict=True))
    assert len(choose_pairs(outcomes, 2)) == 3  # each pair once


def test_the_chosen_measure_orders_the_sheet() -> None:
    sharpness = (0.9, 2.5, 0.2, None)
    outcomes = [
        outcome("a", row, lpips=row, **({} if value is None else {"rim_sharpness": value}))
        for row, value in enumerate(sharpness)
    ]
    assert names(choose_pairs(outcomes, 3, "rim_sharpness"))[:3] == [("worst", 1), ("worst", 2), ("worst", 0)]


def test_every_source_comes_once_among_the_worst_before_any_comes_again() -> None:
    outcomes = [outcome("a", row, source=source, lpips=row) for row, source in enumerate((5, 6, 6, 7, 7, 7))]
    worst = [each.driving for name, each in choose_pairs(outcomes, 4) if name == "worst"]
    assert worst == [5, 2, 0, 4]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sheet_by": ("beauty",)}, r"--sheet-by beauty: pairs have no such value; give one of ssim"),
        ({"sheet_by": ("ssim", "kid")}, "pairs have no such value"),
        ({"sheet_by": ("rim_sharpness",), "protocol": "cross"}, "cross-reenactment has no real picture"),
    ],
)
def test_measures_without_a_value_of_pairs_are_refused(changes: dict[str, Any], text: str) -> None:
    check_order(settings(sheet_by=("rim_sharpness", "ssim")))
    with pytest.raises(ConfigError, match=text):
        check_order(settings(**changes))


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
    assert sheet.shape == (28 + 3 * (256 + 28), 1024, 3)
    for i, driving in enumerate((13, 12, 11)):
        middle = sheet[28 + i * 284 + 128]
        assert [int(middle[x, 0]) for x in (128, 384, 640, 896)] == [7, driving, 100 + driving, 255]
    write_sheet(sheet, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == sheet.shape
