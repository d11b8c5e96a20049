"""Sides of heads: where they lie in their layout, and what a painter of them may change."""

import pytest
import torch
from torch import Tensor

from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.portrait.head import fit_head
from reenact.portrait.head.template import EAR
from reenact.portrait.networks import Painter, PainterConfig
from reenact.portrait.sides import SIDE, both_sides, lay_out, load_side_painter, paint_sides, side_inputs
from reenact.portrait.unseen import complete_unseen, paint_unseen
from tests.synthetic import painted_photo, pose_of, rotation_of

YAWS = (0.0, 25.0, -50.0)


class Paint(Painter):
    """Paints one side red and, towards the middle of the head, green."""

    def __init__(self) -> None:
        super().__init__(PainterConfig(part="side", widths=(4,)))

    def forward(self, rgb: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Red to green."""
        green = torch.linspace(0, 1, rgb.shape[-1]).expand_as(mask)
        return torch.cat([1 - green, green, torch.zeros_like(green)], 1)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


def source_of(model: MorphableModel, yaw_deg: float) -> tuple[Tensor, ...]:
    """Head, layer and parsing of a painted head."""
    rgb, mesh_px, parsing = painted_photo(model, yaw_deg)
    half = len(rgb) / 2
    mesh = torch.from_numpy(mesh_px)[None] / half - torch.tensor([1.0, 1, 0])
    share = torch.nn.functional.interpolate(torch.from_numpy(parsing > 0)[None, None].float(), size=len(rgb))
    layer = torch.cat([torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255, share], 1)
    return fit_head(model, mesh, share), layer, torch.from_numpy(parsing)[None]


def test_ears_lie_at_the_same_place_however_the_source_is_turned(model: MorphableModel) -> None:
    middles = []
    for yaw in YAWS:
        mesh = pose_of([rotation_of(0, yaw, 0)], scale=0.4, centre=(0, 0.1)).apply(model.mean[None])
        head = fit_head(model, mesh, torch.ones(1, 1, 64, 64))
        right_ear = (head.template.part == EAR) & (head.template.vertices[:, 0] < 0)
        layout, covered = lay_out(head, right_ear[:, None].float())
        assert covered.float().mean() > 0.7
        y, x = torch.nonzero(layout[0, 0] > 0.5, as_tuple=True)
        assert x.max() < SIDE / 2, "the person's right lies on the left"
        middles.append(torch.stack([x.float().mean(), y.float().mean()]))
    assert all((middle - middles[0]).norm() < 6 for middle in middles)


def test_the_left_side_is_mirrored() -> None:
    layout = torch.arange(SIDE).float().expand(1, 1, SIDE, SIDE)
    right, left = both_sides(layout)
    assert right[0, 0, 0] == 0
    assert left[0, 0, 0] == SIDE - 1
    assert right.shape == left.shape == (1, 192, SIDE // 2)


def test_the_painter_sees_what_is_shown_and_what_is_made_up(model: MorphableModel) -> None:
    head, layer, parsing = source_of(model, 25.0)
    picture, points, *_ = complete_unseen(model, head, layer, parsing)
    inputs = side_inputs(head, points, picture, layer)
    assert all(torch.isfinite(each).all() for each in inputs)
    shown = (inputs.maps[:, 4:] != 0).any(1).float().mean((1, 2))
    assert shown[0] > 1.5 * shown[1], "a face turned to its left shows its right side"
    assert torch.equal(inputs.maps[:, 1:4], inputs.rgb * 2 - 1)
    assert set(inputs.hole.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("yaw", YAWS)
def test_only_what_is_made_up_is_painted_and_both_sides_alike(model: MorphableModel, yaw: float) -> None:
    head, layer, parsing = source_of(model, yaw)
    picture, points, *_ = complete_unseen(model, head, layer, parsing)
    painted = paint_sides(Paint(), head, points, picture, layer)
    hole = picture[:, 3:4] > 0.5
    changed = (painted - picture[:, :3]).abs().amax(1, keepdim=True) > 1e-6
    assert not (changed & ~hole).any()
    assert 0.1 < changed[hole].float().mean() < 0.9, "the back of the head is not painted"
    halves = [changed[..., half].float().mean() for half in (slice(None, 96), slice(-96, None))]
    if yaw == 0:
        assert float(halves[0]) == pytest.approx(float(halves[1]), rel=0.15)


def test_painting_ends_in_hair(model: MorphableModel) -> None:
    """Skin was painted into the hair of a crown."""
    head, layer, parsing = source_of(model, 0.0)
    picture, points, *_ = complete_unseen(model, head, layer, parsing)
    picture[:, 4:] = 1
    assert torch.equal(paint_sides(Paint(), head, points, picture, layer), picture[:, :3])


def test_the_embedded_painter_is_steady(model: MorphableModel) -> None:
    head, layer, parsing = source_of(model, 0.0)
    picture, points, *_ = complete_unseen(model, head, layer, parsing)
    painter = load_side_painter(torch.device("cpu"))
    first, second = (paint_sides(painter, head, points, picture, layer) for _ in range(2))
    assert torch.equal(first, second)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_a_black_and_white_photo_stays_one(model: MorphableModel) -> None:
    head, layer, parsing = source_of(model, 0.0)
    grey = torch.cat([layer[:, :3].mean(1, keepdim=True).expand(-1, 3, -1, -1), layer[:, 3:]], 1)
    rgb = paint_unseen(model, head, grey, parsing, Paint()).rgb
    assert (rgb.amax(1) - rgb.amin(1)).max() < 0.01


def test_what_is_painted_keeps_to_the_tones_of_skin_and_hair(model: MorphableModel) -> None:
    """Ears were lighter than all that the photo shows of a face."""
    head, layer, parsing = source_of(model, 0.0)
    skin = torch.tensor([0.3, 0.2, 0.15])[None, :, None, None].expand(1, 3, *layer.shape[-2:])
    layer = torch.cat([torch.where(layer[:, :3].mean(1, keepdim=True) < 0.2, layer[:, :3], skin), layer[:, 3:]], 1)
    picture, points, *_ = complete_unseen(model, head, layer, parsing)
    painter = Paint()
    painter.forward = lambda rgb, mask, maps: torch.ones_like(rgb)
    painted = paint_sides(painter, head, points, picture, layer)
    assert painted.max() < 0.6, "white is painted"
