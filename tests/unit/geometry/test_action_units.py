"""Action Units from blendshapes and mesh."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reenact.facs import ACTION_UNITS
from reenact.geometry.action_units import (
    BLENDSHAPE_NAMES,
    UNITS,
    BlendshapeUnit,
    MeshUnit,
    blendshapes_of_action_units,
    read_action_unit_sides,
    read_action_units,
)
from reenact.perception.crop import LEFT_EYE_OUTER, RIGHT_EYE_OUTER

MEASURED = (6, 9, 25)


def neutral_mesh() -> torch.Tensor:
    """Points spread at random, those that units measure at their typical neutral distances."""
    mesh = torch.randn(1, 478, 3, generator=torch.Generator().manual_seed(0)) * 50
    mesh[:, LEFT_EYE_OUTER], mesh[:, RIGHT_EYE_OUTER] = torch.tensor([50.0, 0, 0]), torch.tensor([-50.0, 0, 0])
    for number in MEASURED:
        set_measure(mesh, number, {6: 0.605, 9: 0.433, 25: 0.0}[number])
    return mesh


def set_measure(mesh: torch.Tensor, number: int, ratio: float) -> None:
    """Move the second point of each pair so that the measure of both sides is `ratio`."""
    unit = UNITS[number]
    assert isinstance(unit, MeshUnit)
    for pairs in (unit.left, unit.right):
        for first, second in pairs:
            mesh[:, second] = mesh[:, first] + torch.tensor([0, 100 * ratio / len(pairs), 0])


def neutral_blendshapes() -> torch.Tensor:
    return torch.zeros(1, 52)


def test_every_unit_has_a_source() -> None:
    assert tuple(UNITS) == ACTION_UNITS
    assert len(BLENDSHAPE_NAMES) == len(set(BLENDSHAPE_NAMES)) == 52


def test_a_neutral_face_has_no_action() -> None:
    assert read_action_units(neutral_blendshapes(), neutral_mesh()).abs().max() == 0


@pytest.mark.parametrize("number", [unit for unit in ACTION_UNITS if isinstance(UNITS[unit], BlendshapeUnit)])
def test_a_blendshape_moves_its_own_unit_alone(number: int) -> None:
    unit = UNITS[number]
    assert isinstance(unit, BlendshapeUnit)
    names = [name for name in BLENDSHAPE_NAMES if name in (unit.name, f"{unit.name}Left", f"{unit.name}Right")]
    values = []
    for score in (unit.neutral, (unit.neutral + unit.full) / 2, unit.full, 1.0):
        blendshapes = neutral_blendshapes()
        blendshapes[:, [BLENDSHAPE_NAMES.index(name) for name in names]] = score
        units = read_action_units(blendshapes, neutral_mesh())[0]
        values.append(float(units[ACTION_UNITS.index(number)]))
        assert float(units.sum()) == pytest.approx(values[-1], abs=1e-5)
    assert values == pytest.approx([0, 0.5, 1, 1], abs=1e-5)


@pytest.mark.parametrize(("number", "rising"), [(6, False), (9, False), (25, True)])
def test_measured_units_are_monotone(number: int, rising: bool) -> None:
    values = []
    for ratio in torch.linspace(0.0, 0.7, 36).tolist():
        mesh = neutral_mesh()
        set_measure(mesh, number, ratio)
        values.append(float(read_action_units(neutral_blendshapes(), mesh)[0, ACTION_UNITS.index(number)]))
    steps = torch.tensor(values).diff() * (1 if rising else -1)
    assert (steps >= 0).all() and min(values) == 0 and max(values) == 1


@given(
    angles=st.tuples(*[st.floats(-1.2, 1.2)] * 3),
    scale=st.floats(0.2, 30),
    shift=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_pose_size_and_place_change_nothing(
    angles: tuple[float, float, float], scale: float, shift: tuple[float, float, float]
) -> None:
    mesh = neutral_mesh()
    set_measure(mesh, 6, 0.55)
    set_measure(mesh, 25, 0.2)
    turn = torch.eye(3)
    for axis, angle in enumerate(angles):
        one = torch.eye(3)
        i, j = [k for k in range(3) if k != axis]
        one[i, i] = one[j, j] = math.cos(angle)
        one[i, j], one[j, i] = -math.sin(angle), math.sin(angle)
        turn = one @ turn
    moved = mesh @ turn.T * scale + torch.tensor(shift)
    expected = read_action_units(neutral_blendshapes(), mesh)
    torch.testing.assert_close(read_action_units(neutral_blendshapes(), moved), expected, atol=2e-3, rtol=0)


def test_the_persons_own_neutral_takes_out_the_identity() -> None:
    high_cheeks = neutral_mesh()
    set_measure(high_cheeks, 6, 0.52)
    index = ACTION_UNITS.index(6)
    assert read_action_units(neutral_blendshapes(), high_cheeks)[0, index] > 0.8
    assert read_action_units(neutral_blendshapes(), high_cheeks, high_cheeks)[0, index] == 0
    raised = high_cheeks.clone()
    set_measure(raised, 6, 0.52 * 0.84)
    both = torch.cat([high_cheeks, raised])
    units = read_action_units(neutral_blendshapes().repeat(2, 1), both, high_cheeks)
    assert units[:, index].tolist() == pytest.approx([0, 1], abs=1e-4)


def test_sides_are_the_persons_left_then_right() -> None:
    blendshapes = neutral_blendshapes()
    blendshapes[:, BLENDSHAPE_NAMES.index("mouthSmileLeft")] = 0.98
    sides = read_action_unit_sides(blendshapes, neutral_mesh())[0, ACTION_UNITS.index(12)]
    assert sides.tolist() == pytest.approx([1, 0], abs=1e-5)


def test_blendshapes_of_units_are_read_as_these_units() -> None:
    units = torch.rand(5, 17, generator=torch.Generator().manual_seed(0))
    read = read_action_units(blendshapes_of_action_units(units), neutral_mesh().repeat(5, 1, 1))
    for column, number in enumerate(ACTION_UNITS):
        expected = torch.zeros(5) if number in MEASURED else units[:, column]
        torch.testing.assert_close(read[:, column], expected, atol=1e-5, rtol=0)
