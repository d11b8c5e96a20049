"""Movements of the 68 landmarks by Action Units."""

import pathlib

import pytest
import torch

from reenact.facs import ACTION_UNITS
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import load_morphable
from reenact.geometry.unit_movements import UNIT_POINTS, UnitMovements, blink_openness, mirror_68, whole_face
from reenact.geometry.unit_table import UNIT_TABLE
from studies.unit_fit import movements_of, regress_portraits
from train.data.faces import load_faces


@pytest.fixture(scope="module")
def movements() -> UnitMovements:
    return UnitMovements(load_morphable())


@pytest.fixture(scope="module")
def neutral() -> torch.Tensor:
    return load_morphable().mean[list(LANDMARKS_68)][None]


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_a_unit_moves_its_own_points_only(movements: UnitMovements, neutral: torch.Tensor, unit: int):
    own, wanted = torch.zeros(2, 1, 17, 2)
    wanted[:, ACTION_UNITS.index(unit)] = 1
    moved = (movements.move(neutral, own, wanted) - neutral).norm(dim=-1)[0]
    others = [i for i in range(68) if i not in UNIT_POINTS[unit]]
    assert moved[others].max() == 0
    assert moved.max() > 0.005, "eye distances"


def test_a_blink_closes_any_eye_and_a_wink_one_of_them(movements: UnitMovements, neutral: torch.Tensor):
    own, wanted = torch.zeros(2, 1, 17, 2)
    wanted[:, ACTION_UNITS.index(45), 0] = 1
    moved = movements.move(neutral, own, wanted)
    gap, before = ((shape[:, 44] - shape[:, 46]).norm(dim=-1).item() for shape in (moved, neutral))
    assert gap < 0.05 * before, "the person's left eye"
    torch.testing.assert_close(moved[:, 36:42], neutral[:, 36:42], atol=2e-3, rtol=0)
    torch.testing.assert_close(movements.move(moved, wanted, wanted), moved)
    assert (blink_openness(torch.linspace(0, 1, 11)[None]).diff() < 0).all()


def test_movements_grow_with_intensity_and_come_early(movements: UnitMovements):
    share = movements.share(torch.linspace(0, 1, 11)[:, None, None].expand(-1, 17, 2))
    assert (share.diff(dim=0) > 0).all()
    torch.testing.assert_close(share[[0, -1]], torch.tensor([0.0, 1.0])[:, None, None].expand(-1, 17, 2))
    assert share[5, ACTION_UNITS.index(10), 0] == pytest.approx(0.6)
    assert share[5, ACTION_UNITS.index(45), 0] == pytest.approx(0.5)


def test_the_right_half_moves_as_the_left_one_does(movements: UnitMovements, neutral: torch.Tensor):
    whole = movements.basis.sum(1)
    swap = mirror_68(mesh_mirror())
    torch.testing.assert_close(whole[:, swap] * torch.tensor([-1, 1, 1]), whole)
    assert (neutral[0, swap, 0] * neutral[0, :, 0] <= 1e-4).all(), "the other side, or the middle"


def test_the_upper_lip_rises_and_lets_the_lower_one_be(movements: UnitMovements):
    lip = movements.basis[ACTION_UNITS.index(10)].sum(0)
    assert lip[[50, 51, 52, 61, 62, 63], 1].min() > 0.05
    assert lip[[57, 66], 1].abs().max() < 0.03


@pytest.mark.slow
def test_the_table_of_movements_is_what_the_portraits_say(data_root: pathlib.Path):
    data = load_faces(data_root, "train", pathlib.Path("runs/cache"))
    found = movements_of(regress_portraits(data, load_morphable()))
    torch.testing.assert_close(whole_face(found), whole_face(UNIT_TABLE), atol=0.002, rtol=0)


def test_a_smile_on_one_side_leaves_the_other(movements: UnitMovements, neutral: torch.Tensor):
    own, wanted = torch.zeros(2, 1, 17, 2)
    wanted[:, ACTION_UNITS.index(12), 0] = 1
    moved = (movements.move(neutral, own, wanted) - neutral).norm(dim=-1)[0]
    assert neutral[0, 54, 0] > 0, "the person's left corner of the mouth"
    assert moved[54] > 10 * moved[48]
