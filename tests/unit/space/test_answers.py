import logging
import pathlib

import gradio as gr
import pytest

from reenact.errors import Hint, NoFaceFoundError, Note, StoppedError
from reenact.space.widgets.answers import errors_as_messages, in_page_words, notes, result_folder, result_name


def test_error_of_the_package_becomes_one_line_without_server_paths() -> None:
    with pytest.raises(gr.Error) as caught, errors_as_messages({"/tmp/x/ab/me.png": "the source picture"}):
        raise NoFaceFoundError("/tmp/x/ab/me.png: No face found; give another.")
    assert caught.value.message == "The source picture: No face found; give another."
    assert not caught.value.print_exception


def test_visitor_who_stops_a_run_sees_no_alarm() -> None:
    with pytest.raises(gr.Error, match="Stopped") as caught, errors_as_messages({}):
        raise StoppedError("Stopped; nothing was written.")
    assert not caught.value.visible


def test_markup_in_a_message_is_escaped() -> None:
    with pytest.raises(gr.Error) as caught, errors_as_messages({}):
        raise NoFaceFoundError("<img src=x onerror=alert(1)>: No face.")
    assert "<" not in caught.value.message


def test_internal_error_is_logged_and_shown_without_details(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as caught, errors_as_messages({}):
        raise ZeroDivisionError("secret")
    number = caught.value.message.split()[-1].rstrip(".")
    assert "secret" not in caught.value.message
    assert number in caplog.records[0].getMessage()
    assert caplog.records[0].exc_info is not None


def test_message_of_the_page_itself_is_kept() -> None:
    with pytest.raises(gr.Error, match="mine"), errors_as_messages({}):
        raise gr.Error("mine")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Note("Choose another.", hint=Hint.SOURCE_FACE), "Choose another (option “Face in the source”)."),
        (Note("Choose another.", hint=Hint.DRIVING_FACE), "Choose another (option “Face in the driver”)."),
        (NoFaceFoundError("Skip.", hint=Hint.MISSING_FACE), "Skip (option “Frames without a face”)."),
        (NoFaceFoundError("Allow overwriting.", hint=Hint.OVERWRITE), "Allow overwriting."),
    ],
)
def test_hints_name_the_options_of_the_page(said: Note | NoFaceFoundError, words: str) -> None:
    assert in_page_words(said, {}) == words


def test_notes_are_one_line_each() -> None:
    text = notes(["Done.", "", "Drawn."], ["a/b.png: one", "two"], {"a/b.png": "the clip"})
    assert text == "Done.\nDrawn.\nNote: The clip: one\nNote: Two"


def test_folder_of_a_failed_run_is_removed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with result_folder() as folder:
        (folder / "kept.png").write_bytes(b"1")
    with pytest.raises(KeyboardInterrupt), result_folder() as failed:
        (failed / "gone.png").write_bytes(b"1")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*.png")] == ["kept.png"]
    assert not failed.exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/tmp/a/anna.jpg", "anna-reenacted.png"),
        ("/tmp/a/me & you (1).webp", "me-you-1-reenacted.png"),
        ("/tmp/a/..png", "face-reenacted.png"),
    ],
)
def test_result_is_named_after_its_source(source: str, name: str) -> None:
    assert result_name(source, ".png") == name
