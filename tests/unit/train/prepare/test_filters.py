"""Measures behind the reasons to leave frames out."""

import cv2
import numpy as np

from tests.unit.train.prepare.conftest import portrait
from train.prepare.filters import person_changes, sharpness

MESH = np.array([[180.0, 65.0, 0.0], [270.0, 175.0, 0.0]])
"""Corners of the portrait's face."""


def people(rng: np.random.Generator, *counts: int, noise: float = 0.4) -> np.ndarray:
    """Unit vectors around one direction for each count."""
    centres = np.linalg.qr(rng.normal(size=(64, len(counts))))[0].T
    rows = np.concatenate([np.repeat(centre[None], count, 0) for centre, count in zip(centres, counts, strict=True)])
    rows = rows + rng.normal(0, noise / 8, rows.shape)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_blur_lowers_sharpness_and_contrast_does_not() -> None:
    sharp = sharpness(portrait(), MESH)
    blurred = [sharpness(cv2.GaussianBlur(portrait(), (0, 0), sigma), MESH) for sigma in (1, 2, 3)]
    assert sharp > 0.35
    assert sharp > blurred[0] > blurred[1] > blurred[2]
    assert blurred[2] < 0.3
    pale = (portrait().astype(np.float32) * 0.5 + 60).astype(np.uint8)
    assert abs(sharpness(pale, MESH) - sharp) < 0.05


def test_sharpness_of_plain_and_tiny_pictures_is_a_number() -> None:
    assert sharpness(np.full((40, 40, 3), 90, np.uint8), np.array([[5.0, 5, 0], [30, 30, 0]])) == 0
    assert 0 <= sharpness(portrait(), np.array([[510.0, 510, 0], [530, 530, 0]])) <= 1


def test_only_a_change_of_person_is_reported(rng: np.random.Generator) -> None:
    assert person_changes(people(rng, 40)) is None
    assert person_changes(people(rng, 40, noise=1.2)) is None
    found = person_changes(people(rng, 25, 15))
    assert found is not None
    assert found < 0.3
    assert person_changes(people(rng, 3, 3)) is None  # too short to tell
