"""What is measured of a shape generator, and the shape generator anchored in a source."""

import numpy as np
import torch

from reenact.geometry.landmarks import LANDMARKS_68, landmarks68_of
from reenact.geometry.morphable import MorphableModel
from reenact.systems.dual_generator.shape import AnchoredShape
from tests.synthetic import pose_of, random_coefficients, rotation_of
from train.recipes.dual_generator.shape_validation import nearer_source, neutral_shape


def face(model: MorphableModel, who: int, does: int, *, yaw_deg: float = 0.0, scale: float = 60.0) -> torch.Tensor:
    """(1, 478, 3) somewhere in a picture."""
    identity = random_coefficients(np.random.default_rng(who), 1, len(model.identity_basis), 1.0)
    expression = random_coefficients(np.random.default_rng(does), 1, len(model.expression_basis))
    return model.assemble(identity, expression, pose_of([rotation_of(5, yaw_deg, 3)], scale=scale, centre=(120, 140)))


def copying(landmarks: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    """A generator that hands back the driver's landmarks."""
    return landmarks


def test_a_neutral_shape_hardly_knows_pose_and_expression(model: MorphableModel) -> None:
    one, same, other = (
        neutral_shape(model, landmarks68_of(each))
        for each in (face(model, 1, 1), face(model, 1, 2, yaw_deg=40, scale=30), face(model, 2, 1))
    )
    within, between = ((one - each).norm(dim=-1).mean() for each in (same, other))
    assert within < 0.5 * between


def test_whose_shape_a_result_has_is_told(model: MorphableModel) -> None:
    source, driver, result = face(model, 1, 1), face(model, 2, 2, yaw_deg=50), face(model, 1, 2, yaw_deg=50)
    given = [landmarks68_of(each) for each in (result, source, driver)]
    assert nearer_source(model, *given).tolist() == [1]
    assert nearer_source(model, given[2], *given[1:]).tolist() == [0]


def test_an_action_that_is_the_sources_own_leaves_it_as_it_is(model: MorphableModel) -> None:
    mesh, anchored = face(model, 1, 1, yaw_deg=20), AnchoredShape(model)
    source = anchored.take(landmarks68_of(mesh), model.fit(mesh).pose, torch.zeros(1, 256))
    assert torch.equal(anchored.act(copying, source, landmarks68_of(mesh)), source.landmarks)


def test_only_the_change_of_an_action_is_taken(model: MorphableModel) -> None:
    """Two frames of a driver, from the first to the second: a generator that leaks its whole shape does no harm."""
    anchored, mesh = AnchoredShape(model), face(model, 1, 1)
    source = anchored.take(landmarks68_of(mesh), model.fit(mesh).pose, torch.zeros(1, 256))
    first, second = (landmarks68_of(face(model, 2, does, yaw_deg=yaw, scale=40)) for does, yaw in ((1, 0), (2, 60)))
    assert torch.equal(anchored.act(copying, source, first, first), source.landmarks)
    moved = anchored.act(copying, source, second, first)
    wanted = face(model, 1, 2)
    wanted = model.fit(wanted).pose.invert(landmarks68_of(wanted))
    assert (moved - wanted).norm(dim=-1).mean() < 0.5 * (source.landmarks - wanted).norm(dim=-1).mean()


def test_a_mesh_is_carried_under_its_landmarks(model: MorphableModel) -> None:
    anchored, shape = AnchoredShape(model), model.mean[None]
    wanted = shape[:, list(LANDMARKS_68)].clone()
    wanted[:, 48:] += torch.tensor([0.0, -0.1, 0.0])  # the mouth comes down
    carried = anchored.carry(shape, wanted)
    assert (carried[:, list(LANDMARKS_68)] - wanted).norm(dim=-1).max() < 0.02
    assert (carried - shape)[0, 10].norm() < 0.01  # the forehead does not
    assert torch.equal(anchored.carry(shape, shape[:, list(LANDMARKS_68)]), shape)


def test_mesh_and_generator_agree_half_way_unless_they_are_far_apart(model: MorphableModel) -> None:
    anchored, shape = AnchoredShape(model), model.mean[None]
    own, step = shape[:, list(LANDMARKS_68)], torch.tensor([0.0, 0.02, 0.0])
    torch.testing.assert_close(anchored.agree(shape, own + step), own + step / 2)
    far = (anchored.agree(shape, own + 30 * step) - own).norm(dim=-1)
    assert far.max() < 0.5 * step.norm()


def test_lids_are_those_of_the_mesh(model: MorphableModel) -> None:
    """The generator leaves the right eye open, and shifts it; the mesh has it closed to a quarter."""
    anchored, shape = AnchoredShape(model), model.mean[None].clone()
    opened = shape[:, list(LANDMARKS_68)].clone()
    upper, lower = list(LANDMARKS_68[37:39]), [LANDMARKS_68[41], LANDMARKS_68[40]]
    shape[:, upper] = torch.lerp(shape[:, lower], shape[:, upper], 0.25)
    shift = torch.tensor([0.01, 0.0, 0.0])
    target = anchored.carry(shape, anchored.agree(shape, opened + shift))
    gap, wanted = ((mesh[:, upper] - mesh[:, lower]).norm(dim=-1) for mesh in (target, shape))
    torch.testing.assert_close(gap, wanted, atol=0.004, rtol=0)
