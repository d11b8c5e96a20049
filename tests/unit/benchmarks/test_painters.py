"""Figures of the painters, on readings made up so that the answers are known."""

import pytest
import torch

from benchmarks.painters import Frames, eye_openings, figures, lip_gap


def test_openings_are_heights_over_widths() -> None:
    mesh = torch.zeros(1, 478, 3)
    mesh[0, 133, 0], mesh[0, 159, 1] = 10.0, 3.0  # right eye: 10 wide, 3 high
    mesh[0, 263, 0], mesh[0, 362, 0], mesh[0, 386, 1] = 50.0, 30.0, 2.0  # left eye: 20 wide, 2 high
    mesh[0, 14, 1] = 5.0
    torch.testing.assert_close(eye_openings(mesh), torch.tensor([[0.3, 0.1]]))
    torch.testing.assert_close(lip_gap(mesh), torch.tensor([0.1]))


def test_figures_follow_their_definitions() -> None:
    driver = torch.tensor([[0.1, 0.1], [0.3, 0.3], [0.2, 0.25]])
    source = torch.full((3, 2), 0.3)
    frames = Frames(
        source=source,
        driver=driver,
        result=source + 0.5 * (driver - source),  # lids go half of the way
        true_mouth=torch.tensor([[100.0, 0.4], [80.0, 0.3], [50.0, 0.9]]),
        mouth=torch.tensor([[90.0, 0.2], [100.0, 0.1], [0.0, 0.0]]),
        gap=torch.tensor([0.1, 0.2, 0.01]),  # the last mouth is closed
    )
    found = figures(frames)
    assert (found["open_mouths"], found["frames_with_teeth"], found["blinks"]) == (2, 2, 1)
    assert found["luma_difference"] == pytest.approx(15)
    assert found["teeth_shown"] == pytest.approx(0.5)
    assert found["lid_slope_right"] == pytest.approx(0.5)
    assert found["lid_correlation_left"] == pytest.approx(1)
    assert found["opening_in_blinks"] == pytest.approx(0.2)
