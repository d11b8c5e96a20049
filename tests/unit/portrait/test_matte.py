"""The head's soft matte."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from reenact.geometry.morphable import load_morphable
from reenact.portrait.matte import (
    BACKGROUND,
    CLOTHES,
    FACE,
    HAIR,
    SKIN,
    drop_background,
    find_head_matte,
    head_axes,
    head_cells,
    tidy_classes,
)
from tests.synthetic import pose_of, random_clip, rotation_of

HEAD, GROUND = (0.75, 0.45, 0.3), (0.1, 0.35, 0.6)


@pytest.fixture(scope="module")
def mesh() -> torch.Tensor:
    """A face from -0.35 to 0.35 of a crop."""
    points = random_clip(load_morphable(), np.random.default_rng(3), 1, 256)[0][:1]
    centred = points - (points.amax(1, keepdim=True) + points.amin(1, keepdim=True)) / 2
    return centred * (0.35 / centred[..., :2].abs().max())


def draw(side: int, radius: float = 0.6, soft: float = 0.03) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A soft disc of hair in front of a plane: colours, share, and its map of classes."""
    place = (torch.arange(side) + 0.5) * 2 / side - 1
    distance = radius - torch.hypot(place[None], place[:, None])
    share = (0.5 + distance / (2 * soft)).clamp(0, 1)[None, None]
    head, ground = (torch.tensor(colour)[None, :, None, None] for colour in (HEAD, GROUND))
    classes = torch.where(functional.interpolate(share, size=128, mode="bilinear")[:, 0] > 0.5, HAIR, BACKGROUND)
    return share * head + (1 - share) * ground, share, classes.to(torch.uint8)


@pytest.mark.parametrize("side", [256, 400, 512])
def test_the_share_of_a_soft_disc_is_found(side: int, mesh: torch.Tensor) -> None:
    rgb, share, classes = draw(side)
    matte = find_head_matte(rgb, classes, mesh)
    assert (matte.share - share).abs().mean() < 0.005
    assert (matte.share - share).abs().max() < 0.25
    assert ((matte.share == 0) | (matte.share == 1)).float().mean() > 0.85


def test_colours_are_the_heads_own_also_beyond_its_edge(mesh: torch.Tensor) -> None:
    rgb, _, classes = draw(256)
    matte = find_head_matte(rgb, classes, mesh)
    error = (matte.rgb - torch.tensor(HEAD)[None, :, None, None]).abs().amax(1, keepdim=True)
    assert error[matte.share > 0.1].max() < 0.06
    assert error.max() < 0.1
    assert torch.equal(
        matte.rgb[(matte.share == 1).expand(-1, 3, -1, -1)], rgb[(matte.share == 1).expand(-1, 3, -1, -1)]
    )


def test_the_neck_and_the_body_are_not_the_head(mesh: torch.Tensor) -> None:
    rgb, _, classes = draw(256, radius=0.45)
    classes[:, 92:, 40:88] = SKIN
    classes[:, 110:] = CLOTHES
    share = find_head_matte(rgb, classes, mesh).share
    assert share[..., 200:, :].max() == 0
    assert share[..., 100:150, 110:146].min() == 1


def test_speckles_are_dropped_and_gaps_are_filled(mesh: torch.Tensor) -> None:
    rgb, _, classes = draw(256)
    classes[:, 4:8, 4:8] = HAIR
    classes[:, 40:44, 60:64] = BACKGROUND
    share = find_head_matte(rgb, classes, mesh).share
    assert share[..., :20, :20].max() == 0
    assert share[..., 80:88, 120:128].min() == 1


def test_hats_and_ears_move_with_the_head_and_long_hair_stays(mesh: torch.Tensor) -> None:
    rgb, _, classes = draw(256)
    classes[:, 25:40, 50:78] = CLOTHES
    classes[:, 60:70, 86:90] = SKIN
    classes[:, 64:, 36:92] = HAIR
    share = find_head_matte(rgb, classes, mesh).share
    assert share[..., 55:75, 105:150].min() == 1
    assert share[..., 122:138, 174:178].min() == 1
    assert share[..., -10:, :].max() == 0


@pytest.mark.parametrize("kind", [BACKGROUND, FACE, HAIR])
def test_a_crop_of_one_class_does_not_fail(kind: int, mesh: torch.Tensor) -> None:
    matte = find_head_matte(
        torch.full((1, 3, 256, 256), 0.5), torch.full((1, 128, 128), kind, dtype=torch.uint8), mesh * 2
    )
    assert matte.share[..., 128, 128] == 1
    assert matte.rgb.isfinite().all()


def test_a_dark_collar_beside_the_jaw_is_no_hair() -> None:
    """The parser calls collars hair; hair that comes down from the head and a beard away from clothes stay hair."""
    mesh = pose_of([rotation_of(0, 0, 0)], scale=0.27, centre=(0, 0)).apply(load_morphable().mean[None])
    axes = head_axes(mesh[0, :, :2].double().numpy(), 64)
    parsing = np.zeros((64, 64), np.uint8)
    parsing[axes.face > 0] = FACE
    parsing[axes.height < -0.05] = CLOTHES
    collar = (np.abs(axes.height - 0.05) < 0.1) & (axes.across > 0.35) & (axes.across < 0.5)
    lock = (axes.height > -0.05) & (axes.height < 0.9) & (axes.across < -0.45) & (axes.across > -0.6)
    parsing[collar], parsing[lock] = HAIR, HAIR
    tidy = tidy_classes(torch.from_numpy(parsing)[None], mesh)[0].numpy()
    assert (tidy[collar] == CLOTHES).all() and (tidy[lock] == HAIR).all()


def test_hair_that_the_parser_takes_for_cloth_or_skin_is_hair(mesh: torch.Tensor) -> None:
    """White hair above the face was called clothes, and its parting skin; a bald head has no hair above its skin."""
    axes = head_axes(mesh[0, :, :2].double().numpy(), 128)
    face, crown = (axes.height > 0) & (np.abs(axes.across) < 0.3), (axes.height > 1.45) & (axes.height < 1.6)
    shirt = axes.height < 0
    for above, wanted in ((CLOTHES, HAIR), (BACKGROUND, FACE)):
        parsing = np.select([shirt, crown, face & (axes.height < 1.45)], [CLOTHES, above, FACE], BACKGROUND)
        tidy = tidy_classes(torch.from_numpy(parsing.astype(np.uint8))[None], mesh)[0].numpy()
        parting = face & (axes.height > 1.35) & (axes.height < 1.42)
        assert (tidy[parting] == wanted).all() and (tidy[shirt] == CLOTHES).all()
        assert (tidy[face & (axes.height < 1.25)] == FACE).all()


def test_a_bald_crown_is_the_heads_and_a_hand_beside_the_face_is_not(mesh: torch.Tensor) -> None:
    """Both are skin for the parser. The crown ends 0.3 face heights above the forehead."""
    classes = torch.zeros(1, 128, 128, dtype=torch.uint8)
    points = mesh[0, :, :2].double().numpy()
    axes = head_axes(points, 128)
    crown = (axes.height > 0.3) & (axes.height < 1.3) & (np.abs(axes.across) < 0.35)
    hand = (axes.height > 0.3) & (axes.height < 0.6) & (axes.across > 0) & (axes.face < 0) & (axes.face > -0.6)
    classes[0] = torch.from_numpy(np.where(crown | hand | (axes.face > 0), FACE, BACKGROUND).astype(np.uint8))
    cells = head_cells(classes[0].numpy(), points)
    assert cells[crown].mean() > 0.98
    assert not cells[hand & (axes.face < -0.35)].any()


def test_nose_and_ear_of_a_profile_are_the_heads() -> None:
    """Both lie outside the oval of the face."""
    mesh = pose_of([rotation_of(0, 60, 0)], scale=0.27, centre=(0, 0)).apply(load_morphable().mean[None])
    points = mesh[0, :, :2].double().numpy()
    axes = head_axes(points, 128)
    nose = ((points[1] + 1) * 64).astype(int)
    assert axes.face[nose[1], nose[0]] > -0.03
    ear = (axes.height > 0.35) & (axes.height < 0.6) & (axes.face < 0) & (axes.face > -0.4)
    parsing = np.where(ear | (axes.face > 0), FACE, BACKGROUND).astype(np.uint8)
    assert head_cells(parsing, points)[ear].mean() > 0.95


@pytest.mark.parametrize("hair_rgb", [(0.05, 0.05, 0.05), (0.75, 0.72, 0.7)])
def test_hair_in_the_colours_of_the_background_is_none(hair_rgb: tuple[float, float, float]) -> None:
    """Leaves beside black hair were turned with the head."""
    place = (torch.arange(256) + 0.5) * 2 / 256 - 1
    head = torch.hypot(place[None], place[:, None]) < 0.5
    noise = 0.03 * torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(0))
    rgb = torch.where(head, *(torch.tensor(each)[:, None, None] for each in (hair_rgb, (0.4, 0.25, 0.1)))) + noise
    true = torch.where(head[::2, ::2], HAIR, BACKGROUND).to(torch.uint8)[None]
    wrong = true.clone()
    wrong[:, 40:60, 28:34] = HAIR
    assert (wrong != true).sum() > 40
    mended = drop_background(wrong, rgb[None].clamp(0, 1))
    assert (mended != true).sum() <= 8
    assert torch.equal(drop_background(true, rgb[None].clamp(0, 1)), true)


def test_hair_like_the_background_stays() -> None:
    rgb, _, classes = draw(256)
    assert torch.equal(drop_background(classes, torch.full_like(rgb, 0.3)), classes)
    lit = rgb.clone()
    lit[:, :, :, :96] = rgb[:, :, :1, :1]  # one side of the head in the background's colour
    assert torch.equal(drop_background(classes, lit), classes)
