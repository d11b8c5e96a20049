import pathlib
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
import torch

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.geometry.morphable import load_morphable
from reenact.media import VideoReader, VideoWriter
from reenact.pipeline.engine import Engine
from reenact.pipeline.neutral import ReferenceFinder, most_usual_place, neutralised, track_frame
from reenact.types import FaceGeometry, head_angles_rad
from tests.unit.pipeline.conftest import make_face, make_frame

Clip = Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]


def finder(reader: VideoReader, engine: Engine, mode: str = "absolute", number: int | None = None) -> ReferenceFinder:
    return ReferenceFinder(reader, system=engine.system, tracker=engine.tracker, mode=mode, number=number)


def place(found: FaceGeometry | None) -> float | None:
    return None if found is None else round(float(found.mesh_px[0, :2, 0].mean()))


def find(engine: Engine, path: pathlib.Path, mode: str) -> float | None:
    with VideoReader(path) as reader:
        found = finder(reader, engine, mode).find()
    return place(found)


def test_relative_motion_starts_from_what_the_system_calls_neutral(engine: Engine, clip: Clip) -> None:
    path = clip([None, (160, 120, 80), (120, 120, 80), (200, 120, 80)])
    assert find(engine, path, "relative") == pytest.approx(120, abs=2)


def test_absolute_motion_starts_from_the_most_usual_place(engine: Engine, clip: Clip) -> None:
    path = clip([(80, 120, 70), (160, 120, 80), (164, 120, 80), (240, 120, 90), (160, 120, 80)])
    assert find(engine, path, "absolute") == pytest.approx(160, abs=4)


def test_no_face_no_reference(engine: Engine, clip: Clip) -> None:
    assert find(engine, clip([None, None]), "absolute") is None


def test_only_some_frames_are_looked_at(engine: Engine, clip: Clip) -> None:
    seen = []
    engine.tracker.follow = lambda frame, previous: seen.append(frame) or previous
    find(engine, clip([(160, 120, 80)] * 120), "absolute")
    assert 15 <= len(seen) <= 30


def two_shots(tmp_path: pathlib.Path, xs: Sequence[int]) -> pathlib.Path:
    """A clip with another background after every fifth frame."""
    path = tmp_path / "shots.mp4"
    with VideoWriter(path, width=320, height=240, fps=Fraction(25)) as writer:
        for index, x in enumerate(xs):
            writer.write(make_frame((x, 120, 80), seed=index // 5))
    return path


def test_each_shot_has_its_own_reference(engine: Engine, tmp_path: pathlib.Path) -> None:
    clip = two_shots(tmp_path, [100] * 5 + [160] * 5 + [220] * 5)
    with VideoReader(clip) as reader:
        ours = finder(reader, engine)
        assert [place(ours.find(first)) for first in (0, 5, 12, 10, 0)] == pytest.approx(
            [100, 160, 220, 220, 100], abs=8
        )


def test_a_chosen_frame_is_moved_to_the_place_of_other_shots(engine: Engine, tmp_path: pathlib.Path) -> None:
    clip = two_shots(tmp_path, [90, 90, 110, 90, 90] + [160] * 5)
    with VideoReader(clip) as reader:
        ours = finder(reader, engine, number=2)
        assert [place(ours.find(first)) for first in (0, 5)] == pytest.approx([110, 160], abs=9)


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
