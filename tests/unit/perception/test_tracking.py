"""From a frame to a mesh in frame pixels: on a picture whose colours say where each pixel lies.

Red is x and green is y in the upright picture, so that a network stand-in can read from any crop where it was cut and
answer with the face that the picture is meant to show. What comes out of the tracker has to be that face again.
"""

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reenact.errors import NoFaceFoundError
from reenact.hub.loading import load_tracker
from reenact.perception.crop import square_crop, tracker_crop
from reenact.perception.detector import Detections, Detector
from reenact.perception.tracker import TrackerConfig, TrackerNetwork, TrackerOutput
from reenact.perception.tracking import (
    MIN_FACE_PX,
    FaceTracker,
    Tracker,
    cut_crop,
    share_outside,
    turn_boxes_back,
)
from reenact.types import head_angles_rad
from reenact.weights import embedded_names

SIDE = 256
HEAD_YAW = 0.3


def picture(side: int = SIDE) -> np.ndarray:
    x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return np.stack([x, y, np.full_like(x, side / 2)], axis=-1).clip(0, 255).astype(np.uint8)


def known_mesh(centre: tuple[float, float], size: float) -> np.ndarray:
    """A face-like cloud: its eye corners level, `size` high."""
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (478, 3)) * [0.8, 1.0, 0.4]
    cloud[33], cloud[263] = [-0.35, -0.2, 0], [0.35, -0.2, 0]
    cloud[0], cloud[1] = [0, -0.5, 0], [0, 0.5, 0]
    return cloud * size + [*centre, 0]


class KnownFace(TrackerNetwork):
    """Answers with a face known beforehand, wherever the crop lies; is sure of upright ones only."""

    def __init__(self, mesh: np.ndarray, score: float = 0.99) -> None:
        super().__init__(TrackerConfig(widths=(4, 4, 4, 4, 4), blocks=(1, 1, 1, 1), code=4))
        self.mesh, self.score = mesh, score

    def forward(self, crop: torch.Tensor) -> TrackerOutput:
        meshes, rotations, scores = [], [], []
        for rgb in crop.permute(0, 2, 3, 1).numpy() * 255:
            matrix = np.linalg.inv(where_cut(rgb))
            xy = self.mesh[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
            scale, roll = np.hypot(*matrix[:2, 0]), np.arctan2(matrix[1, 0], matrix[0, 0])
            meshes.append(np.concatenate([xy / 64 - 1, self.mesh[:, 2:] * scale / 64], axis=1))
            c, s = np.cos(-roll), np.sin(-roll)
            yaw = np.array(
                [[np.cos(HEAD_YAW), 0, np.sin(HEAD_YAW)], [0, 1, 0], [-np.sin(HEAD_YAW), 0, np.cos(HEAD_YAW)]]
            )
            rotations.append(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ yaw)
            # a face that is not upright gives a mesh that wanders from one look to the next
            lost = abs(roll) > np.radians(60)
            meshes[-1] += 0.3 * lost * np.sin(7 * roll)
            scores.append(self.score if not lost else 0.6)
        logit = torch.logit(torch.tensor(scores, dtype=torch.float32))
        return TrackerOutput(
            mesh=torch.from_numpy(np.stack(meshes)).float(),
            blendshapes=torch.zeros(len(crop), 52),
            rotation=torch.from_numpy(np.stack(rotations)).float(),
            score_logit=logit,
        )


def where_cut(rgb: np.ndarray) -> np.ndarray:
    """frame_from_crop, by least squares over the pixels that show the picture."""
    height, width = rgb.shape[:2]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    seen = ((rgb[..., :2] > 3) & (rgb[..., :2] < 250)).all(-1)
    rows = np.stack([x[seen], y[seen], np.ones(seen.sum())], axis=1)
    solution = np.linalg.lstsq(rows, rgb[seen][:, :2] + 0.5, rcond=None)[0]
    return np.vstack([solution.T, [0, 0, 1]])


class KnownBoxes(Detector):
    """Finds the given boxes in an upright picture, nothing in a turned one."""

    def __init__(self, meshes: list[np.ndarray], scores: list[float]) -> None:
        boxes = [np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)]) for mesh in meshes]
        self.boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self.scores = np.array(scores, np.float32)
        self.calls = 0

    def detect(self, frame: np.ndarray, *, min_score: float | None = None) -> Detections:
        self.calls += 1
        upright = frame[0, 0, 0] < frame[0, -1, 0] and frame[0, 0, 1] < frame[-1, 0, 1]
        chosen = (self.scores >= (0.5 if min_score is None else min_score)) & upright
        return Detections(boxes_px=self.boxes[chosen], scores=self.scores[chosen])


def tracker_of(mesh: np.ndarray, *, score: float = 0.99, found: float = 0.9) -> FaceTracker:
    return FaceTracker(KnownBoxes([mesh], [found]), KnownFace(mesh, score))


def error_px(found: torch.Tensor, mesh: np.ndarray) -> float:
    return float(np.abs(found[0].numpy() - mesh).max())


def test_the_mesh_comes_back_to_frame_pixels() -> None:
    mesh = known_mesh((120, 130), 120)
    tracker: Tracker = tracker_of(mesh)
    geometry = tracker.track(picture())
    assert error_px(geometry.mesh_px, mesh) < 0.5
    torch.testing.assert_close(head_angles_rad(geometry.rotation)[0], torch.tensor([0, HEAD_YAW, 0]), atol=0.01, rtol=0)
    assert float(geometry.score) == pytest.approx(0.99, abs=0.02)


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(x=st.floats(100, 156), y=st.floats(100, 156), side=st.floats(90, 400), roll=st.floats(-0.9, 0.9))
def test_any_crop_gives_the_same_face(x: float, y: float, side: float, roll: float) -> None:
    mesh = known_mesh((128, 128), 110)
    crop = square_crop(np.array([x, y]), side, roll, 128)
    geometry = tracker_of(mesh).track_crops([picture()], [crop])
    assert error_px(geometry.mesh_px, mesh) < 0.8  # a grey level, rounded up, is half a pixel
    torch.testing.assert_close(head_angles_rad(geometry.rotation)[0, 2], torch.tensor(0.0), atol=0.01, rtol=0)


def test_a_batch_gives_what_its_crops_give_one_by_one() -> None:
    mesh = known_mesh((128, 128), 110)
    tracker = tracker_of(mesh)
    crops = [square_crop(np.array([128.0, 120.0]), side, roll, 128) for side, roll in ((150.0, 0.2), (200.0, -0.3))]
    both = tracker.track_crops([picture()] * 2, crops)
    for i, crop in enumerate(crops):
        one = tracker.track_crops([picture()], [crop])
        torch.testing.assert_close(both.mesh_px[i : i + 1], one.mesh_px, atol=1e-3, rtol=0)
        torch.testing.assert_close(both.rotation[i : i + 1], one.rotation, atol=1e-5, rtol=0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_on_its_side_or_head_is_tracked(quarters: int) -> None:
    mesh = known_mesh((110, 135), 120)
    tracker = tracker_of(mesh)
    turned = np.ascontiguousarray(np.rot90(picture(), -quarters))
    geometry = tracker.track(turned)
    # the centre of the face, turned by hand: np.rot90 with a negative count turns clockwise
    x, y = mesh[:, 0], mesh[:, 1]
    for _ in range(quarters):
        x, y = SIDE - y, x
    assert np.abs(geometry.mesh_px[0, :, :2].numpy() - np.stack([x, y], 1)).max() < 0.6
    roll = float(head_angles_rad(geometry.rotation)[0, 2])
    assert np.cos(roll + quarters * np.pi / 2) > 0.999


def test_boxes_are_turned_back() -> None:
    frame = np.zeros((30, 50, 3), np.uint8)
    frame[5:12, 20:41] = 255
    for quarters in (1, 2, 3):
        rows, columns = np.nonzero(np.rot90(frame, quarters)[..., 0])
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        assert turn_boxes_back(box, quarters, width=50, height=30).tolist() == [[20, 5, 41, 12]]


def test_follow_finds_a_face_that_moved() -> None:
    before, now = known_mesh((100, 128), 100), known_mesh((135, 122), 104)
    previous = tracker_of(before).track(picture())
    assert error_px(tracker_of(now).follow(picture(), previous).mesh_px, now) < 0.5


def test_no_face_is_said_with_the_best_score() -> None:
    with pytest.raises(NoFaceFoundError, match=r"No face found \(best score 0.31, need 0.50\)"):
        tracker_of(known_mesh((120, 120), 100), found=0.31).track(picture())
    with pytest.raises(NoFaceFoundError, match=r"best score 0.00"):
        FaceTracker(KnownBoxes([], []), KnownFace(known_mesh((1, 1), 9))).track(picture())


@pytest.mark.parametrize(("score", "found"), [(0.3, 0.9), (0.2, 0.3)])
def test_a_face_turned_too_far_is_told_the_nearest_usable_angle(
    score: float, found: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detected but not believed by the tracker, and hardly detected."""
    tracker = tracker_of(known_mesh((128, 128), 110), score=score, found=found)
    for yaw_rad, nearest in ((1.5, 85), (-1.5, -85)):
        monkeypatch.setitem(globals(), "HEAD_YAW", yaw_rad)
        with pytest.raises(
            NoFaceFoundError, match=rf"turned by -?86 degrees .* need 0.50\); the nearest .* {nearest} deg"
        ):
            tracker.track(picture())


def test_what_is_hardly_a_face_has_no_angle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "HEAD_YAW", 1.5)
    for found in (0.9, 0.3):
        with pytest.raises(NoFaceFoundError, match=r"^No face found"):
            tracker_of(known_mesh((128, 128), 110), score=0.01, found=found).track(picture())


def test_an_uncertain_tracker_is_no_face() -> None:
    with pytest.raises(NoFaceFoundError, match=r"best score 0.\d\d, need 0.50.*not covered"):
        tracker_of(known_mesh((120, 120), 100), score=0.3).track(picture())
    assert tracker_of(known_mesh((120, 120), 100), score=0.3).track(picture(), min_score=0.2) is not None


def test_a_small_face_is_refused_with_its_size() -> None:
    with pytest.raises(NoFaceFoundError, match=f"only 30 px large, need {MIN_FACE_PX} px"):
        tracker_of(known_mesh((128, 128), 30)).track(picture())


def test_a_face_cut_by_the_border_is_refused() -> None:
    mesh = known_mesh((35, 128), 130)
    with pytest.raises(NoFaceFoundError, match=r"cut by the border of the picture \(\d+% of it is outside\)"):
        tracker_of(mesh).track(picture())
    slightly = known_mesh((45, 128), 120)
    report = tracker_of(slightly).report(picture())
    assert 0 < share_outside(report.geometry, picture()) < 0.12
    assert len(report.warnings) == 1 and "touches the border" in report.warnings[0]


def test_of_several_faces_the_largest_is_taken_and_said() -> None:
    large, small = known_mesh((90, 100), 100), known_mesh((200, 200), 60)
    tracker = FaceTracker(KnownBoxes([large, small], [0.8, 0.9]), KnownFace(large))
    report = tracker.report(picture())
    assert report.face == 1 and len(report.faces) == 2
    assert report.warnings[0].startswith("2 faces found; the largest was taken.")
    chosen = tracker.report(picture(), face=2)
    assert chosen.face == 2 and chosen.warnings == ()
    for number in (0, 3, -1):
        with pytest.raises(NoFaceFoundError, match=f"Face {number} was asked for, but 2 faces were found"):
            tracker.track(picture(), face=number)


def test_a_large_face_is_shrunk_by_averages() -> None:
    """Stripes one pixel wide turn grey instead of aliasing."""
    frame = np.zeros((1200, 1200, 3), np.uint8)
    frame[:, ::2] = 255
    crop = cut_crop(frame, square_crop(np.array([600.0, 600.0]), 1100.0, 0.0, 128), 128)
    assert np.abs(crop.astype(float) - 127.5).max() < 60 and crop.std() < 20


@pytest.mark.parametrize("side", [40.0, 100.0, 200.0, 600.0, 1000.0])
@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_crops_lie_where_their_matrix_says(side: float, roll: float) -> None:
    size = 1100
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    frame = np.stack([x, y, x], axis=-1)
    frame = (frame / size * 255).round().astype(np.uint8)
    matrix = square_crop(np.array([560.0, 530.0]), side, roll, 128)
    crop = cut_crop(frame, matrix, 128).astype(float) / 255 * size
    at = np.array([[20.5, 30.5, 1], [64.5, 64.5, 1], [100.5, 90.5, 1]])
    expected = (at @ np.linalg.inv(matrix).T)[:, :2]
    found = np.array([crop[int(row[1]), int(row[0]), :2] for row in at])
    inside = ((expected > 2) & (expected < size - 2)).all(1)
    assert np.abs(found - expected)[inside].max() < 4.5  # one grey level is 4.3 px


def test_a_crop_off_the_picture_repeats_its_border() -> None:
    frame = picture()
    crop = cut_crop(frame, square_crop(np.array([-900.0, 128.0]), 400.0, 0.0, 128), 128)
    assert (crop[..., 0] == frame[0, 0, 0]).all()


def test_the_aligned_crop_of_a_mesh_levels_its_eyes() -> None:
    mesh = known_mesh((128, 128), 100)
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    mesh[:, :2] = (mesh[:, :2] - 128) @ turn.T + 128
    matrix = tracker_crop(mesh, 128)
    eyes = mesh[[33, 263], :2] @ matrix[:2, :2].T + matrix[:2, 2]
    assert abs(eyes[0, 1] - eyes[1, 1]) < 1e-6


def test_the_embedded_tracker_finds_no_face_in_a_plain_picture() -> None:
    for name in ("tracker", "detector"):
        if f"perception/{name}" not in embedded_names():
            pytest.skip(f"the embedded weights perception/{name} are not there")
    with pytest.raises(NoFaceFoundError, match="No face found"):
        load_tracker("own").track(np.full((240, 320, 3), 120, np.uint8))
