"""Reduction of teeth."""

import numpy as np

from studies.teeth import light_of, seen


def box(half: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Eight corners of a box from z `low` to `high`, and triangles clockwise for who looks from outside."""
    points = np.array([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (low, high)])
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = np.array([t for a, b, c, d in sides for t in ((a, c, b), (a, d, c))])
    return points, triangles


def test_what_lies_inside_is_never_seen() -> None:
    outer, triangles = box(0.3, -0.3, 0.3)
    inner, _ = box(0.1, -0.1, 0.1)
    shape, both = np.concatenate([outer, inner]), np.concatenate([triangles, triangles + 8])
    found = seen(shape, np.zeros_like(shape), both)
    assert found[8:12].any() and not found[12:].any()


def test_front_teeth_are_lightest_and_gums_darker() -> None:
    shape, triangles = box(0.2, -0.6, 0.0)
    tooth = light_of(shape, triangles, np.ones(8, bool))
    front, back = shape[:, 2] == 0, shape[:, 2] < 0
    assert tooth[front].min() > 2 * tooth[back].max()
    mixed = light_of(np.concatenate([shape, shape]), np.concatenate([triangles, triangles + 8]), np.arange(16) < 8)
    np.testing.assert_allclose(mixed[8:], 0.6 * mixed[:8])
