"""The editor's handlers, over a session known by heart."""

import json
import pathlib
from fractions import Fraction
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch

from reenact.errors import Hint, NoFaceFoundError, StoppedError
from reenact.media import read_image
from reenact.pipeline import ImageResult, VideoResult
from reenact.pipeline.controls import FaceEdit, FaceReading
from reenact.space.editor_tab import EditorTab
from reenact.space.editor_units import CONTROLS, GROUPS
from reenact.space.editor_values import values_of
from reenact.space.models import Models
from reenact.space.page import build_page
from reenact.space.reading import bars
from reenact.space.runs import Runs
from reenact.space.sources import Sources

READING = FaceReading(
    action_units=torch.linspace(0, 4.9, 34).reshape(17, 2), yaw_deg=12.3, pitch_deg=-6.5, roll_deg=0.0
)
OWN = values_of(READING)
VISITOR = gr.Request(session_hash="a")


class Session:
    """Draws how much was asked for, and remembers it."""

    reading = READING
    warnings = ("a.png: one",)
    still = np.zeros((40, 60, 3), np.uint8)

    def __init__(self) -> None:
        self.asked: list[tuple[FaceEdit, Any, bool]] = []

    def render(self, edit: FaceEdit, *, background: Any = None, preview: bool = False) -> ImageResult:
        self.asked.append((edit, background, preview))
        source = self.still[:32, :32] if preview else self.still
        alpha = np.full(source.shape[:2], 7, np.uint8) if background == "none" else None
        return ImageResult(rgb=source + len(edit.action_units), alpha=alpha, source=source, warnings=self.warnings)

    def animate(self, edit: FaceEdit, out: pathlib.Path, **options: Any) -> VideoResult:
        self.asked.append((edit, options["background"], False))
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
def tab(session: Session, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> EditorTab:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    models = Models(lambda system: system)  # type: ignore[arg-type, return-value]
    return EditorTab(models, Runs(), sources=Sources(models, "facegan", lambda *_, **__: session))  # type: ignore[arg-type, return-value]


@pytest.fixture
def source(tmp_path: pathlib.Path) -> str:
    (tmp_path / "anna.png").write_bytes(b"1")
    return str(tmp_path / "anna.png")


def given(
    source: str | None, *, background: str = "keep", picture: str | None = None, apart: bool = False, **values: float
) -> list[Any]:
    """What the browser sends."""
    named = {name.removeprefix("au"): value for name, value in values.items()}
    return [source, 0, True, background, picture, apart, *(OWN | named).values()]


def slider_values(updates: list[Any]) -> dict[str, float]:
    return dict(zip(CONTROLS, updates[: len(CONTROLS)], strict=True))


def test_opened_source_is_on_the_sliders_and_the_bars(tab: EditorTab, session: Session, source: str) -> None:
    shown_now = tab.open(VISITOR, *given(source))
    hint, *panels = shown_now[:4]
    drawn, pair, text, apart, *sliders = shown_now[4:]
    assert not hint["visible"]
    assert all(panel["visible"] for panel in panels)
    assert slider_values(sliders) == OWN
    assert not apart
    assert drawn == bars(OWN, GROUPS)
    assert text == "The source has 60 × 40 pixels.\nNote: A.png: one"
    assert read_image(pair[0]).rgb.shape == (32, 32, 3)
    assert [(edit.is_empty, preview) for edit, _, preview in session.asked] == [(True, True)]


def test_source_taken_away_leaves_all_as_it_is(tab: EditorTab) -> None:
    assert all(update == gr.skip() for update in tab.open(VISITOR, *given(None)))


def test_preview_draws_what_was_moved(tab: EditorTab, session: Session, source: str) -> None:
    _, after = tab.preview(VISITOR, *given(source, au26=5.0, yaw=-40.0))
    ((edit, background, preview),) = session.asked
    assert (dict(edit.action_units), edit.yaw_deg, edit.pitch_deg, edit.mode) == ({"26": 5.0}, -40.0, None, "absolute")
    assert background is None
    assert preview
    assert read_image(after).rgb.max() == 1


@pytest.mark.parametrize(("picture", "expected"), [(None, None), ("hall.png", "picture")])
def test_background_picture_counts_once_it_is_there(
    tab: EditorTab, session: Session, source: str, tmp_path: pathlib.Path, picture: str | None, expected: str | None
) -> None:
    from reenact.media import write_image

    if picture is not None:
        write_image(tmp_path / picture, np.full((9, 9, 3), 3, np.uint8))
    path = None if picture is None else str(tmp_path / picture)
    tab.preview(VISITOR, *given(source, background="picture", picture=path))
    ((_, background, _),) = session.asked
    assert background is None if expected is None else background.rgb.shape == (9, 9, 3)


def test_reset_gives_the_source_back(tab: EditorTab, source: str) -> None:
    apart, *sliders = tab.reset(*given(source, au26=5.0, au12L=4.0, apart=True))
    assert slider_values(sliders) == OWN
    assert apart


def test_left_and_right_have_sliders_when_taken_apart(tab: EditorTab, source: str) -> None:
    for switch in (True, False):
        columns = tab.take_apart(*given(source, apart=switch))[1 + len(CONTROLS) :]
        assert [column["visible"] for column in columns] == [not switch] * 5 + [switch] * 5


def test_preset_with_a_side_takes_them_apart(tab: EditorTab, source: str) -> None:
    apart, *sliders = tab.preset("wink")(*given(source))
    assert apart
    assert slider_values(sliders)["45L"] == 5
    assert slider_values(sliders)["45R"] == OWN["45R"]


def test_saved_settings_are_loaded_again(tab: EditorTab, source: str) -> None:
    file = tab.save_settings(*given(source, au26=5.0, pitch=10.0))
    assert pathlib.Path(file).name == "anna-edit.json"
    assert json.loads(pathlib.Path(file).read_text())["action_units"] == {"26": 5.0}
    _, *sliders = tab.load_settings(file, *given(source, au4=1.0))
    assert slider_values(sliders) == OWN | {"26": 5.0, "pitch": 10.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "The settings: this is not JSON"),
        (b"\xff\xfe", "The settings: this is not JSON"),
        (b'{"kind": "reenact-edit", "format_version": 99}', "format_version 99"),
        (b" " * 200_000, "too large"),
    ],
    ids=["cut", "binary", "newer", "large"],
)
def test_settings_that_are_none_get_a_message(
    tab: EditorTab, source: str, tmp_path: pathlib.Path, content: bytes, said: str
) -> None:
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(gr.Error) as caught:
        tab.load_settings(str(tmp_path / "s.json"), *given(source))
    assert said in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_picture_is_saved_whole_and_with_its_transparency(tab: EditorTab, session: Session, source: str) -> None:
    file, text = tab.save_picture(*given(source, background="none", au26=5.0))
    saved = read_image(file)
    assert pathlib.Path(file).name == "anna-edited.png"
    assert saved.rgb.shape == (40, 60, 3)
    assert saved.alpha is not None
    assert (saved.alpha == 7).all()
    assert session.asked[-1][1:] == ("none", False)
    assert "60 × 40 pixels" in text


@pytest.mark.parametrize(("kind", "suffix"), [("MP4", ".mp4"), ("GIF", ".gif")])
def test_clip_is_shown_where_it_can_be_played(tab: EditorTab, source: str, kind: str, suffix: str) -> None:
    clip, gif, file, text = tab.animate(2.0, kind, Progress(), VISITOR, *given(source))
    assert pathlib.Path(file).suffix == suffix
    assert (clip["visible"], gif["visible"]) == (kind == "MP4", kind == "GIF")
    assert "50 frames" in text


def test_stopped_clip_leaves_nothing(
    tab: EditorTab, session: Session, source: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(Progress):
        def __call__(self, *_: Any, **__: Any) -> Any:
            tab.stop(VISITOR)

    with pytest.raises(gr.Error, match="Stopped"):
        tab.animate(2.0, "MP4", Stopping(), VISITOR, *given(source))
    assert list((tmp_path / "cache").rglob("*.mp4")) == []
    assert tab.stop(VISITOR) == "Nothing is running."


@pytest.mark.parametrize("call", ["preview", "save_picture"])
def test_missing_source_is_asked_for(tab: EditorTab, call: str) -> None:
    request = [VISITOR] if call == "preview" else []
    with pytest.raises(gr.Error, match="no source picture yet"):
        getattr(tab, call)(*request, *given(None))


def test_missing_background_is_asked_for_before_saving(tab: EditorTab, source: str) -> None:
    with pytest.raises(gr.Error, match="no background picture yet"):
        tab.save_picture(*given(source, background="picture"))


def test_error_of_the_pipeline_is_one_message(source: str, tmp_path: pathlib.Path) -> None:
    def refuse(path: pathlib.Path, **_: Any) -> Any:
        raise NoFaceFoundError(f"{path}: No face found; give another.", hint=Hint.SOURCE_FACE)

    models = Models(lambda system: system)  # type: ignore[arg-type, return-value]
    tab = EditorTab(models, Runs(), sources=Sources(models, "facegan", refuse))
    with pytest.raises(gr.Error) as caught:
        tab.open(VISITOR, *given(source))
    assert caught.value.message == "The source picture: No face found; give another (option “Face in the source”)."


def test_bars_say_what_they_show() -> None:
    drawn = bars(OWN | {"12L": 5.0, "12R": 0.0, "12": 2.5, "yaw": -45.0}, GROUPS)
    assert 'aria-label="AU12 Smile, left" aria-valuenow="5"' in drawn
    assert '<i style="left:0.0%;width:100.0%">' in drawn
    assert '<i style="left:25.0%;width:25.0%">' in drawn  # 45 degrees from the middle
    assert json.dumps(OWN["26"]) in drawn


@pytest.mark.parametrize("offered", [True, False])
def test_tab_is_there_only_where_it_can_edit(offered: bool) -> None:
    def load(system: str) -> Any:
        raise AssertionError("building the page loads nothing")

    page = build_page(Models(load), editor=offered, large_pose=False)
    tabs = [block.label for block in page.blocks.values() if isinstance(block, gr.Tab)]
    assert ("Expression editor" in tabs) == offered
    public = {each.api_name for each in page.fns.values() if each.api_visibility == "public" and each.api_name}
    assert ("edit" in public) == offered
    assert public <= {"reenact_image", "reenact_video", "stop", "edit"}
