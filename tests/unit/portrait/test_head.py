"""The full head: the template fitted to a source, and its motion."""

import dataclasses

import pytest
import torch
from torch import Tensor

from reenact.geometry.flow import mesh_flow
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.ops.warp import identity_grid, warp
from reenact.portrait.head import FullHead, fit_head, move_head, unfold
from reenact.portrait.head.outline import View, outline_of, read_outline
from reenact.portrait.head.template import EAR, FACE, NECK, SKULL, load_template
from tests.synthetic import pose_of, rotation_of

SIDE = 96
SCALE = 0.5


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def pose(*angles: tuple[float, float, float], x: float = 0.0, scale: float = SCALE) -> Pose:
    return pose_of([rotation_of(*each) for each in angles], scale=scale, centre=(x, 0.1))


def mean_face(model: MorphableModel, placed: Pose) -> Tensor:
    return placed.apply(model.mean.expand(len(placed.scale), -1, -1))


def ellipse(width: float, height: float, side: int = 128) -> Tensor:
    """Matte of a head: an ellipse in half-sides around the middle of the skull of `pose((0, 0, 0))`."""
    x, y = identity_grid(side, side, like=torch.zeros(1))
    return ((((x / width) ** 2 + ((y + 0.1) / height) ** 2) < 1).float())[None, None]


def hanging() -> Tensor:
    """Matte of a head with hair that hangs beside the face, wider than the ears."""
    x, y = identity_grid(128, 128, like=torch.zeros(1))
    return torch.maximum(ellipse(0.62, 0.72)[0, 0], ((x.abs() < 0.62) & (y > -0.1)).float())[None, None]


@pytest.fixture(scope="module")
def head(model: MorphableModel) -> FullHead:
    return fit_head(model, mean_face(model, pose((0, 0, 0))), ellipse(0.5, 0.66))


def test_an_unknown_outline_leaves_the_template(model: MorphableModel) -> None:
    """The mean face has the mean head, whatever its pose."""
    template = load_template(torch.device("cpu"))
    for angles, scale in (((0, 0, 0), 0.5), ((10, -35, 20), 0.4)):
        mesh = mean_face(model, pose(angles, scale=scale))
        shape = fit_head(model, mesh, torch.zeros(1, 1, 32, 32)).shape
        off = (shape - template.vertices).norm(dim=1)
        assert off[template.part != FACE].max() < 0.06  # eye distances: it is bent to join the mesh
        assert off.mean() < 0.03


def test_ears_and_skull_follow_the_shape_of_the_face(model: MorphableModel) -> None:
    """A face wider by 8 % has a wider head, measured in any pose."""
    template, placed = load_template(torch.device("cpu")), pose((5, 15, -5))
    wide = model.mean * torch.tensor([1.08, 1, 1])
    found = fit_head(model, placed.apply(wide[None]), torch.zeros(1, 1, 32, 32))
    scale = found.pose.scale / placed.scale
    for kind in (EAR, SKULL):
        before, after = (shape[template.part == kind, 0].abs().mean() for shape in (template.vertices, found.shape))
        assert 1.02 < after * scale / before < 1.12


def test_the_skull_reaches_the_outline_of_the_hair(head: FullHead) -> None:
    view = View.of(head.pose)
    up = torch.tensor([[-0.2, -0.1, 0.0, 0.1, 0.2]]) * 72 / 6.2832 + 54
    top = view.to_picture(up, read_outline(head.outline, up))[0]
    inside = (top[0] / 0.5) ** 2 + ((top[1] + 0.1) / 0.66) ** 2
    assert (inside.sqrt() - 1).abs().max() < 0.05


def test_hair_falls_to_the_sides_rather_than_backwards(model: MorphableModel) -> None:
    mesh = mean_face(model, pose((0, 0, 0)))
    heads = [fit_head(model, mesh, matte) for matte in (torch.zeros(1, 1, 32, 32), ellipse(0.62, 0.7))]
    bare, hairy = (each.shape[each.template.part == SKULL] for each in heads)
    wider, _, deeper = (hairy.amin(0) - bare.amin(0)).neg()
    assert wider > 0.15 and 0.02 < deeper < 0.6 * wider


def test_a_crown_seen_small_leaves_the_forehead_round(model: MorphableModel) -> None:
    """A near camera sees the crown smaller than the face. The brow of a turned head would end in a slope."""
    mesh, narrow = mean_face(model, pose((0, 0, 0))), ellipse(0.42, 0.56)
    bare, found = (fit_head(model, mesh, matte) for matte in (torch.zeros(1, 1, 32, 32), narrow))
    _, y, z = bare.shape.unbind(1)
    skull = (bare.template.part == SKULL) & (y > 0.9)
    crown, forehead = skull & (y > 1.6) & (z < -0.6), skull & (y < 1.3) & (z > -0.3)
    lower, less = ((found.shape[kept] / bare.shape[kept])[:, 1].mean() for kept in (crown, forehead))
    assert lower < 0.94 and less > 0.975
    turned = pose((0, 30, 0)).apply(torch.stack([bare.shape, found.shape])[:, skull & (y < 1.4)])
    left, right = (turned[..., 0] * sign for sign in (-1, 1))
    far = left if abs(left.amax(1)[0]) < abs(right.amax(1)[0]) else right
    assert (far[0].amax() - far[1].amax()) < 0.03 * SCALE


def test_ears_under_hair_are_part_of_its_outline(model: MorphableModel) -> None:
    """Hair that stood out above and below the ears, but not over them, was a bun."""
    mesh = mean_face(model, pose((0, 0, 0)))
    bare, short, long = (
        fit_head(model, mesh, each) for each in (torch.zeros(1, 1, 32, 32), ellipse(0.5, 0.66), hanging())
    )
    ear = (bare.template.part == EAR) & (bare.shape[:, 1] > 0.1)
    widths = [each.shape[ear, 0].abs().amax() * SCALE for each in (bare, short, long)]
    assert widths[1] <= widths[0] + 0.01 and widths[2] > 0.57
    assert widths[2] > widths[0] + 0.1


def test_what_a_face_hides_ends_in_a_smooth_line(model: MorphableModel) -> None:
    """It had the teeth of the mesh's triangles."""
    head = fit_head(model, mean_face(model, pose((0, 0, 0))), ellipse(0.5, 0.66))
    points, _ = unfold(model, head, torch.zeros(len(head.shape), dtype=torch.bool))
    flow = move_head(model, head, mean_face(model, pose((0, 30, 0))), 256, points)
    assert flow.unseen is not None
    hidden = flow.unseen[0, 2] * flow.front[0, 0]
    rows = hidden[110:150]
    ends = rows.sum(1)  # width of what is hidden in each row
    assert ends.min() > 4 and ends.diff().diff().abs().max() < 1.5


def test_hair_beside_the_face_follows_the_head_not_the_jaw(model: MorphableModel) -> None:
    mesh, (x, y) = mean_face(model, pose((0, 0, 0))), identity_grid(128, 128, like=torch.zeros(1))
    matte = torch.maximum(ellipse(0.6, 0.66), ((x.abs() < 0.6) & (x.abs() > 0.3) & (y > -0.1) & (y < 0.8)).float())
    head, target = fit_head(model, mesh, matte), mean_face(model, pose((0, -20, 0)))
    free = dataclasses.replace(head, hangs=torch.zeros_like(head.hangs))
    edge = (x > -0.66) & (x < -0.62) & (y > 0.0) & (y < 0.6)
    spread, jaws = (move_head(model, each, target, 128).displacement[0, 0, edge].std() for each in (head, free))
    assert spread < 0.8 * jaws


def test_ears_end_where_the_matte_does(model: MorphableModel) -> None:
    """The template's ears stand out more than most; their colours would come from the background."""
    mesh = mean_face(model, pose((0, 0, 0)))
    free, flat = (fit_head(model, mesh, matte) for matte in (torch.zeros(1, 1, 32, 32), ellipse(0.4, 0.66)))
    ear = free.template.part == EAR
    out = [float(each.posed()[0, ear, 0].abs().amax()) for each in (free, flat)]
    assert out[0] > 0.45 and out[1] < 0.43
    torch.testing.assert_close(free.shape[ear, 2], flat.shape[ear, 2])


def test_no_motion_is_none(model: MorphableModel, head: FullHead) -> None:
    flow = move_head(model, head, head.mesh, SIDE)
    assert (flow.displacement * flow.covered).abs().max() < 1e-5
    assert flow.displacement.abs().max() < 1e-4
    assert flow.bend.abs().max() == 0
    face = flow.target.parts.sum(1, keepdim=True) > 0
    assert flow.visible[face].mean() > 0.95
    assert flow.covered[face].min() == 1


def test_a_shift_is_fetched_from_where_it_was_and_the_shoulders_stay(model: MorphableModel, head: FullHead) -> None:
    flow = move_head(model, head, head.mesh + torch.tensor([0.06, 0.0, 0.0]), SIDE)
    moved = flow.displacement[0][:, flow.covered[0, 0] > 0]
    torch.testing.assert_close(moved, torch.tensor([-0.06, 0.0])[:, None].expand_as(moved), atol=2e-3, rtol=0)
    bend = flow.bend[0, 0]
    x, y = identity_grid(SIDE, SIDE, like=bend)
    neck = (x - 0.06).abs() < 0.1
    assert bend[neck & ((y - 0.6).abs() < 0.04)].mean() < -0.02
    assert bend[y > 0.95].abs().max() < 0.012
    assert bend[(x.abs() > 0.85) & (y < 0.4)].abs().max() == 0
    assert (bend.abs() <= 0.0601).all()


def test_the_face_moves_as_its_mesh(model: MorphableModel, head: FullHead) -> None:
    target = mean_face(model, pose((8, 20, 5), x=0.05))
    flow, mesh = move_head(model, head, target, SIDE), mesh_flow(model, head.mesh, target, SIDE)
    torch.testing.assert_close(flow.target.stacked, mesh.target.stacked)
    face = mesh.target.parts.sum(1) > 0
    same = ((flow.displacement - mesh.displacement).abs().amax(1) < 1e-6)[face]
    assert same.float().mean() > 0.97  # hair in front of the far temple hides the rest


def test_a_turn_moves_an_ear_rigidly(model: MorphableModel, head: FullHead) -> None:
    """The ear that turns towards the viewer is fetched from its place in the source."""
    own, turned = pose((0, 0, 0)), pose((0, 25, 0))
    ear = (head.template.part == EAR) & (head.shape[:, 0] < 0) & (head.visible > 0)
    point = head.shape[ear].mean(0)[None, None]
    there, here = turned.apply(point)[0, 0], own.apply(point)[0, 0]
    flow = move_head(model, head, mean_face(model, turned), 128)
    read = warp(flow.displacement, there[:2].view(1, 2, 1, 1) - identity_grid(1, 1, like=there))[0, :, 0, 0]
    torch.testing.assert_close(read, (here - there)[:2], atol=0.035, rtol=0)
    assert (here - there)[:2].norm() > 0.12


def test_a_turned_head_shows_what_the_source_hides(model: MorphableModel, head: FullHead) -> None:
    flow = move_head(model, head, mean_face(model, pose((0, 60, 0), (0, -60, 0))), SIDE)
    hidden = (1 - flow.visible) * flow.covered
    x = identity_grid(SIDE, SIDE, like=hidden)[0]
    middle = [(x * each[0]).sum() / each.sum() for each in hidden]
    assert hidden.mean((1, 2, 3)).min() > 0.03
    assert middle[0] < -0.05 and middle[1] > 0.05  # behind the ear, away from the face


def test_the_rim_of_a_turned_face_is_known_where_nothing_is_hidden(model: MorphableModel, head: FullHead) -> None:
    flow = move_head(model, head, mean_face(model, pose((0, 40, 0), (0, -40, 0))), SIDE)
    face = (flow.front > 0)[:, 0]
    first, last = face.float().argmax(2), SIDE - 1 - face.flip(2).float().argmax(2)
    rows = slice(int(0.5 * SIDE), int(0.6 * SIDE))  # cheeks
    known = [[float(flow.rim[i, 0].gather(1, at[i][:, None])[rows].mean()) for at in (first, last)] for i in (0, 1)]
    assert known[0][0] < 0.2 < 0.7 < known[0][1]
    assert known[1][1] < 0.2 < 0.7 < known[1][0]


def test_a_soft_matte_keeps_its_rim(model: MorphableModel, head: FullHead) -> None:
    """Beyond the moved outline the source's matte ends at the same distance."""
    flow = move_head(model, head, mean_face(model, pose((0, 25, 0))), 128)
    matte = warp(ellipse(0.5, 0.66), flow.displacement)
    x, y = identity_grid(128, 128, like=matte)
    upper = (y < 0)[None, None]
    both = ((matte > 0.5) & (flow.covered > 0) & upper).sum()
    either = (((matte > 0.5) | (flow.covered > 0)) & upper).sum()
    assert both / either > 0.93
    assert matte[..., (x.abs() > 0.9) & (y < 0)].max() == 0


def test_frames_do_not_depend_on_their_batch(model: MorphableModel, head: FullHead) -> None:
    targets = mean_face(model, pose((0, 20, 0), (10, -30, 5), (0, 0, 15)))
    together = move_head(model, head, targets, SIDE)
    again = move_head(model, head, targets, SIDE)
    assert torch.equal(together.displacement, again.displacement)
    for i in range(3):
        alone = move_head(model, head, targets[i : i + 1], SIDE)
        torch.testing.assert_close(alone.displacement[0], together.displacement[i], atol=1e-4, rtol=0)
        torch.testing.assert_close(alone.bend[0], together.bend[i], atol=1e-5, rtol=0)


def test_the_template_is_a_whole_head() -> None:
    template = load_template(torch.device("cpu"))
    assert template.triangles.max() == len(template.vertices) - 1
    assert set(template.part.tolist()) == {0, 1, 2, 3}
    assert (template.follow[template.part != NECK] > 0.9).all()
    assert template.follow.min() == 0
    left, right = (template.vertices[(template.part == EAR) & side] for side in sides(template.vertices))
    assert abs(len(left) - len(right)) < 0.3 * len(left)
    torch.testing.assert_close(left.mean(0) * torch.tensor([-1, 1, 1]), right.mean(0), atol=0.06, rtol=0)


def sides(vertices: Tensor) -> tuple[Tensor, Tensor]:
    return vertices[:, 0] < 0, vertices[:, 0] > 0


def test_a_networks_displacement_is_smooth_beside_the_face(model: MorphableModel, head: FullHead) -> None:
    """Noise of neighbouring pixels is kept on the face; beside it, it goes, and what many pixels share stays."""
    flow = move_head(model, head, mean_face(model, pose((0, 10, 0))), SIDE)
    noise = torch.randn(1, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.02
    found = flow.refine(flow.displacement + 0.1 + noise) - flow.displacement
    face, beside = (flow.face == 1).expand(-1, 2, -1, -1), (flow.face == 0).expand(-1, 2, -1, -1)
    torch.testing.assert_close(found[face], (noise + 0.1)[face], atol=1e-5, rtol=0)
    assert (found[beside] - 0.1).abs().median() < 0.01
    assert found[beside].max() < 0.11
    torch.testing.assert_close(flow.refine(flow.displacement), flow.displacement)


def test_a_network_does_not_fray_the_rim_that_turns_to_the_viewer(model: MorphableModel, head: FullHead) -> None:
    """There a few pixels of the source are stretched: a step in the source would be several in the target."""
    flow = move_head(model, head, mean_face(model, pose((0, 35, 0))), SIDE)
    found = (flow.refine(flow.displacement + 0.1) - flow.displacement)[:, :1]
    stretched = (flow.covered > 0) & (flow.visible < 0.01) & (flow.face == 0)
    assert stretched.sum() > 20
    assert found[stretched].mean() < 0.05
    assert found[flow.covered == 0].median() > 0.09


def test_no_gap_opens_between_a_turned_head_and_its_neck(model: MorphableModel, head: FullHead) -> None:
    flow = move_head(model, head, mean_face(model, pose((0, 60, 0))), SIDE)
    assert flow.neck is not None
    body = torch.maximum(flow.covered, (flow.neck[:, 2:] > 0.5).float())
    edges = body[0, 0].diff(dim=1).abs().sum(1)
    rows = (flow.neck[0, 2] > 0.5).any(1) & (flow.covered[0, 0] > 0).any(1)
    assert rows.sum() > 10 and edges[rows].max() <= 2  # head and neck side by side are one stretch of pixels


def test_the_side_of_a_turned_neck_is_no_ghost(model: MorphableModel, head: FullHead) -> None:
    """At 26 degrees a third of the neck was laid over the background."""
    flow = move_head(model, head, mean_face(model, pose((0, 26, 0))), SIDE)
    assert flow.neck is not None
    assert flow.neck[:, 2].max() > 0.95


def test_a_turned_head_is_solid_where_its_source_has_loose_hair(model: MorphableModel, head: FullHead) -> None:
    inside = [move_head(model, head, mean_face(model, pose((0, yaw, 0))), SIDE).inside for yaw in (0, 25)]
    face = [move_head(model, head, mean_face(model, pose((0, yaw, 0))), SIDE).target.parts.sum() for yaw in (0, 25)]
    assert inside[0].sum() < 1.05 * face[0], "only the face"
    assert inside[1].sum() > 1.5 * face[1]


def test_the_crown_of_a_cut_off_head_that_nods_is_the_templates(model: MorphableModel, head: FullHead) -> None:
    """The matte ends above the photo's border: its corners stood as hooks above a crown that turned to the viewer."""
    cut_off = dataclasses.replace(head, top=-0.5)
    still, nodding = (move_head(model, cut_off, mean_face(model, pose((pitch, 0, 0))), SIDE) for pitch in (0, 20))
    assert still.beyond.max() == 0
    assert nodding.beyond.max() > 0.9
    assert (nodding.inside >= nodding.beyond).all()
    assert move_head(model, head, mean_face(model, pose((20, 0, 0))), SIDE).beyond.max() == 0


def test_the_outline_of_a_turning_head_does_not_jump(head: FullHead) -> None:
    """Where a vertex passed from one direction to the next, hair got a dent from one frame to the next."""
    turns = pose(*((0.0, 0.25 * step, 0.0) for step in range(160)))
    shape = head.shape[head.template.part != NECK]
    outlines = outline_of(View.of(turns), turns.apply(shape.expand(160, -1, -1))[..., :2].mT)
    assert outlines.diff(dim=0).abs().max() < 0.02
