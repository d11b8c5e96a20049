"""Landmarks of a split, and pairs of them."""

import numpy as np
import torch

from reenact.geometry.morphable import MorphableModel
from train.data.faces import FaceData
from train.pairs.landmarks import LandmarkTable, PairShares, project


def test_the_table_holds_every_face_twice_and_projects_it_back(faces: FaceData, model: MorphableModel):
    table = LandmarkTable(faces, model)
    assert len(table.landmarks) == 2 * len(faces)
    torch.testing.assert_close(project(table.shape, table.angles), table.landmarks, atol=1e-4, rtol=0)
    torch.testing.assert_close(table.angles[: len(faces), 1], -table.angles[len(faces) :, 1])
    source, target = table.sample(np.random.default_rng(0), 20, PairShares())
    assert source.landmarks.shape == target.landmarks.shape == (20, 68, 2)
    assert float(target.units.min()) >= 0 and float(target.units.max()) <= 1
