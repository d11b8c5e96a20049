"""Colours for the surface of a head that its source hides."""

import dataclasses

import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.ops.warp import identity_grid
from reenact.portrait.compose import HeadLayer, compose
from reenact.portrait.head import FullHead, fit_head, move_head, unfold
from reenact.portrait.head.template import EAR, NECK, SKULL, load_template
from reenact.portrait.matte import FACE, HAIR
from reenact.portrait.portrait import Portrait
from reenact.portrait.unseen import Unseen, follow_unseen, paint_unseen
from tests.synthetic import pose_of, rotation_of

SIDE = 128
SKIN_RGB, HAIR_RGB = (0.8, 0.6, 0.5), (0.2, 0.15, 0.1)
HAIRLINE = -0.25


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def head_at(model: MorphableModel, yaw_deg: float) -> tuple[FullHead, Tensor]:
    """A head with its matte."""
    mesh = pose_of([rotation_of(0, yaw_deg, 0)], scale=0.4, centre=(0, 0.1)).apply(model.mean[None])
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    matte = (((x / 0.55) ** 2 + ((y + 0.05) / 0.7) ** 2) < 1).float()[None, None]
    return fit_head(model, mesh, matte), matte


def painted(head: FullHead, matte: Tensor, *, hair: bool, left_light: float = 1.0) -> tuple[Tensor, Tensor]:
    """Colours and parsing: skin, above `HAIRLINE` hair; the picture's left half in another light."""
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    under_hair = (y < HAIRLINE) & hair
    rgb = torch.where(under_hair, *(torch.tensor(each)[:, None, None] for each in (HAIR_RGB, SKIN_RGB)))
    rgb = rgb * torch.where(x < 0, left_light, 1.0)
    parsing = torch.where(under_hair, HAIR, FACE).to(torch.uint8)
    return torch.cat([rgb[None], matte], 1), (parsing * (matte[0, 0] > 0)).to(torch.uint8)[None]


def ears_of(head: FullHead) -> Tensor:
    """Vertices at ears that no hair covers."""
    return head.template.ear_places.abs().amax(1) < 1


def colour_at(unseen: Unseen, places: Tensor) -> Tensor:
    read = torch.nn.functional.grid_sample(unseen.rgb, places[None, None], padding_mode="border", align_corners=False)
    return read[0, :, 0].T


def test_what_the_source_shows_lies_inside_and_what_it_hides_around_it(model: MorphableModel) -> None:
    head, _ = head_at(model, 0)
    points, _ = unfold(model, head, ears_of(head))
    skull = head.template.part == SKULL
    on_head = torch.cat([head.template.part != NECK, torch.ones(478, dtype=torch.bool)])
    assert points.place[on_head].norm(dim=1).max() < 1.4
    back, front = skull & (head.shape[:, 2] < -1.5), head.template.on_face
    assert points.hidden[: len(skull)][back].mean() > 0.95 and points.hidden[front].median() == 0
    distance = points.place[: len(skull)].norm(dim=1)
    assert distance[back].min() > distance[front].median() + 0.3


@pytest.mark.parametrize("hair", [True, False])
def test_the_back_of_a_head_has_the_hair_of_its_top(model: MorphableModel, hair: bool) -> None:
    head, matte = head_at(model, 0)
    unseen = paint_unseen(model, head, *painted(head, matte, hair=hair))
    back = (head.template.part == SKULL) & (head.shape[:, 2] < -1.5) & (head.shape[:, 1] > 0.3)
    found = colour_at(unseen, unseen.points.place[: len(back)][back])
    wanted = torch.tensor(HAIR_RGB if hair else SKIN_RGB)
    assert (found - wanted).abs().mean() < 0.05
    jaw = (head.template.part == SKULL) & (head.shape[:, 2] > -0.8)
    throat = jaw & (head.shape[:, 1] < head.shape[jaw, 1].quantile(0.05))
    found = colour_at(unseen, unseen.points.place[: len(back)][throat])
    skin = torch.tensor(SKIN_RGB)
    assert (found < 0.97 * skin).all(1).float().mean() > 0.5  # in the shade of the jaw
    assert (found > 0.5 * skin).all() and (found < skin + 0.01).all()


def test_hair_beside_the_face_hides_ear_and_jaw_on_its_side_alone(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    matte = torch.maximum(matte, (identity_grid(SIDE, SIDE, like=matte)[0].abs() < 0.55).float() * (matte.amax(3) > 0))
    layer, parsing = painted(head, matte, hair=True)
    hangs = (identity_grid(SIDE, SIDE, like=matte)[0] < head.mesh[0, :, 0].min()) & (matte[0, 0] > 0)
    layer[0, :3] = torch.where(hangs, torch.tensor(HAIR_RGB)[:, None, None], layer[0, :3])
    parsing = torch.where(hangs, HAIR, parsing).to(torch.uint8)
    unseen = paint_unseen(model, head, layer, parsing)
    x, y, z = head.shape.unbind(1)
    ear = head.template.part == EAR
    jaw = (head.template.part == SKULL) & (y < y[ear].quantile(0.3)) & (z > z[ear].amin()) & (z < z[ear].amax())
    jaw = jaw & (x.abs() > 0.5)
    for part, wanted in ((ear & (x < 0), HAIR_RGB), (jaw & (x < 0), HAIR_RGB), (jaw & (x > 0), SKIN_RGB)):
        found = colour_at(unseen, unseen.points.place[: len(part)][part & (head.visible < 0.5)])
        assert (found.median(0).values - torch.tensor(wanted)).abs().max() < 0.25
    assert unseen.ears[ear & (x > 0)].all() and not unseen.ears[ear & (x < 0)].any()


@pytest.mark.parametrize("shown", [True, False])
def test_hair_covers_the_hidden_cheek_unless_the_ear_is_seen_in_front_of_it(model: MorphableModel, shown: bool) -> None:
    head, _ = head_at(model, 0)
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    matte = ((x.abs() < 0.6) & (y > -0.7)).float()[None, None]
    head = fit_head(model, head.mesh, matte)
    layer, parsing = painted(head, matte, hair=True)
    strands = 0.05 * torch.sin(60 * y)
    edge = head.mesh[0, :, 0].abs().max() + (0.09 if shown else 0) * (y < 0.15)
    hangs = (x.abs() > edge) & (matte[0, 0] > 0)
    layer[0, :3] = torch.where(hangs, torch.tensor(HAIR_RGB)[:, None, None] + strands, layer[0, :3])
    unseen = paint_unseen(model, head, layer, torch.where(hangs, HAIR, parsing).to(torch.uint8))
    width, height, depth = head.pose.invert(head.mesh)[0].unbind(1)
    rim = (height.abs() < 0.2) & (depth < -0.65) & (width.abs() > 0.5)
    red = colour_at(unseen, unseen.points.place[len(head.shape) :][rim])[:, 0].median()
    assert red > 0.55 if shown else red < 0.25
    width, height, depth = head.shape.unbind(1)
    behind_jaw = (height > -0.4) & (height < -0.2) & (depth > -1) & (depth < -0.85) & (width.abs() > 0.4)
    red = colour_at(unseen, unseen.points.place[: len(width)][behind_jaw])[:, 0]
    assert shown or red.max() < 0.3
    nape = unseen.rgb[..., -20:, :].mean(1)
    assert nape.std() > 0.01, "strands below, too"


def test_short_hair_that_one_side_shows_covers_both_temples_down_to_the_ears(model: MorphableModel) -> None:
    """A parser often takes a thin strip of short hair for skin."""
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=True)
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    ear_top = head.place[head.template.part == EAR, 1].min()
    strip = (x > head.mesh[0, :, 0].max()) & (y < ear_top) & (matte[0, 0] > 0)
    layer[0, :3] = torch.where(strip, torch.tensor(HAIR_RGB)[:, None, None], layer[0, :3])
    unseen = paint_unseen(model, head, layer, torch.where(strip, HAIR, parsing).to(torch.uint8))
    side, height, depth = head.shape.unbind(1)
    flat = (head.template.part == SKULL) | head.template.before_ear
    temple = flat & (height > 0.35) & (height < 0.8) & (depth > -1.2) & (depth < -0.8)
    jaw = (head.template.part == SKULL) & (height < -0.1) & (depth > -1.1) & (side.abs() > 0.4)
    for left in (True, False):
        one = (side < 0) == left
        for part, wanted in ((temple & one, HAIR_RGB), (jaw & one, SKIN_RGB)):
            assert part.any()
            found = colour_at(unseen, unseen.points.place[: len(part)][part]).median(0).values
            torch.testing.assert_close(found, torch.tensor(wanted), atol=0.15, rtol=0)


def test_what_the_source_shows_of_a_head_with_hair_is_one_piece(model: MorphableModel) -> None:
    """Hair beside the face makes the skull rough. Rough places at its sides were taken for visible ones."""
    frontal, _ = head_at(model, 0)
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    long = (((x / 0.6) ** 2 + ((y + 0.05) / 0.7) ** 2) < 1) | ((x.abs() < 0.6) & (y > -0.05))
    head = fit_head(model, frontal.mesh, long.float()[None, None])
    seen = unfold(model, head, ears_of(head))[0].hidden[: len(head.shape)] < 0.5
    first, second = torch.cat([head.template.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]).T
    both = seen[first] & seen[second]
    graph = coo_matrix((torch.ones(int(both.sum())), (first[both], second[both])), shape=(len(seen), len(seen)))
    _, pieces = connected_components(graph, directed=False)
    assert len(set(pieces[seen & (head.template.part == SKULL)])) == 1


def test_the_hidden_cheek_is_the_other_one_in_its_own_light(model: MorphableModel) -> None:
    """A head turned by 40 degrees hides a cheek. A spot on the other cheek comes back there, darker as that side is."""
    head, matte = head_at(model, 40)
    points, sources = unfold(model, head, ears_of(head))
    mesh = points.hidden[len(head.shape) :] * sources.better[len(head.shape) :]
    spotted = int(mesh.argmax())
    assert mesh[spotted] > 0.9
    layer, parsing = painted(head, matte, hair=False)
    at = sources.counterpart[len(head.shape) + spotted]
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    spot = ((x - at[0]) ** 2 + (y - at[1]) ** 2 < 0.06**2)[None]
    layer[0, :3] = torch.where(spot, torch.tensor([0.2, 0.5, 0.9])[:, None, None], layer[0, :3])
    unseen = paint_unseen(model, head, layer, parsing)
    found = colour_at(unseen, points.place[len(head.shape) + spotted][None])[0]
    assert found[2] > found[1] > found[0], "blue"


def test_the_same_source_has_the_same_colours_in_all_frames_of_a_shot(model: MorphableModel) -> None:
    head, matte = head_at(model, 10)
    first = paint_unseen(model, head, *painted(head, matte, hair=True))
    assert torch.equal(first.rgb, paint_unseen(model, head, *painted(head, matte, hair=True)).rgb)
    turned, _ = head_at(model, 35)
    later = follow_unseen(model, turned, first)
    assert torch.equal(later.rgb, first.rgb) and torch.equal(later.points.place, first.points.place)
    assert not torch.equal(later.points.hidden, first.points.hidden)


def test_only_turned_heads_show_it(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=True)
    unseen = paint_unseen(model, head, layer, parsing)
    blue = dataclasses.replace(unseen, rgb=torch.tensor([0.0, 0.0, 1.0])[None, :, None, None].expand_as(unseen.rgb))
    rgb = layer[:, :3] * matte
    source = Portrait(rgb=rgb, ground=rgb * 0, hole=matte, body=matte * 0, head=layer, shape=head, unseen=blue)
    targets = torch.cat([head_at(model, yaw)[0].mesh for yaw in (0, 30)])
    flow = move_head(model, head, targets, SIDE, source.unfolded)
    drawn = HeadLayer(rgb=torch.zeros(2, 3, SIDE, SIDE), matte=matte.expand(2, -1, -1, -1))
    ones = torch.ones(2, 1, SIDE, SIDE)
    still, turned = compose(source, drawn, ones, ones, flow=flow).rgb[:, 2]
    assert still.max() < 1e-3
    assert turned.max() > 0.9 and (turned > 0.5).float().mean() < 0.2


def test_an_ear_that_the_source_shows_from_the_front_has_the_folds_of_an_ear(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    unseen = paint_unseen(model, head, *painted(head, matte, hair=False))
    at, template = head.template.ear_places, head.template
    side_of_head = (at.abs().amax(1) < 1) & (template.part == EAR)
    hollow = side_of_head & ((at - at.new_tensor([-0.25, 0.2])).norm(dim=1) < 0.2)  # in front of the canal
    rim = side_of_head & (at[:, 1] < -0.55)
    for left in (True, False):
        one = (template.vertices[:, 0] < 0) == left
        dark, bright = (colour_at(unseen, unseen.points.place[: len(one)][each & one]).mean() for each in (hollow, rim))
        assert dark < 0.85 * bright


def test_an_ear_that_the_source_shows_from_its_side_is_its_own(model: MorphableModel) -> None:
    frontal, turned = (
        unfold(model, each, ears_of(each))[0].hidden[:1500] for each in (head_at(model, yaw)[0] for yaw in (0, 60))
    )
    template = load_template(frontal.device)
    ears = (template.part == EAR) & (template.ear_places.abs().amax(1) < 1)
    right, left = (ears & (template.vertices[:, 0] * sign > 0) for sign in (-1, 1))
    assert frontal[right].min() > 0.9 and frontal[left].min() > 0.9
    assert min(turned[right].median(), turned[left].median()) < 0.1


@pytest.mark.parametrize(
    ("angles", "near", "far"), [((15, 0, 0), 0.0, 0.0), ((0, 8, 0), 0.0, 0.0), ((0, 30, 0), 0.8, 0.0)]
)
def test_an_ear_is_redrawn_on_the_side_that_turns_to_the_viewer(
    model: MorphableModel, angles: tuple[float, float, float], near: float, far: float
) -> None:
    """Nods and small turns show nothing new of an ear."""
    head, _ = head_at(model, 0)
    points, _ = unfold(model, head, ears_of(head))
    mesh = pose_of([rotation_of(*angles)], scale=0.4, centre=(0, 0.1)).apply(model.mean[None])
    flow = move_head(model, head, mesh, SIDE, points)
    assert flow.unseen is not None
    ear = head.template.part == EAR
    placed = pose_of([rotation_of(*angles)], scale=0.4, centre=(0, 0.1)).apply(head.shape[None])
    shares = torch.nn.functional.grid_sample(flow.unseen[:, 2:], placed[:, None, :, :2], align_corners=False)[0, 0, 0]
    sides = sorted(float(shares[ear & side].mean()) for side in (head.shape[:, 0] > 0, head.shape[:, 0] < 0))
    assert sides[1] == pytest.approx(near, abs=0.2) and sides[0] == pytest.approx(far, abs=0.2)


def test_hidden_skin_has_the_grain_of_the_skin_that_is_shown(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=False)
    grain = torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.03
    plain, grained = (
        paint_unseen(model, head, torch.cat([layer[:, :3] + each, layer[:, 3:]], 1), parsing).rgb
        for each in (torch.zeros(()), grain)
    )
    behind = (grained - plain)[..., :20, :]
    assert 0.005 < behind.std() < 0.05


def test_hair_that_covers_an_ear_has_no_folds(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=False)
    layer[:, :3], parsing = torch.tensor(HAIR_RGB)[:, None, None], parsing.where(parsing == 0, HAIR)
    unseen = paint_unseen(model, head, layer, parsing)
    assert not unseen.ears.any()
    ears = unseen.points.place[: len(head.shape)][head.template.part == EAR]
    torch.testing.assert_close(colour_at(unseen, ears).mean(0), torch.tensor(HAIR_RGB), atol=0.03, rtol=0)


def test_a_lock_of_hair_at_the_temple_leaves_no_island_on_a_bald_head(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=False)
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    lock = (x.abs() > 0.38) & (y > -0.25) & (y < -0.2) & (matte[0, 0] > 0)
    layer[:, :3, lock], parsing[:, lock] = torch.tensor(HAIR_RGB)[None, :, None], HAIR
    hidden = paint_unseen(model, head, layer, parsing).rgb.mean(1)[0]
    assert (hidden < 0.3).float().mean() < 0.03  # that which the source shows


def test_a_bald_head_with_hair_on_its_sides_has_a_ring_of_it(model: MorphableModel) -> None:
    """Also if its strip is too thin for the source to show it clearly: in its mean colour."""
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=False)
    x, y = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    strip = (x.abs() > 0.4) & (y > -0.3) & (y < 0) & (matte[0, 0] > 0)
    layer[:, :3, strip], parsing[:, strip] = torch.tensor(HAIR_RGB)[None, :, None], HAIR
    unseen = paint_unseen(model, head, layer, parsing)
    _, height, depth = head.shape.unbind(1)
    back = (head.template.part == SKULL) & (depth < -1.6)
    for part, wanted in ((back & (height > 0.3) & (height < 0.8), HAIR_RGB), (back & (height > 1.2), SKIN_RGB)):
        found = colour_at(unseen, unseen.points.place[: len(part)][part]).median(0).values
        torch.testing.assert_close(found, torch.tensor(wanted), atol=0.1, rtol=0)


def test_no_line_of_the_ears_light_surrounds_the_throat(model: MorphableModel) -> None:
    """The unfolded head has no surface there, which is no place in the ear either."""
    head, matte = head_at(model, 0)
    rgb = paint_unseen(model, head, *painted(head, matte, hair=False)).rgb
    size = rgb.shape[-1]
    throat = rgb[..., round(0.6 * size) :, round(0.35 * size) : round(0.65 * size)].mean(1)
    assert max(float(throat.diff(dim=dim).abs().max()) for dim in (1, 2)) < 0.07


def test_skin_at_its_rim_counts_as_hidden_before_hair_does(model: MorphableModel) -> None:
    """Light shines off the rim of a cheek, which was a stripe on the turned one."""
    head, matte = head_at(model, 0)
    skin, strands = (
        paint_unseen(model, head, *painted(head, matte, hair=False)).points.hidden,
        unfold(model, head, ears_of(head))[0].hidden,
    )
    assert (skin >= strands - 1e-6).all()
    assert skin.sum() > strands.sum() + 20
    nose = len(head.shape) + 1
    assert skin[nose] == strands[nose] == 0


def test_a_mark_on_the_skin_is_not_repeated(model: MorphableModel) -> None:
    head, matte = head_at(model, 0)
    layer, parsing = painted(head, matte, hair=False)
    layer[:, :3, ::6, ::6] = 0  # no square of skin is without one
    behind = paint_unseen(model, head, layer, parsing).rgb[..., :20, :]
    assert (behind.amax((2, 3)) - behind.amin((2, 3))).max() < 0.1


@pytest.mark.parametrize("yaw_deg", [-60, 60])
def test_an_ear_that_the_source_hides_is_under_hair_like_the_other(model: MorphableModel, yaw_deg: float) -> None:
    head, matte = head_at(model, yaw_deg)
    layer, parsing = painted(head, matte, hair=False)
    ear = head.template.part == EAR
    seen = ear & (head.visible > 0)
    x, _ = identity_grid(SIDE, SIDE, like=torch.zeros(1))
    at = head.place[seen, 0]
    lock = torch.where(at.mean() > 0, x > at.amin() - 0.05, x < at.amax() + 0.05)
    layer[:, :3, lock], parsing[:, lock] = torch.tensor(HAIR_RGB)[None, :, None], HAIR
    assert not paint_unseen(model, head, layer, parsing).ears.any()
