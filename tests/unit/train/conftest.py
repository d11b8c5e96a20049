"""Painted faces that most tests of training share."""

import numpy as np
import pytest

from reenact.geometry.morphable import MorphableModel, load_morphable
from tests.synthetic import face_set, with_parsing
from train.data.faces import FaceData


@pytest.fixture(scope="session")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="session")
def faces(model: MorphableModel) -> FaceData:
    """Two clips of three frames and two stills, each of another person; the parsing is the mesh, hair at its top."""
    return with_parsing(face_set(model, np.random.default_rng(3), clips=2, frames=3, stills=2), hair=True)
