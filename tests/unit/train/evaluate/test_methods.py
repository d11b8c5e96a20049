"""Baselines draw what they should, and systems are found by name."""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from reenact.errors import CheckpointError
from reenact.geometry.morphable import load_morphable
from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry, FaceImage
from tests.synthetic import face_geometry, paint, pose_of, rotation_of
from train.evaluate.methods import CopySource, Driving, MeshWarp, SystemMethod, labels_of, load_methods

SIDE = 128


def turned_face(*yaws_deg: float) -> tuple[FaceImage, FaceGeometry]:
    """The painted mean face at given yaws."""
    model = load_morphable()
    rotations = [rotation_of(yaw_deg=yaw) for yaw in yaws_deg]
    pose = pose_of(rotations, scale=0.27 * SIDE, centre=(0.5 * SIDE, 0.53 * SIDE))
    count = len(yaws_deg)
    nothing = (
        torch.zeros(count, len(model.identity_basis)),
        torch.zeros(count, len(model.expression_basis)),
    )
    mesh = model.assemble(*nothing, pose)
    image = FaceImage(rgb=paint(model, mesh, SIDE), crop_from_frame=torch.eye(3).expand(count, -1, -1))
    return image, face_geometry(mesh, pose.rotation)


def driven_by(geometry: FaceGeometry, neutral: FaceGeometry, mode: MotionMode = "absolute") -> Driving:
    return Driving(geometry=geometry, neutral=neutral, mode=mode)


def first(image: FaceImage) -> FaceImage:
    return FaceImage(rgb=image.rgb[:1], crop_from_frame=image.crop_from_frame[:1])


def test_a_copy_is_the_source_whatever_the_driver_does() -> None:
    image, geometry = turned_face(0, 10, 20)
    copy = CopySource()
    drawn = copy.draw(copy.encode(first(image), geometry[:1]), driven_by(geometry[1:], geometry[:1]))
    assert torch.equal(drawn, image.rgb[:1].expand(2, -1, -1, -1))


def test_the_mesh_warp_keeps_a_still_face_and_follows_a_turn() -> None:
    image, geometry = turned_face(0, 0, 12)
    warp = MeshWarp(torch.device("cpu"))
    kept = warp.encode(first(image), geometry[:1])
    drawn = warp.draw(kept, driven_by(geometry[1:], geometry[:1]))
    torch.testing.assert_close(drawn[0], image.rgb[0], rtol=0, atol=1e-3)
    face = np.s_[:, SIDE // 3 : 2 * SIDE // 3, SIDE // 3 : 2 * SIDE // 3]
    copied = (image.rgb[0] - image.rgb[2])[face].abs().mean()
    warped = (drawn[1] - image.rgb[2])[face].abs().mean()
    assert warped < 0.4 * copied


def test_relative_motion_of_the_mesh_warp_starts_from_the_source() -> None:
    image, geometry = turned_face(15, 0, 10)
    warp = MeshWarp(torch.device("cpu"))
    kept = warp.encode(first(image), geometry[:1])
    drawn = warp.draw(kept, driven_by(geometry[1:2], geometry[1:2], "relative"))
    torch.testing.assert_close(drawn[0], image.rgb[0], rtol=0, atol=1e-3)


def test_unknown_systems_and_other_checkpoints_are_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"No checkpoint is called 'facegun'; the embedded ones are: "):
        load_methods(("facegun",), baselines=True, device=torch.device("cpu"))
    with pytest.raises(CheckpointError, match="holds a 'tracker' model, which is no reenactment system"):
        load_methods(("perception/tracker",), baselines=False, device=torch.device("cpu"))


def test_labels_are_short_and_unique() -> None:
    assert labels_of(("correspondence", "runs/a/export")) == ["correspondence", "a/export"]
    assert labels_of(("x/runs/a", "y/runs/a")) == ["x/runs/a", "y/runs/a"]
    assert labels_of(("same", "same", "same")) == ["same", "same (2)", "same (3)"]


def test_systems_can_be_measured_without_the_painters(embedded: Callable[[str], pathlib.Path]) -> None:
    embedded("correspondence")
    for painters in (True, False):
        methods = load_methods(("correspondence",), baselines=False, device=torch.device("cpu"), painters=painters)
        assert isinstance(methods[0], SystemMethod)
        assert (methods[0].system.paint is not None) == painters
