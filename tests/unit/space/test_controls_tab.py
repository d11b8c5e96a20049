"""The editor's handlers, over a session that records what it is asked for."""

import asyncio
import json
import math
import pathlib
from fractions import Fraction
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch

from reenact.errors import Hint, NoFaceFoundError, StoppedError
from reenact.media import read_image, write_image
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.settings import FaceEdit
from reenact.pipeline.results import ImageResult, VideoResult
from reenact.space.controls_api import ControlsApi
from reenact.space.controls_tab import ControlsTab
from reenact.space.models import Models
from reenact.space.widgets.caches import Sessions
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.clip_part import ClipPart
from reenact.space.widgets.inputs import CLAMPED
from reenact.space.widgets.reading import bars
from reenact.space.widgets.runs import Runs
from reenact.space.widgets.settings import values_of
from reenact.space.widgets.sliders import CONTROLS

READING = FaceReading(
    action_units=torch.linspace(0, 4.9, 34).reshape(17, 2), yaw_deg=12.3, pitch_deg=-6.5, roll_deg=0.0
)
OWN = values_of(READING)
VISITOR = gr.Request(session_hash="a")


class Session:
    """Draws in a grey that tells how many units were set, and records every call."""

    reading = READING
    warnings = ("a.png: one",)
    still = np.zeros((40, 60, 3), np.uint8)
    nbytes = still.nbytes

    def __init__(self) -> None:
        self.asked: list[tuple[FaceEdit, dict[str, Any]]] = []

    def render(self, edit: FaceEdit, **options: Any) -> ImageResult:
        self.asked.append((edit, options))
        source = self.still[:32, :32] if options.get("preview") else self.still
        alpha = np.full(source.shape[:2], 7, np.uint8) if options["background"] == "none" else None
        return ImageResult(rgb=source + len(edit.action_units), alpha=alpha, source=source, warnings=self.warnings)

    def animate(self, *, edit: FaceEdit, out: pathlib.Path, **options: Any) -> VideoResult:
        self.asked.append((edit, options))
        options["progress"](1, 2, "frames")
        if options["should_stop"]():
            raise StoppedError("Stopped; nothing was written.")
        out.write_bytes(b"clip")
        count = round(25 * options["seconds"])
        facts: dict[str, Any] = {"width": 60, "height": 40, "fps": Fraction(25), "frame_count": count}
        return VideoResult(path=out, missing=(), warnings=(), **facts)

    turntable = animate

    def play(self, keyframes: KeyFrames, out: pathlib.Path, **options: Any) -> VideoResult:
        self.played = keyframes
        return self.animate(edit=FaceEdit(), out=out, seconds=keyframes.seconds, **options)


class Progress(gr.Progress):
    def __call__(self, *_: Any, **__: Any) -> Any:
        return None


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def sessions(session: Session, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return Sessions(Models(), lambda *_, **__: session)  # type: ignore[arg-type, return-value]


@pytest.fixture
def tab(sessions: Sessions) -> ControlsTab:
    tab = ControlsTab(Models(), Runs(), ClipLimits(), sessions=sessions)
    with gr.Blocks():
        tab.build()
    return tab


@pytest.fixture
def source(tmp_path: pathlib.Path) -> str:
    (tmp_path / "anna.png").write_bytes(b"1")
    return str(tmp_path / "anna.png")


def given(
    source: str | None,
    *,
    background: str = "keep",
    picture: str | None = None,
    apart: bool = False,
    **values: float | None,
) -> list[Any]:
    """What the browser sends."""
    named = {name.removeprefix("au"): value for name, value in values.items()}
    return [source, 0, True, "auto", background, picture, apart, *(OWN | named).values()]


def slider_values(updates: list[Any]) -> dict[str, float]:
    return dict(zip(CONTROLS, updates[: len(CONTROLS)], strict=True))


def test_opened_source_is_on_the_sliders_and_the_bars(tab: ControlsTab, session: Session, source: str) -> None:
    shown = tab.open(VISITOR, *given(source))
    hint, *panels = shown[:4]
    drawn, pair, text, apart, *sliders = shown[4:]
    assert not hint["visible"]
    assert all(panel["visible"] for panel in panels)
    assert slider_values(sliders) == OWN
    assert not apart
    assert drawn == bars(OWN)
    assert text == "The source has 60 × 40 pixels.\nNote: A.png: one"
    assert read_image(pair[0]).rgb.shape == (32, 32, 3)
    assert [(edit.is_empty, options["preview"]) for edit, options in session.asked] == [(True, True)]
    assert all(update == gr.skip() for update in tab.open(VISITOR, *given(None)))  # the source was removed


def test_preview_draws_what_was_moved(tab: ControlsTab, session: Session, source: str) -> None:
    _, after = tab.preview(VISITOR, *given(source, au26=5.0, yaw=-70.0))
    ((edit, options),) = session.asked
    assert (dict(edit.action_units), edit.yaw_deg, edit.pitch_deg, edit.mode) == ({"26": 5.0}, -70.0, None, "absolute")
    assert options == {"background": None, "preview": True}
    assert read_image(after).rgb.max() == 1


@pytest.mark.parametrize("there", [False, True])
def test_background_picture_is_used_once_it_is_there(
    tab: ControlsTab, session: Session, source: str, tmp_path: pathlib.Path, there: bool
) -> None:
    write_image(tmp_path / "hall.png", np.full((9, 9, 3), 3, np.uint8))
    tab.preview(VISITOR, *given(source, background="picture", picture=str(tmp_path / "hall.png") if there else None))
    background = session.asked[0][1]["background"]
    assert background.rgb.shape == (9, 9, 3) if there else background is None


def test_reset_and_sides_keep_what_the_source_does(tab: ControlsTab, source: str) -> None:
    apart, *sliders = tab.reset(*given(source, au26=5.0, au12L=4.0, yaw=80.0, apart=True))
    assert apart
    assert slider_values(sliders) == OWN
    for apart in (True, False):
        columns = tab.split_sides(*given(source, apart=apart))[1 + len(CONTROLS) :]
        assert [column["visible"] for column in columns] == [not apart] * 5 + [apart] * 5
    apart, *sliders = tab.show_preset("wink")(*given(source))
    assert not apart  # the switch stays as the visitor left it
    assert (slider_values(sliders)["45L"], slider_values(sliders)["45R"]) == (5, OWN["45R"])


@pytest.mark.parametrize(("mode", "units"), [("absolute", {"26": 5.0}), ("relative", {"26": 5.0 - OWN["26"]})])
def test_saved_settings_are_loaded_again(tab: ControlsTab, source: str, mode: str, units: dict[str, float]) -> None:
    options = ["facegan", False, "none", mode, "turntable", 3.5, "GIF"]
    file = tab.save_settings(*options, *given(source, au26=5.0, pitch=10.0))
    assert pathlib.Path(file).name == "anna-edit.json"
    saved = json.loads(pathlib.Path(file).read_text())
    assert (saved["mode"], saved["action_units"]) == (mode, pytest.approx(units))
    _, *shown = tab.load_settings(file, *given(source, au4=1.0))
    assert slider_values(shown) == pytest.approx(OWN | {"26": 5.0, "pitch": 10.0}, abs=0.1)
    assert shown[-7:] == options
    assert FaceEdit.from_json(pathlib.Path(file).read_text()).mode == mode  # the command line reads the edit alone


def test_settings_that_the_page_cannot_take_are_left(tab: ControlsTab, source: str, tmp_path: pathlib.Path) -> None:
    page = {"system": "nobody", "whole_picture": 1, "clip_seconds": 600, "clip_format": "GIF"}
    (tmp_path / "s.json").write_text(FaceEdit().to_json(page=page))
    *_, system, whole, _, _, _, seconds, kind = tab.load_settings(str(tmp_path / "s.json"), *given(source))
    assert system == whole == seconds == gr.skip()
    assert kind == "GIF"


def test_refresh_opens_the_source_and_draws_what_the_sliders_say(
    tab: ControlsTab, session: Session, source: str
) -> None:
    _, *panels, drawn, pair = (shown := tab.reopen(VISITOR, *given(source, apart=True, au12L=5.0)))[:6]
    assert all(panel["visible"] for panel in panels)
    assert drawn == bars(OWN)
    assert session.asked[-1][0].action_units == {"12L": 5.0}
    assert read_image(pair[1]).rgb.max() == 1
    assert [column["visible"] for column in shown[6:]] == [False] * 5 + [True] * 5
    assert all(update == gr.skip() for update in tab.reopen(VISITOR, *given(None)))


def test_picture_is_saved_whole_and_with_its_transparency(tab: ControlsTab, session: Session, source: str) -> None:
    file, text = tab.save_picture(*given(source, background="none", au26=5.0))
    saved = read_image(file)
    assert pathlib.Path(file).name == "anna-edited.png"
    assert saved.rgb.shape == (40, 60, 3)
    assert saved.alpha is not None
    assert (saved.alpha == 7).all()
    assert session.asked[-1][1] == {"background": "none"}
    assert "60 × 40 pixels" in text


@pytest.mark.parametrize(("kind", "suffix"), [("MP4", ".mp4"), ("GIF", ".gif")])
@pytest.mark.parametrize(("motion", "name"), [("animation", "anna-edited"), ("turntable", "anna-turntable")])
def test_clip_is_shown_where_it_can_be_played(
    tab: ControlsTab, session: Session, source: str, motion: str, name: str, kind: str, suffix: str
) -> None:
    video, gif, file, text = tab.make_clip(motion, 2.0, kind, [], None, Progress(), VISITOR, *given(source, pitch=20.0))
    assert pathlib.Path(file).name == name + suffix
    assert (video["visible"], gif["visible"]) == (kind == "MP4", kind == "GIF")
    assert session.asked[-1][0] == FaceEdit(pitch_deg=20.0, mode="absolute")
    assert "50 frames" in text


def test_stopped_clip_leaves_no_file(tab: ControlsTab, source: str, tmp_path: pathlib.Path) -> None:
    class Stopping(Progress):
        def __call__(self, *_: Any, **__: Any) -> Any:
            asyncio.run(tab.stop(VISITOR))

    with pytest.raises(gr.Error, match="Stopped"):
        tab.make_clip("animation", 2.0, "MP4", [], None, Stopping(), VISITOR, *given(source))
    assert list((tmp_path / "cache").rglob("*.mp4")) == []
    assert asyncio.run(tab.stop(VISITOR)) == "Nothing is running."


ROWS = [["0", "", "smooth"], ["0.8", "12=1", "hold"], ["", "", ""]]


def test_key_frames_are_added_saved_loaded_and_filmed(tab: ControlsTab, session: Session, source: str) -> None:
    turned = given(source, yaw=OWN["yaw"] + 10)
    rows, time = tab.add_keyframe(ROWS, "1.6", *turned)
    assert rows == [["0", "", "smooth"], ["0.8", "12=1", "hold"], ["1.6", "yaw=10", "smooth"]] and time == "2.4"
    replaced, _ = tab.add_keyframe(rows, "0.80", *turned)
    assert replaced[1] == ["0.8", "yaw=10", "smooth"] and len(replaced) == 3
    assert tab.add_keyframe([["", None, ""]], "0", *given(source)) == [[["0", "", "smooth"]], "0.8"]
    saved = tab.save_keyframes(rows, *turned)
    assert pathlib.Path(saved).name == "anna-keyframes.json"
    assert tab.load_keyframes(saved) == rows
    video, _, file, text = tab.make_clip("keyframes", None, "MP4", rows, None, Progress(), VISITOR, *turned)
    assert pathlib.Path(file).name == "anna-keyframes.mp4" and video["visible"]
    assert session.played == KeyFrames.from_rows(rows) and session.asked[-1][1]["fps"] == 25
    assert "40 frames" in text


@pytest.mark.parametrize(
    ("rows", "time", "said"),
    [
        (ROWS, "", "The new key frame has no time"),
        (ROWS, "later", "the time is 'later'"),
        ([["0", "smile", ""]], "1", "row 1: 'smile' is no value"),
    ],
)
def test_wrong_key_frames_get_a_message(
    tab: ControlsTab, source: str, rows: list[list[str]], time: str, said: str
) -> None:
    with pytest.raises(gr.Error, match=said):
        tab.add_keyframe(rows, time, *given(source))


def test_programs_film_key_frames(sessions: Sessions, session: Session, source: str, tmp_path: pathlib.Path) -> None:
    api = ControlsApi(Models(), Runs(), ClipLimits(), sessions)
    frames = json.loads(KeyFrames.from_rows(ROWS).to_json())
    file, _ = api.keyframes(source, frames, 10, "GIF", progress=Progress(), request=VISITOR)
    assert file.endswith("anna-keyframes.gif") and session.asked[-1][1]["fps"] == 10
    with pytest.raises(gr.Error, match="^'?The key frames: this is not a file of key frames"):
        api.keyframes(source, {"time_s": 0}, progress=Progress(), request=VISITOR)
    with pytest.raises(gr.Error, match=r"frames a second \(fps\) is set to 'x'"):
        api.keyframes(source, frames, "x", progress=Progress(), request=VISITOR)
    (tmp_path / "large.json").write_bytes(b" " * 200_000)
    with pytest.raises(gr.Error, match="too large to be one that the editor saved"):
        ControlsTab(Models(), Runs(), ClipLimits(), sessions=sessions).load_keyframes(str(tmp_path / "large.json"))


def test_programs_name_values_and_ends(sessions: Sessions, session: Session, source: str) -> None:
    api = ControlsApi(Models(), Runs(), ClipLimits(), sessions)
    file, _ = api.edit(source, {"12": 2, "yaw": 60}, "absolute")
    assert session.asked[-1][0] == FaceEdit(action_units={"12": 2.0}, yaw_deg=60.0, mode="absolute")
    assert pathlib.Path(file).is_file()
    clip, _ = api.turntable(source, 1, 0, 45, "GIF", settings={"pitch": 5}, progress=Progress())
    edit, options = session.asked[-1]
    assert edit == FaceEdit(pitch_deg=5.0)
    assert (options["seconds"], options["from_yaw_deg"], options["to_yaw_deg"]) == (1.0, 0.0, 45.0)
    assert clip.endswith("anna-turntable.gif")


@pytest.mark.parametrize("name", ["seconds", "from_yaw", "to_yaw"])
@pytest.mark.parametrize("value", [None, "abc"])
def test_turntable_refuses_what_is_no_number(sessions: Sessions, source: str, name: str, value: Any) -> None:
    numbers: dict[str, Any] = {"seconds": 1, "from_yaw": 0, "to_yaw": 45, name: value}
    with pytest.raises(gr.Error, match=rf"{name}.* is set to .*; it takes a number"):
        ControlsApi(Models(), Runs(), ClipLimits(), sessions).turntable(source, **numbers, progress=Progress())


def test_an_emptied_length_is_refused_and_a_typed_intensity_limited(tab: ControlsTab, source: str) -> None:
    with gr.Blocks():
        # anew, as gradio makes a slider whose value an event has changed: it had lost its limits then
        typed = gr.Slider(0, 5, elem_classes=CLAMPED)
        assert [typed.preprocess(value) for value in (9999, -1, 2.5)] == [5, 0, 2.5]
        assert math.isnan(ClipPart().seconds.preprocess(None))  # type: ignore[arg-type]
    with pytest.raises(gr.Error, match="seconds is set to None; it takes a number"):
        tab.make_clip("animation", None, "MP4", [], None, Progress(), VISITOR, *given(source))


def test_missing_files_are_asked_for(tab: ControlsTab, source: str) -> None:
    with pytest.raises(gr.Error, match="no source picture yet"):
        tab.preview(VISITOR, *given(None))
    with pytest.raises(gr.Error, match="no background picture yet: give one\\."):
        tab.save_picture(*given(source, background="picture"))


def test_error_of_the_pipeline_is_one_message(source: str) -> None:
    def refuse(path: pathlib.Path, **_: Any) -> Any:
        raise NoFaceFoundError(f"{path}: No face found; give another.", hint=Hint.SOURCE_FACE)

    tab = ControlsTab(Models(), Runs(), ClipLimits(), sessions=Sessions(Models(), refuse))
    with pytest.raises(gr.Error) as caught:
        tab.open(VISITOR, *given(source))
    assert caught.value.message == "The source picture: No face found; give another (option “Face in the source”)."


def test_bars_show_values_to_people_and_to_screen_readers() -> None:
    drawn = bars(OWN | {"12L": 5.0, "12R": 0.0, "12": 2.5, "yaw": -45.0})
    assert 'aria-label="AU12 Smile, left" aria-valuenow="5"' in drawn
    assert '<i style="left:0.0%;width:100.0%">' in drawn
    assert '<i style="left:25.0%;width:25.0%">' in drawn  # 45 degrees from the middle
    assert json.dumps(OWN["26"]) in drawn
