"""FACEGAN's networks, landmarks and rig."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from reenact.portrait.head import fit_head, move_head
from reenact.systems.facegan.conditions import target_maps
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.landmarks import motion_vector, normalise_landmarks, place_landmarks
from reenact.systems.facegan.networks import (
    BackgroundMixer,
    FaceReenactor,
    LandmarkTransformer,
    MixedPicture,
    landmark_map,
    mix,
)
from reenact.systems.facegan.rig import LandmarkRig
from reenact.types import CropSpec
from tests.synthetic import random_clip

SIDE = 64
SMALL = FaceganConfig(
    crop=CropSpec(network_px=SIDE), transformer_width=32, widths=(8, 12, 16), mixer_widths=(8, 12, 16)
)
PLAIN = dataclasses.replace(SMALL, source_warp=False, layered=False)
AT = list(LANDMARKS_68)


@pytest.fixture(scope="module")
def rig() -> LandmarkRig:
    return LandmarkRig(load_morphable())


@pytest.fixture(scope="module")
def meshes(rig: LandmarkRig) -> torch.Tensor:
    """Four poses and expressions of one person, half-sides."""
    return random_clip(rig.model, np.random.default_rng(0), 4, SIDE)[0] * (2 / SIDE) - torch.tensor([1.0, 1.0, 0.0])


def test_normalised_landmarks_do_not_know_place_and_size(rig: LandmarkRig, meshes: torch.Tensor):
    moved = meshes * 1.7 + torch.tensor([0.3, -0.2, 0.1])
    first, second = (normalise_landmarks(mesh, rig.model.fit(mesh).pose) for mesh in (meshes, moved))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)
    pose = rig.model.fit(meshes).pose
    torch.testing.assert_close(place_landmarks(first, pose), meshes[:, AT, :2], atol=1e-5, rtol=0)


def test_a_motion_vector_holds_both_sides_or_their_mean():
    units = torch.rand(2, 17, 2)
    angles = torch.tensor([[0.0, torch.pi / 6, 0.0]]).expand(2, -1)
    both, one = motion_vector(units, angles, 2), motion_vector(units, angles, 1)
    assert both.shape == (2, SMALL.motion_length) and one.shape == (2, PRESETS["paper"].motion_length)
    torch.testing.assert_close(both[:, 2:4], units[:, 1])
    torch.testing.assert_close(one[:, 1], units[:, 1].mean(1))
    torch.testing.assert_close(one[0, -3:], torch.tensor([0.0, 1.0, 0.0]))


def test_the_sources_own_motion_moves_no_landmark():
    torch.manual_seed(0)
    transformer = LandmarkTransformer(SMALL)
    landmarks, own = torch.randn(3, 68, 2), torch.rand(3, SMALL.motion_length)
    assert transformer(landmarks, torch.rand_like(own), own).abs().max() == 0, "untrained, it moves nothing"
    torch.nn.init.normal_(transformer.leave.weight)
    assert transformer(landmarks, own, own).abs().max() < 1e-5  # two forwards, whose sums a busy machine splits anew
    assert transformer(landmarks, own + 0.1, own).abs().max() > 0
    free = LandmarkTransformer(dataclasses.replace(SMALL, anchored=False))
    torch.nn.init.normal_(free.leave.weight)
    assert free(landmarks, own, own).abs().max() > 0


def test_the_rig_gives_back_a_mesh_under_its_own_landmarks(rig: LandmarkRig, meshes: torch.Tensor):
    face = rig.take_apart(meshes[:1])
    still = rig.move(face, meshes[:1, AT, :2], face.pose)
    torch.testing.assert_close(still, meshes[:1], atol=1e-5, rtol=0)


def test_the_rig_brings_the_mesh_under_target_landmarks(rig: LandmarkRig, meshes: torch.Tensor):
    moved = rig.move(rig.take_apart(meshes[:1]), meshes[:, AT, :2], rig.model.fit(meshes).pose)
    off, movement = ((mesh - meshes)[1:, :, :2].norm(dim=-1) for mesh in (moved, meshes[:1]))
    assert off[:, AT].mean() < 0.1 * movement[:, AT].mean()
    assert off.mean() < 0.4 * movement.mean(), "points between the landmarks follow them"


def test_the_landmark_map_peaks_at_the_landmarks():
    landmarks = torch.full((1, 68, 2), -0.5)
    landmarks[0, 0] = torch.tensor([0.5 + 1 / 32, 0.25 + 1 / 32])  # the centre of pixel (24, 20)
    drawn = landmark_map(landmarks, 32)
    assert drawn.shape == (1, 1, 32, 32)
    assert float(drawn[0, 0, 20, 24]) == pytest.approx(1)
    assert float(drawn[0, 0, 31, 31]) < 1e-6


def test_an_untrained_warp_follows_the_rig_and_a_still_face_does_not_move(rig: LandmarkRig, meshes: torch.Tensor):
    network, rgb = FaceReenactor(SMALL).eval(), torch.rand(1, 3, SIDE, SIDE)
    face, pose = rig.take_apart(meshes[:1]), rig.model.fit(meshes).pose
    moved = rig.move(face, meshes[:, AT, :2], pose)
    head = fit_head(rig.model, meshes[:1], torch.zeros(1, 1, SIDE, SIDE))
    maps = target_maps(meshes[:, AT, :2], move_head(rig.model, head, moved, SIDE // 2), SIDE)
    with torch.no_grad():
        drawn = network(network.encode_source(rgb), rgb, maps)
    assert drawn.displacement is not None and maps.displacement is not None
    torch.testing.assert_close(drawn.displacement, maps.displacement)
    assert (drawn.displacement[0] * maps.parts[0].amax(0)).abs().max() < 1e-5
    assert drawn.displacement[1:].abs().amax() > 0.05


def test_the_mixer_ignores_pixels_in_the_hole():
    torch.manual_seed(0)
    network = BackgroundMixer(PLAIN).eval()
    face, background = torch.rand(2, 2, 3, SIDE, SIDE)
    foreground, hole = (torch.rand(2, 2, 1, SIDE, SIDE) > 0.5).float()
    with torch.no_grad():
        first = network(face, foreground, background, hole)
        second = network(face, foreground, background + hole, hole)
    torch.testing.assert_close(first, second)


def test_mixing_is_equation_9():
    colour, background = torch.rand(2, 1, 3, 8, 8)
    mask = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(mix(MixedPicture(colour, mask), background), mask * colour + (1 - mask) * background)
    assert torch.equal(mix(MixedPicture(colour, 0 * mask), background), background)
