"""Reduction of a head to a template."""

import numpy as np
from scipy.spatial import ConvexHull

from studies.head_template import nearest_on_surface, simplify


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
