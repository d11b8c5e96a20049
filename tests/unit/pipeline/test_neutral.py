import pathlib
from collections.abc import Callable, Sequence

import pytest
import torch

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.geometry.morphable import load_morphable
from reenact.media import VideoReader
from reenact.pipeline.engine import Engine
from reenact.pipeline.neutral import find_reference, most_usual_place, neutralised, track_frame
from reenact.types import FaceGeometry, head_angles_rad
from tests.unit.pipeline.conftest import make_face

Clip = Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]


def find(engine: Engine, path: pathlib.Path, mode: str) -> float | None:
    with VideoReader(path) as reader:
        found = find_reference(reader, system=engine.system, tracker=engine.tracker, mode=mode)
    return None if found is None else round(float(found.mesh_px[0, :2, 0].mean()))


def test_relative_motion_starts_from_what_the_system_calls_neutral(engine: Engine, clip: Clip) -> None:
    path = clip([None, (160, 120, 80), (120, 120, 80), (200, 120, 80)])
    assert find(engine, path, "relative") == pytest.approx(120, abs=2)


def test_absolute_motion_starts_from_the_most_usual_place(engine: Engine, clip: Clip) -> None:
    path = clip([(80, 120, 60), (160, 120, 80), (164, 120, 80), (240, 120, 100), (160, 120, 80)])
    assert find(engine, path, "absolute") == pytest.approx(160, abs=4)


def test_no_face_no_reference(engine: Engine, clip: Clip) -> None:
    assert find(engine, clip([None, None]), "absolute") is None


def test_only_some_frames_are_looked_at(engine: Engine, clip: Clip) -> None:
    seen = []
    engine.tracker.follow = lambda frame, previous: seen.append(frame) or previous
    find(engine, clip([(160, 120, 80)] * 120), "absolute")
    assert 15 <= len(seen) <= 30


def test_a_frame_by_number(engine: Engine, clip: Clip) -> None:
    with VideoReader(clip([(160, 120, 80), (120, 120, 80), None])) as reader:
        geometry = track_frame(reader, 1, tracker=engine.tracker, face=None, min_score=0.5)
        assert geometry.mesh_px[0, :2, 0].mean() == pytest.approx(120, abs=2)
        with pytest.raises(NoFaceFoundError, match=r"Neutral frame 2 of .*driving\.mp4: No face"):
            track_frame(reader, 2, tracker=engine.tracker, face=None, min_score=0.5)
        with pytest.raises(ConfigError, match="ends with frame 2"):
            track_frame(reader, 3, tracker=engine.tracker, face=None, min_score=0.5)


def test_most_usual_place_weighs_size_too() -> None:
    faces = [
        make_face(100, 100, 50),
        make_face(100, 100, 100),
        make_face(101, 100, 52),
        make_face(100, 101, 51),
        make_face(10, 100, 50),
    ]
    assert most_usual_place(FaceGeometry.cat(faces)) in (0, 2, 3)


def test_neutralised_face_looks_straight_and_rests(embedded: Callable[[str], pathlib.Path]) -> None:
    embedded("geometry")
    model = load_morphable()
    turn = torch.tensor([[0.866, 0, 0.5], [0, 1, 0], [-0.5, 0, 0.866]])
    shape = model.mean + model.expression_offset(torch.randn(1, len(model.expression_basis)))[0]
    mesh = shape @ turn.T * torch.tensor([1.0, -1, -1]) * 90 + torch.tensor([300.0, 200, 0])
    moved = FaceGeometry(
        mesh_px=mesh[None],
        blendshapes=torch.rand(1, 52),
        rotation=turn[None],
        action_units=torch.rand(1, 17),
        score=torch.ones(1),
    )
    rest = neutralised(moved)
    fit = model.fit(rest.mesh_px)
    assert fit.expression.abs().mean() < 0.35
    assert head_angles_rad(fit.pose.rotation).abs().max() < 0.06
    assert float(fit.pose.scale) == pytest.approx(90, rel=0.05)
    assert rest.blendshapes.abs().max() == rest.action_units.abs().max() == 0
