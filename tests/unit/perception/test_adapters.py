"""Trackers of other makers: their errors, their common behaviour, and the 68-point fit."""

import os
import pathlib

import numpy as np
import pytest
import torch

from reenact.errors import MissingDependencyError, NoFaceFoundError
from reenact.geometry.landmarks import LANDMARKS_68, landmarks68_of
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.media.frame import Frame
from reenact.perception.adapter import WholeFrameTracker
from reenact.perception.fan import FanTracker, fit_landmarks, geometry_of_landmarks
from reenact.perception.mediapipe import MODEL_VARIABLE, MediaPipeTracker, find_model
from reenact.perception.tracking import Tracker
from reenact.types import FaceGeometry, head_angles_rad

FRAME = np.zeros((300, 400, 3), np.uint8)


def face_at(x: float, y: float, size: float, score: float = 0.9) -> FaceGeometry:
    cloud = torch.rand(1, 478, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    return FaceGeometry(
        mesh_px=cloud * size + torch.tensor([x, y, 0]),
        blendshapes=torch.zeros(1, 52),
        rotation=torch.eye(3)[None],
        action_units=torch.zeros(1, 17),
        score=torch.tensor([score]),
    )


class Given(WholeFrameTracker):
    """Sees the given faces."""

    def __init__(self, *faces: FaceGeometry) -> None:
        self.faces = list(faces)

    def see(self, frame: Frame) -> list[FaceGeometry]:
        return self.faces


def test_adapters_are_trackers() -> None:
    assert isinstance(Given(), Tracker)
    small, large = face_at(300, 200, 60), face_at(100, 100, 120)
    tracker = Given(small, large)
    assert torch.equal(tracker.track(FRAME).mesh_px, large.mesh_px)
    assert torch.equal(tracker.track(FRAME, face=2).mesh_px, small.mesh_px)
    report = tracker.report(FRAME)
    assert len(report.faces) == 2 and report.warnings[0].startswith("2 faces found")
    assert tracker.find(FRAME).boxes_px.shape == (2, 4) and Given().find(FRAME).boxes_px.shape == (0, 4)


def test_adapters_refuse_in_the_same_words() -> None:
    with pytest.raises(NoFaceFoundError, match=r"best score 0.00, need 0.50"):
        Given().track(FRAME)
    with pytest.raises(NoFaceFoundError, match=r"best score 0.30, need 0.50"):
        Given(face_at(100, 100, 90, 0.3)).track(FRAME)
    with pytest.raises(NoFaceFoundError, match=r"only 20 px large, need 40"):
        Given(face_at(100, 100, 20)).track(FRAME)


def test_adapters_follow_the_nearest_face() -> None:
    near, far = face_at(105, 100, 100), face_at(300, 150, 140)
    previous = face_at(100, 100, 100)
    assert torch.equal(Given(far, near).follow(FRAME, previous).mesh_px, near.mesh_px)
    gone = Given(far).follow(FRAME, previous)
    assert float(gone.score) == 0 and torch.equal(gone.mesh_px, previous.mesh_px)


def test_mediapipe_says_where_its_weights_go(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    with pytest.raises(MissingDependencyError, match=f"no file is named.*set {MODEL_VARIABLE} to its path"):
        find_model()
    with pytest.raises(MissingDependencyError, match="are not at .*none.task"):
        find_model(tmp_path / "none.task")
    there = tmp_path / "face_landmarker.task"
    there.write_bytes(b"x")
    monkeypatch.setenv(MODEL_VARIABLE, str(there))
    assert find_model() == there


def test_mediapipe_refuses_a_broken_file(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    broken = tmp_path / "face_landmarker.task"
    broken.write_bytes(b"not a bundle")
    with pytest.raises(MissingDependencyError, match="MediaPipe cannot use .*face_landmarker.task"):
        MediaPipeTracker(broken)


def test_mediapipe_absent_is_said(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    (tmp_path / "face_landmarker.task").write_bytes(b"x")
    with pytest.raises(MissingDependencyError, match="pip install mediapipe"):
        MediaPipeTracker(tmp_path / "face_landmarker.task")


def test_mediapipe_finds_nothing_in_a_black_picture() -> None:
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    if not pathlib.Path(os.environ.get(MODEL_VARIABLE, "")).is_file():
        pytest.skip(f"{MODEL_VARIABLE} names no file of weights")
    with pytest.raises(NoFaceFoundError, match="best score 0.00"):
        MediaPipeTracker().track(FRAME)


def test_face_alignment_absent_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "face_alignment", None)
    with pytest.raises(MissingDependencyError, match="pip install face-alignment"):
        FanTracker("cpu", small_model())


def small_model() -> MorphableModel:
    """A made-up model: smooth random bases on a random shape."""
    rng = torch.Generator().manual_seed(0)
    model = MorphableModel(identities=6, expressions=4, triangles=1)
    mean = torch.randn(478, 3, generator=rng) * torch.tensor([0.5, 0.6, 0.3])
    waves = torch.randn(10, 3, 3, generator=rng) * 0.05
    bases = torch.einsum("nc,kcd->knd", torch.sin(3 * mean), waves)
    model.mean.copy_(mean)
    model.identity_basis.copy_(bases[:6])
    model.expression_basis.copy_(bases[6:])
    model.au_basis[:4].copy_(bases[6:] * 2)
    return model


def pose_of(count: int) -> Pose:
    yaw = torch.linspace(-0.8, 0.8, count)
    rotation = torch.eye(3).repeat(count, 1, 1)
    rotation[:, 0, 0] = rotation[:, 2, 2] = yaw.cos()
    rotation[:, 0, 2], rotation[:, 2, 0] = yaw.sin(), -yaw.sin()
    return Pose(
        rotation=rotation,
        scale=torch.linspace(60, 120, count),
        translation_px=torch.tensor([[150.0, 140.0, 3.0]]).repeat(count, 1),
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_face_of_the_model_is_found_from_its_68_points(sign: int) -> None:
    model, count = small_model(), 5
    rng = torch.Generator().manual_seed(2)
    mesh = model.assemble(
        torch.randn(count, 6, generator=rng), torch.randn(count, 4, generator=rng), pose := pose_of(count)
    )
    landmarks = landmarks68_of(mesh) * torch.tensor([1, 1, sign])
    geometry = geometry_of_landmarks(landmarks, torch.full((count,), 0.8), model)
    assert float((geometry.mesh_px - mesh).norm(dim=-1).mean()) < 0.02 * 90
    torch.testing.assert_close(
        head_angles_rad(geometry.rotation)[:, 1], head_angles_rad(pose.rotation)[:, 1], atol=0.05, rtol=0
    )
    assert geometry.action_units.min() >= 0 and geometry.action_units.max() <= 1
    assert geometry.blendshapes.shape == (count, 52)


def test_the_fit_reports_what_it_cannot_explain() -> None:
    model = small_model()
    mesh = model.assemble(torch.zeros(1, 6), torch.zeros(1, 4), pose_of(1))
    exact = fit_landmarks(landmarks68_of(mesh), model).error
    bent = landmarks68_of(mesh).clone()
    bent[:, ::2, 2] += 20
    assert float(exact) < 1e-3 < float(fit_landmarks(bent, model).error)
    assert len(LANDMARKS_68) == 68
