"""The kernel distance of two sets, and the warp error of consecutive frames."""

import itertools

import cv2
import numpy as np
import pytest
import torch

from train.evaluate.metrics import backward_flow, kernel_distances, warp_error
from train.evaluate.metrics.kernel import squared_mmd


def test_the_discrepancy_is_that_of_the_definition() -> None:
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    # k = (x.y / 2 + 1)^3: within the sets 1 and 1, between them 8, 1, 1 and 1
    assert squared_mmd(first, second) == pytest.approx(1 + 1 - 2 * (8 + 1 + 1 + 1) / 4)


def test_samples_of_one_distribution_are_near_zero_and_shifted_ones_are_not() -> None:
    draw = torch.Generator().manual_seed(0)
    real, others = torch.randn(400, 8, generator=draw), torch.randn(400, 8, generator=draw)
    assert abs(distance(real, real)) < 0.01  # halves of the real pictures
    assert abs(distance(others, real)) < 0.02
    near, far = distance(others + 0.5, real), distance(others + 1, real)
    assert 0.1 < near < far
    assert distance(others + 0.5, real) == near  # the subsets depend on the seed alone


def distance(results: torch.Tensor, real: torch.Tensor) -> float:
    return float(kernel_distances(results, real).mean())


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """A texture that moves by 3 px to the right from frame to frame."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    return [texture[:, 12 - 3 * i : 108 - 3 * i].copy() for i in range(4)]


def test_the_flow_is_the_shift(frames: list[np.ndarray]) -> None:
    flow, known = backward_flow(frames[0], frames[1])
    assert np.abs(flow[20:-20, 20:-20] - (-3, 0)).max() < 0.5
    assert known[20:-20, 20:-20].all()
    assert not known[:, 0].any(), "new at the left edge"


def test_frames_that_move_with_the_flow_have_no_error(frames: list[np.ndarray]) -> None:
    flows = [backward_flow(before, after) for before, after in itertools.pairwise(frames)]
    own = warp_error(frames, flows)
    assert own < 0.02
    flickering = [np.clip(frame.astype(int) + 40 * (i % 2), 0, 255).astype(np.uint8) for i, frame in enumerate(frames)]
    assert warp_error(flickering, flows) == pytest.approx(40 / 255, abs=0.03)
    assert warp_error([frames[0]] * 4, flows) > 5 * own, "a still picture does not move with the flow"
    nothing = [(flow, np.zeros_like(known)) for flow, known in flows]
    assert warp_error(flickering, nothing) == 0
