"""The layers of a source."""

import pytest
import torch

from reenact.geometry.morphable import load_morphable
from reenact.portrait.portrait import Portrait, build_portrait
from tests.synthetic import painted_photo, painted_portrait

SIDE, BORDER = 128, 36


def cut_off() -> Portrait:
    """A painted head, cut off by the upper border of its photo, which the crop repeats."""
    rgb, mesh_px, parsing = painted_photo(load_morphable(), 0.0, SIDE)
    rgb[:BORDER], parsing[: BORDER // 2] = rgb[BORDER], parsing[BORDER // 2]
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    mesh = torch.from_numpy(mesh_px)[None] * (2 / SIDE) - torch.tensor([1.0, 1.0, 0.0])
    return build_portrait(load_morphable(), picture, torch.from_numpy(parsing)[None], mesh)


def test_a_head_that_its_photo_cuts_off_is_rounded_off() -> None:
    """It was a column of hair up to the border of the crop."""
    portrait = cut_off()
    assert portrait.shape.top == pytest.approx(2 * BORDER / SIDE - 1)
    width = (portrait.head[0, 3] > 0.5).sum(1)
    assert width[BORDER] > 60
    assert (width[:BORDER].diff() >= 0).all()
    assert width[BORDER - 2] > 0.9 * width[BORDER]
    assert width[0] == 0
    assert torch.equal(portrait.head[:, :3, BORDER - 3], portrait.head[:, :3, BORDER + 2]), "no stripes"
    assert not portrait.shape.visible[portrait.shape.posed()[0, :, 1] < portrait.shape.top].any()


def test_a_plain_background_cuts_nothing_off() -> None:
    assert painted_portrait().shape.top == -1
