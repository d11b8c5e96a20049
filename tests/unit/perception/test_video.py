"""A face through a clip, on stand-ins whose faces move as the test says."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from reenact.errors import NoFaceFoundError, Note
from reenact.media.frame import Frame
from reenact.perception.detector import Detections
from reenact.perception.smoothing import OneEuroConfig, OneEuroFilter
from reenact.perception.tracking import TrackReport, mesh_box
from reenact.perception.video import VideoTracker, has_jumped, is_another_shot, is_scene_cut, orthonormal
from reenact.types import FaceGeometry

FPS = 25.0


def geometry_at(x: float, y: float, size: float = 100.0, *, noise: float = 0.0, seed: int = 0) -> FaceGeometry:
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (478, 3))
    cloud[33], cloud[263] = [-0.35, -0.2, 0], [0.35, -0.2, 0]
    mesh = cloud * size + [x, y, 0] + noise * np.random.default_rng(seed).normal(size=(478, 3))
    return FaceGeometry(
        mesh_px=torch.from_numpy(mesh).float()[None],
        blendshapes=torch.full((1, 52), 0.3),
        rotation=torch.eye(3)[None],
        action_units=torch.zeros(1, 17),
        score=torch.tensor([0.95]),
    )


class Scripted:
    """A tracker that finds in frame i the faces of `script[i]`; the frame's blue value is i."""

    def __init__(self, script: list[list[FaceGeometry]]) -> None:
        self.script, self.reports, self.finds = script, 0, 0

    def faces_of(self, frame: Frame) -> list[FaceGeometry]:
        return self.script[int(frame[0, 0, 2])]

    def find(self, frame: Frame) -> Detections:
        self.finds += 1
        faces = self.faces_of(frame)
        boxes = np.array([mesh_box(face) for face in faces], np.float32).reshape(-1, 4)
        return Detections(boxes_px=boxes, scores=np.full(len(faces), 0.9, np.float32))

    def report(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> TrackReport:
        self.reports += 1
        faces = self.faces_of(frame)
        if not faces:
            raise NoFaceFoundError("No face found (best score 0.10, need 0.50)")
        number = face or 1
        return TrackReport(geometry=faces[number - 1], faces=self.find(frame), face=number, warnings=(Note("hello"),))

    def track(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> FaceGeometry:
        return self.report(frame, face=face, min_score=min_score).geometry

    def follow(self, frame: Frame, previous: FaceGeometry, *, careful: bool = False) -> FaceGeometry:
        faces = self.faces_of(frame)
        near = [face for face in faces if (face.mesh_px - previous.mesh_px).norm(dim=-1).mean() < 60]
        return near[0] if near else dataclasses.replace(previous, score=torch.tensor([0.1]))


def frame_of(index: int, picture: int = 0, side: int = 320) -> np.ndarray:
    rgb = np.random.default_rng(picture).integers(0, 255, (8, 8, 3)).astype(np.uint8).repeat(side // 8, 0)
    rgb = rgb.repeat(side // 8, 1)
    rgb[..., 2] = index
    return rgb


def run(script: list[list[FaceGeometry]], **options: bool) -> tuple[VideoTracker, list[FaceGeometry | None]]:
    tracker = VideoTracker(Scripted(script), FPS, **options)
    return tracker, [tracker.update(frame_of(i)) for i in range(len(script))]


def test_a_still_face_is_steadier_than_its_measurements() -> None:
    script = [[geometry_at(160, 160, noise=0.1, seed=i)] for i in range(40)]
    _, smooth = run(script)
    _, raw = run(script, smoothing=False)
    spread = [
        torch.stack([found.mesh_px[0] for found in result[10:] if found is not None]).std(0).mean()
        for result in (smooth, raw)
    ]
    assert spread[0] < 0.6 * spread[1]
    assert raw[5] is not None and torch.equal(raw[5].mesh_px, script[5][0].mesh_px)


def test_a_fast_face_is_not_left_behind() -> None:
    script = [[geometry_at(60 + 6 * i, 160)] for i in range(30)]
    _, smooth = run(script)
    for found, (truth,) in list(zip(smooth, script, strict=True))[8:]:
        assert found is not None
        assert (found.mesh_px - truth.mesh_px).norm(dim=-1).mean() < 0.6  # a tenth of a frame's way


def test_results_have_valid_rotations_and_units() -> None:
    script = []
    for i in range(20):
        c, s = math.cos(0.05 * i), math.sin(0.05 * i)
        turn = torch.tensor([[[c, 0, s], [0, 1, 0], [-s, 0, c]]])
        script.append([dataclasses.replace(geometry_at(160, 160), rotation=turn)])
    _, smooth = run(script)
    for found in smooth:
        assert found is not None
        torch.testing.assert_close(found.rotation @ found.rotation.mT, torch.eye(3)[None], atol=1e-5, rtol=0)
        assert found.action_units.min() >= 0 and found.action_units.max() <= 1
    angle = torch.atan2(smooth[-1].rotation[0, 0, 2], smooth[-1].rotation[0, 2, 2])  # type: ignore[union-attr]
    assert abs(float(angle) - 0.05 * 19) < 0.05


def test_a_lost_face_is_none_and_found_again_without_a_tail() -> None:
    script = [[geometry_at(100, 100)]] * 5 + [[]] * 3 + [[geometry_at(220, 200)]] * 3
    tracker, found = run(script)
    assert [one is None for one in found] == [False] * 5 + [True] * 3 + [False] * 3
    assert found[8] is not None and torch.equal(found[8].mesh_px, script[8][0].mesh_px)
    assert tracker.reason == ""


def test_the_reason_of_a_missing_face_is_kept() -> None:
    tracker, found = run([[]])
    assert found == [None] and tracker.reason.startswith("No face found (best score 0.10")


def test_frames_without_a_face_cost_one_search_each() -> None:
    tracker, _ = run([[]] * 24)
    assert isinstance(tracker.tracker, Scripted)
    assert tracker.tracker.reports == 1 and tracker.tracker.finds == 24


def test_the_same_one_of_two_faces_is_found_again() -> None:
    large, small = geometry_at(80, 100, 110), geometry_at(240, 240, 70)
    script = [[large, small]] * 3 + [[]] * 2 + [[large, small]] * 2
    tracker = VideoTracker(Scripted(script), FPS, face=2)
    found = [tracker.update(frame_of(i)) for i in range(len(script))]
    for i in (0, 2, 5, 6):
        assert found[i] is not None and torch.equal(found[i].mesh_px, small.mesh_px)  # type: ignore[union-attr]
    assert tracker.warnings == ("hello",)


def test_after_a_cut_nothing_of_the_old_scene_is_left() -> None:
    tracker = VideoTracker(Scripted([[geometry_at(150, 150)]] * 4 + [[geometry_at(165, 155, 106)]] * 2), FPS)
    for i in range(4):
        tracker.update(frame_of(i, picture=0))
    found = tracker.update(frame_of(4, picture=1))
    assert found is not None and torch.equal(found.mesh_px, geometry_at(165, 155, 106).mesh_px)


def test_a_face_that_left_the_picture_is_lost() -> None:
    script = [[geometry_at(160 + 30 * i, 160)] for i in range(8)]
    tracker = VideoTracker(Scripted(script), FPS)
    found = [tracker._follow(frame_of(i), careful=False) if i == 7 else tracker.update(frame_of(i)) for i in range(8)]
    assert found[2] is not None and found[7] is None


def test_cuts_are_told_from_noise_light_and_motion() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(40, 200, (32, 32, 3)).astype(np.uint8)
    assert is_scene_cut(one, rng.integers(40, 200, (32, 32, 3)).astype(np.uint8))
    assert not is_scene_cut(one, one)
    assert not is_scene_cut(one, (one + 40).astype(np.uint8))  # a flash
    assert not is_scene_cut(one, (one + rng.normal(0, 3, one.shape)).clip(0, 255).astype(np.uint8))
    moved = one.copy()
    moved[8:16, 8:16] = 255
    assert not is_scene_cut(one, moved)


def test_jumps_are_told_from_motion() -> None:
    here = geometry_at(100, 100)
    assert not has_jumped(here, geometry_at(120, 110))
    assert has_jumped(here, geometry_at(170, 100))
    assert has_jumped(here, geometry_at(100, 100, 160))


def test_gram_schmidt_repairs_columns() -> None:
    turn = orthonormal(torch.tensor([[[2.0, 0.1], [0.0, 0.5], [0.0, 0.0]]]))
    torch.testing.assert_close(turn, torch.eye(3)[None])


@pytest.mark.parametrize("unit", [1.0, 80.0])
def test_the_filter_is_the_same_at_any_scale(unit: float) -> None:
    config = OneEuroConfig(min_cutoff_hz=1.0, beta=5.0)
    small, large = OneEuroFilter(config, FPS), OneEuroFilter(config, FPS)
    for value in np.random.default_rng(1).normal(size=(20, 4, 3)):
        signal = torch.from_numpy(value)
        torch.testing.assert_close(small(signal) * unit, large(signal * unit, unit))


def test_the_filter_at_rest_is_the_low_pass_of_its_cutoff() -> None:
    low_pass = OneEuroFilter(OneEuroConfig(min_cutoff_hz=2.0, beta=0.0), FPS)
    low_pass(torch.zeros(1, 1))
    share = 1 / (1 + FPS / (2 * math.pi * 2.0))
    assert float(low_pass(torch.ones(1, 1))) == pytest.approx(share)
    low_pass.reset()
    assert float(low_pass(torch.full((1, 1), 7.0))) == 7.0


@pytest.mark.parametrize(
    ("x", "size", "gap_s", "scene_changed", "expected"),
    [
        (110, 100, 0.04, False, False),
        (160, 100, 0.04, False, True),  # 0.86 eye distances
        (160, 100, 0.2, False, False),  # at five frames a second a head may go as far
        (100, 120, 0.04, False, True),  # cut closer
        (115, 100, 0.04, True, True),
        (102, 101, 0.04, True, False),  # a flash
    ],
)
def test_another_shot(x: float, size: float, gap_s: float, scene_changed: bool, expected: bool) -> None:
    now = geometry_at(x, 100, size)
    assert is_another_shot(geometry_at(100, 100), now, gap_s=gap_s, scene_changed=scene_changed) == expected


def test_cuts_are_counted_where_the_face_is_seen_again() -> None:
    """A cut with a face at once, a flash, and a fade through frames without a face."""
    here, there = geometry_at(120, 120), geometry_at(200, 160)
    script = [[here], [there], [there], [], [], [here]]
    pictures = [0, 1, 2, 3, 4, 5]
    tracker = VideoTracker(Scripted(script), FPS)
    for index, picture in enumerate(pictures):
        tracker.update(frame_of(index, picture))
    assert tracker.cuts == [1, 5]
