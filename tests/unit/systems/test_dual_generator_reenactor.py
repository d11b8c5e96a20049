"""The dual generator as a whole: poses, target shapes, native detail."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.facs import ACTION_UNITS
from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.morphable import load_morphable
from reenact.systems.base import PoseControls
from reenact.systems.dual_generator.finish import draw_landmarks
from reenact.systems.dual_generator.reenactor import (
    DrivenHead,
    DualGeneratorIdentity,
    resize_classes,
)
from reenact.types import head_angles_rad
from tests.contract.systems import SIDE, AnyReenactor, Clip, build, painted
from tests.synthetic import face_geometry, random_clip


def turned(system: AnyReenactor, identity: DualGeneratorIdentity, angles_rad: torch.Tensor) -> DrivenHead:
    return system.pose(identity, PoseControls(action_units=identity.action_units, angles_rad=angles_rad))


@pytest.fixture(scope="module")
def system() -> AnyReenactor:
    return build("dual_generator")


@pytest.fixture(scope="module")
def source() -> Clip:
    return painted(3, 1, 96)


@pytest.fixture(scope="module")
def identity(system: AnyReenactor, source: Clip) -> DualGeneratorIdentity:
    return system.encode_identity(*source)


@pytest.mark.parametrize("angles_deg", [(0, 90, 0), (0, -90, 0), (45, 30, -45), (-45, 0, 45)])
def test_a_posed_head_has_the_given_angles_and_keeps_its_expression(
    system: AnyReenactor, identity: DualGeneratorIdentity, angles_deg: tuple[float, float, float]
) -> None:
    angles = torch.deg2rad(torch.tensor([angles_deg], dtype=torch.float32))
    fit = system.morphable.fit(turned(system, identity, angles).mesh)
    torch.testing.assert_close(head_angles_rad(fit.pose.rotation), angles, atol=1e-3, rtol=0)
    torch.testing.assert_close(fit.expression, identity.matched.expression, atol=1e-2, rtol=0)
    torch.testing.assert_close(fit.pose.scale, identity.matched.pose.scale, atol=1e-4, rtol=0)


def test_a_unit_moves_its_own_side_and_part_of_the_face(system: AnyReenactor, identity: DualGeneratorIdentity) -> None:
    units = identity.action_units.repeat(2, 1, 1)
    units[0, ACTION_UNITS.index(45), 0], units[1, ACTION_UNITS.index(26)] = 1, 1
    controls = PoseControls(action_units=units, angles_rad=identity.angles_rad.expand(2, -1))
    winked, opened = system.pose(identity, controls).mesh
    moved = [(mesh - identity.mesh[0]).norm(dim=-1) for mesh in (winked, opened)]
    left_lid, right_lid, chin = 386, 159, 152
    assert moved[0][left_lid] > 10 * moved[0][right_lid] and moved[0][chin] < 0.1 * moved[0][left_lid]
    assert opened[chin, 1] > identity.mesh[0, chin, 1] and moved[1][left_lid] < 0.1 * moved[1][chin]


def test_the_target_has_the_sources_shape_and_the_drivers_motion(
    system: AnyReenactor, identity: DualGeneratorIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_generate_shape", lambda landmarks, code: landmarks)  # untrained, its output is random
    mesh, rotation = random_clip(load_morphable(), np.random.default_rng(8), 3, 90)
    motion = system.read_motion(None, face_geometry(mesh, rotation))
    neutral = system.select(motion, slice(0, 1))
    fit = system.morphable.fit(system.retarget(identity, motion, neutral, "relative").mesh)
    own = identity.matched.pose.rotation
    turn = motion.pose.rotation @ neutral.pose.rotation.transpose(1, 2)
    expected = head_angles_rad(turn @ own)
    assert torch.rad2deg((head_angles_rad(fit.pose.rotation) - expected).abs().max()) < 4
    own_shape = system.morphable.fit(identity.mesh).identity
    assert ((fit.identity - own_shape).norm(dim=1) < (fit.identity - motion.shape).norm(dim=1)).all()


def test_the_papers_form_draws_all_of_the_picture(source: Clip) -> None:
    system = build("dual_generator", source_features=False)
    identity = system.encode_identity(*source)
    assert identity.heads is None
    rendered = system.render(identity, turned(system, identity, identity.angles_rad + 0.3))
    assert rendered.changed.min() == 1
    still = system.render(identity, turned(system, identity, identity.angles_rad))
    assert torch.equal(still.rgb, source[0].rgb)


def test_a_native_source_keeps_detail_that_the_network_does_not_see(system: AnyReenactor) -> None:
    image, geometry = painted(3, 1, 4 * SIDE)
    fine = image.rgb.clone()
    fine[..., ::2] = (fine[..., ::2] + 0.12).clamp(0, 1)  # stripes of a pixel
    details = []
    for rgb in (image.rgb, fine):
        identity = system.encode_identity(dataclasses.replace(image, rgb=rgb), geometry)
        driven = turned(system, identity, identity.angles_rad + torch.tensor([0, 0.05, 0]))
        middle = system.render(identity, driven).rgb[..., 100:160, 100:160]
        details.append((middle[..., 1:] - middle[..., :-1]).abs().mean())
    assert details[1] > 1.3 * details[0]


def test_classes_are_resized_without_new_ones() -> None:
    classes = torch.tensor([[[0, 4], [2, 0]]])
    assert resize_classes(classes, 4)[0].tolist() == [[0, 0, 4, 4], [0, 0, 4, 4], [2, 2, 0, 0], [2, 2, 0, 0]]
    assert torch.equal(resize_classes(resize_classes(classes, 6), 2), classes)


def test_landmarks_are_drawn_in_half_sides() -> None:
    mesh, _ = random_clip(load_morphable(), np.random.default_rng(0), 2, 2)
    lines = draw_landmarks(landmarks68_of(mesh) - torch.tensor([1.0, 1.0, 0.0]), SIDE)
    assert lines.shape == (2, 1, SIDE, SIDE)
    assert 0.02 < lines.mean() < 0.3
