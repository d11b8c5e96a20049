"""Turning sessions, with networks of random weights and a tracker that knows its one face."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from reenact import HeadTurn, open_turn, turn_image
from reenact.errors import ConfigError, StoppedError
from reenact.geometry.morphable import load_morphable
from reenact.media import Picture, VideoReader
from reenact.pipeline import Engine, wants_large_pose
from reenact.types import FaceGeometry, Frame
from tests.synthetic import face_geometry, painted_clip, pose_of, rotation_of
from tests.unit.pipeline.conftest import ShiftSystem
from tests.unit.pipeline.test_edit import OneFaceTracker
from tests.unit.systems.test_dual_generator_reenactor import random_system

SIDE, LEFT, TOP = 120, 40, 30


@pytest.fixture(scope="module")
def painted() -> tuple[Frame, FaceGeometry]:
    """A picture of 200 x 180 pixels with a face."""
    image, geometry = painted_clip(load_morphable(), np.random.default_rng(5), 1, SIDE)
    frame = np.full((180, 200, 3), 90, np.uint8)
    pixels = (image.rgb[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    frame[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = pixels
    return frame, geometry.moved_by(torch.tensor([[1.0, 0, LEFT], [0, 1, TOP], [0, 0, 1]]))


@pytest.fixture(scope="module")
def engine(embedded: Callable[[str], pathlib.Path], painted: tuple[Frame, FaceGeometry]) -> Engine:
    for name in ("perception/parser", "perception/identity"):
        embedded(name)
    return Engine(system=random_system(), tracker=OneFaceTracker(painted[1]), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def frame(painted: tuple[Frame, FaceGeometry]) -> Frame:
    return painted[0]


@pytest.mark.parametrize("paste_back", [True, False])
def test_a_turn_to_where_the_head_stands_is_the_source_bit_for_bit(
    engine: Engine, frame: Frame, paste_back: bool
) -> None:
    session = open_turn(frame, engine=engine, paste_back=paste_back)
    here = HeadTurn(yaw_deg=round(session.reading.yaw_deg, 1), roll_deg=round(session.reading.roll_deg, 1))
    for turn in (HeadTurn(), here):
        for preview in (False, True):
            result = session.render(turn, preview=preview)
            assert np.array_equal(result.rgb, result.source)
    if paste_back:
        assert np.array_equal(session.render(HeadTurn()).rgb, frame)


def test_a_turn_redraws_the_head_and_nothing_beside_it(engine: Engine, frame: Frame) -> None:
    session = open_turn(frame, engine=engine)
    result = session.render(HeadTurn(yaw_deg=60.0))
    assert result.rgb.shape == frame.shape and result.alpha is None
    assert np.abs(result.rgb.astype(int) - frame).max() > 20
    assert np.array_equal(result.rgb[:6], frame[:6])
    assert np.array_equal(result.rgb, turn_image(frame, HeadTurn(yaw_deg=60.0), system=engine).rgb)
    assert session.render(HeadTurn(yaw_deg=60.0), preview=True).rgb.shape == (64, 64, 3)


def test_the_source_is_looked_at_closely_once(engine: Engine, frame: Frame) -> None:
    session = open_turn(frame, engine=engine)
    assert open_turn(frame.copy(), engine=engine)._source is session._source
    code = session._source.identity.shape.code
    assert code.shape == (1, 256) and float(code.norm()) == pytest.approx(1, abs=1e-4)


def test_a_sources_own_transparency_is_kept(engine: Engine, frame: Frame) -> None:
    alpha = np.full(frame.shape[:2], 77, np.uint8)
    session = open_turn(Picture(rgb=frame, alpha=alpha), engine=engine)
    assert np.array_equal(session.render(HeadTurn(pitch_deg=20.0)).alpha, alpha)


def test_the_reading_is_that_of_the_fitted_head(engine: Engine, painted: tuple[Frame, FaceGeometry]) -> None:
    reading = open_turn(painted[0], engine=engine).reading
    pose = load_morphable().fit(painted[1].mesh_px).pose
    yaw_deg = float(torch.rad2deg(torch.atan2(pose.rotation[0, 0, 2], pose.rotation[0, 2, 2])))
    assert reading.yaw_deg == pytest.approx(yaw_deg, abs=0.05)
    turned = reading.turned(HeadTurn(pitch_deg=12.0))
    assert (turned.yaw_deg, turned.pitch_deg, turned.roll_deg) == (reading.yaw_deg, 12, reading.roll_deg)


def test_a_turntable_goes_from_profile_to_profile(engine: Engine, frame: Frame, tmp_path: pathlib.Path) -> None:
    session, told = open_turn(frame, engine=engine), []
    out = tmp_path / "out.mp4"
    result = session.turntable(out, seconds=0.4, fps=10, progress=lambda *each: told.append(each))
    assert (result.width, result.height, result.frame_count, float(result.fps)) == (200, 180, 4, 10)
    assert told == [(i, 4, "frames") for i in (1, 2, 3, 4)]
    with VideoReader(out) as reader:
        first, *_, last = list(reader)
    for shown, yaw_deg in ((first, -90.0), (last, 90.0)):
        drawn = session.render(HeadTurn(yaw_deg=yaw_deg)).rgb
        assert np.abs(shown.astype(float) - drawn).mean() < 6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seconds": 0.0}, "takes more than 0"),
        ({"fps": 0}, "takes 1 to 120"),
        ({"from_yaw_deg": -100.0}, "takes -90 to 90"),
        ({"to_yaw_deg": float("nan")}, "takes -90 to 90"),
    ],
)
def test_a_clip_that_cannot_be_is_refused(
    engine: Engine, frame: Frame, tmp_path: pathlib.Path, options: dict[str, float], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        open_turn(frame, engine=engine).turntable(tmp_path / "out.mp4", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_clip_that_is_stopped_leaves_nothing_behind(engine: Engine, frame: Frame, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoppedError):
        open_turn(frame, engine=engine).turntable(tmp_path / "out.mp4", should_stop=lambda: True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("angles", "text"),
    [
        ({"yaw_deg": 91.0}, "yaw is set to 91.0 degrees; it takes -90 to 90"),
        ({"pitch_deg": -46.0}, "pitch is set to -46.0 degrees; it takes -45 to 45"),
        ({"roll_deg": 180.0}, "roll is set to 180.0 degrees; it takes -45 to 45"),
        ({"yaw_deg": float("nan")}, "yaw"),
    ],
)
def test_angles_out_of_range_are_refused(angles: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        HeadTurn(**angles)


def test_another_system_is_refused(frame: Frame, painted: tuple[Frame, FaceGeometry]) -> None:
    other = Engine(system=ShiftSystem(), tracker=OneFaceTracker(painted[1]), device=torch.device("cpu"))
    with pytest.raises(ConfigError, match="turn them with dual_generator"):
        open_turn(frame, engine=other)


def test_a_source_in_profile_is_noted(engine: Engine, painted: tuple[Frame, FaceGeometry]) -> None:
    for yaw_deg, side in ((70, "left"), (-70, "right")):
        mesh = pose_of([rotation_of(0, yaw_deg, 0)], scale=30, centre=(100, 90)).apply(load_morphable().mean[None])
        profile = dataclasses.replace(engine, tracker=OneFaceTracker(face_geometry(mesh, torch.eye(3)[None])))
        session = open_turn(painted[0], engine=profile, face=1)
        assert any(f"its {side} side is hardly in the picture" in warning for warning in session.warnings)
        result = session.render(HeadTurn(yaw_deg=0.0))
        assert np.isfinite(result.rgb).all() and not np.array_equal(result.rgb, result.source)


def test_large_poses_are_told() -> None:
    def turned(*yaws_deg: float) -> FaceGeometry:
        count = len(yaws_deg)
        rotations = torch.stack([rotation_of(0, yaw, 0) for yaw in yaws_deg])
        return face_geometry(torch.zeros(count, 478, 3), rotations)

    assert not wants_large_pose(turned(44), turned(0, -44))
    assert wants_large_pose(turned(-46)) and wants_large_pose(turned(0), turned(0, 46, 0))
