"""Lids follow the sliders: what the tracker reads in an edited picture."""

import pathlib

import numpy as np
import pytest

from reenact import FaceEdit, open_edit
from reenact.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from reenact.hub.loading import load_tracker


def openings(picture: np.ndarray) -> dict[str, float]:
    """Height over width of both eyes."""
    mesh = load_tracker().track(picture).mesh_px[0]
    found = {}
    for side, (outer, upper, _, inner, _, lower) in (("R", RIGHT_EYE), ("L", LEFT_EYE)):
        found[side] = float((mesh[upper] - mesh[lower]).norm() / (mesh[outer] - mesh[inner]).norm())
    return found


@pytest.mark.slow
def test_lids_close(all_weights: dict[str, pathlib.Path], astronaut: np.ndarray) -> None:
    """Without painters the same slider leaves the eyes at 0.7 of their opening."""
    own = openings(astronaut)
    closed = openings(open_edit(astronaut).render(FaceEdit(action_units={"45": 5.0})).rgb)
    assert closed["R"] < 0.4 * own["R"]
    assert closed["L"] < 0.4 * own["L"]
