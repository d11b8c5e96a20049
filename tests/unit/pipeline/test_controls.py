"""Editing sessions, with networks of random weights and a tracker that knows its one face."""

import dataclasses
import pathlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from reenact import FaceEdit, edit_image, open_edit
from reenact.errors import CheckpointError, ConfigError, StoppedError, UnsupportedInputError
from reenact.geometry.morphable import load_morphable
from reenact.hub.loading import fill_needs
from reenact.media import Picture, VideoReader, VideoWriter
from reenact.media.frame import Frame
from reenact.perception.adapter import WholeFrameTracker
from reenact.pipeline.controls.background import cover
from reenact.pipeline.controls.clip import between, eased
from reenact.pipeline.controls.driven import motion_change
from reenact.pipeline.controls.session import EditSession
from reenact.pipeline.engine import Engine
from reenact.pipeline.options import DrivingOptions
from reenact.pipeline.video import reenact_video
from reenact.systems.catalog import CATALOG
from reenact.types import FaceGeometry
from tests.contract.systems import build
from tests.synthetic import face_geometry, painted_clip, pose_of, rotation_of
from tests.unit.pipeline.conftest import ShiftSystem

SIDE, LEFT, TOP = 120, 40, 30
SMILE = FaceEdit(action_units={"12": 3.0, "45L": 5.0}, yaw_deg=12.0)
SYSTEMS = ("facegan", "dual_generator")


class OneFaceTracker(WholeFrameTracker):
    """The face is always where it was painted."""

    def __init__(self, geometry: FaceGeometry) -> None:
        self._geometry = geometry

    def see(self, frame: Frame) -> list[FaceGeometry]:
        return [self._geometry]


class Engines:
    """Engines by system's id; remembers which were asked for."""

    def __init__(self, engines: dict[str, Engine]) -> None:
        self.known, self.asked = engines, list[str]()

    def __call__(self, system: str) -> Engine:
        self.asked.append(system)
        return self.known[system]

    def seeing(self, geometry: FaceGeometry) -> "Engines":
        """The same with a tracker that sees another face."""
        tracker = OneFaceTracker(geometry)
        return Engines({name: dataclasses.replace(engine, tracker=tracker) for name, engine in self.known.items()})


@pytest.fixture(scope="module")
def painted() -> tuple[Frame, FaceGeometry]:
    """A picture of 200 x 180 pixels with a face."""
    image, geometry = painted_clip(load_morphable(), np.random.default_rng(5), 1, SIDE)
    frame = np.full((180, 200, 3), 90, np.uint8)
    pixels = (image.rgb[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    frame[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = pixels
    return frame, geometry.moved_by(torch.tensor([[1.0, 0, LEFT], [0, 1, TOP], [0, 0, 1]]))


@pytest.fixture(scope="module")
def loaded(embedded: Callable[[str], pathlib.Path], painted: tuple[Frame, FaceGeometry]) -> dict[str, Engine]:
    for name in ("perception/parser", "perception/identity"):
        embedded(name)
    tracker, device = OneFaceTracker(painted[1]), torch.device("cpu")
    systems = {name: build(name) for name in ("facegan", "dual_generator")}
    systems["facegan"].networks.transformer.leave.weight.mul_(10)  # units move landmarks by pixels
    for system in systems.values():
        system.fill_needs = fill_needs
    return {name: Engine(system=system, tracker=tracker, device=device) for name, system in systems.items()}


@pytest.fixture
def engines(loaded: dict[str, Engine]) -> Engines:
    return Engines(loaded)


@pytest.fixture(scope="module")
def frame(painted: tuple[Frame, FaceGeometry]) -> Frame:
    return painted[0]


@pytest.fixture
def session(engines: Engines, frame: Frame) -> EditSession:
    return open_edit(frame, engines=engines)


@pytest.mark.parametrize("system", ["auto", *SYSTEMS])
@pytest.mark.parametrize("paste_back", [True, False])
def test_an_edit_that_changes_nothing_returns_the_source_bit_for_bit(
    engines: Engines, frame: Frame, system: str, paste_back: bool
) -> None:
    session = open_edit(frame, engines=engines, system=system, paste_back=paste_back)
    here = FaceEdit(
        action_units={name: session.reading.of(name) for name in ("1", "6", "12", "25")},
        yaw_deg=round(session.reading.yaw_deg, 1),
        mode="absolute",
    )
    for edit in (FaceEdit(), FaceEdit(action_units={"12": 0.0}), here):
        for preview in (False, True):
            result = session.render(edit, preview=preview)
            assert np.array_equal(result.rgb, result.source)
            assert not any("Drawn by" in note for note in result.warnings)
    if paste_back:
        assert np.array_equal(session.render(FaceEdit()).rgb, frame)


@pytest.mark.parametrize(
    ("system", "edit"),
    [
        ("auto", SMILE),
        ("auto", FaceEdit(yaw_deg=60.0)),
        ("facegan", SMILE),
        ("dual_generator", SMILE),
        ("dual_generator", FaceEdit(action_units={"12": 3.0})),
    ],
)
def test_an_edit_redraws_the_head_and_nothing_beside_it(
    engines: Engines, frame: Frame, system: str, edit: FaceEdit
) -> None:
    session = open_edit(frame, engines=engines, system=system)
    result = session.render(edit)
    assert result.rgb.shape == frame.shape and result.alpha is None
    assert np.abs(result.rgb.astype(int) - frame).max() > 20
    assert np.array_equal(result.rgb[:6], frame[:6])
    assert np.array_equal(result.source, frame)
    assert np.array_equal(result.rgb, session.render(edit).rgb)
    if system != "auto":
        assert np.array_equal(result.rgb, edit_image(frame, edit, system=engines(system)).rgb)
    preview = session.render(edit, preview=True, background="none")
    assert preview.rgb.shape == preview.source.shape == (64, 64, 3)
    assert preview.alpha is not None and preview.alpha.shape == (64, 64)


def test_a_source_is_encoded_once(engines: Engines, frame: Frame) -> None:
    first, second = (open_edit(each, engines=engines)._first.source for each in (frame, frame.copy()))
    assert first is second


def test_both_systems_read_the_same_face(engines: Engines, frame: Frame) -> None:
    readings = [open_edit(frame, engines=engines, system=system).reading for system in SYSTEMS]
    assert readings[0].action_units.shape == (17, 2)
    assert readings[0].of("12") == pytest.approx(float(readings[0].action_units[8].mean()))
    for name in ("12", "45L", "yaw", "pitch", "roll"):
        assert readings[0].of(name) == pytest.approx(readings[1].of(name), abs=0.05)


@pytest.mark.parametrize(
    ("edit", "system", "reason"),
    [
        (FaceEdit(action_units={"12": 3.0}), "facegan", "Drawn by FACEGAN."),
        (FaceEdit(yaw_deg=44.0), "facegan", "at most 45 degrees"),
        (FaceEdit(yaw_deg=-46.0, action_units={"12": 3.0}), "dual_generator", "yaw is 46 degrees from the source's"),
        (FaceEdit(yaw_deg=90.0, mode="absolute"), "dual_generator", "degrees from the source's"),
        (FaceEdit(pitch_deg=31.0), "dual_generator", "pitch is 31 degrees"),
        (FaceEdit(roll_deg=-30.0), "facegan", "at most 45 degrees"),
    ],
)
def test_the_angle_chooses_the_system(engines: Engines, frame: Frame, edit: FaceEdit, system: str, reason: str) -> None:
    session = open_edit(frame, engines=engines)
    assert engines.asked == ["facegan"]
    result = session.render(edit)
    assert result.warnings[-1].startswith(f"Drawn by {CATALOG[system].title}") and reason in result.warnings[-1]
    assert engines.asked == ["facegan", "dual_generator"][: 1 + (system != "facegan")]


def test_facegan_draws_far_turns_only_when_told_and_with_a_warning(engines: Engines, frame: Frame) -> None:
    """It would draw a doubled face."""
    session = open_edit(frame, engines=engines, system="facegan")
    assert session.render(SMILE).warnings[-1] == "Drawn by FACEGAN, as chosen."
    note = session.render(FaceEdit(yaw_deg=90.0)).warnings[-1]
    assert "as chosen, but yaw is" in note and "expect smears or a doubled face" in note
    assert engines.asked == ["facegan"]
    assert open_edit(frame, engines=engines, system="dual_generator").render(SMILE).warnings[-1].endswith("as chosen.")


def test_a_clip_is_drawn_by_one_system(
    engines: Engines, frame: Frame, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its largest angle chooses, also for the frames near the source's pose."""
    monkeypatch.setattr(engines.known["facegan"].system, "render", lambda *_: pytest.fail("drawn by facegan"))
    session = open_edit(frame, engines=engines)
    timing: dict[str, Any] = {"seconds": 0.3, "fps": 10, "overwrite": True}
    for result in (
        session.animate(FaceEdit(yaw_deg=50.0), tmp_path / "out.mp4", **timing),
        session.turntable(tmp_path / "out.mp4", from_yaw_deg=-5.0, to_yaw_deg=50.0, edit=SMILE, **timing),
    ):
        assert result.warnings[-1].startswith("Drawn by Dual Generator: yaw is")


def turned(yaw_deg: float, roll_deg: float = 0.0) -> FaceGeometry:
    mesh = pose_of([rotation_of(0, yaw_deg, roll_deg)], scale=30, centre=(100, 90)).apply(load_morphable().mean[None])
    return face_geometry(mesh, rotation_of(0, yaw_deg, roll_deg)[None])


@pytest.mark.parametrize(("yaw_deg", "side"), [(70, "left"), (-70, "right")])
def test_a_source_in_profile_is_drawn_by_dual_generator(
    engines: Engines, frame: Frame, yaw_deg: float, side: str
) -> None:
    session = open_edit(frame, engines=engines.seeing(turned(yaw_deg)), face=1)
    assert session.warnings == (
        f"The face is turned by 70 degrees: its {side} side is hardly in the picture and is guessed.",
    )
    assert session.reading.yaw_deg == pytest.approx(yaw_deg, abs=1)
    for edit in (FaceEdit(yaw_deg=0.0, mode="absolute"), FaceEdit(action_units={"12": 3.0})):
        result = session.render(edit)
        assert result.warnings[-1] == "Drawn by Dual Generator: the source's face is turned by 70 degrees."
        assert np.isfinite(result.rgb).all() and not np.array_equal(result.rgb, result.source)


@pytest.mark.parametrize("yaw_deg", [0, 70])
def test_without_dual_generator_facegan_draws_with_a_warning(engines: Engines, frame: Frame, yaw_deg: float) -> None:
    def load(system: str) -> Engine:
        if system == "dual_generator":
            raise CheckpointError("No such weights.")
        return engines.seeing(turned(yaw_deg))(system)

    result = open_edit(frame, engines=load, face=1).render(FaceEdit(yaw_deg=-60.0))
    assert result.system == "facegan" and "expect smears or a doubled face. No such weights." in result.warnings[-1]
    with pytest.raises(CheckpointError, match="No such weights"):  # chosen, it is needed
        open_edit(frame, engines=load, face=1, system="dual_generator")


@pytest.mark.parametrize("roll_deg", [35, 90, 180])
def test_angles_of_a_source_that_lies_count_from_upright(engines: Engines, frame: Frame, roll_deg: float) -> None:
    session = open_edit(frame, engines=engines.seeing(turned(0, roll_deg)), face=1)
    result = session.render(SMILE, background="none")
    assert result.rgb.shape == frame.shape and result.alpha is not None and result.alpha.shape == frame.shape[:2]
    assert result.system == "facegan"
    assert abs(session.reading.roll_deg) < 5
    assert "does not stand upright" in session.warnings[0]


@pytest.mark.parametrize("size", [(50, 400), (300, 20), (200, 180), (7, 7)])
def test_a_background_of_any_size_and_shape_covers_the_source(
    session: EditSession, frame: Frame, size: tuple[int, int]
) -> None:
    behind = np.zeros((size[1], size[0], 3), np.uint8)
    behind[..., 1] = 200
    result = session.render(SMILE, background=behind)
    assert result.rgb.shape == frame.shape and result.alpha is None
    assert result.rgb[2, 2].tolist() == [0, 200, 0]


def test_the_middle_of_a_background_is_taken() -> None:
    picture = np.zeros((10, 40, 3), np.uint8)
    picture[:, 15:25] = 255
    assert cover(picture, 10, 10).min() == 255
    assert cover(picture, 20, 20).shape == (20, 20, 3)
    assert cover(cv2.resize(picture, (37, 11)), 200, 31).shape == (31, 200, 3)


def test_transparency_is_that_of_the_cutout_or_the_sources_own(engines: Engines, frame: Frame) -> None:
    alpha = np.full(frame.shape[:2], 77, np.uint8)
    session = open_edit(Picture(rgb=frame, alpha=alpha), engines=engines)
    for edit in (SMILE, FaceEdit(pitch_deg=22.0)):
        assert np.array_equal(session.render(edit).alpha, alpha)  # pyright: ignore[reportArgumentType]
        assert session.render(edit, preview=True).alpha is None
    cut = session.render(FaceEdit(), background="none").alpha
    assert cut is not None and cut.shape == frame.shape[:2] and cut[2, 2] == 0


def test_a_background_that_is_no_picture_is_refused_by_name(session: EditSession, tmp_path: pathlib.Path) -> None:
    (tmp_path / "beach.png").write_text("no picture")
    for name in ("beach.png", "nowhere.png"):
        with pytest.raises(UnsupportedInputError, match=name):
            session.render(SMILE, background=tmp_path / name)
        with pytest.raises(UnsupportedInputError, match=name):
            session.animate(SMILE, tmp_path / "out.mp4", background=tmp_path / name)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_a_clip_eases_to_the_edit_and_back(session: EditSession, tmp_path: pathlib.Path, ending: str) -> None:
    shown = []
    result = session.animate(
        SMILE, tmp_path / f"out.{ending}", seconds=0.5, fps=10, progress=lambda *news: shown.append(news)
    )
    assert (result.width, result.height, result.frame_count, result.fps) == (200, 180, 5, 10)
    assert shown == [(i + 1, 5, "frames") for i in range(5)]
    frames = read_clip(result.path).astype(int)
    moved = np.abs(frames - frames[0]).mean((1, 2, 3))
    assert moved[2] > moved[1] > 0.1 and moved[4] < moved[1] / 2


def test_a_clip_of_the_source_alone_carries_no_mark(session: EditSession, tmp_path: pathlib.Path) -> None:
    for edit, marked in ((FaceEdit(), False), (SMILE, True)):
        result = session.animate(edit, tmp_path / f"{marked}.mp4", seconds=0.2, fps=10)
        with av.open(str(result.path)) as container:
            assert ("comment" in container.metadata) is marked


def test_shares_of_a_clip_begin_and_end_with_the_source(session: EditSession) -> None:
    shares = list(eased(25))
    assert shares[0] == 0 and shares[12] == 1 and shares[24] == pytest.approx(0, abs=1e-12)
    assert np.allclose(shares, shares[::-1]) and np.abs(np.diff(shares)).max() < 0.14
    own = session.reading
    target = type(own)(action_units=own.action_units + 1, yaw_deg=own.yaw_deg + 10, pitch_deg=0.0, roll_deg=0.0)
    half = between(own, target, 0.5)
    torch.testing.assert_close(half.action_units, own.action_units + 0.5)
    assert half.yaw_deg == pytest.approx(own.yaw_deg + 5)
    assert between(own, target, 0.0) is own and between(own, target, 1.0) is target


def test_a_turntable_goes_from_profile_to_profile(session: EditSession, tmp_path: pathlib.Path) -> None:
    green = np.full((10, 10, 3), (0, 200, 0), np.uint8)
    held = FaceEdit(action_units={"12": 3.0}, yaw_deg=12.0, pitch_deg=5.0, mode="absolute")
    result = session.turntable(tmp_path / "out.mp4", seconds=0.4, fps=10, edit=held, background=green)
    assert (result.width, result.height, result.frame_count, float(result.fps)) == (200, 180, 4, 10)
    clip = read_clip(result.path)
    for shown, yaw_deg in ((clip[0], -90.0), (clip[-1], 90.0)):
        drawn = session.render(dataclasses.replace(held, yaw_deg=yaw_deg), background=green).rgb
        assert np.abs(shown.astype(float) - drawn).mean() < 6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seconds": 0.0}, "more than 0 and up to 60 s"),
        ({"seconds": float("nan")}, "more than 0"),
        ({"seconds": 1e6}, "up to 60 s"),
        ({"fps": 0}, "1 to 120"),
        ({"background": "none"}, "Clips cannot be transparent"),
        ({"from_yaw_deg": -100.0}, "takes -90 to 90"),
        ({"to_yaw_deg": float("nan")}, "takes -90 to 90"),
    ],
)
def test_impossible_clips_are_refused(
    session: EditSession, tmp_path: pathlib.Path, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        session.turntable(tmp_path / "out.mp4", **options)
    if not options.keys() & {"from_yaw_deg", "to_yaw_deg"}:
        with pytest.raises(ConfigError, match=text):
            session.animate(SMILE, tmp_path / "out.mp4", **options)
    assert not list(tmp_path.iterdir())


def test_a_stopped_clip_leaves_nothing_behind(session: EditSession, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoppedError):
        session.animate(SMILE, tmp_path / "out.mp4", should_stop=lambda: True)
    with pytest.raises(StoppedError):
        session.turntable(tmp_path / "out.mp4", should_stop=lambda: True)
    assert not list(tmp_path.iterdir())


def test_a_system_without_action_units_is_refused(engines: Engines, frame: Frame, driving: pathlib.Path) -> None:
    other = dataclasses.replace(engines.known["facegan"], system=ShiftSystem())
    with pytest.raises(ConfigError, match="edit with facegan or dual_generator"):
        open_edit(frame, engines=lambda _: other, system="shift")
    with pytest.raises(ConfigError, match="choose the system facegan"):
        drive(other, frame, driving, action_units={"12": 1.0})


def test_units_are_added_to_the_drivers_and_taken_from_the_sources(session: EditSession) -> None:
    identity = session._first.source.identity
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
    return read_clip(reenact_video(frame, driving, out, system=engine, overwrite=True, **options).path)


def read_clip(path: pathlib.Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack(list(reader))


def test_a_driven_clip_is_edited(engines: Engines, frame: Frame, driving: pathlib.Path) -> None:
    """Neutralised, it is relative in any mode: a driver at rest gives the source's face without its expression."""
    engine = engines("facegan")
    plain = drive(engine, frame, driving, mode="relative").astype(int)
    more = drive(engine, frame, driving, mode="relative", action_units={"12": 4.0})
    options = DrivingOptions(neutralise=True)
    neutral = [drive(engine, frame, driving, options=options, mode=mode) for mode in ("absolute", "relative")]
    assert np.array_equal(*neutral)  # pyright: ignore[reportArgumentType]
    for edited in (more, neutral[0]):
        assert np.abs(plain - edited).max() > 10
    with pytest.raises(ConfigError, match="no Action Unit '3'"):
        drive(engine, frame, driving, action_units={"3": 1.0})
