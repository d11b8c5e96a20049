"""Geometry of inputs from labels or tracker, with the neutral references of `reenact video`."""

from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import NoFaceFoundError
from reenact.geometry.morphable import load_morphable
from reenact.media.frame import Frame
from reenact.types import FaceGeometry
from tests.synthetic import face_geometry, face_set, pose_of, rotation_of
from tests.unit.train.evaluate.made_up import settings
from train.data.faces import FaceData
from train.evaluate.inputs import label_geometry, track_inputs
from train.evaluate.jobs import TrackTask

MODEL = load_morphable()


def heads(yaws_deg: list[float], places: list[float]) -> FaceGeometry:
    """Neutral heads of one size at given yaws and x coordinates."""
    meshes = []
    for yaw, place in zip(yaws_deg, places, strict=True):
        pose = pose_of([rotation_of(yaw_deg=yaw)], scale=70, centre=(place, 130.0))
        nothing = torch.zeros(1, len(MODEL.identity_basis)), torch.zeros(1, len(MODEL.expression_basis))
        meshes.append(MODEL.assemble(*nothing, pose))
    return face_geometry(torch.cat(meshes), torch.stack([rotation_of(yaw_deg=yaw) for yaw in yaws_deg]))


class Known:
    """A tracker that returns the face numbered by the first pixel; 255 has none."""

    def __init__(self, faces: FaceGeometry) -> None:
        self.faces = faces

    def track(self, frame: Frame, **_: Any) -> FaceGeometry:
        number = int(frame[0, 0, 0])
        if number == 255:
            raise NoFaceFoundError("none")
        return self.faces[number : number + 1]


@pytest.fixture
def data() -> FaceData:
    return face_set(MODEL, np.random.default_rng(0), clips=1, frames=4, stills=1)


def test_geometry_from_labels_needs_no_tracker(data: FaceData) -> None:
    geometry = label_geometry(data, 2)
    assert np.array_equal(geometry.mesh_px[0].numpy(), data.mesh_px[2])
    assert np.array_equal(geometry.rotation[0].numpy(), data.rotation[2])
    assert geometry.action_units.shape == (1, 17)
    assert float(geometry.score) == 1
    task = TrackTask(rows=(0, 1, 2, 3), is_clip=True)
    tracker: Any = None
    driver = track_inputs(task, data, tracker, MODEL, settings(labels=True))
    assert sorted(driver.geometry) == [0, 1, 2, 3]
    assert set(driver.references) == {"absolute", "relative"}


def test_references_of_a_clip_are_its_usual_place_and_its_neutral_frame(
    data: FaceData, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = heads([25.0, 20.0, 0.0, 15.0], [120.0, 121.0, 160.0, 119.0])

    class Following:
        def __init__(self, tracker: Any, fps: float) -> None:
            self.next = 0
            assert fps == 12.5

        def update(self, frame: Frame) -> FaceGeometry | None:
            self.next += 1
            return faces[self.next - 1 : self.next]

    monkeypatch.setattr("train.evaluate.inputs.VideoTracker", Following)
    tracker: Any = None
    driver = track_inputs(TrackTask(rows=(0, 1, 2, 3), is_clip=True), data, tracker, MODEL, settings())
    assert torch.equal(driver.references["relative"].mesh_px, faces.mesh_px[2:3])
    assert float(driver.references["absolute"].mesh_px[..., 0].mean()) < 140


def test_references_of_a_still_are_itself_and_its_neutral_face(data: FaceData) -> None:
    faces = heads([30.0], [128.0])
    data.rgb[4, 0, 0, 0] = 0
    tracker: Any = Known(faces)
    driver = track_inputs(TrackTask(rows=(4,), is_clip=False), data, tracker, MODEL, settings())
    assert torch.equal(driver.references["absolute"].mesh_px, faces.mesh_px)
    torch.testing.assert_close(driver.references["relative"].rotation, torch.eye(3)[None])
    data.rgb[4, 0, 0, 0] = 255  # no face
    driver = track_inputs(TrackTask(rows=(4,), is_clip=False), data, tracker, MODEL, settings())
    assert driver.geometry == driver.references == {}
