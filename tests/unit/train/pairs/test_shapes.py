"""Pairs for the shape generator."""

import numpy as np
import torch

from reenact.geometry.morphable import MorphableModel
from train.data.faces import FaceData
from train.losses.dual_generator import NO_SUBJECT
from train.pairs.shapes import ShapePairConfig, ShapePairs, turned_landmarks

CPU = torch.device("cpu")


def test_mirrored_landmarks_are_those_of_the_mirrored_face(faces: FaceData, model: MorphableModel) -> None:
    mirror = ShapePairs(faces, model, ShapePairConfig(pool=4)).mirror
    assert np.array_equal(mirror[mirror], np.arange(68))
    assert (mirror[8], mirror[0], mirror[36], mirror[48]) == (8, 16, 45, 54)


def test_a_head_turned_away_hides_its_far_side(model: MorphableModel, faces: FaceData) -> None:
    turn = np.radians(np.array([80.0, -80.0]) - faces.yaw_deg[:2])
    landmarks, visible = turned_landmarks(model, faces.mesh_px[:2], turn)
    assert landmarks.shape == (2, 68, 3)
    right_eye, left_eye = visible[:, 36:42].mean(1), visible[:, 42:48].mean(1)
    assert right_eye[0] > left_eye[0]
    assert left_eye[1] > right_eye[1]


def test_pairs_are_one_person_or_two(faces: FaceData, model: MorphableModel) -> None:
    pairs = ShapePairs(faces, model, ShapePairConfig(pool=24, cross_share=0.5))
    batch = pairs.sample(np.random.default_rng(0), 64, CPU)
    again = pairs.sample(np.random.default_rng(0), 64, CPU)
    assert all(torch.equal(value, again[name]) for name, value in batch.items())
    same = batch["same"] > 0
    assert 0.3 < same.float().mean() < 0.7
    known = batch["reference_subject"] != NO_SUBJECT
    assert torch.equal(batch["source_subject"][same & known], batch["reference_subject"][same & known])
    assert (batch["source_subject"][~same] != batch["reference_subject"][~same]).all()
    assert (
        ShapePairs(faces, model, ShapePairConfig(pool=24, cross_share=0))
        .sample(np.random.default_rng(0), 16, CPU)["same"]
        .all()
    )
