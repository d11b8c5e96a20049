"""The dual generator's losses on known landmarks, and its critics."""

import numpy as np
import pytest
import torch

from tests.unit.train.recipes.tiny_tasks import DUAL_GENERATOR, SIDE
from train.losses.dual_generator import (
    NO_SUBJECT,
    REGIONS,
    FaceCritic,
    ShapeCritic,
    attribute_loss,
    gradient_penalty,
    identity_loss,
    localization_loss,
    style_loss,
    subject_class_loss,
    visible_local_shape_loss,
)


def zeros() -> torch.Tensor:
    return torch.zeros(1, 68, 3)


def test_the_regions_share_out_all_landmarks() -> None:
    assert sorted(i for region in REGIONS.values() for i in region.landmarks) == list(range(68))
    assert [region.margin for region in REGIONS.values()] == [0.05, 0.05, 0.1, 0.05, 0.2]


def test_the_shape_loss_is_zero_beyond_the_margins_and_the_margins_at_a_tie() -> None:
    seen, other_person = torch.ones(1, 68), torch.zeros(1)
    far = torch.full((1, 68, 3), 0.01)  # 3 x 0.01 a landmark: the contour is 0.51 away, its margin 0.2
    assert visible_local_shape_loss(zeros(), seen, zeros(), far, other_person).item() == 0
    tie = visible_local_shape_loss(zeros(), seen, zeros(), zeros(), other_person)
    assert tie.item() == pytest.approx(0.05 + 0.05 + 0.1 + 0.05 + 0.2)
    near = torch.zeros(1, 68, 3)
    near[:, :17, 0] = 0.01  # the contour alone is off, by 0.17
    short = visible_local_shape_loss(zeros(), seen, zeros(), near, other_person)
    assert short.item() == pytest.approx(0.25 + 0.2 - 0.17, abs=1e-6)


def test_only_visible_landmarks_count() -> None:
    visible, wrong = torch.ones(1, 68), torch.zeros(1, 68, 3)
    wrong[:, 36:42] = 0.5
    for same in (torch.zeros(1), torch.ones(1)):
        assert visible_local_shape_loss(zeros(), visible, wrong, zeros(), same).item() > 1
    visible[:, 36:42] = 0
    assert visible_local_shape_loss(zeros(), visible, wrong, zeros(), torch.ones(1)).item() == 0
    visible[:, 17:22] = 0  # a region without any says nothing, not even its margin
    left = visible_local_shape_loss(zeros(), visible, wrong, zeros(), torch.zeros(1)).item()
    assert left == pytest.approx(0.05 + 0.1 + 0.05 + 0.2)


def test_one_person_has_nothing_to_flee_from() -> None:
    off = torch.full((1, 68, 3), 0.01)
    loss = visible_local_shape_loss(zeros(), torch.ones(1, 68), off, off, torch.ones(1))
    assert loss.item() == pytest.approx(68 * 3 * 0.01, rel=1e-5)


def test_norms_of_landmarks_are_sums() -> None:
    assert localization_loss(torch.ones(2, 68, 3), torch.zeros(2, 68, 3)).tolist() == [204, 204]


def test_unknown_subjects_are_left_out() -> None:
    logits = torch.tensor([[20.0, 0.0], [0.0, 0.0]])
    assert subject_class_loss(logits, torch.tensor([0, NO_SUBJECT])).item() == pytest.approx(0, abs=1e-6)
    assert subject_class_loss(logits, torch.tensor([0, 1])).item() == pytest.approx(np.log(2) / 2, rel=1e-4)
    assert subject_class_loss(logits, torch.tensor([NO_SUBJECT, NO_SUBJECT])).item() == 0


def test_pictures_without_a_target_do_not_count() -> None:
    picture, wanted = torch.zeros(2, 3, 4, 4), torch.stack([torch.full((3, 4, 4), 0.5), torch.ones(3, 4, 4)])
    assert attribute_loss(picture, wanted, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.5)
    assert attribute_loss(picture, wanted, torch.zeros(2)).item() == 0


def test_losses_of_the_same_are_zero() -> None:
    unit = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    assert identity_loss(unit, unit).item() == pytest.approx(0, abs=1e-6)
    assert identity_loss(unit, -unit).item() == pytest.approx(2, abs=1e-6)
    assert style_loss(unit, unit).item() == 0


def test_the_gradient_penalty_of_a_plane_is_half_its_squared_slope() -> None:
    x = torch.randn(4, 5, requires_grad=True)
    slope = torch.tensor([3.0, 0, 0, 4.0, 0])
    assert gradient_penalty((x @ slope)[:, None], x).item() == pytest.approx(12.5)


def test_critics_have_the_paper_s_outputs() -> None:
    real, classes = ShapeCritic(DUAL_GENERATOR, 7)(torch.randn(3, 68, 3))
    assert (real.shape, classes.shape) == ((3, 1), (3, 7))
    face, shape = FaceCritic(DUAL_GENERATOR, SIDE)((torch.rand(2, 3, SIDE, SIDE), torch.rand(2, 1, SIDE, SIDE)))
    assert (face.shape, shape.shape) == ((2, 1), (2, 1))  # type: ignore[union-attr]
    assert FaceCritic(DUAL_GENERATOR, SIDE, shape=False)((torch.rand(2, 3, SIDE, SIDE), None))[1] is None
