"""Hidden parts on a network that answers what the test says."""

import pathlib
from collections.abc import Callable

import pytest
import torch
from torch import nn

from reenact.geometry.action_units import BLENDSHAPE_NAMES
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.pipeline.hidden import HiddenParts, find_hidden, hidden_notes
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry

JAW = BLENDSHAPE_NAMES.index("jawOpen")
BLINK = BLENDSHAPE_NAMES.index("eyeBlinkRight")
UPPER_LIP, LOWER_LIP, NOSE = 13, 14, 1


class Says(nn.Module):
    """A network for which these parts are hidden: mouth, right eye, left eye."""

    def __init__(self, *parts: bool) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (torch.tensor(self.parts).float() * 20 - 10).repeat(len(inputs) // 3)


@pytest.fixture
def model(embedded: Callable[[str], pathlib.Path]) -> MorphableModel:
    embedded("geometry")
    return load_morphable()


def face(model: MorphableModel, opening: float, x: float = 128.0) -> FaceGeometry:
    """A face seen from the front at x, its lower lip moved down by `opening` eye distances, its right eye closed so."""
    shape = model.mean.clone()
    shape[LOWER_LIP, 1] -= opening
    mesh_px = shape * torch.tensor([1.0, -1.0, -1.0]) * 60 + torch.tensor([x, 128.0, 0.0])
    blendshapes = torch.zeros(1, 52)
    blendshapes[0, [JAW, BLINK]] = opening
    return FaceGeometry(
        mesh_px=mesh_px[None],
        blendshapes=blendshapes,
        rotation=torch.eye(3)[None],
        action_units=torch.zeros(1, 17),
        score=torch.ones(1),
    )


def gap(geometry: FaceGeometry | DrivingFaces) -> float:
    return float((geometry.mesh_px[0, LOWER_LIP] - geometry.mesh_px[0, UPPER_LIP]).norm())


def shown(geometry: FaceGeometry) -> DrivingFaces:
    return DrivingFaces(rgb=torch.rand(1, 3, 256, 256), mesh_px=geometry.mesh_px)


def hold(parts: HiddenParts, network: Says, index: int, geometry: FaceGeometry) -> tuple[FaceGeometry, DrivingFaces]:
    faces = shown(geometry)
    held, faces = parts.hold(index, geometry, find_hidden(network, faces), faces)
    assert faces is not None
    return held, faces


def test_what_is_seen_is_not_touched(model: MorphableModel) -> None:
    parts = HiddenParts()
    parts.start_shot(face(model, 0.0))
    now = face(model, 0.4)
    faces = shown(now)
    assert parts.hold(0, now, find_hidden(Says(False, False, False), faces), faces) == (now, faces)
    assert parts.notes("clip.mp4") == ()


def test_a_hidden_mouth_is_held_while_the_head_moves(model: MorphableModel) -> None:
    network = Says(False, False, False)
    parts = HiddenParts()
    parts.start_shot(face(model, 0.0))
    hold(parts, network, 0, face(model, 0.1))
    rest = gap(face(model, 0.1))
    network.parts = (True, False, False)
    for index in range(1, 9):
        now = face(model, 0.5 if index > 3 else 0.1, 128.0 + index)
        held, faces = hold(parts, network, index, now)
        assert float(held.mesh_px[0, NOSE, 0] - now.mesh_px[0, NOSE, 0]) == pytest.approx(0, abs=0.5)
    assert gap(held) == pytest.approx(rest, abs=0.5)
    assert gap(faces) == 0
    assert held.blendshapes[0, JAW] == pytest.approx(0.1, abs=0.01)
    assert held.blendshapes[0, BLINK] == 0.5, "the eyes are seen"
    (note,) = parts.notes("clip.mp4")
    assert note == "clip.mp4: something seems to hide the mouth in frames 1 to 8; it was held."
    network.parts = (False, False, False)
    gaps = [gap(hold(parts, network, index, now)[0]) for index in range(9, 14)]
    assert gaps == sorted(gaps) and gaps[-1] == pytest.approx(gap(now))


def test_one_false_alarm_changes_little(model: MorphableModel) -> None:
    network = Says(True, True, True)
    parts = HiddenParts()
    parts.start_shot(face(model, 0.0))
    held, _ = hold(parts, network, 0, face(model, 0.3))
    assert gap(held) > 0.6 * gap(face(model, 0.3))


def test_a_picture_gets_a_note(model: MorphableModel) -> None:
    faces = shown(face(model, 0.0))
    assert hidden_notes(Says(False, False, False), faces.rgb, faces.mesh_px) == ()
    (note,) = hidden_notes(Says(True, False, True), faces.rgb, faces.mesh_px)
    assert note.startswith("Something seems to hide the mouth and the left eye")
