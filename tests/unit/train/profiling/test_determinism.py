"""Profiled pictures are a function of the row and the seed, to the last byte."""

import dataclasses
import hashlib

import cv2
import numpy as np
import pytest
import torch

from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.rasterise import rasterise
from tests.synthetic import face_set
from train.data.faces import FaceData
from train.evaluate.pairs import Pair, PairSet
from train.evaluate.profiled_faces import render_faces
from train.profiling.turn import ProfiledFace, profile_row

NAMES = ("0@+75.0", "1@-62.5", "0@-30.0")


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def data(model: MorphableModel) -> FaceData:
    faces = face_set(model, np.random.default_rng(7), clips=0, frames=1, stills=3)
    covered = rasterise(torch.from_numpy(faces.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    return dataclasses.replace(faces, parsing=covered.astype(np.uint8))


def digest(face: ProfiledFace) -> str:
    parts = (face.rgb, face.mesh_px, face.visible, face.parsing, np.float64(face.yaw_deg))
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_neither_order_nor_other_random_numbers_change_a_picture(model: MorphableModel, data: FaceData) -> None:
    forwards = [digest(profile_row(model, data, row, seed=11)) for row in (0, 1, 2)]
    torch.manual_seed(5)
    backwards = [digest(profile_row(model, data, row, seed=11)) for row in (2, 1, 0)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 3


def test_another_seed_turns_otherwise(model: MorphableModel, data: FaceData) -> None:
    yaws = {profile_row(model, data, 0, seed).yaw_deg for seed in range(3)}
    assert len(yaws) == 3


def test_the_number_of_threads_changes_nothing(model: MorphableModel, data: FaceData) -> None:
    found, before = [], (torch.get_num_threads(), cv2.getNumThreads())
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            cv2.setNumThreads(count)
            found.append(digest(profile_row(model, data, 1, seed=3)))
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
    assert found[0] == found[1]


def test_the_photograph_is_left_as_it_is(model: MorphableModel, data: FaceData) -> None:
    before = data.rgb.tobytes(), data.mesh_px.tobytes(), data.parsing.tobytes()
    profile_row(model, data, 0, seed=1)
    assert (data.rgb.tobytes(), data.mesh_px.tobytes(), data.parsing.tobytes()) == before


def test_pictures_of_an_evaluation_do_not_depend_on_each_other(model: MorphableModel, data: FaceData) -> None:
    pairs = (Pair(source="2", target=name, direction="cross") for name in NAMES)
    together = render_faces(data, PairSet(protocol="large-pose", split="val", seed=0, pairs=tuple(pairs)), model)
    alone = Pair(source=NAMES[2], target=NAMES[0], direction="cross")
    again = render_faces(data, PairSet(protocol="large-pose", split="val", seed=9, pairs=(alone,)), model)
    for name in (NAMES[0], NAMES[2]):
        i, k = together.names.index(name), again.names.index(name)
        assert np.array_equal(together.rgb[i], again.rgb[k])
        assert np.array_equal(together.mesh_px[i], again.mesh_px[k])
        assert np.array_equal(together.shown[i], again.shown[k])
        assert np.array_equal(together.seen[i], again.seen[k])
