"""What the page keeps, for whom and for how long."""

import os
import pathlib
from typing import Any

import gradio as gr
import numpy as np
import pytest

from reenact.errors import NoFaceFoundError
from reenact.media import write_image
from reenact.pipeline.results import ImageResult
from reenact.space.models import Models
from reenact.space.widgets.caches import Previews, Recent, Sessions, content_of, small_picture
from reenact.space.widgets.settings import Request

FIRST, SECOND = gr.Request(session_hash="a"), gr.Request(session_hash="b")


@pytest.fixture(autouse=True)
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def result(grey: int, source: int = 0) -> ImageResult:
    picture = np.full((8, 8, 3), grey, np.uint8)
    return ImageResult(rgb=picture, alpha=None, source=np.full_like(picture, source), warnings=())


def request(source: pathlib.Path, **options: Any) -> Request:
    defaults = {"face": None, "paste_back": True, "system": "auto", "background": "keep", "picture": None}
    return Request(source=str(source), **(defaults | options))


def test_source_is_opened_once_for_each_face_framing_and_system(tmp_path: pathlib.Path) -> None:
    opened: list[tuple[Any, ...]] = []

    class Session:
        nbytes = 12

    def open_session(source: pathlib.Path, *, engines: Any, **options: Any) -> Any:
        opened.append((source.name, *options.values()))
        return Session()

    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    sessions = Sessions(Models(), open_session)
    first = sessions.open(request(path))
    assert sessions.open(request(path, background="none")) is first
    for options in ({"face": 2}, {"paste_back": False}, {"system": "facegan"}):
        assert sessions.open(request(path, **options)) is not first
    expected = [(None, True, "auto"), (2, True, "auto"), (None, False, "auto"), (None, True, "facegan")]
    assert opened == [("a.png", *each) for each in expected]
    before = content_of(str(path))
    path.write_bytes(b"22")
    os.utime(path, ns=(1, 1))
    assert content_of(str(path)) != before
    assert sessions.open(request(path)) is not first


def test_items_used_longest_ago_make_room() -> None:
    made: list[str] = []

    def get(kept: Recent[str], key: str) -> None:
        kept.get(key, lambda: made.append(key) or key)  # type: ignore[func-returns-value]

    kept: Recent[str] = Recent(capacity=2)
    for key in "abacab":
        get(kept, key)
    assert made == ["a", "b", "c", "b"]
    made.clear()
    large: Recent[str] = Recent(size=lambda _: 6, most_bytes=10)
    for key in "aaba":
        get(large, key)
    assert made == ["a", "b", "a"]


def test_nothing_is_kept_of_a_failure() -> None:
    kept: Recent[str] = Recent()

    def fail() -> str:
        raise NoFaceFoundError("No face.")

    with pytest.raises(NoFaceFoundError):
        kept.get("a", fail)
    assert kept.get("a", lambda: "made") == "made"


def test_newest_previews_of_each_visitor_are_kept_apart() -> None:
    previews = Previews(kept=2)
    pairs = [previews.write(FIRST, result(grey)) for grey in range(4)]
    before, other = previews.write(SECOND, result(9))
    assert len({after for _, after in pairs}) == 4  # a browser must not show an old file of the same name
    assert len({before for before, _ in pairs}) == 1
    assert [pathlib.Path(after).exists() for _, after in pairs] == [False, False, True, True]
    assert pathlib.Path(other).parent != pathlib.Path(pairs[0][1]).parent
    assert before != pairs[0][0]
    assert previews.write(FIRST, result(1, source=5))[0] != pairs[0][0]


def test_previews_of_a_visitor_who_left_are_deleted(cache: pathlib.Path) -> None:
    previews = Previews(visitors=2)
    previews.write(FIRST, result(1))
    previews.forget(FIRST)
    previews.forget(FIRST)
    assert list(cache.rglob("*.png")) == []
    for name in "abc":
        previews.write(gr.Request(session_hash=name), result(1))
    assert len(list(cache.rglob("*-preview.png"))) == 2


def test_previews_that_the_page_cleaned_up_are_written_again() -> None:
    previews = Previews()
    before, _ = previews.write(FIRST, result(1))
    pathlib.Path(before).unlink()
    assert all(pathlib.Path(name).is_file() for name in previews.write(FIRST, result(2)))


def test_background_of_previews_is_small(tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "b.png", np.zeros((40, 300, 3), np.uint8))
    assert small_picture(tmp_path / "b.png", longest_px=100).rgb.shape == (14, 100, 3)
