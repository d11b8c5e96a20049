"""The head pose tab's handlers, over a session known by heart."""

import pathlib
from fractions import Fraction
from typing import Any

import gradio as gr
import numpy as np
import pytest

from reenact.errors import Hint, NoFaceFoundError, StoppedError
from reenact.media import read_image
from reenact.pipeline import ImageResult, VideoResult
from reenact.pipeline.turn import LARGEST_DEG, HeadReading, HeadTurn
from reenact.space.models import Models
from reenact.space.pose_api import TurnEndpoints
from reenact.space.pose_tab import PoseTab
from reenact.space.pose_values import CONTROLS, VIEWS, angles_of, turn_of
from reenact.space.runs import Runs
from reenact.space.sources import Sources

READING = HeadReading(yaw_deg=12.3, pitch_deg=-6.5, roll_deg=60.0)
OWN = {"yaw": 12.0, "pitch": -6.0, "roll": 45.0}
VISITOR = gr.Request(session_hash="a")


class Session:
    """Draws in grey, and remembers what was asked for."""

    reading = READING
    warnings = ("a.png: one",)
    still = np.zeros((40, 60, 3), np.uint8)

    def __init__(self) -> None:
        self.asked: list[tuple[HeadTurn, dict[str, Any]]] = []

    def render(self, turn: HeadTurn, *, preview: bool = False) -> ImageResult:
        self.asked.append((turn, {"preview": preview}))
        source = self.still[:32, :32] if preview else self.still
        return ImageResult(rgb=source + 9, alpha=None, source=source, warnings=self.warnings)

    def turntable(self, out: pathlib.Path, *, turn: HeadTurn | None = None, **options: Any) -> VideoResult:
        self.asked.append((turn or HeadTurn(), options))
        options["progress"](1, 2, "frames")
        if options["should_stop"]():
            raise StoppedError("Stopped; nothing was written.")
        out.write_bytes(b"clip")
        count = round(25 * options["seconds"])
        facts: dict[str, Any] = {"width": 60, "height": 40, "fps": Fraction(25), "frame_count": count}
        return VideoResult(path=out, missing=(), warnings=(), **facts)


class Progress(gr.Progress):
    def __call__(self, *_: Any, **__: Any) -> Any:
        return None


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def sources(session: Session, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return Sources(Models(lambda system: system), "dual_generator", lambda *_, **__: session)  # type: ignore[arg-type, return-value]


@pytest.fixture
def tab(sources: Any) -> PoseTab:
    return PoseTab(Models(), Runs(), sources=sources)


@pytest.fixture
def source(tmp_path: pathlib.Path) -> str:
    (tmp_path / "anna.png").write_bytes(b"1")
    return str(tmp_path / "anna.png")


def given(source: str | None, **angles: float) -> list[Any]:
    """What the browser sends."""
    return [source, 0, True, *(OWN | angles).values()]


def test_sliders_go_as_far_as_heads_are_turned() -> None:
    assert {name: control.highest for name, control in CONTROLS.items()} == LARGEST_DEG
    assert all(control.lowest == -control.highest for control in CONTROLS.values())
    assert all(abs(angle) <= CONTROLS[name].highest for view in VIEWS.values() for name, angle in view.items())


def test_untouched_sliders_ask_for_nothing_even_where_the_source_is_beyond_them() -> None:
    assert angles_of(READING) == OWN
    assert turn_of(OWN | {"pitch": float("nan")}, OWN) == HeadTurn()
    assert turn_of(OWN | {"yaw": -90.0}, OWN) == HeadTurn(yaw_deg=-90.0)


def test_opened_source_is_on_the_sliders_and_the_bars(tab: PoseTab, session: Session, source: str) -> None:
    hint, *panels = tab.open(VISITOR, *given(source))[:4]
    drawn, pair, text, *sliders = tab.open(VISITOR, *given(source))[4:]
    assert not hint["visible"]
    assert all(panel["visible"] for panel in panels)
    assert sliders == list(OWN.values())
    assert 'aria-label="Turn (yaw)" aria-valuenow="12"' in drawn
    assert text == "The source has 60 × 40 pixels.\nNote: A.png: one"
    assert read_image(pair[0]).rgb.shape == (32, 32, 3)
    assert session.asked[0] == (HeadTurn(), {"preview": True})


def test_source_taken_away_leaves_all_as_it_is(tab: PoseTab) -> None:
    assert all(update == gr.skip() for update in tab.open(VISITOR, *given(None)))


def test_preview_and_picture_show_what_was_moved(tab: PoseTab, session: Session, source: str) -> None:
    _, after = tab.preview(VISITOR, *given(source, yaw=-70.0))
    file, text = tab.save_picture(*given(source, yaw=-70.0))
    assert [(turn.yaw_deg, turn.pitch_deg, options["preview"]) for turn, options in session.asked] == [
        (-70.0, None, True),
        (-70.0, None, False),
    ]
    assert read_image(after).rgb.max() == 9
    assert pathlib.Path(file).name == "anna-turned.png"
    assert "60 × 40 pixels" in text


def test_reset_gives_the_source_back(tab: PoseTab, source: str) -> None:
    assert tab.reset(*given(source, yaw=80.0)) == list(OWN.values())


@pytest.mark.parametrize(("kind", "suffix"), [("MP4", ".mp4"), ("GIF", ".gif")])
def test_turntable_keeps_nod_and_tilt(tab: PoseTab, session: Session, source: str, kind: str, suffix: str) -> None:
    player, gif, file, text = tab.make_turntable(2, kind, Progress(), VISITOR, *given(source, pitch=20.0))
    assert pathlib.Path(file).name == "anna-turntable" + suffix
    assert (player["visible"], gif["visible"]) == (kind == "MP4", kind == "GIF")
    assert session.asked[-1][0] == HeadTurn(pitch_deg=20.0)
    assert "50 frames" in text


def test_stopped_turntable_leaves_nothing(tab: PoseTab, source: str, tmp_path: pathlib.Path) -> None:
    class Stopping(Progress):
        def __call__(self, *_: Any, **__: Any) -> Any:
            tab.stop(VISITOR)

    with pytest.raises(gr.Error, match="Stopped"):
        tab.make_turntable(2, "MP4", Stopping(), VISITOR, *given(source))
    assert list((tmp_path / "cache").rglob("*.mp4")) == []


def test_program_names_angles_and_ends(sources: Any, session: Session, source: str) -> None:
    endpoints = TurnEndpoints(sources, Runs())
    file, _ = endpoints.turn(source, 60, roll=5.0)
    assert session.asked[-1][0] == HeadTurn(yaw_deg=60.0, roll_deg=5.0)
    assert pathlib.Path(file).is_file()
    clip, _ = endpoints.turntable(source, 1, 0, 45, "GIF", progress=Progress())
    options = session.asked[-1][1]
    assert (options["seconds"], options["from_yaw_deg"], options["to_yaw_deg"]) == (1.0, 0.0, 45.0)
    assert clip.endswith("anna-turntable.gif")
    with pytest.raises(gr.Error, match="yaw is set to 100"):
        endpoints.turn(source, 100)


@pytest.mark.parametrize("call", ["preview", "save_picture"])
def test_missing_source_is_asked_for(tab: PoseTab, call: str) -> None:
    request = [VISITOR] if call == "preview" else []
    with pytest.raises(gr.Error, match="no source picture yet"):
        getattr(tab, call)(*request, *given(None))


def test_error_of_the_pipeline_is_one_message(source: str) -> None:
    def refuse(path: pathlib.Path, **_: Any) -> Any:
        raise NoFaceFoundError(f"{path}: No face found; give another.", hint=Hint.SOURCE_FACE)

    models = Models(lambda system: system)  # type: ignore[arg-type, return-value]
    tab = PoseTab(models, Runs(), sources=Sources(models, "dual_generator", refuse))
    with pytest.raises(gr.Error) as caught:
        tab.open(VISITOR, *given(source))
    assert caught.value.message == "The source picture: No face found; give another (option “Face in the source”)."
