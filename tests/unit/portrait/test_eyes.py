"""Eyes that are composed of the source's own pixels."""

import numpy as np
import pytest
import torch

from reenact.geometry.landmarks import RIGHT_EYE_RING, RIGHT_IRIS
from reenact.geometry.morphable import load_morphable
from reenact.portrait import parts
from reenact.portrait.eyes import EyeLayers, open_share, shown_share, take_apart, turned_share
from tests.synthetic import random_clip

_SKIN, _WHITE, _IRIS = 0.6, 0.9, 0.1
_UPPER, _LOWER = [161, 160, 159, 158, 157], [163, 144, 145, 153, 154]


@pytest.fixture(scope="module")
def mesh() -> torch.Tensor:
    return random_clip(load_morphable(), np.random.default_rng(5), 1, 256)[0]


@pytest.fixture(scope="module")
def eye(mesh: torch.Tensor) -> EyeLayers:
    """Of a grey face whose right eye is white with a dark disc."""
    points, iris = mesh[0, list(RIGHT_EYE_RING), :2], mesh[0, list(RIGHT_IRIS), :2]
    inside = parts.signed_distance(points[None], (256, 256))[0, 0] > 0
    at = torch.stack(torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="xy"), -1) + 0.5
    disc = (at - iris[0]).norm(dim=-1) < (iris[1:] - iris[0]).norm(dim=-1).mean()
    grey = torch.where(inside, torch.where(disc, _IRIS, _WHITE), _SKIN)
    return take_apart(grey.expand(1, 3, -1, -1).contiguous(), mesh, left=False)


@torch.inference_mode()
def composed(eye: EyeLayers, points: torch.Tensor) -> torch.Tensor:
    return eye.compose(points)[0, :3].mean(0)


def at(picture: torch.Tensor, point: torch.Tensor, zoom: int) -> float:
    x, y = (point * zoom).int().tolist()
    return float(picture[y, x])


def test_an_eye_that_does_not_move_is_itself(eye: EyeLayers) -> None:
    assert turned_share(eye.points, eye.points, left=False) == 0
    difference = (composed(eye, eye.points) - eye.skin[0].mean(0)).abs()
    assert difference.mean() < 0.01


def test_an_iris_looks_elsewhere_over_the_white(eye: EyeLayers) -> None:
    points, iris = eye.points.clone(), list(RIGHT_IRIS)
    shift = 0.22 * (points[0, RIGHT_EYE_RING[8], 0] - points[0, RIGHT_EYE_RING[0], 0])
    points[:, iris, 0] += shift
    assert turned_share(points, eye.points, left=False) == 1
    picture = composed(eye, points)
    assert at(picture, points[0, iris[0]], eye.zoom) == pytest.approx(_IRIS, abs=0.1)
    left_behind = eye.points[0, iris[0]] - torch.tensor([0.7 * float(eye.radius), 0.0])
    assert at(picture, left_behind, eye.zoom) == pytest.approx(_WHITE, abs=0.1)


def test_a_lowered_lid_throws_a_shadow(eye: EyeLayers) -> None:
    """The white shone under half-closed lids, and the tracker read them as open."""
    points = eye.points.clone()
    points[:, _UPPER] = (points[:, _UPPER] + points[:, _LOWER]) / 2
    white = points[0, [_UPPER[0], _LOWER[0]]].mean(0)
    before, after = (at(composed(eye, each), white, eye.zoom) for each in (eye.points, points))
    assert before == pytest.approx(_WHITE, abs=0.1)
    assert after < 0.85 * before


def test_closed_lids_show_skin_alone(eye: EyeLayers) -> None:
    points = eye.points.clone()
    points[:, _UPPER] = points[:, _LOWER]
    opening = slice(*(int(points[0, corner, 0] * eye.zoom) for corner in (RIGHT_EYE_RING[2], RIGHT_EYE_RING[6])))
    picture = composed(eye, points)[:, opening]
    assert picture.max() < (_SKIN + _WHITE) / 2
    assert picture.mean() == pytest.approx(_SKIN, abs=0.02)


def test_closed_lids_and_closed_sources_are_painted(eye: EyeLayers) -> None:
    closed = eye.points.clone()
    closed[:, _UPPER] = closed[:, _LOWER]
    both = torch.cat([eye.points, closed])
    assert open_share(both, eye.points, left=False).tolist() == [1, 0]
    assert shown_share(eye.points, left=False).tolist() == [1]
    assert shown_share(closed, left=False).tolist() == [0]
