"""Checks on pictures and systems with known results."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from reenact.errors import NoFaceFoundError
from reenact.systems.base import Rendered
from reenact.types import FaceGeometry
from tests.synthetic import face_geometry
from tests.unit.train.evaluate.made_up import set_of
from train.evaluate.checks import (
    check_jitter,
    check_system,
    compare_detail,
    enlarge,
    laplacian_variance,
    spread_rows,
    turn_about,
)


def test_a_turn_keeps_its_centre_and_turns_clockwise() -> None:
    matrix = turn_about(90, 50.0)
    moved = matrix @ torch.tensor([[50.0, 50.0, 1.0], [60.0, 50.0, 1.0]]).T
    torch.testing.assert_close(moved[:2].T, torch.tensor([[50.0, 50.0], [50.0, 60.0]]))


def test_an_enlarged_picture_is_the_same_picture_with_grain() -> None:
    small = np.full((32, 32, 3), 120, np.uint8)
    large = enlarge(small, seed=3)
    assert large.shape == (256, 256, 3)
    assert large.mean() == pytest.approx(120, abs=1)
    assert laplacian_variance(large) > 100
    assert laplacian_variance(cv2.GaussianBlur(large, (0, 0), 1.5)) < 0.1 * laplacian_variance(large)
    assert laplacian_variance(small) == 0
    assert np.array_equal(large, enlarge(small, seed=3))


def test_rows_are_spread_over_stills_or_else_first_frames() -> None:
    stills = set_of([0, 1], stills=[0.0] * 10)
    assert spread_rows(stills, 5) == [2, 4, 6, 8, 10]
    assert spread_rows(set_of([0, 1], [2, 3, 4]), 24) == [0, 2]


class Still:
    """A tracker that finds one face in the middle, or none."""

    def __init__(self, found: bool = True) -> None:
        self.found = found

    def track(self, frame: np.ndarray, **_: Any) -> FaceGeometry:
        if not self.found:
            raise NoFaceFoundError("none")
        mesh = torch.full((1, 478, 3), 128.0)
        mesh[:, :, 0] += torch.linspace(-40, 40, 478)
        return face_geometry(mesh, torch.eye(3)[None])


class Echo:
    """A system that gives back its source, blurred if it moves."""

    def encode_identity(self, image: Any, geometry: FaceGeometry) -> torch.Tensor:
        return image.rgb

    def read_motion(self, image: None, geometry: FaceGeometry) -> torch.Tensor:
        return geometry.mesh_px

    def retarget(self, identity: torch.Tensor, motion: torch.Tensor, neutral: torch.Tensor, mode: str) -> bool:
        assert mode == "relative"
        return bool((motion != neutral).any())

    def render(self, identity: torch.Tensor, driven: bool) -> Rendered:
        rgb = torch.nn.functional.avg_pool2d(identity, 5, 1, 2, count_include_pad=False) if driven else identity
        return Rendered(rgb=rgb, changed=torch.zeros_like(rgb[:, :1]))


class Bench:
    def __init__(self, tracker: Any) -> None:
        self.networks = type("Networks", (), {"tracker": tracker})()
        self.device = torch.device("cpu")

    def frame(self, row: int) -> np.ndarray:
        return np.full((256, 256, 3), 100 + row, np.uint8)


def test_a_system_that_blurs_when_it_moves() -> None:
    system: Any = Echo()
    bench: Any = Bench(Still())
    figures = check_system(system, bench, [0])
    assert figures["pictures"] == 1
    assert figures["all-zero relative motion, worst PSNR dB"] == pytest.approx(100)
    assert figures["sharpness at a 1,024 px face, share of the source's"] < 0.1
    faceless: Any = Bench(Still(found=False))
    assert check_system(system, faceless, [0, 1]) == {}


def test_detail_is_compared_where_the_face_is(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (800, 800, 3), dtype=np.uint8)
    geometry = face_geometry(torch.full((1, 478, 3), 400.0), torch.eye(3)[None])
    assert compare_detail(picture, picture, geometry) == [1.0, 1.0, 1.0]
    elsewhere = picture.copy()
    elsewhere[:200] = 0
    assert compare_detail(picture, elsewhere, geometry) == [1.0, 1.0, 1.0]


def test_jitter_is_the_spread_of_the_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trembling:
        """Moves every point by 1 px left and right; the filter halves it."""

        def __init__(self, tracker: Any, fps: float, smoothing: bool) -> None:
            self.step, self.size = 0, 0.5 if smoothing else 1.0

        def update(self, frame: np.ndarray) -> FaceGeometry:
            self.step += 1
            mesh = torch.zeros(1, 478, 3)
            mesh[..., 0] = self.size * (-1) ** self.step
            return face_geometry(mesh, torch.eye(3)[None])

    monkeypatch.setattr("train.evaluate.checks.VideoTracker", Trembling)
    bench: Any = Bench(Still())
    figures = check_jitter(bench, [0, 1], frames=24)
    assert figures["jitter on a still clip, filtered, px"] == pytest.approx(0.5)
    assert figures["jitter on a still clip, raw, px"] == pytest.approx(1.0)
