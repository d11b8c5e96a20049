"""Pose, alignment, fit and assembly of the morphable model."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from reenact.errors import ShapeError
from reenact.geometry.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from reenact.geometry.morphable import MorphableModel, align, load_morphable
from reenact.types import head_angles_rad
from tests.synthetic import face_geometry, pose_of, random_clip, random_coefficients, rotation_of

ANGLES = st.tuples(st.floats(-60, 60), st.floats(-85, 85), st.floats(-170, 170))


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def test_the_unit_is_the_eye_distance_and_the_mean_is_symmetric_enough(model: MorphableModel) -> None:
    eyes = model.mean[LEFT_EYE_OUTER] - model.mean[RIGHT_EYE_OUTER]
    assert eyes.norm().item() == pytest.approx(1, abs=0.05)
    assert eyes[0] > 0.9, "the person's left lies at positive x"
    assert model.mean[[LEFT_EYE_OUTER, RIGHT_EYE_OUTER], 1:].diff(dim=0).abs().max() < 0.01


def test_the_model_is_whole(model: MorphableModel) -> None:
    assert all(bool(torch.isfinite(value).all()) for value in model.buffers() if value.is_floating_point())
    assert model.triangles.min() >= 0
    assert model.triangles.max() < 478
    assert (model.triangles.sort(1).values.diff(dim=1) > 0).all(), "three different corners each"
    assert set(model.triangle_part.tolist()) == {0, 1, 2}
    assert not any(value.requires_grad for value in model.state_dict().values())


@given(ANGLES, st.floats(1, 400), st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_a_pose_can_be_undone(angles: tuple[float, float, float], scale: float, centre: tuple[float, float]) -> None:
    shape = torch.randn(1, 478, 3, generator=torch.Generator().manual_seed(0))
    pose = pose_of([rotation_of(*angles)], scale=scale, centre=centre)
    assert (pose.invert(pose.apply(shape)) - shape).abs().max() < 2e-4 + 2e-4 * 500 / scale


def test_pixels_have_y_down_and_z_away(model: MorphableModel) -> None:
    pose = pose_of([rotation_of()], scale=10, centre=(100, 50))
    top_and_near = pose.apply(torch.tensor([0.0, 1.0, 0.5]).expand(1, 478, 3))[0, 0]
    assert top_and_near.tolist() == [100, 40, -5]


@given(ANGLES, st.floats(0.2, 300), st.integers(0, 100))
def test_align_finds_a_known_similarity(angles: tuple[float, float, float], scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = torch.from_numpy(rng.normal(0, 1, (1, 478, 3)).astype(np.float32))
    pose = pose_of([rotation_of(*angles)], scale=scale, centre=(30, -20))
    mesh = pose.apply(shape)
    weight = torch.ones(478)
    weight[100:120] = 0
    mesh[:, 100:120] += 50 * scale  # points without weight may lie anywhere
    found = align(mesh, shape, weight)
    torch.testing.assert_close(found.rotation, pose.rotation, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.scale, pose.scale, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.translation_px, pose.translation_px, atol=1e-3 * scale + 1e-3, rtol=0)


def test_align_never_mirrors() -> None:
    shape = torch.randn(3, 478, 3)
    found = align(shape * torch.tensor([-1.0, 1, 1]), shape, torch.ones(478))
    torch.testing.assert_close(torch.linalg.det(found.rotation), torch.ones(3))


def test_the_aligned_rotation_is_that_of_the_head_angles(model: MorphableModel) -> None:
    angles = [(10.0, -35.0, 5.0), (-20.0, 50.0, -30.0)]
    pose = pose_of([rotation_of(*each) for each in angles], scale=70, centre=(128, 128))
    found = align(pose.apply(model.mean.expand(2, -1, -1)), model.mean[None], model.rigid_weight)
    torch.testing.assert_close(torch.rad2deg(head_angles_rad(found.rotation)), torch.tensor(angles), atol=0.01, rtol=0)


def test_geometry_moved_by_a_turned_crop_keeps_its_rotation_true(model: MorphableModel) -> None:
    """The rotation that `moved_by` gives is the one that the moved mesh has."""
    pose = pose_of([rotation_of(10, 25, 15)], scale=70, centre=(128, 128))
    geometry = face_geometry(pose.apply(model.mean[None]), pose.rotation)
    angle = torch.tensor(0.6)
    turn = torch.tensor(
        [[0.5 * angle.cos(), -0.5 * angle.sin(), 9], [0.5 * angle.sin(), 0.5 * angle.cos(), -4], [0, 0, 1]]
    )
    moved = geometry.moved_by(turn)
    found = align(moved.mesh_px, model.mean[None], model.rigid_weight)
    torch.testing.assert_close(moved.rotation, found.rotation, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.scale, torch.tensor([35.0]), rtol=1e-4, atol=0)


def test_fit_finds_what_was_assembled_but_for_the_priors_pull(model: MorphableModel) -> None:
    rng = np.random.default_rng(3)
    identity = random_coefficients(rng, 4, len(model.identity_basis), 1.0)
    expression = random_coefficients(rng, 4, len(model.expression_basis), 1.0)
    pose = pose_of([rotation_of(*rng.normal(0, (8, 15, 5))) for _ in range(4)], scale=70, centre=(128, 130))
    mesh = model.assemble(identity, expression, pose)
    fit = model.fit(mesh)
    unit_px = 70
    assert fit.residual.norm(dim=-1).mean() < 0.006, "in eye distances"
    assert (model.assemble(fit.identity, fit.expression, fit.pose) - mesh).norm(dim=-1).mean() < 0.006 * unit_px
    torch.testing.assert_close(fit.pose.rotation, pose.rotation, atol=0.03, rtol=0)
    torch.testing.assert_close(fit.pose.scale, pose.scale, rtol=0.03, atol=0)
    # the strongest components are told apart, whatever the weak ones do
    assert (fit.identity[:, :4] - identity[:, :4]).abs().mean() < 0.35
    assert (fit.expression[:, :4] - expression[:, :4]).abs().mean() < 0.35
    # what the solver shrinks without any error of the pose
    bases = torch.cat([model.identity_basis, model.expression_basis]).flatten(1)
    expected = torch.cat([identity, expression], 1) @ bases @ model.solver.T
    found = torch.cat([fit.identity, fit.expression], 1)
    assert (found - expected).square().mean().sqrt() < 0.35


def test_the_residual_restores_the_mesh_exactly(model: MorphableModel) -> None:
    rng = np.random.default_rng(0)
    mesh, _ = random_clip(model, rng, 3, 256)
    mesh = mesh + torch.from_numpy(rng.normal(0, 1.5, mesh.shape).astype(np.float32))
    fit = model.fit(mesh)
    restored = model.assemble(fit.identity, fit.expression, fit.pose, fit.residual)
    torch.testing.assert_close(restored, mesh, atol=2e-3, rtol=0)


def test_a_batch_is_fitted_as_its_meshes_one_by_one(model: MorphableModel) -> None:
    mesh, _ = random_clip(model, np.random.default_rng(1), 3, 256)
    together = model.fit(mesh)
    for i in range(3):
        alone = model.fit(mesh[i : i + 1])
        torch.testing.assert_close(alone.identity, together.identity[i : i + 1], atol=1e-3, rtol=0)
        torch.testing.assert_close(alone.expression, together.expression[i : i + 1], atol=1e-3, rtol=0)
        torch.testing.assert_close(alone.pose.rotation, together.pose.rotation[i : i + 1], atol=1e-5, rtol=0)


def test_the_unit_of_a_mesh_does_not_matter(model: MorphableModel) -> None:
    mesh, _ = random_clip(model, np.random.default_rng(2), 2, 256)
    px, half_sides = model.fit(mesh), model.fit(mesh / 128 - 1)
    torch.testing.assert_close(px.expression, half_sides.expression, atol=2e-3, rtol=0)
    torch.testing.assert_close(px.pose.scale / 128, half_sides.pose.scale, rtol=1e-4, atol=0)


def test_neutral_coefficients_are_the_mean(model: MorphableModel) -> None:
    zero = torch.zeros(2, len(model.identity_basis))
    assert torch.equal(model.identity_shape(zero), model.mean.expand(2, -1, -1))
    assert model.expression_offset(torch.zeros(1, len(model.expression_basis))).abs().max() == 0
    assert model.action_unit_offset(torch.zeros(1, 17)).abs().max() == 0


def test_a_mesh_of_another_size_is_refused_in_words(model: MorphableModel) -> None:
    with pytest.raises((ShapeError, TypeError), match="478"):
        model.fit(torch.zeros(1, 468, 3))
