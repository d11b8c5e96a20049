"""Editing sessions, with networks of random weights and a tracker that knows its one face."""

import json
import pathlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from reenact import FaceEdit, edit_image, open_edit
from reenact.errors import ConfigError, StoppedError, UnsupportedInputError
from reenact.geometry.morphable import load_morphable
from reenact.media import Picture, VideoReader, VideoWriter, read_image, write_image
from reenact.perception.adapter import WholeFrameTracker
from reenact.pipeline import Engine, reenact_video
from reenact.pipeline.edit_background import cover
from reenact.pipeline.edit_clip import between, eased
from reenact.pipeline.edit_driven import motion_change
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.reenactor import FaceganReenactor
from reenact.types import CropSpec, FaceGeometry, Frame
from tests.synthetic import painted_clip
from tests.unit.pipeline.conftest import ShiftSystem

SIDE, LEFT, TOP = 120, 40, 30
SMILE = FaceEdit(action_units={"12": 3.0, "45L": 5.0}, yaw_deg=12.0)


class OneFaceTracker(WholeFrameTracker):
    """The face is always where it was painted."""

    def __init__(self, geometry: FaceGeometry) -> None:
        self._geometry = geometry

    def see(self, frame: Frame) -> list[FaceGeometry]:
        return [self._geometry]


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
    embedded("perception/parser")
    torch.manual_seed(0)
    config = FaceganConfig(crop=CropSpec(network_px=64), transformer_width=32, widths=(8, 12), mixer_widths=(8, 12))
    system = FaceganReenactor(config)
    with torch.no_grad():
        for value in system.networks.state_dict().values():
            if value.is_floating_point():
                value += 0.05 * torch.randn_like(value).abs()
    system.prepare()
    return Engine(system=system, tracker=OneFaceTracker(painted[1]), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def frame(painted: tuple[Frame, FaceGeometry]) -> Frame:
    return painted[0]


@pytest.mark.parametrize("paste_back", [True, False])
def test_an_edit_that_changes_nothing_is_the_source_bit_for_bit(engine: Engine, frame: Frame, paste_back: bool) -> None:
    session = open_edit(frame, engine=engine, paste_back=paste_back)
    here = FaceEdit(
        action_units={name: session.reading.of(name) for name in ("1", "6", "12", "25")},
        yaw_deg=session.reading.yaw_deg,
        mode="absolute",
    )
    for edit in (FaceEdit(), FaceEdit(action_units={"12": 0.0}), here):
        for preview in (False, True):
            result = session.render(edit, preview=preview)
            assert np.array_equal(result.rgb, result.source)
    if paste_back:
        assert np.array_equal(session.render(FaceEdit()).rgb, frame)


def test_an_edit_redraws_the_head_and_nothing_beside_it(engine: Engine, frame: Frame) -> None:
    session = open_edit(frame, engine=engine)
    result = session.render(SMILE)
    assert result.rgb.shape == frame.shape and result.alpha is None
    assert np.abs(result.rgb.astype(int) - frame).max() > 20
    assert np.array_equal(result.rgb[:8], frame[:8])
    assert np.array_equal(result.source, frame)
    assert np.array_equal(result.rgb, session.render(SMILE).rgb)
    assert np.array_equal(result.rgb, edit_image(frame, SMILE, system=engine).rgb)


def test_the_preview_is_the_crop_at_the_networks_side(engine: Engine, frame: Frame) -> None:
    result = open_edit(frame, engine=engine).render(SMILE, preview=True, background="none")
    assert result.rgb.shape == result.source.shape == (64, 64, 3)
    assert result.alpha is not None and result.alpha.shape == (64, 64)


def test_a_source_is_encoded_once(engine: Engine, frame: Frame) -> None:
    first, second = open_edit(frame, engine=engine), open_edit(frame.copy(), engine=engine)
    assert first._source is second._source


def test_the_reading_is_that_of_the_face(engine: Engine, painted: tuple[Frame, FaceGeometry]) -> None:
    reading = open_edit(painted[0], engine=engine).reading
    assert reading.action_units.shape == (17, 2)
    assert reading.of("12") == pytest.approx(float(reading.action_units[8].mean()))
    motion = engine.system.read_motion(None, painted[1])
    assert reading.yaw_deg == pytest.approx(float(torch.rad2deg(motion.angles_rad[0, 1])), abs=0.01)


@pytest.mark.parametrize("size", [(50, 400), (300, 20), (200, 180), (7, 7)])
def test_a_background_of_any_size_and_shape_covers_the_source(
    engine: Engine, frame: Frame, size: tuple[int, int]
) -> None:
    behind = np.zeros((size[1], size[0], 3), np.uint8)
    behind[..., 1] = 200
    result = open_edit(frame, engine=engine).render(SMILE, background=behind)
    assert result.rgb.shape == frame.shape and result.alpha is None
    assert result.rgb[2, 2].tolist() == [0, 200, 0]


def test_no_background_is_transparency(engine: Engine, frame: Frame) -> None:
    result = open_edit(frame, engine=engine).render(FaceEdit(), background="none")
    assert result.alpha is not None
    assert result.alpha.shape == frame.shape[:2] and result.alpha[2, 2] == 0


def test_a_sources_own_transparency_is_kept(engine: Engine, frame: Frame) -> None:
    alpha = np.full(frame.shape[:2], 77, np.uint8)
    session = open_edit(Picture(rgb=frame, alpha=alpha), engine=engine)
    assert np.array_equal(session.render(SMILE).alpha, alpha)
    assert session.render(SMILE, preview=True).alpha is None


def test_a_background_that_is_no_picture_is_refused_by_name(
    engine: Engine, frame: Frame, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "beach.png").write_text("no picture")
    session = open_edit(frame, engine=engine)
    for name in ("beach.png", "nowhere.png"):
        with pytest.raises(UnsupportedInputError, match=name):
            session.render(SMILE, background=tmp_path / name)


def test_the_middle_of_a_background_is_taken() -> None:
    picture = np.zeros((10, 40, 3), np.uint8)
    picture[:, 15:25] = 255
    assert cover(picture, 10, 10).min() == 255
    assert cover(picture, 20, 20).shape == (20, 20, 3)
    assert cover(cv2.resize(picture, (37, 11)), 200, 31).shape == (31, 200, 3)


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_a_clip_eases_to_the_edit_and_back(engine: Engine, frame: Frame, tmp_path: pathlib.Path, ending: str) -> None:
    session, told = open_edit(frame, engine=engine), []
    result = session.animate(
        SMILE, tmp_path / f"out.{ending}", seconds=0.5, fps=10, progress=lambda *news: told.append(news)
    )
    assert (result.width, result.height, result.frame_count, result.fps) == (200, 180, 5, 10)
    assert told == [(i + 1, 5, "frames") for i in range(5)]
    with VideoReader(result.path) as reader:
        frames = np.stack(list(reader)).astype(int)
    moved = np.abs(frames - frames[0]).mean((1, 2, 3))
    assert moved[2] > moved[1] > 0.1 and moved[4] < moved[1] / 2


def test_shares_of_a_clip_begin_and_end_with_the_source() -> None:
    shares = list(eased(25))
    assert shares[0] == 0 and shares[12] == 1 and shares[24] == pytest.approx(0, abs=1e-12)
    assert np.allclose(shares, shares[::-1]) and np.abs(np.diff(shares)).max() < 0.14


def test_between_the_source_and_the_edit_lies_what_lies_between(engine: Engine, frame: Frame) -> None:
    own = open_edit(frame, engine=engine).reading
    wanted = type(own)(action_units=own.action_units + 1, yaw_deg=own.yaw_deg + 10, pitch_deg=0.0, roll_deg=0.0)
    half = between(own, wanted, 0.5)
    torch.testing.assert_close(half.action_units, own.action_units + 0.5)
    assert half.yaw_deg == pytest.approx(own.yaw_deg + 5)
    assert between(own, wanted, 0.0) is own and between(own, wanted, 1.0) is wanted


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seconds": 0.0}, "more than 0 and up to 60 s"),
        ({"seconds": float("nan")}, "more than 0"),
        ({"seconds": 1e6}, "up to 60 s"),
        ({"fps": 0}, "1 to 120"),
        ({"background": "none"}, "Clips know no transparency"),
    ],
)
def test_clips_that_cannot_be_are_refused(
    engine: Engine, frame: Frame, tmp_path: pathlib.Path, options: dict, text: str
) -> None:
    with pytest.raises(ConfigError) as error:
        open_edit(frame, engine=engine).animate(SMILE, tmp_path / "out.mp4", **options)
    assert text in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_stopped_clip_leaves_nothing_behind(engine: Engine, frame: Frame, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoppedError):
        open_edit(frame, engine=engine).animate(SMILE, tmp_path / "out.mp4", should_stop=lambda: True)
    assert not list(tmp_path.iterdir())


def test_a_face_turned_far_away_is_told(engine: Engine, painted: tuple[Frame, FaceGeometry]) -> None:
    model = load_morphable()
    turned = model.fit(painted[1].mesh_px)
    angle = np.radians(70)
    rotation = torch.tensor([[[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]])
    pose = type(turned.pose)(
        rotation=rotation.float(), scale=turned.pose.scale, translation_px=turned.pose.translation_px
    )
    mesh = model.assemble(turned.identity, turned.expression, pose)
    geometry = FaceGeometry(**(vars(painted[1]) | {"mesh_px": mesh}))
    other = Engine(system=engine.system, tracker=OneFaceTracker(geometry), device=engine.device)
    session = open_edit(painted[0], engine=other)
    assert any("turned by 70 degrees" in warning for warning in session.warnings)
    assert session.render(SMILE).warnings == session.warnings


def test_a_system_without_action_units_is_refused(engine: Engine, frame: Frame, driving: pathlib.Path) -> None:
    other = Engine(system=ShiftSystem(), tracker=engine.tracker, device=engine.device)
    with pytest.raises(ConfigError, match="edit with facegan"):
        open_edit(frame, engine=other)
    for options in ({"action_units": {"12": 1.0}}, {"neutralise": True}):
        with pytest.raises(ConfigError, match="choose the system facegan"):
            drive(other, frame, driving, **options)


def test_units_are_added_to_the_drivers_and_taken_from_the_sources(engine: Engine, frame: Frame) -> None:
    identity = open_edit(frame, engine=engine)._source.identity
    motion, own = identity.motion, identity.motion.action_units
    added = motion_change(identity, {"12": 2.5, "45": -1.0, "45L": 5.0}, neutralise=False)(motion)
    change = added.action_units - own
    assert change[0, 8].tolist() == pytest.approx([0.5, 0.5], abs=1e-6)
    assert change[0, 16].tolist() == pytest.approx([1.0, -0.2], abs=1e-6)
    assert motion_change(identity, {}, neutralise=True)(motion).action_units.abs().max() == 0
    assert added.pose is motion.pose


@pytest.fixture
def driving(frame: Frame, tmp_path: pathlib.Path) -> pathlib.Path:
    """Two frames in which nothing moves."""
    with VideoWriter(tmp_path / "driving.mp4", width=200, height=180, fps=Fraction(25)) as writer:
        for _ in range(2):
            writer.write(frame)
    return writer.path


def drive(engine: Engine, frame: Frame, driving: pathlib.Path, **options: Any) -> np.ndarray:
    out = driving.with_name("out.mp4")
    result = reenact_video(frame, driving, out, system=engine, overwrite=True, **options)
    with VideoReader(result.path) as reader:
        return np.stack(list(reader))


def test_a_driven_clip_takes_more_of_a_unit(engine: Engine, frame: Frame, driving: pathlib.Path) -> None:
    plain = drive(engine, frame, driving, mode="relative")
    more = drive(engine, frame, driving, mode="relative", action_units={"12": 4.0})
    assert np.abs(plain.astype(int) - more).max() > 10
    with pytest.raises(ConfigError, match="no Action Unit '3'"):
        drive(engine, frame, driving, action_units={"3": 1.0})


def test_a_neutralised_clip_is_relative_whatever_else_is_said(
    engine: Engine, frame: Frame, driving: pathlib.Path
) -> None:
    """A driver at rest gives the source's face without its expression, in the source's own pose."""
    clips = [drive(engine, frame, driving, neutralise=True, mode=mode) for mode in ("absolute", "relative")]
    assert np.array_equal(*clips)
    plain = drive(engine, frame, driving, mode="relative")
    assert np.abs(plain.astype(int) - clips[0]).max() > 10


def test_the_result_is_written_with_its_transparency(engine: Engine, frame: Frame, tmp_path: pathlib.Path) -> None:
    result = open_edit(frame, engine=engine).render(SMILE, background="none")
    write_image(tmp_path / "out.png", result.rgb, alpha=result.alpha)
    assert np.array_equal(read_image(tmp_path / "out.png").alpha, result.alpha)
    assert json.loads(SMILE.to_json())["format_version"] == 1
