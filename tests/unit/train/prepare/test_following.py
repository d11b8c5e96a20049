"""People of a clip, followed by the embedded networks."""

from typing import Any

import numpy as np
import pytest

from tests.unit.train.prepare.conftest import moved, portrait
from train.prepare.following import Follower, SceneCuts, overlap

FACE = np.array([180, 65, 270, 175])
"""Box of the portrait's face."""


@pytest.fixture
def follower(labeller: Any) -> Follower:
    return Follower(labeller.tracker, min_score=0.5, min_face_px=60, detect_every=4)


def pair(first_px: float = 0, second_px: float | None = 0) -> np.ndarray:
    """The portrait twice side by side, each moved; with None as second a grey area instead."""
    left, right = (portrait()[:300, 100:400] for _ in range(2))
    left = moved(left, first_px)
    right = np.full_like(left, 120) if second_px is None else moved(right[:, ::-1], second_px)
    return np.ascontiguousarray(np.concatenate([left, right], axis=1))


def people(follower: Follower, frame: np.ndarray, *, cut: bool = False) -> list[int]:
    return [one.person for one in follower.step(frame, cut=cut)]


def test_two_people_keep_their_numbers(follower: Follower) -> None:
    first = follower.step(pair(), cut=True)
    assert [one.person for one in first] == [0, 1]
    assert all(one.score > 0.5 and one.share_outside == 0 and one.mesh_px.shape == (478, 3) for one in first)
    place = {one.person: one.mesh_px[:, 0].mean() for one in first}
    for step in range(1, 6):
        seen = follower.step(pair(3 * step, -2 * step), cut=False)
        assert [one.person for one in seen] == [0, 1]
        for one in seen:
            speed = 3 if place[one.person] < 300 else -2  # the left one goes right
            assert one.mesh_px[:, 0].mean() - place[one.person] == pytest.approx(speed * step, abs=2.5)


def test_people_who_enter_and_leave(follower: Follower) -> None:
    assert people(follower, pair(0, None), cut=True) == [0]
    seen = [people(follower, pair()) for _ in range(5)]
    assert seen[-1] == [0, 1]
    assert people(follower, pair(0, None)) == [0]
    assert people(follower, pair())[:1] == [0]


def test_people_after_a_cut_or_a_jump_are_new(follower: Follower) -> None:
    assert people(follower, pair(), cut=True) == [0, 1]
    assert people(follower, pair(), cut=True) == [2, 3]
    assert people(follower, portrait(), cut=True) == [4]
    assert people(follower, moved(portrait(), 200)) == [5]


def test_small_faces_are_counted_and_not_followed(labeller: Any) -> None:
    follower = Follower(labeller.tracker, min_score=0.5, min_face_px=300, detect_every=4)
    assert people(follower, portrait(), cut=True) == []
    assert follower.small_sightings == 1
    assert 80 < follower.largest_small_px < 150
    assert people(follower, np.full((240, 320, 3), 90, np.uint8), cut=True) == []
    assert follower.small_sightings == 1


def test_scene_cuts() -> None:
    cuts = SceneCuts()
    frames = [portrait(), moved(portrait(), 9), 255 - portrait(), 255 - portrait()]
    assert [cuts.begins(frame) for frame in frames] == [False, False, True, False]


def test_overlap_is_intersection_over_union() -> None:
    first = np.array([0, 0, 10, 10.0])
    assert overlap(first, first) == pytest.approx(1)
    assert overlap(first, first + 20) == 0
    assert overlap(first, np.array([5, 0, 15, 10.0])) == pytest.approx(1 / 3)
