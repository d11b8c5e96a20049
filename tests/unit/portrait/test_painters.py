"""What is painted over a drawn face, and what is left alone."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.geometry.landmarks import LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.morphable import load_morphable
from reenact.portrait import parts
from reenact.portrait.networks import Painter, PainterConfig
from reenact.portrait.painters import DrivingFaces, Painted, Painters, SourceFace
from tests.synthetic import random_clip

_LIPS = (13, 14)
_LOWER_LIP = (14, 87, 88, 95, 178, 317, 318, 324, 402, 84, 17, 181, 314, 405, 91, 321)


@pytest.fixture(scope="module")
def painters() -> Painters:
    torch.manual_seed(0)
    mouth, eye = (Painter(PainterConfig(part=part, widths=(4, 8))).eval() for part in ("mouth", "eye"))
    return Painters(mouth=mouth, eye=eye)


@pytest.fixture(scope="module")
def closed() -> torch.Tensor:
    """A face with closed lips."""
    mesh = random_clip(load_morphable(), np.random.default_rng(5), 1, 256)[0]
    for upper, lower in ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318)):
        mesh[:, lower] = mesh[:, upper]
    return mesh


@pytest.fixture(scope="module")
def opened(closed: torch.Tensor) -> torch.Tensor:
    mesh = closed.clone()
    mesh[:, list(_LOWER_LIP), 1] += 14
    return mesh


@torch.inference_mode()
def paint(
    painters: Painters, source: torch.Tensor, target: torch.Tensor, driver: DrivingFaces | None = None
) -> Painted:
    rgb = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    return painters.paint(rgb.expand(len(target), -1, -1, -1), target, SourceFace(rgb=rgb, mesh_px=source), driver)


def rgb_of(painted: Painted) -> torch.Tensor:
    return torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)).expand_as(painted.rgb)


def test_a_face_that_only_moves_is_left_alone(painters: Painters, opened: torch.Tensor) -> None:
    """An open mouth as well: the source's own teeth are better than any painted ones."""
    painted = paint(painters, opened, torch.cat([opened, opened + 7.0]))
    assert torch.equal(painted.rgb, rgb_of(painted))
    assert not painted.share.any()


def test_closed_lips_are_left_alone(painters: Painters, closed: torch.Tensor, opened: torch.Tensor) -> None:
    painted = paint(painters, opened, closed)
    assert torch.equal(painted.rgb, rgb_of(painted))


def test_an_opened_mouth_is_painted_within_the_lips(
    painters: Painters, closed: torch.Tensor, opened: torch.Tensor
) -> None:
    painted = paint(painters, closed, opened)
    changed = (painted.rgb != rgb_of(painted)).any(1)[0]
    assert changed.sum() > 100
    assert not (changed & (painted.share[0, 0] == 0)).any()
    points = parts.place(parts.crop_part(opened, "mouth"), opened)
    outside = parts.signed_distance(points[:, list(parts.OUTER_LIP_RING)], parts.SIZE) < -2
    there = parts.sample(outside.float(), parts.invert(parts.crop_part(opened, "mouth")), (256, 256))[0, 0] > 0.99
    assert not (changed & there).any()


def test_a_winking_eye_is_painted_and_the_other_is_not(painters: Painters, closed: torch.Tensor) -> None:
    winking = closed.clone()
    winking[:, [159, 158, 160, 157, 161]] = closed[:, [145, 153, 144, 154, 163]]
    share = paint(painters, closed, winking).share[0, 0]
    right, left = (closed[0, list(ring), :2].mean(0).int().tolist() for ring in (RIGHT_EYE_RING, LEFT_EYE_RING))
    assert share[right[1], right[0]] > 0.9
    assert share[left[1], left[0]] == 0


def test_painted_lids_have_the_grain_of_the_sources_skin(painters: Painters, closed: torch.Tensor) -> None:
    """The painter's 64 x 48 pixels were a smooth patch in a large photo."""
    plain = Painter(PainterConfig(part="eye", widths=(4,)))
    plain.forward = lambda rgb, mask, maps: torch.full_like(rgb, 0.5)
    winking = closed.clone()
    winking[:, [159, 158, 160, 157, 161]] = closed[:, [145, 153, 144, 154, 163]]
    x, y = winking[0, list(RIGHT_EYE_RING), :2].mean(0).int().tolist()
    painted = paint(dataclasses.replace(painters, eye=plain), closed, winking)
    assert painted.share[0, 0, y - 3, x] > 0.9
    lid = painted.rgb[0, :, y - 5 : y - 1, x - 4 : x + 4]
    assert lid.mean() == pytest.approx(0.5, abs=0.06)
    assert 0.03 < lid.std() < 0.3


@pytest.mark.parametrize("hidden", range(3))
def test_a_mask_or_sunglasses_of_the_source_are_left_alone(
    painters: Painters, closed: torch.Tensor, opened: torch.Tensor, hidden: int
) -> None:
    """Lips and teeth were painted on masks, and lids on sunglasses."""
    target = opened.clone()
    target[:, [159, 158, 160, 157, 161]] = closed[:, [145, 153, 144, 154, 163]]
    target[:, [386, 385, 387, 384, 388]] = closed[:, [374, 380, 373, 381, 390]]
    covered = dataclasses.replace(painters, hidden=lambda rgb, mesh_px: torch.arange(3) == hidden)
    with_all, without = (paint(each, closed, target).share[0, 0] for each in (painters, covered))
    for part, points in enumerate((_LIPS, RIGHT_EYE_RING, LEFT_EYE_RING)):
        x, y = target[0, list(points), :2].mean(0).int().tolist()
        assert with_all[y, x] > 0.9
        assert without[y, x] == (0 if part == hidden else with_all[y, x])


def test_frames_do_not_depend_on_each_other(painters: Painters, closed: torch.Tensor, opened: torch.Tensor) -> None:
    target = torch.cat([closed, opened, opened + 3.0])
    both, again = (paint(painters, closed, target) for _ in range(2))
    assert torch.equal(both.rgb, again.rgb)
    for i in range(3):
        assert torch.allclose(paint(painters, closed, target[i : i + 1]).rgb, both.rgb[i : i + 1], atol=1e-4)


def test_a_closed_driver_changes_nothing(painters: Painters, closed: torch.Tensor, opened: torch.Tensor) -> None:
    """Its lips are closed, so they show nothing of teeth or tongue."""
    shut, open_ = (DrivingFaces(rgb=torch.ones(1, 3, 256, 256), mesh_px=mesh) for mesh in (closed, opened))
    without, with_shut, with_open = (paint(painters, closed, opened, driver).rgb for driver in (None, shut, open_))
    assert torch.equal(without, with_shut)
    assert not torch.equal(without, with_open)


@pytest.mark.parametrize("side", [256, 640])
def test_a_painted_mouth_is_as_bright_as_the_drivers(painters: Painters, opened: torch.Tensor, side: int) -> None:
    """A driver whose mouth is bright on the left and dark on the right, whatever the painter makes of it."""
    zoom = side / 256
    closed, wide = opened.clone(), opened.clone()
    closed[:, list(_LOWER_LIP), 1] -= 13
    wide[:, list(_LOWER_LIP), 1] += 6
    middle = float(wide[0, [13, 14], 0].mean())
    picture = torch.full((1, 3, 256, 256), 0.5)
    points = parts.place(parts.crop_part(wide, "mouth"), wide)
    lips = parts.sample(parts.inner_mask(points), parts.invert(parts.crop_part(wide, "mouth")), (256, 256))
    left = (torch.arange(256) < middle).float()
    picture = torch.lerp(picture, (0.1 + 0.7 * left).expand_as(picture), (lips > 0.1).float())
    frame = torch.full((1, 3, side, side), 0.5)
    frame[:, :, : side // 10] = 1
    source = SourceFace(rgb=frame, mesh_px=closed * zoom)
    with torch.inference_mode():
        rgb = painters.paint(frame, wide * zoom, source, DrivingFaces(rgb=picture, mesh_px=wide)).rgb
    y, x = int(float(wide[0, [13, 14], 1].mean()) * zoom), int(middle * zoom)
    reach = int(6 * zoom)
    bright, dark = rgb[0, :, y, x - reach].mean(), rgb[0, :, y, x + reach].mean()
    assert float(bright - dark) == pytest.approx(0.7 * 0.7, abs=0.15)


def test_teeth_are_no_brighter_than_they_can_be_beside_the_sources_skin(
    painters: Painters, closed: torch.Tensor, opened: torch.Tensor
) -> None:
    """A driver whose teeth are ten times as bright as its skin."""
    points = parts.place(parts.crop_part(opened, "mouth"), opened)
    onto = parts.invert(parts.crop_part(opened, "mouth"))
    lips = parts.sample(parts.inner_mask(points), onto, (256, 256)).expand(-1, 3, -1, -1)
    driver = DrivingFaces(rgb=torch.lerp(torch.full_like(lips, 0.1), torch.ones(()), lips), mesh_px=opened)
    frame = torch.full((1, 3, 256, 256), 0.4)
    with torch.inference_mode():
        painted = painters.paint(frame, opened, SourceFace(rgb=frame, mesh_px=closed), driver)
    most = 0.4 * float(parts.tooth_light(torch.full((1, 1, 1, 1), 0.4)))
    assert float(parts.luma(painted.rgb)[painted.share > 0.9].max()) < most * 0.7 + 0.3 + 0.01


def test_a_black_and_white_photo_stays_one(painters: Painters, closed: torch.Tensor, opened: torch.Tensor) -> None:
    frame = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(1)).expand(-1, 3, -1, -1)
    winking = closed.clone()
    winking[:, [159, 158, 160, 157, 161]] = closed[:, [145, 153, 144, 154, 163]]
    for target in (opened, winking):
        with torch.inference_mode():
            painted = painters.paint(frame, target, SourceFace(rgb=frame, mesh_px=closed))
        assert float(painted.share.max()) > 0.9
        torch.testing.assert_close(painted.rgb[:, 0], painted.rgb[:, 1], atol=2e-3, rtol=0)
        torch.testing.assert_close(painted.rgb[:, 2], painted.rgb[:, 1], atol=2e-3, rtol=0)


def test_teeth_do_not_glow_in_a_dark_photo(painters: Painters, closed: torch.Tensor, opened: torch.Tensor) -> None:
    frame = torch.full((1, 3, 256, 256), 0.08)
    driver = DrivingFaces(rgb=torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)), mesh_px=opened)
    with torch.inference_mode():
        for one in (None, driver):
            crop = painters.paint(frame, opened, SourceFace(rgb=frame, mesh_px=closed), one)
            told = parts.luma(crop.rgb)[crop.share > 0.95].mean()
            assert float(told) < 0.7 * 0.08 * 1.2 + 0.3 * 0.6  # three tenths are the untrained painter's
