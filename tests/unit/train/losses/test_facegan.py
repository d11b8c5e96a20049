"""FACEGAN's losses on known landmarks, masks and pictures."""

import numpy as np
import pytest
import torch

from train.losses.facegan import (
    connectivity_loss,
    landmark_loss,
    mask_size,
    mask_smoothness,
    movement_penalty,
    reconstruction_loss,
    segment_loss,
)


def test_a_face_moved_as_a_whole_keeps_its_connections():
    landmarks = torch.randn(2, 68, 2)
    moved = landmarks + torch.tensor([0.5, -1.0])
    assert connectivity_loss(moved, landmarks).item() == pytest.approx(0, abs=1e-6)
    assert landmark_loss(moved, landmarks).item() == pytest.approx(0.75)
    assert connectivity_loss(2 * landmarks, landmarks).item() > 0.1


def test_the_movement_penalty_is_the_root_mean_square():
    assert movement_penalty(torch.full((3, 68, 2), -0.2)).item() == pytest.approx(0.2)
    assert movement_penalty(torch.zeros(3, 68, 2)).item() == pytest.approx(0, abs=1e-5)


def test_mask_losses_count_steps_and_size():
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 2:] = 1
    assert mask_size(mask).item() == pytest.approx(0.5**0.5)
    assert mask_smoothness(mask).item() == pytest.approx(1 / 3), "one of three columns of differences is 1"
    assert mask_smoothness(torch.ones(1, 1, 4, 4)).item() == 0


def test_pixel_and_segment_losses_of_known_pictures():
    picture, weight = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    weight[..., :2] = 2
    wanted = picture.clone()
    wanted[..., 2:] = 1
    assert reconstruction_loss(picture, wanted).item() == pytest.approx(0.5)
    assert reconstruction_loss(picture, wanted, weight).item() == 0
    classes = torch.randint(0, 3, (1, 4, 4))
    sure = 100 * torch.nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2).float()
    assert segment_loss(sure, classes).item() == pytest.approx(0, abs=1e-6)
    assert segment_loss(0 * sure, classes).item() == pytest.approx(np.log(3))
