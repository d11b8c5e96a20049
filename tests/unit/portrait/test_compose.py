"""The head over its ground."""

import dataclasses

import pytest
import torch

from reenact.geometry.flow import FaceMaps
from reenact.geometry.morphable import load_morphable
from reenact.portrait.compose import HeadLayer, border_fade, carry_body, compose, warp_head
from reenact.portrait.head import HeadFlow, fit_head, move_head
from reenact.portrait.portrait import Portrait
from tests.synthetic import pose_of, rotation_of

SIDE = 64
HEAD = slice(20, 40)


def portrait() -> Portrait:
    """A grey ground, and a bright square head on it."""
    share = torch.zeros(1, 1, SIDE, SIDE)
    share[..., HEAD, HEAD] = 1
    colours, ground = torch.full((1, 3, SIDE, SIDE), 0.9), torch.full((1, 3, SIDE, SIDE), 0.3)
    model = load_morphable()
    mesh = pose_of([rotation_of(0, 0, 0)], scale=0.2, centre=(0, 0)).apply(model.mean[None])
    return Portrait(
        rgb=torch.lerp(ground, colours, share),
        ground=ground,
        hole=share,
        body=torch.zeros_like(share),
        head=torch.cat([colours, share], 1),
        shape=fit_head(model, mesh, share),
    )


def unguided(source: Portrait, frames: int = 1) -> HeadFlow:
    """A flow that knows of no face."""
    nothing = torch.zeros(frames, 1, 32, 32)
    target = FaceMaps(pncc=nothing.expand(-1, 3, -1, -1), parts=nothing.expand(-1, 3, -1, -1))
    flow = move_head(load_morphable(), source.shape, source.shape.mesh.expand(frames, -1, -1), 32)
    return dataclasses.replace(flow, covered=nothing, visible=nothing + 1, front=nothing, target=target)


def test_a_moved_head_leaves_the_ground_behind_it() -> None:
    """Moved by ten pixels: the head is there, its old place shows the ground, the rest is the source's own pixels."""
    source = portrait()
    displacement = torch.zeros(2, 2, SIDE, SIDE)
    displacement[1, 0] = -10 * 2 / SIDE
    moving = torch.tensor([0.0, 1.0])[:, None, None, None].expand(-1, 1, SIDE, SIDE)
    frames = compose(source, warp_head(source, displacement, unguided(source, 2)), moving, moving)
    assert torch.equal(frames.rgb[0], source.rgb[0]) and frames.changed[0].max() == 0
    torch.testing.assert_close(frames.rgb[1, :, HEAD, 31:49], torch.full((3, 20, 18), 0.9), atol=1e-4, rtol=0)
    torch.testing.assert_close(frames.rgb[1, :, HEAD, 20:29], torch.full((3, 20, 9), 0.3), atol=1e-4, rtol=0)
    assert torch.equal(frames.rgb[1, :, 45:], source.rgb[0, :, 45:])


def test_the_light_line_beside_a_head_goes_when_the_head_leaves() -> None:
    """Sharpened photos have it; the head's matte does not."""
    source = portrait()
    source.rgb[..., HEAD, 40] = 1
    source.hole[..., HEAD, 40] = 1
    displacement, everywhere = torch.zeros(1, 2, SIDE, SIDE), torch.ones(1, 1, SIDE, SIDE)
    displacement[:, 0] = 5 * 2 / SIDE
    frames = compose(source, warp_head(source, displacement, unguided(source)), everywhere, 0 * everywhere)
    torch.testing.assert_close(frames.rgb[0, :, 22:38, 40], torch.full((3, 16), 0.3), atol=1e-4, rtol=0)


def test_pixels_that_stand_still_are_the_sources() -> None:
    source = portrait()
    moving = torch.zeros(1, 1, SIDE, SIDE)
    moving[..., : SIDE // 2] = 1
    other = HeadLayer(rgb=torch.zeros(1, 3, SIDE, SIDE), matte=source.head[:, 3:])
    frames = compose(source, other, moving, moving)
    assert torch.equal(frames.rgb[..., 36:], source.rgb[..., 36:])
    assert frames.rgb[0, :, HEAD, 20:30].max() == 0


def test_where_a_coarse_displacement_jumps_the_outline_has_no_steps() -> None:
    source, coarse = portrait().resized(256), torch.arange(32)
    displacement = torch.zeros(1, 2, 32, 32)
    displacement[:, 0] = 4.0 * (coarse[None] > coarse[:, None])  # beyond the diagonal: what lies beside the head
    head = warp_head(source, displacement, unguided(source))
    ends = (head.matte[0, 0, 100:140] > 0.5).sum(1).diff()
    assert ends.max() <= 3
    assert ends.float().mean() > 0.8


def test_no_colour_appears_between_a_turned_face_and_what_its_rim_hides() -> None:
    source, coarse = portrait().resized(256), torch.arange(32)
    source.head[:] = torch.tensor([0.0, 0, 1, 1])[:, None, None]
    source.head[:, :3, :, :40], source.head[:, :3, :, 216:] = (torch.eye(3)[i][:, None, None] for i in (0, 1))
    front = (coarse[None] > coarse[:, None]).float()[None, None]
    place = torch.where(front > 0, -0.95, 0.95) - ((coarse + 0.5) / 16 - 1)
    displacement = torch.cat([place, torch.zeros_like(place)], 1)
    head = warp_head(source, displacement, dataclasses.replace(unguided(source), front=front))
    assert head.rgb[0, 2, 40:216, 40:216].max() < 0.01 and head.matte.min() > 0.99
    ends = (head.rgb[0, 0, 80:180] > 0.5).sum(1).diff()
    assert ends.abs().max() <= 2, "one step a row, not eight in one"


def test_all_layers_are_resized_together() -> None:
    small = portrait().resized(16)
    assert small.rgb.shape == small.ground.shape == (1, 3, 16, 16)
    assert small.head.shape == (1, 4, 16, 16) and small.hole.max() == 1


def test_the_ground_bends_only_where_it_is_told_to() -> None:
    source = portrait()
    ramp = torch.linspace(0, 1, SIDE).expand(1, 3, SIDE, SIDE)
    source = dataclasses.replace(source, rgb=ramp, ground=ramp, hole=torch.zeros_like(source.hole))
    head = HeadLayer(rgb=ramp, matte=torch.zeros(1, 1, SIDE, SIDE))
    bend = torch.zeros(1, 2, SIDE, SIDE)
    bend[:, 0, 40:] = 4 * 2 / SIDE
    everywhere = torch.ones(1, 1, SIDE, SIDE)
    frames = compose(source, head, everywhere, everywhere, bend)
    assert torch.equal(frames.rgb[..., :40, :], ramp[..., :40, :])
    torch.testing.assert_close(frames.rgb[..., 45:, :50], ramp[..., 45:, 4:54], atol=1e-5, rtol=0)


def test_the_body_follows_the_head_and_the_background_does_not() -> None:
    source, model = portrait(), load_morphable()
    body = torch.zeros(1, 1, SIDE, SIDE)
    body[..., 40:, 20:40] = 1
    source = dataclasses.replace(source, body=body)
    flow = move_head(model, source.shape, source.shape.mesh + torch.tensor([0.1, 0, 0]), SIDE)
    bend = carry_body(source, torch.full((1, 2, SIDE, SIDE), 0.1), flow)
    assert bend[..., 44:50, 24:36].min() > 0.09
    assert bend[..., :30, :].abs().max() == 0 and bend[..., 50:].abs().max() == 0
    assert bend[..., -1, :].max() < 0.02, "the crop's border joins the picture around it"
    still = carry_body(dataclasses.replace(source, body_stays=True), torch.full((1, 2, SIDE, SIDE), 0.1), flow)
    down = still[0, 0, 40:, 30]
    assert down[0] > 0.08 and down[18:].max() < 0.006, "it ends in the neck"
    assert (down.diff() <= 0).all() and down.diff().min() > -0.02, "without a seam"


def test_the_side_of_a_neck_stays_behind_the_collar() -> None:
    source, still = portrait(), torch.zeros(1, 2, SIDE, SIDE)
    source.body[..., 45:, :] = 1  # what the source shows of it
    model, mesh = load_morphable(), source.shape.mesh
    neck = torch.zeros(1, 3, SIDE, SIDE)
    neck[:, 1], neck[:, 2, 41:50] = -0.5, 1  # colours from above
    source.ground[..., 41:60, :] = 0.6
    flow = dataclasses.replace(move_head(model, source.shape, mesh, SIDE), neck=neck)
    head, moving = warp_head(source, still, unguided(source)), torch.ones(1, 1, SIDE, SIDE)
    frames = compose(source, head, moving, moving * 0, None, flow)
    assert torch.equal(frames.rgb[..., 45:, :], source.rgb[..., 45:, :])
    assert frames.changed[..., 41:45, :].min() == 1 and frames.changed[..., 46:, :].max() == 0


def test_only_the_upper_border_is_free() -> None:
    fade = border_fade(torch.zeros(1, 2, SIDE, SIDE))[0, 0]
    assert fade[: SIDE // 2, SIDE // 2].min() == 1
    assert max(fade[-1].max(), fade[:, 0].max(), fade[:, -1].max()) < 0.15


def test_a_hidden_jaw_ends_without_the_rim_of_the_sources_chin() -> None:
    """A raised head had a dark, ragged line along its throat: the chin's outline, drawn once more."""
    source = portrait()
    covered = torch.zeros(1, 1, 32, 32)
    covered[..., :16, :] = 1
    flow = dataclasses.replace(
        unguided(source), covered=covered, unseen=torch.cat([torch.zeros(1, 2, 32, 32), torch.ones(1, 1, 32, 32)], 1)
    )
    matte = torch.zeros(1, 1, SIDE, SIDE)
    matte[..., :38, :] = 1
    moving = torch.ones(1, 1, SIDE, SIDE)
    for body, rim in ((1.0, 0.3), (0.0, 0.9)):  # before the neck, and before the background
        one = dataclasses.replace(source, body=torch.full_like(source.body, body))
        head = HeadLayer(rgb=torch.full((1, 3, SIDE, SIDE), 0.9), matte=matte)
        frame = compose(one, head, moving, moving, flow=flow).rgb
        assert frame[0, 0, 36:38, :10].mean() == pytest.approx(rim, abs=0.05)
        assert frame[0, 0, 20:28, :10].mean() == pytest.approx(0.9, abs=0.01)


def test_a_black_and_white_source_gets_no_colours() -> None:
    """The drawing networks add a tint to a face."""
    source = portrait()
    tinted = torch.tensor([0.8, 0.6, 0.5])[None, :, None, None].expand(1, 3, SIDE, SIDE)
    head, moving = HeadLayer(rgb=tinted, matte=source.head[:, 3:]), torch.ones(1, 1, SIDE, SIDE)
    grey = compose(source, head, moving, moving).rgb
    assert (grey.amax(1) - grey.amin(1)).max() < 1e-5
    coloured = dataclasses.replace(source, rgb=source.rgb * torch.tensor([1.0, 0.9, 0.8])[None, :, None, None])
    frame = compose(coloured, head, moving, moving).rgb
    assert (frame.amax(1) - frame.amin(1)).max() > 0.2


def test_the_side_of_a_neck_is_skin_though_a_collar_is_before_it() -> None:
    """Its colours are those of the throat: a shirt up to the chin made the whole neck one. A warm throat is skin."""
    source = portrait()
    skin, shirt = (torch.tensor(each)[None, :, None, None] for each in ((0.8, 0.55, 0.4), (0.5, 0.6, 0.9)))
    head = torch.cat([skin.expand(1, 3, SIDE, SIDE), source.head[:, 3:]], 1)
    neck = torch.cat([torch.zeros(1, 2, 32, 32), torch.ones(1, 1, 32, 32)], 1)
    moving, flow = torch.ones(1, 1, SIDE, SIDE), dataclasses.replace(unguided(source), neck=neck)
    warm = torch.tensor((0.7, 0.38, 0.26))[None, :, None, None]
    shade = torch.tensor((0.36, 0.33, 0.31))[None, :, None, None]
    for throat, wanted in ((shirt, skin), (0.5 * skin, skin), (warm, warm), (shade, skin)):
        one = dataclasses.replace(source, head=head, ground=throat.expand(1, 3, SIDE, SIDE).contiguous())
        nothing = HeadLayer(rgb=torch.zeros_like(one.rgb), matte=torch.zeros(1, 1, SIDE, SIDE))
        rgb = compose(one, nothing, moving, moving, flow=flow).rgb[0, :, 50, 50]
        assert torch.allclose(rgb / rgb.sum(), wanted[0, :, 0, 0] / wanted.sum(), atol=0.01)
