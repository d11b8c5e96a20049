import math
import types
from typing import cast

import numpy as np
import pytest
import torch

from benchmarks.editing import (
    LEVELS,
    averages,
    choose_rows,
    difference_outside,
    leakage,
    move_by_table,
    rank_correlation,
    summarise,
    unseen_units,
)
from reenact.facs import ACTION_UNITS
from reenact.geometry.action_units import BLENDSHAPE_NAMES
from reenact.geometry.morphable import load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.systems.base import PoseControls
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.reenactor import FaceganReenactor, own_landmarks
from reenact.types import FaceGeometry, FaceImage
from train.data.faces import FaceData

UNITS = len(ACTION_UNITS)


@pytest.mark.parametrize(
    ("read", "expected"),
    [((0, 1, 4), 1.0), ((3, 2, 1), -1.0), ((1, 3, 2), 0.5), ((0, 0, 1), math.sqrt(0.75)), ((2, 2, 2), 0.0)],
)
def test_ranks_of_set_and_read_values_are_compared(read: tuple[float, ...], expected: float) -> None:
    assert rank_correlation(LEVELS, np.array(read, float)) == pytest.approx(expected)


def test_leakage_is_the_change_of_other_units_divided_by_that_of_the_unit() -> None:
    first, last = np.zeros((2, UNITS)), np.zeros((2, UNITS))
    last[:, 3], last[:, 5], last[:, 7] = (4, 2), (-1.6, 1.6), (0.8, 0.8)
    share, most = leakage(first, last, 3)
    assert share == pytest.approx((1.6 + 0.8) / (UNITS - 1) / 3)
    assert most == 5
    assert leakage(np.zeros((1, UNITS)), np.zeros((1, UNITS)), 0)[0] == math.inf


def test_units_with_a_constant_score_are_found() -> None:
    scores = np.random.default_rng(0).random((200, len(BLENDSHAPE_NAMES)))
    for name in ("cheekSquintLeft", "cheekSquintRight"):
        scores[:, BLENDSHAPE_NAMES.index(name)] = 1e-6
    assert unseen_units(scores) == (6,)


def test_people_without_a_face_and_units_with_a_constant_score_are_left_out() -> None:
    readings = np.zeros((3, UNITS, 3, UNITS))
    for unit in range(UNITS):
        readings[:, unit, :, unit] = LEVELS
    readings[0, 0, 2] = np.nan
    readings[:, 4, :, 4] = 1.0  # AU6
    units = summarise(readings, np.ones((3, UNITS)))
    assert (units["1"]["people"], units["2"]["people"]) == (2, 3)
    assert (units["1"]["rank_correlation"], units["1"]["monotonic"], units["6"]["monotonic"]) == (1.0, 1.0, 0.0)
    mean = averages(units, (6,))
    assert mean["seen"]["rank_correlation"] == 1.0
    assert mean["all"]["rank_correlation"] == pytest.approx(1 - 1 / UNITS)


def test_pixels_in_or_near_either_head_are_no_background() -> None:
    source, shown = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    heads = np.zeros((2, 64, 64), np.float32)
    heads[0, :, 10:20], heads[1, :, 18:30] = 1, 1
    shown[:, 8:32] = 255
    assert difference_outside(source, shown, *heads) == 0
    shown[:, 40:] = 10
    assert 4 < difference_outside(source, shown, *heads) < 10


def made_up_split(people: int) -> FaceData:
    """One frontal still per person, with increasing expression."""
    mesh = np.repeat((load_morphable().mean.numpy() * [60, -60, -60] + [128, 128, 0])[None], people, 0)
    scores = np.zeros((people, len(BLENDSHAPE_NAMES)), np.float32)
    scores[:, BLENDSHAPE_NAMES.index("jawOpen")] = np.linspace(0.1, 0.7, people)
    split = types.SimpleNamespace(
        rotation=np.repeat(np.eye(3, dtype=np.float32)[None], people, 0),
        is_still=np.ones(people, bool),
        mesh_px=mesh.astype(np.float32),
        blendshapes=scores,
        person=np.arange(people),
        names=tuple(f"still{i}" for i in range(people)),
    )
    return cast(FaceData, split)


def test_people_left_out_are_replaced_by_the_next() -> None:
    data = made_up_split(5)
    assert choose_rows(data, 3) == [0, 1, 2]
    assert choose_rows(data, 3, ("still0", "still2")) == [1, 3, 4]
    with pytest.raises(SystemExit, match="has 3 people with a frontal still; --people asks for 4"):
        choose_rows(data, 4, ("still0", "still2"))


def test_the_table_moves_landmarks_instead_of_the_transformer() -> None:
    """An untrained transformer does not move landmarks."""
    torch.manual_seed(0)
    system = FaceganReenactor(FaceganConfig(widths=(8, 8), mixer_widths=(8, 8), transformer_width=8)).eval()
    mesh = load_morphable().mean[None] * torch.tensor([60.0, -60.0, -60.0]) + torch.tensor([128.0, 128.0, 0.0])
    units = torch.zeros(1, UNITS)
    face = FaceGeometry(
        mesh_px=mesh,
        blendshapes=torch.zeros(1, 52),
        rotation=torch.eye(3)[None],
        action_units=units,
        score=torch.ones(1),
    )
    image = FaceImage(
        rgb=torch.rand(1, 3, 256, 256),
        crop_from_frame=torch.eye(3)[None],
        parsing=torch.ones(1, 128, 128, dtype=torch.uint8),
    )
    with torch.inference_mode():
        identity = system.encode_identity(image, face)
        wanted = identity.motion.action_units.clone()
        wanted[:, ACTION_UNITS.index(12)] = 1
        controls = PoseControls(action_units=wanted, angles_rad=identity.motion.angles_rad)
        before = system.pose(identity, controls).landmarks
        move_by_table(system)
        after = system.pose(identity, controls).landmarks
    torch.testing.assert_close(before, own_landmarks(identity), atol=1e-5, rtol=0)
    moved = (after - before)[0, 54]
    assert moved[0] > 0 and moved[1] < 0, "the corner of a smile goes out and up"
    assert identity.mesh.equal(to_half_sides(mesh, 256))
