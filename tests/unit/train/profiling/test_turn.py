"""Face profiling, on made-up heads: a painted mesh with a cap of hair on a plain ground."""

import hashlib

import cv2
import numpy as np
import pytest
import torch

from reenact.geometry.morphable import MorphableModel
from reenact.portrait.posed import build_head
from reenact.types import head_angles_rad
from tests.synthetic import painted_photo as photo
from train.data.faces import FaceData
from train.evaluate.pairs import Pair, PairSet
from train.evaluate.profiled_faces import render_faces
from train.profiling.turn import ProfiledFace, draw_yaw_deg, turn_head, turn_mesh


def yaw_deg(model: MorphableModel, mesh_px: np.ndarray) -> float:
    return float(head_angles_rad(model.fit(torch.from_numpy(mesh_px)[None]).pose.rotation)[0, 1].rad2deg())


def profile_face(
    model: MorphableModel, rgb: np.ndarray, mesh_px: np.ndarray, parsing: np.ndarray, yaw_deg: float
) -> ProfiledFace:
    return turn_head(model, build_head(model, rgb, mesh_px, parsing), yaw_deg, parsing)


@pytest.mark.parametrize("own_deg", [0.0, 15.0])
def test_at_its_own_yaw_the_photo_comes_back_bit_for_bit(model: MorphableModel, own_deg: float):
    rgb, mesh_px, parsing = photo(model, own_deg)
    head = build_head(model, rgb, mesh_px, parsing)
    assert head.yaw_deg == pytest.approx(own_deg, abs=0.1)
    same = turn_head(model, head, head.yaw_deg)
    assert np.array_equal(same.rgb, rgb)
    assert np.allclose(same.mesh_px, mesh_px, atol=1e-4)
    assert same.visible.min() == 1


@pytest.mark.parametrize("wanted_deg", [-90.0, -45.0, 20.0, 60.0, 85.0])
def test_the_mesh_reaches_the_wanted_yaw_and_nothing_else_changes(model: MorphableModel, wanted_deg: float):
    rgb, mesh_px, parsing = photo(model, 10.0)
    turned = profile_face(model, rgb, mesh_px, parsing, wanted_deg)
    assert yaw_deg(model, turned.mesh_px) == pytest.approx(wanted_deg, abs=0.2)
    before, after = mesh_px[::9], turned.mesh_px[::9]
    for mesh in (before, after):
        mesh -= mesh[0]
    assert np.allclose(np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1), atol=1e-3)
    assert np.allclose(after[:, 1], before[:, 1], atol=1e-4)


def digest(face: ProfiledFace) -> str:
    parts = (face.rgb, face.mesh_px, face.visible, face.parsing, np.float64(face.yaw_deg))
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_a_picture_is_the_same_to_the_last_byte_whatever_else_is_computed(model: MorphableModel):
    given = photo(model, 5.0)
    before = [part.tobytes() for part in given]
    found, threads = [], (torch.get_num_threads(), cv2.getNumThreads())
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            cv2.setNumThreads(count)
            found.append([digest(profile_face(model, *given, yaw)) for yaw in (50.0, -80.0)])
            torch.manual_seed(count)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    assert [part.tobytes() for part in given] == before, "the photo is left as it is"


def test_pictures_of_an_evaluation_do_not_depend_on_each_other(model: MorphableModel, faces: FaceData) -> None:
    names = ("5@+75.0", "6@-62.5", "5@-30.0")
    pairs = tuple(Pair(source="7", target=name, direction="cross") for name in names)
    together = render_faces(faces, PairSet(protocol="large-pose", split="val", seed=0, pairs=pairs), model)
    alone = Pair(source=names[2], target=names[0], direction="cross")
    again = render_faces(faces, PairSet(protocol="large-pose", split="val", seed=9, pairs=(alone,)), model)
    for name in (names[0], names[2]):
        i, k = together.names.index(name), again.names.index(name)
        for part in ("rgb", "mesh_px", "shown", "seen"):
            assert np.array_equal(getattr(together, part)[i], getattr(again, part)[k])


def test_what_the_photo_hides_is_marked(model: MorphableModel):
    rgb, mesh_px, parsing = photo(model, 0.0)
    profile = profile_face(model, rgb, mesh_px, parsing, 80.0)
    corner = profile.visible[:8, :8]
    assert corner.min() == 1  # the ground stands still, and is the photo's
    assert np.array_equal(profile.rgb[:8, :8], rgb[:8, :8])
    left, right = profile.mesh_px[:, 0].min(), profile.mesh_px[:, 0].max()
    back_of_the_head = profile.visible[40:60, int(left) - 34 : int(left) - 22]
    assert back_of_the_head.mean() < 0.1  # made up
    tip = profile.mesh_px[1]
    assert tip[0] == pytest.approx(right, abs=2)  # the nose points to the right
    assert 0.2 < profile.visible.mean() < 0.95


def test_the_face_moves_as_its_mesh_does(model: MorphableModel):
    """The colour of a mesh point that both pictures show stays with the point."""
    rgb, mesh_px, parsing = photo(model, 0.0)
    turned = profile_face(model, rgb, mesh_px, parsing, 25.0)
    points = [1, 4, 9, 50, 151, 168, 205]
    before = rgb[mesh_px[points, 1].astype(int), mesh_px[points, 0].astype(int)].astype(int)
    at = turned.mesh_px[points].astype(int)
    assert turned.visible[at[:, 1], at[:, 0]].mean() > 0.8
    assert np.abs(turned.rgb[at[:, 1], at[:, 0]] - before).mean() < 14


def test_turning_there_and_back_is_no_turn():
    mesh = torch.randn(2, 478, 3, generator=torch.Generator().manual_seed(0))
    turn, pivot = torch.tensor([0.7, -1.2]), torch.tensor([[0.1, 0.0, -0.5], [0.0, 1.0, 2.0]])
    assert torch.allclose(turn_mesh(turn_mesh(mesh, turn, pivot), -turn, pivot), mesh, atol=1e-5)


def test_yaws_fill_the_bins_evenly_and_follow_the_seed():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_yaw_deg(rng) for _ in range(3000)])
    shares = np.histogram(np.abs(drawn), [0, 30, 60, 90])[0] / len(drawn)
    assert np.allclose(shares, 1 / 3, atol=0.03)
    assert abs((drawn > 0).mean() - 0.5) < 0.03
    assert draw_yaw_deg(np.random.default_rng(7)) == draw_yaw_deg(np.random.default_rng(7))
