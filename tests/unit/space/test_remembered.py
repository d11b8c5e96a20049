"""What a refresh restores, and what it must not take from a browser."""

import json
import pathlib
from typing import Any

import gradio as gr
import pytest

from reenact.space import examples
from reenact.space.models import Models
from reenact.space.page import build_page
from reenact.space.widgets.clip_part import reopened_clip
from reenact.space.widgets.remembered import Remembered


@pytest.fixture
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "results" / "a").mkdir(parents=True)
    return tmp_path / "cache"


@pytest.fixture
def kept(cache: pathlib.Path) -> Remembered:
    with gr.Blocks():
        picture, pair = gr.Image(label="Picture", type="filepath"), gr.ImageSlider(label="Pair")
        choice = gr.Radio([("One", 1), ("Two", 2)], label="Choice")
        check, slider, number = gr.Checkbox(label="Check"), gr.Slider(0, 5, label="Slider"), gr.Number(label="Number")
        text, file = gr.Textbox(label="Text"), gr.DownloadButton("File")
        return Remembered("tab", [picture, pair, choice, check, slider, number, text, file])


def stored(path: pathlib.Path | str) -> dict[str, Any]:
    return {"path": str(path), "url": f"http://localhost/file={path}", "meta": {"_type": "gradio.FileData"}}


def sent(kept: Remembered, *values: Any) -> str:
    return json.dumps([kept.layout.value, *values])


def test_values_and_files_come_back(kept: Remembered, cache: pathlib.Path) -> None:
    example, result = examples.portraits()[0], cache / "results" / "a" / "anna.png"
    result.write_bytes(b"1")
    values = [stored(example), [stored(result), stored(result)], 2, True, 2.5, 3, "Done", stored(result)]
    *others, file = kept.restored(sent(kept, *values))
    assert others == [example, (str(result), str(result)), 2, True, 2.5, 3, "Done"]
    assert file["value"] == str(result)
    assert file["interactive"]


@pytest.mark.parametrize("path", ["/etc/passwd", "CACHE/../secret.png", "CACHE/gone.png", "CACHE"])
def test_files_that_are_gone_or_not_the_pages_own_are_left(kept: Remembered, cache: pathlib.Path, path: str) -> None:
    (cache.parent / "secret.png").write_bytes(b"1")
    file = stored(path.replace("CACHE", str(cache)))
    restored = kept.restored(sent(kept, file, [file, file], 7, 1, 9, True, 5, file))
    assert restored == [gr.skip()] * 8


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '[["Radio Other"], 1]', "[" * 100_000, " " * 300_000])
def test_what_the_page_did_not_write_is_ignored(kept: Remembered, text: str) -> None:
    assert kept.restored(text) == [gr.skip()] * 8


@pytest.mark.parametrize(("path", "shown"), [("a.mp4", [True, False]), ("a.gif", [False, True]), (None, [None, None])])
def test_restored_clips_are_played_and_gif_is_shown(path: str | None, shown: list[bool | None]) -> None:
    updates = reopened_clip(path)
    assert [each.get("visible") for each in updates] == shown
    assert all(each.get("value") == (path if each.get("visible") else None) for each in updates)


def test_every_tab_has_a_name_for_the_address_and_keeps_its_inputs_and_results() -> None:
    page = build_page(Models(lambda system: pytest.fail("building loads nothing")))
    tabs = [each for each in page.blocks.values() if isinstance(each, gr.Tab)]
    assert [tab.id for tab in tabs] == ["image", "video", "editor", "compare", "verify", "about"]
    layouts = [
        each.value for each in page.blocks.values() if isinstance(each, gr.JSON) and isinstance(each.value, list)
    ]
    assert layouts.pop() == ["File File to verify", "Markdown Findings"]
    for layout, result in zip(
        layouts, ("Before and after", "Download the result", "Download the clip", "Side by side"), strict=True
    ):
        assert "Image Source picture" in layout
        assert any(name.endswith(result) for name in layout)
    assert all("Textbox Notes" in layout for layout in layouts[:2])
