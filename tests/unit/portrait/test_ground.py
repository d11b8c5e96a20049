"""The picture without its head."""

import pytest
import torch
from torch.nn import functional

from reenact.portrait.exemplar import complete
from reenact.portrait.ground import complete_ground
from reenact.portrait.matte import CLOTHES, HAIR, SKIN, HeadMatte, find_head_matte
from tests.unit.portrait.test_matte import draw, mesh  # noqa: F401


def disc(side: int, radius: float) -> torch.Tensor:
    place = (torch.arange(side) + 0.5) * 2 / side - 1
    return (torch.hypot(place[None], place[:, None]) < radius).float()[None, None]


def stripes(side: int, period: float = 0.2) -> torch.Tensor:
    place = (torch.arange(side) + 0.5) * 2 / side
    wave = 0.5 + 0.4 * torch.sin(place * 2 * torch.pi / period)
    return torch.stack([wave, 1 - wave, 0.5 * wave])[None, :, None].expand(-1, -1, side, -1).contiguous()


@pytest.mark.parametrize("side", [256, 384])
def test_stripes_continue_through_the_hole(side: int) -> None:
    rgb, hole = stripes(side), disc(side, 0.4)
    result = complete(torch.where(hole > 0, 0.9, rgb), hole, torch.zeros_like(hole))
    assert (result - rgb).abs()[hole.expand(-1, 3, -1, -1) > 0].mean() < 0.06


def test_a_smooth_slope_stays_smooth_and_keeps_its_grain() -> None:
    place = (torch.arange(256) + 0.5) / 256
    slope = (0.3 + 0.4 * place[:, None] + 0.1 * place[None]).expand(1, 3, -1, -1)
    rgb, hole = slope + 0.01 * torch.randn(slope.shape, generator=torch.Generator().manual_seed(0)), disc(256, 0.5)
    result = complete(torch.where(hole > 0, 1.0, rgb), hole, torch.zeros_like(hole))
    error = (result - slope)[..., 90:166, 90:166]
    assert error.mean((2, 3)).abs().max() < 0.05
    assert 0.004 < (error - error.mean((2, 3), keepdim=True)).diff(dim=3).std() < 0.02


def test_layers_do_not_mix() -> None:
    layer = torch.zeros(1, 1, 256, 256)
    layer[..., 150:, :] = 1
    rgb = torch.where(
        layer > 0,
        torch.tensor([0.8, 0.1, 0.1])[None, :, None, None],
        torch.tensor([0.1, 0.2, 0.7])[None, :, None, None],
    )
    hole = disc(256, 0.5)
    result = complete(torch.where(hole > 0, 0.0, rgb), hole, layer)
    assert (result - rgb).abs()[..., :140, :].max() < 0.1
    assert (result - rgb).abs()[..., 160:, :].max() < 0.1


def test_no_edge_shows_where_the_hole_begins() -> None:
    """Noise without a match elsewhere: what is copied takes the colours of the rim."""
    coarse = torch.rand(1, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    rgb = functional.interpolate(coarse, size=(256, 256), mode="bicubic").clamp(0, 1)
    rgb = (rgb + 0.1 * torch.randn(rgb.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    hole, outer, inner = (disc(256, radius) for radius in (0.5, 0.56, 0.44))
    result = complete(torch.where(hole > 0, 0.0, rgb), hole, torch.zeros_like(hole))
    within, beyond = (grown_mean(result, ring) for ring in (hole - inner, outer - hole))
    along = ((hole - disc(256, 0.48)) > 0).expand(-1, 3, -1, -1)
    assert (within - beyond).abs()[along].mean() < 0.1


def test_light_hairs_around_a_hole_spread_no_fog() -> None:
    rgb = (0.2 + 0.15 * torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    hole, rim, inner = (disc(256, radius) for radius in (0.5, 0.54, 0.35))
    rgb = torch.where((rim > hole) & (torch.arange(256) > 128), 0.8, rgb)
    result = complete(torch.where(hole > 0, 0.0, rgb), hole, torch.zeros_like(hole))
    inside = result[inner.expand(-1, 3, -1, -1) > 0]
    assert inside.mean() < 0.26


def grown_mean(picture: torch.Tensor, ring: torch.Tensor) -> torch.Tensor:
    """Mean of a ring's pixels within 6 pixels of each place."""
    total, share = (functional.avg_pool2d(each, 13, 1, 6) for each in (picture * ring, ring))
    return total / share.clamp(min=1e-6)


@pytest.mark.parametrize("radius", [0.95, 1.5])
def test_a_hole_with_few_or_no_surroundings_does_not_fail(radius: float) -> None:
    rgb, hole = stripes(256), disc(256, radius)
    result = complete(rgb, hole, torch.zeros_like(hole))
    assert result.isfinite().all()
    assert torch.equal(result[hole.expand(-1, 3, -1, -1) == 0], rgb[hole.expand(-1, 3, -1, -1) == 0])


@pytest.mark.parametrize("shift", [0.0, 0.55])
def test_outside_of_the_hole_the_ground_is_the_source(shift: float, mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, _, classes = draw(256)
    rgb, classes = (torch.roll(each, round(shift * each.shape[-1] / 2), -1) for each in (rgb, classes))
    placed = mesh + torch.tensor([shift, 0.0, 0.0])
    matte = find_head_matte(rgb, classes, placed)
    first, second = (complete_ground(rgb, matte, classes, placed) for _ in range(2))
    kept = first.hole.expand(-1, 3, -1, -1) == 0
    assert torch.equal(first.rgb[kept], rgb[kept])
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert (first.hole >= (matte.share > 0.02)).all()
    assert kept.any()


def test_no_colour_of_the_head_is_left(mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, _, classes = draw(256)
    ground = complete_ground(rgb, find_head_matte(rgb, classes, mesh), classes, mesh)
    assert (ground.rgb - rgb[..., :1, :1])[..., :160, :].abs().max() < 0.05


def test_the_neck_continues_behind_the_chin(mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, _, classes = draw(256, radius=0.45)
    classes[:, 85:115, 50:78], classes[:, 112:] = SKIN, CLOTHES
    classes[(disc(128, 0.45)[0] > 0)] = HAIR
    colours = {SKIN: (0.9, 0.7, 0.6), CLOTHES: (0.1, 0.4, 0.1)}
    large = classes.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None]
    for kind, colour in colours.items():
        rgb = torch.where(large == kind, torch.tensor(colour)[None, :, None, None], rgb)
    ground = complete_ground(rgb, find_head_matte(rgb, classes, mesh), classes, mesh)
    behind = ground.rgb[0, :, 168, 128]
    assert ground.hole[0, 0, 168, 128] == 1
    assert ground.body[0, 0, 168, 128] > 0.9
    assert (behind / behind.sum() - torch.tensor(colours[SKIN]) / 2.2).abs().max() < 0.03
    end = int(ground.hole[0, 0, :, 128].nonzero().max())
    assert (ground.rgb[0, :, end + 1, 128] - ground.rgb[0, :, end, 128]).abs().max() < 0.03
    assert ground.body[..., 240:, :].min() == 1
    assert ground.body[..., 100, :].max() == 0


def test_a_neck_is_bare_behind_the_chin_if_skin_shows_above_its_collar(mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, _, classes = draw(256, radius=0.45)
    classes[:, 85:98, 50:78], classes[:, 98:] = SKIN, CLOTHES
    classes[(disc(128, 0.45)[0] > 0)] = HAIR
    rgb = torch.where((classes == CLOTHES).repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None], 0.0, rgb)
    ground = complete_ground(rgb, find_head_matte(rgb, classes, mesh), classes, mesh)
    assert ground.hole[0, 0, 168, 128] == 1
    assert ground.rgb[0, 0, 168, 128] > 0.4


def test_the_gap_between_neck_and_collar_is_body(mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, _, classes = draw(256, radius=0.36)
    classes[:, 76:, 56:72], classes[:, 76:112, 40:48], classes[:, 76:112, 80:88] = SKIN, CLOTHES, CLOTHES
    classes[:, 100:] = CLOTHES
    classes[(disc(128, 0.36)[0] > 0)] = HAIR
    ground = complete_ground(rgb, find_head_matte(rgb, classes, mesh), classes, mesh)
    assert ground.hole[0, 0, 160, 104] == 1
    assert ground.body[0, 0, 160, 104] == 1


def test_a_collar_rises_behind_the_head_as_it_is_below_it(mesh: torch.Tensor) -> None:  # noqa: F811
    """Patches of cloth and skin were mixed there: flecks showed beside the neck of a head that was raised."""
    rgb, _, classes = draw(256, radius=0.45)
    classes[:, 76:], classes[:, 76:, 56:72] = CLOTHES, SKIN
    classes[(disc(128, 0.45)[0] > 0)] = HAIR
    large = classes.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None]
    stripe = (torch.arange(256) * 37 % 256 / 256)[:16].repeat_interleave(16) * 0.8
    rgb = torch.where(large == CLOTHES, torch.stack([stripe * 0, stripe, 1 - stripe])[None, :, None], rgb)
    rgb = torch.where(large == SKIN, torch.tensor([0.9, 0.7, 0.6])[None, :, None, None], rgb)
    ground = complete_ground(rgb, find_head_matte(rgb, classes, mesh), classes, mesh)
    for column in (90, 104, 152, 168):
        rows = ground.hole[0, 0, 152:, column].nonzero()[:, 0] + 152
        below = rgb[0, :, int(rows.max()) + 1, column]
        assert (ground.rgb[0, :, int(rows.max()) - 10 : int(rows.max()), column] - below[:, None]).abs().max() < 0.05
    assert ground.rgb[0, 0, 160, 128] > 0.5, "the neck stays bare"


def test_long_hair_stays_on_the_body(mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, _, classes = draw(256)
    classes[:, 64:, 36:92] = HAIR
    ground = complete_ground(rgb, find_head_matte(rgb, classes, mesh), classes, mesh)
    assert ground.hole[..., -20:, :].max() == 0
    assert ground.hole[..., 60:180, 100:150].min() == 1


def test_a_head_that_fills_the_crop_is_removed(mesh: torch.Tensor) -> None:  # noqa: F811
    rgb, classes = stripes(256), torch.full((1, 128, 128), HAIR, dtype=torch.uint8)
    matte = HeadMatte(share=torch.ones(1, 1, 256, 256), rgb=rgb)
    ground = complete_ground(rgb, matte, classes, mesh * 2.5)
    assert ground.rgb.isfinite().all()
    assert ground.body.isfinite().all()
