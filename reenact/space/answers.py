"""What a visitor gets to read and to download: errors and notes in the page's words, results in files of their own."""

import contextlib
import html
import logging
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence

import gradio as gr
from gradio.utils import get_upload_folder

from reenact.errors import Hint, ReenactError, StoppedError, with_hint

SOURCE_FACE, DRIVING_FACE = "Face in the source", "Face in the driving"
MISSING_FACE = "Frames without a face"
"""Labels of options that messages point to."""

_HINTS = {
    Hint.SOURCE_FACE: f"option “{SOURCE_FACE}”",
    Hint.DRIVING_FACE: f"option “{DRIVING_FACE}”",
    Hint.MISSING_FACE: f"option “{MISSING_FACE}”",
}
_RESULTS = "results"
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def told(names: Mapping[str, str]) -> Iterator[None]:
    """Turn what goes wrong inside the block into a message for the visitor, never a traceback.

    Args:
        names: of files on this server, what to call each of them.

    Raises:
        gr.Error: in place of any exception.
    """
    try:
        yield
    except gr.Error:
        raise
    except StoppedError as error:
        # who pressed Stop knows; only a program that called needs to be told
        raise gr.Error(str(error), visible=False, print_exception=False) from error
    except ReenactError as error:
        raise message(in_page_words(error, names)) from error
    except Exception as error:
        number = secrets.token_hex(3)
        _LOG.exception("Unexpected error %s", number)
        raise message(
            f"The program made a mistake; it is not your picture's fault. The server's log has it as {number}."
        ) from error


def message(text: str) -> gr.Error:
    """An error to raise; stays until it is closed, for it says what to do."""
    return gr.Error(html.escape(text, quote=False), duration=None, print_exception=False)


def in_page_words(said: ReenactError | str, names: Mapping[str, str]) -> str:
    """An error or note of the package, without paths of this server, with the page's words for its hint.

    Args:
        said: the error or note.
        names: as in `told`.
    """
    text = with_hint(said, _HINTS)
    for path, name in names.items():
        text = text.replace(path, name)
    return text[:1].upper() + text[1:]


def notes(done: str, warnings: Sequence[str], names: Mapping[str, str], *, why: str = "") -> str:
    """What was done, then one line for each warning.

    Args:
        done: a sentence.
        warnings: of the package.
        names: as in `told`.
        why: a sentence on how it was done; "" for none.
    """
    return "\n".join(
        [done, *([why] if why else []), *(f"Note: {in_page_words(warning, names)}" for warning in warnings)]
    )


@contextlib.contextmanager
def result_folder() -> Iterator[pathlib.Path]:
    """A new folder in the page's cache, which is emptied by age; removed at once if the block fails."""
    folder = pathlib.Path(get_upload_folder()) / _RESULTS / secrets.token_hex(8)
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def result_name(source: str, suffix: str, *, done: str = "reenacted") -> str:
    """A file name that tells where a result came from: "anna.jpg" gives "anna-reenacted.png".

    Args:
        source: path of the source picture.
        suffix: of the result, with the dot.
        done: what was done to it.
    """
    stem = re.sub(r"[^\w.-]+", "-", pathlib.Path(source).stem).strip("-.")[:60]
    return f"{stem or 'face'}-{done}{suffix}"
