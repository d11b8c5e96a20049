"""One eye closes alone in the target meshes of all systems, with their embedded weights."""

import functools
from typing import Any

import pytest
import torch

from reenact.facs import ACTION_UNITS
from reenact.geometry.action_units import BLENDSHAPE_NAMES
from reenact.geometry.landmarks import eye_openings
from reenact.geometry.morphable import load_morphable
from reenact.hub import load
from reenact.systems.base import PoseControls
from reenact.systems.catalog import CATALOG
from reenact.types import FaceGeometry
from reenact.weights import embedded_names
from tests.contract.systems import AnyReenactor, painted
from tests.synthetic import face_geometry, pose_of, rotation_of, wink

SIDES = pytest.mark.parametrize("left", [True, False], ids=["left", "right"])


@functools.cache
def embedded(name: str) -> tuple[AnyReenactor, Any]:
    """A system, and a source encoded by it."""
    if name not in embedded_names():
        pytest.skip(f"the weights of {name} are not there")
    system = load(name, device="cpu")
    system.fill_needs = None
    return system, system.encode_identity(*painted(20, 1, 96))


def driver(shape: torch.Tensor, *, left: float = 0.0, right: float = 0.0) -> FaceGeometry:
    """A driver with lids that the blendshapes call closed."""
    pose = pose_of([rotation_of()], scale=74, centre=(128, 128))
    face = face_geometry(pose.apply(shape), pose.rotation)
    for name, value in (("Left", left), ("Right", right)):
        face.blendshapes[:, BLENDSHAPE_NAMES.index("eyeBlink" + name)] = value
    return face


def assert_winks(mesh: torch.Tensor, own: torch.Tensor, *, left: bool) -> None:
    """One eye is less than half as open as the other, which stays open."""
    right_opening, left_opening = eye_openings(mesh)[0].tolist()
    closed, other = (left_opening, right_opening) if left else (right_opening, left_opening)
    assert closed < 0.5 * other
    assert abs(other / float(eye_openings(own)[0].mean()) - 1) < 0.2


@SIDES
@pytest.mark.parametrize("mode", ["absolute", "relative"])
@pytest.mark.parametrize("name", CATALOG)
def test_a_drivers_wink_closes_one_eye(name: str, mode: str, left: bool) -> None:
    (system, identity), shape = embedded(name), load_morphable().mean[None]
    motion = system.read_motion(None, driver(wink(shape, left=left), **{"left" if left else "right": 0.9}))
    driven = system.retarget(identity, motion, system.read_motion(None, driver(shape)), mode)
    assert_winks(system.target_mesh(identity, driven), identity.mesh, left=left)


@SIDES
@pytest.mark.parametrize("name", [name for name, row in CATALOG.items() if row.can_pose])
def test_a_slider_closes_one_eye_and_none_nothing(name: str, left: bool) -> None:
    system, identity = embedded(name)
    own = system.read_controls(identity)
    units = own.action_units.clone()
    units[0, ACTION_UNITS.index(45), 0 if left else 1] = 1
    driven = system.pose(identity, PoseControls(action_units=units, angles_rad=own.angles_rad))
    assert_winks(system.target_mesh(identity, driven), identity.mesh, left=left)
    assert torch.equal(system.render(identity, system.pose(identity, own)).rgb, identity.native_rgb)
