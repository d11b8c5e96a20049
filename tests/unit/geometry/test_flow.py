"""Maps of a mesh and the flow between two meshes."""

import pytest
import torch

from reenact.geometry.flow import carry_rim, draw_face, landmark_visibility, mesh_flow, source_visibility
from reenact.geometry.landmarks import LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.ops.warp import warp
from tests.synthetic import paint, pose_of, rotation_of

SIDE = 64
LEFT_RIM, RIGHT_RIM = (454, 323, 361, 356, 389), (234, 93, 132, 127, 162)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def posed(model: MorphableModel, *angles: tuple[float, float, float], x: float = 0, y: float = 0) -> torch.Tensor:
    """Mean faces in half-sides."""
    pose = pose_of([rotation_of(*each) for each in angles], scale=0.54, centre=(x, y))
    return pose.apply(model.mean.expand(len(angles), -1, -1))


def test_equal_meshes_do_not_move(model: MorphableModel) -> None:
    mesh = posed(model, (0, 0, 0), (10, 30, 5))
    flow = mesh_flow(model, mesh, mesh, SIDE)
    assert flow.displacement.abs().max() == 0
    assert flow.displacement.shape == (2, 2, SIDE, SIDE)
    assert flow.visible[0].sum() > 0.95 * flow.target.parts[0].sum()


def test_a_moved_face_is_fetched_from_where_it_was_and_the_ground_stays(model: MorphableModel) -> None:
    source = posed(model, (0, 0, 0))
    move = torch.tensor([0.11, -0.07, 0.0])
    flow = mesh_flow(model, source, source + move, SIDE)
    face = flow.target.parts.sum(1)[0] > 0
    assert 450 < face.sum() < 1000
    there = flow.displacement[0][:, face]
    torch.testing.assert_close(there, -move[:2, None].expand_as(there), atol=1e-5, rtol=0)
    length = flow.displacement[0].norm(dim=0)
    corners = length[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.max() < 0.15 * move.norm()
    assert (length <= move.norm() * 1.01).all()


def test_the_carried_motion_fades_with_distance(model: MorphableModel) -> None:
    source = posed(model, (0, 0, 0))
    carried = carry_rim(source, source + torch.tensor([0.1, 0.0, 0.0]), SIDE)[0].norm(dim=0)
    row = SIDE // 2
    outwards = carried[row, SIDE - 12 :]
    assert (outwards.diff() <= 1e-6).all()
    assert outwards[-1] < outwards[0]


def test_warping_by_the_flow_draws_the_moved_face(model: MorphableModel) -> None:
    """On a painted face, which shows the same paint at the same point of the skin."""
    source, target = posed(model, (0, 0, 0)), posed(model, (6, 14, 8), x=0.05)
    pictures = [paint(model, torch.cat([(m[..., :2] + 1) * 32, m[..., 2:] * 32], -1), SIDE) for m in (source, target)]
    flow = mesh_flow(model, source, target, SIDE)
    seen = (flow.visible > 0.99).expand(-1, 3, -1, -1)
    moved = (warp(pictures[0], flow.displacement) - pictures[1]).abs()[seen].mean()
    left = (pictures[0] - pictures[1]).abs()[seen].mean()
    assert moved < 0.35 * left


def test_the_far_cheek_of_a_turned_head_is_hidden(model: MorphableModel) -> None:
    frontal, to_the_right, to_the_left = source_visibility(model, posed(model, (0, 0, 0), (0, 60, 0), (0, -60, 0)), 96)
    assert frontal.mean() > 0.95
    # a positive yaw turns the face to the picture's right, where the person's left is
    assert to_the_right[list(LEFT_RIM)].mean() < 0.2
    assert to_the_right[list(RIGHT_RIM)].mean() > 0.8
    assert to_the_left[list(RIGHT_RIM)].mean() < 0.2
    assert to_the_left[list(LEFT_RIM)].mean() > 0.8
    for turned, near, far in (
        (to_the_right, RIGHT_EYE_RING, LEFT_EYE_RING),
        (to_the_left, LEFT_EYE_RING, RIGHT_EYE_RING),
    ):
        assert turned[list(near)].mean() > 0.9
        assert turned[list(far)].mean() < turned[list(near)].mean() - 0.2


def test_what_the_source_hides_is_marked_in_the_target(model: MorphableModel) -> None:
    flow = mesh_flow(model, posed(model, (0, 60, 0)), posed(model, (0, 0, 0)), SIDE)
    face = flow.target.parts.sum(1)[0] > 0
    visible = flow.visible[0, 0]
    assert (visible[~face] == 0).all()
    left_half, right_half = face.clone(), face.clone()  # of the picture
    left_half[:, SIDE // 2 - 8 :], right_half[:, : SIDE // 2 + 8] = False, False
    assert visible[left_half].mean() > visible[right_half].mean() + 0.4


def test_colours_name_points_of_the_skin(model: MorphableModel) -> None:
    """The colour at a visible vertex is that vertex's, whatever the pose."""
    assert model.colours.min() == 0
    assert model.colours.max() == 1
    mesh = posed(model, (0, 0, 0), (8, 25, -6), (-10, -30, 4))
    side = 128
    maps = draw_face(model, mesh, side)
    assert maps.pncc.min() >= 0
    assert maps.pncc.max() <= 1
    seen = source_visibility(model, mesh, side) > 0.5
    seen[:, 468:] = False
    at_vertex = torch.nn.functional.grid_sample(maps.pncc, mesh[:, None, :, :2], align_corners=False)[:, :, 0]
    error = (at_vertex.transpose(1, 2) - model.colours).abs().amax(-1)
    for k in range(3):
        assert seen[k].sum() > 250
        assert error[k, seen[k]].median() < 0.02


def test_parts_are_one_hot_on_the_face_and_zero_elsewhere(model: MorphableModel) -> None:
    maps = draw_face(model, posed(model, (0, 0, 0)), 128)
    total = maps.parts.sum(1)
    assert set(total.unique().tolist()) == {0, 1}
    assert maps.stacked.shape == (1, 6, 128, 128)
    assert (maps.pncc.sum(1)[total == 0] == 0).all()
    skin, _, eyes = maps.parts[0].sum((1, 2))
    assert 50 < eyes < 0.1 * skin
    x = torch.arange(128.0)[None].expand(128, -1)[maps.parts[0, 2] > 0]
    assert x.min() < 60 < 68 < x.max(), "an eye on either side"


def test_an_open_mouth_shows_its_opening(model: MorphableModel) -> None:
    """Action Units 25 and 26 part the lips and drop the jaw: the opening between them grows."""
    units = torch.zeros(2, 17)
    units[1, 14:16] = 1.0
    shape = model.mean + model.action_unit_offset(units)
    mesh = pose_of([rotation_of()] * 2, scale=0.54, centre=(0, 0)).apply(shape)
    closed, opened = draw_face(model, mesh, 128).parts[:, 1].sum((1, 2))
    assert opened > closed + 30


def test_one_source_serves_many_targets_and_a_batch_is_its_frames(model: MorphableModel) -> None:
    source, targets = posed(model, (0, 10, 0)), posed(model, (0, 0, 0), (5, 20, 3), (-5, -20, 0))
    together = mesh_flow(model, source, targets, SIDE)
    for i in range(3):
        alone = mesh_flow(model, source, targets[i : i + 1], SIDE)
        torch.testing.assert_close(alone.displacement, together.displacement[i : i + 1], atol=1e-5, rtol=0)
        torch.testing.assert_close(alone.visible, together.visible[i : i + 1])
        assert torch.equal(alone.target.pncc, together.target.pncc[i : i + 1])


def test_a_turned_head_hides_the_far_half_of_the_68_landmarks(model: MorphableModel) -> None:
    """At 60 degrees to the person's left, the jaw's far end and the outer corner of the far eye are hidden."""
    turned = posed(model, (0, 60, 0))
    frontal = landmark_visibility(model, posed(model, (0, 0, 0)))
    seen = landmark_visibility(model, turned)
    assert seen.shape == (1, 68)
    right, left = (0, 1, 2, 36), (14, 15, 16, 45)
    x = turned[0, [36, 45], 2]
    far, near = (right, left) if x[0] > x[1] else (left, right)
    assert seen[0, list(far)].sum() == 0 and seen[0, near[-1]] == 1
    assert frontal[0, 17:].mean() > 0.95


def test_the_motion_of_the_rim_fades_or_carries_over_the_whole_picture(model: MorphableModel) -> None:
    source = posed(model, (0, 0, 0))
    move = torch.tensor([0.2, 0.0, 0.0])
    fading, whole = (mesh_flow(model, source, source + move, SIDE, whole=each) for each in (False, True))
    top = (0, 0, 2, SIDE // 2)
    assert fading.displacement[top].abs() < 0.05
    torch.testing.assert_close(whole.displacement[top], -move[0], atol=1e-4, rtol=0)
