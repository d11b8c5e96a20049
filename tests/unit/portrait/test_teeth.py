"""Teeth that are drawn where no picture tells of any."""

import pytest
import torch

from reenact.geometry.landmarks import CHIN, INNER_LIP_RING
from reenact.geometry.morphable import load_morphable
from reenact.portrait import parts
from reenact.portrait.teeth import draw_teeth

_LOWER = (14, 87, 88, 178, 317, 318, 324, 402, 95, 84, 17, 181, 314, 405, 91, 321, CHIN)
_SKIN = torch.full((1, 1, 1, 1), 0.5)


def face(opening: float, yaw: float = 0.0) -> torch.Tensor:
    """The mean face at 60 px an eye distance, its lips and jaw opened by some eye distances, turned by radians."""
    shape = load_morphable().mean.clone()
    shape[list(_LOWER), 1] -= opening
    cos, sin = torch.tensor(yaw).cos(), torch.tensor(yaw).sin()
    turn = torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    return ((shape @ turn.T) * torch.tensor([1.0, -1.0, -1.0]) * 60 + 128)[None]


def drawn(mesh: torch.Tensor, finer: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Brightness between the lips as rows and columns, and the mask of the lips."""
    onto = parts.crop_part(mesh, "mouth")
    ring = parts.place(onto, mesh)[:, list(INNER_LIP_RING)]
    inside = parts.signed_distance(ring * finer, (48 * finer, 64 * finer))[0, 0] > 0
    return draw_teeth(mesh, onto, parts.tooth_light(_SKIN), finer)[0, 0], inside


def test_an_opened_mouth_shows_teeth_above_the_dark() -> None:
    light, inside = drawn(face(0.25))
    column = light[:, light.shape[1] // 2][inside[:, light.shape[1] // 2]]
    third = len(column) // 3
    white = float(parts.tooth_light(_SKIN))
    assert float(column[:third].max()) == pytest.approx(white, rel=0.2)  # upper teeth
    assert float(column[third : 2 * third].min()) < 0.3 * white  # throat
    assert float(light.max()) <= white


def test_lower_teeth_follow_the_jaw() -> None:
    """Of a mouth that opens, the upper teeth stay where the skull has them."""
    middle, brightest = [], []
    for opening in (0.15, 0.3):
        light, inside = drawn(face(opening))
        x = light.shape[1] // 2
        rows = torch.where(inside[:, x], light[:, x], torch.zeros(()))
        lit = (rows > 0.7).nonzero()[:, 0]
        brightest.append(float(lit[0]))
        onto = parts.crop_part(face(opening), "mouth")
        middle.append(float(parts.place(onto, face(opening))[0, 13, 1]) * 2)
    assert brightest[0] - middle[0] == pytest.approx(brightest[1] - middle[1], abs=2)


def test_teeth_turn_with_the_head() -> None:
    """A row of teeth seen from the side is shorter, and further from the mouth's near corner than from the far one."""
    widths = []
    for yaw in (0.0, 0.6):
        light, inside = drawn(face(0.2, yaw))
        lit = ((light > 0.5) & inside).any(0).nonzero()[:, 0]
        widths.append(int(lit[-1] - lit[0]))
    assert widths[1] < widths[0]


def test_finer_teeth_are_the_same_teeth() -> None:
    (coarse, inside), (fine, _) = drawn(face(0.25), 2), drawn(face(0.25), 4)
    fine = torch.nn.functional.avg_pool2d(fine[None, None], 2)[0, 0]
    assert float((coarse - fine)[inside].abs().mean()) < 0.08


def test_teeth_beside_dark_skin_are_brighter_over_it() -> None:
    skins = torch.tensor([0.05, 0.15, 0.3, 0.6])[:, None, None, None]
    over = parts.tooth_light(skins).flatten()
    assert over[0] == over[1] and (over.diff() <= 0).all()
    torch.testing.assert_close(over[2:], torch.tensor([1.783, 1.317]), atol=0.01, rtol=0)
