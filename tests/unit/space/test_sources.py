"""What the page keeps, for whom and for how long."""

import os
import pathlib
from typing import Any

import gradio as gr
import numpy as np
import pytest

from reenact.errors import NoFaceFoundError
from reenact.media import write_image
from reenact.pipeline import ImageResult
from reenact.space.editor_backgrounds import Pictures
from reenact.space.models import Models
from reenact.space.previews import Previews
from reenact.space.sources import Sources


@pytest.fixture(autouse=True)
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def visitor(name: str) -> gr.Request:
    return gr.Request(session_hash=name)


def result(grey: int) -> ImageResult:
    picture = np.full((8, 8, 3), grey, np.uint8)
    return ImageResult(rgb=picture, alpha=None, source=np.zeros_like(picture), warnings=())


class Opener:
    """Counts, in place of `open_edit`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def __call__(self, source: pathlib.Path, *, engine: Any, face: Any, paste_back: bool) -> Any:
        self.calls.append((source.name, face, paste_back))
        return object()


def sources(opened: Any, capacity: int = 8) -> Sources:
    return Sources(Models(lambda system: system), "facegan", opened, capacity=capacity)  # type: ignore[arg-type, return-value]


def picture(folder: pathlib.Path, name: str, content: bytes = b"1") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def test_source_is_opened_once_for_each_face_and_framing(tmp_path: pathlib.Path) -> None:
    opened = Opener()
    held, path = sources(opened), picture(tmp_path, "a.png")
    first = held.open(path, face=None)
    assert held.open(path, face=None) is first
    assert held.open(path, face=2) is not first
    assert held.open(path, face=None, paste_back=False) is not first
    assert opened.calls == [("a.png", None, True), ("a.png", 2, True), ("a.png", None, False)]


def test_other_content_under_the_same_name_is_another_source(tmp_path: pathlib.Path) -> None:
    held, path = sources(Opener()), picture(tmp_path, "a.png")
    first = held.open(path, face=None)
    picture(tmp_path, "a.png", b"22")
    os.utime(path, ns=(1, 1))
    assert held.open(path, face=None) is not first


def test_only_so_many_are_held_and_the_others_opened_again(tmp_path: pathlib.Path) -> None:
    opened = Opener()
    held = sources(opened, capacity=2)
    for name in "abac":
        held.open(picture(tmp_path, name), face=None)  # written anew: the time may differ
    for name in "abc":
        os.utime(tmp_path / name, ns=(1, 1))
    opened.calls.clear()
    for name in "abaca":
        held.open(str(tmp_path / name), face=None)
    assert [name for name, _, _ in opened.calls] == ["a", "b", "c"]
    held.open(str(tmp_path / "b"), face=None)  # the one used longest ago made room for c
    assert opened.calls[-1][0] == "b"


def test_source_that_cannot_be_opened_is_not_held(tmp_path: pathlib.Path) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NoFaceFoundError("No face.")

    held = sources(refuse)
    for _ in range(2):
        with pytest.raises(NoFaceFoundError):
            held.open(picture(tmp_path, "a.png"), face=None)


def test_newest_previews_of_each_visitor_are_kept_apart(cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
    previews, source = Previews(kept=2), picture(tmp_path, "a.png")
    names = [previews.write(visitor("a"), result(grey), source, None) for grey in range(4)]
    before, other = previews.write(visitor("b"), result(9), source, None)
    assert len({after for _, after in names}) == 4  # a browser must not show an old one of the same name
    assert len({before for before, _ in names}) == 1
    assert [pathlib.Path(after).exists() for _, after in names] == [False, False, True, True]
    assert pathlib.Path(other).parent != pathlib.Path(names[0][1]).parent
    assert before != names[0][0]


def test_another_source_gets_another_before(tmp_path: pathlib.Path) -> None:
    previews = Previews()
    first, _ = previews.write(visitor("a"), result(1), picture(tmp_path, "a.png"), None)
    second, _ = previews.write(visitor("a"), result(1), picture(tmp_path, "b.png"), None)
    third, _ = previews.write(visitor("a"), result(1), picture(tmp_path, "b.png"), 2)
    assert len({first, second, third}) == 3


def test_files_of_who_left_are_deleted(cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
    previews, source = Previews(visitors=2), picture(tmp_path, "a.png")
    previews.write(visitor("a"), result(1), source, None)
    previews.forget(visitor("a"))
    previews.forget(visitor("a"))
    assert list(cache.rglob("*.png")) == []
    for name in "abc":
        previews.write(visitor(name), result(1), source, None)
    assert len(list(cache.rglob("*-preview.png"))) == 2


def test_previews_that_the_page_cleaned_up_are_written_again(cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
    previews, source = Previews(), picture(tmp_path, "a.png")
    before, _ = previews.write(visitor("a"), result(1), source, None)
    pathlib.Path(before).unlink()
    assert all(pathlib.Path(name).is_file() for name in previews.write(visitor("a"), result(2), source, None))


def test_background_is_read_once_and_kept_small(tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "b.png", np.zeros((40, 300, 3), np.uint8))
    pictures = Pictures(longest_px=100)
    small = pictures.small(tmp_path / "b.png")
    assert small.rgb.shape == (14, 100, 3)
    assert pictures.small(tmp_path / "b.png") is small
