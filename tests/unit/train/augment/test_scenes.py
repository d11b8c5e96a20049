"""Composed scenes and faceless pictures, which teach the detector."""

import dataclasses

import numpy as np
import pytest

from reenact.geometry.morphable import MorphableModel
from tests.synthetic import face_set
from train.augment.faceless import fill_smoothly, random_pattern, remove_person
from train.augment.scenes import SceneComposer, person_weights
from train.data.faces import FaceData


@pytest.fixture(scope="module")
def discs(model: MorphableModel) -> FaceData:
    """Bright discs on grey: two short clips of one person, and six stills."""
    rng = np.random.default_rng(0)
    count = 14
    y, x = np.mgrid[:256, :256]
    rgb = rng.integers(60, 120, (count, 256, 256, 3)).astype(np.uint8)
    parsing = np.zeros((count, 128, 128), np.uint8)
    mesh = np.zeros((count, 478, 3), np.float32)
    for i in range(count):
        centre = rng.uniform(110, 146, 2)
        disc = np.hypot(x - centre[0], y - centre[1]) < 60
        rgb[i][disc] = rng.integers(150, 256, 3)
        parsing[i] = disc[::2, ::2]
        angle = rng.uniform(0, 2 * np.pi, 478)
        radius = 60 * np.sqrt(rng.uniform(0, 1, 478))[:, None]
        mesh[i, :, :2] = centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    faces = face_set(model, rng, clips=2, frames=4, stills=6)
    person = np.array([0] * 8 + list(range(1, 7)))
    return dataclasses.replace(faces, rgb=rgb, mesh_px=mesh, parsing=parsing, person=person)


def test_scene_boxes_lie_where_the_faces_are(discs: FaceData):
    """Discs are brighter than all else here: the middle of a certain box is bright."""
    composer = SceneComposer(discs, side=160, backgrounds=[np.zeros((64, 64, 3), np.uint8)], min_face_px=20)
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(20):
        scene = composer._pasted(rng, faces=2)
        for box in scene.boxes[scene.certain]:
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            if 0 <= x < 160 and 0 <= y < 160:
                seen += 1
                assert (np.ptp(box[[0, 2]]), np.ptp(box[[1, 3]])) > (0, 0)
                patch = scene.rgb[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
                assert patch.max() > 90
    assert seen > 10


def test_removing_a_person_leaves_no_disc(discs: FaceData):
    gone = remove_person(discs.rgb[0], discs.parsing[0], discs.mesh_px[0], keep_clothes=False)
    assert gone.shape == (256, 256, 3)
    assert gone.max() < 130
    untouched = np.abs(gone[:, :20].astype(int) - discs.rgb[0][:, :20]).max()
    assert untouched <= 1


def test_filling_keeps_what_is_known_and_a_plain_picture_plain():
    plain = np.full((64, 64, 3), 90, np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 10:50] = True
    damaged = plain.copy()
    damaged[hole] = 255
    assert np.abs(fill_smoothly(damaged, hole).astype(int) - 90).max() <= 1


def test_patterns_differ_and_fill_the_picture():
    patterns = [random_pattern(48, np.random.default_rng(i)) for i in range(20)]
    assert all(pattern.shape == (48, 48, 3) and pattern.dtype == np.uint8 for pattern in patterns)
    assert len({pattern.tobytes() for pattern in patterns}) == 20


def test_clips_and_stills_share_the_draw(discs: FaceData):
    weights = person_weights(discs)
    assert weights.sum() == pytest.approx(1)
    assert weights[discs.is_still].sum() == pytest.approx(0.7)
