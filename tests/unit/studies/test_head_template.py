"""Reduction of a head to a template."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from studies.head_template import light_ear, nearest_on_surface, simplify


def ball(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on the unit sphere, and triangles that all run the same way around."""
    points = np.random.default_rng(0).normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    triangles = ConvexHull(points).simplices
    a, b, c = points[triangles].transpose(1, 0, 2)
    inwards = (np.cross(b - a, c - a) * a).sum(1) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    return points, triangles


def test_a_reduced_ball_is_closed_and_keeps_its_points() -> None:
    points, triangles = ball(300)
    index, reduced = simplify(points, triangles, 80, np.ones(300))
    assert len(index) == 80
    assert len(reduced) == 2 * 80 - 4  # Euler: a closed surface without holes
    kept = points[index]
    normals = np.cross(kept[reduced[:, 1]] - kept[reduced[:, 0]], kept[reduced[:, 2]] - kept[reduced[:, 0]])
    assert ((normals * kept[reduced].mean(1)).sum(1) > 0).all()


def test_the_nearest_place_on_a_surface() -> None:
    surface = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    corners, weights = nearest_on_surface(
        np.array([[0.25, 0.25, 1.0], [2, -1, 0]]), surface, np.array([[0, 1, 2]] * 24)
    )
    place = (surface[corners] * weights[..., None]).sum(1)
    np.testing.assert_allclose(place, [[0.25, 0.25, 0], [1, 0, 0]], atol=1e-12)


def test_light_reaches_the_side_of_a_ball_everywhere_but_not_a_pit_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.head_template._LIGHTS", 60)
    points, triangles = ball(1500)
    triangles = triangles[:, ::-1]  # clockwise, as the template's
    near = points[:, 0] > 0.8
    plain = light_ear(points, triangles, near)["ear_light"]
    assert abs(plain[28:36, 28:36].mean() - 1) < 0.1
    distance = np.linalg.norm(points[:, 1:], axis=1)
    pit = points - 1.2 * np.clip(1 - (distance / 0.3) ** 4, 0, 1)[:, None] * near[:, None] * [1, 0, 0]
    assert light_ear(pit, triangles, near)["ear_light"][28:36, 28:36].mean() < 0.6
