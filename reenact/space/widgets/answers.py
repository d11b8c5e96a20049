"""What a visitor reads and downloads: error messages, notes and result files."""

import contextlib
import html
import logging
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import gradio as gr
from gradio.utils import get_upload_folder

from reenact.errors import DiskFullError, Hint, ReenactError, StoppedError, is_out_of_memory, with_hint
from reenact.media.output import is_full

if TYPE_CHECKING:
    from reenact.pipeline.results import ImageResult
    from reenact.provenance.origin import Origin

SOURCE_FACE, DRIVING_FACE = "Face in the source", "Face in the driver"
MISSING_FACE = "Frames without a face"
"""Labels of options that messages point to."""

FileNames = Mapping[str, str]
"""Paths of files on this server, and what messages call them: {"/tmp/x/me.png": "the source picture"}."""

_HINTS = {
    Hint.SOURCE_FACE: f"option “{SOURCE_FACE}”",
    Hint.DRIVING_FACE: f"option “{DRIVING_FACE}”",
    Hint.MISSING_FACE: f"option “{MISSING_FACE}”",
}
_RESULTS = "results"
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def errors_as_messages(names: FileNames) -> Iterator[None]:
    """Turn every exception inside the block into a message for the visitor.

    Raises:
        gr.Error: in place of any exception.
    """
    try:
        yield
    except gr.Error:
        raise
    except StoppedError as error:
        # the visitor pressed Stop and needs no alarm; a program that called the page does need the answer
        raise gr.Error(str(error), visible=False, print_exception=False) from error
    except DiskFullError as error:
        _LOG.error("A result could not be written: the disk is full")
        raise message("The result could not be written: the disk of this page is full. Try again later.") from error
    except ReenactError as error:
        raise message(in_page_words(error, names)) from error
    except Exception as error:
        if is_out_of_memory(error):
            _LOG.error("The memory did not suffice for a run")
            raise message(
                "The memory of this page does not suffice for that. Give a smaller picture or clip, or try again later."
            ) from error
        if isinstance(error, OSError) and is_full(error):
            raise message("The disk of this page is full. Try again later.") from error
        number = secrets.token_hex(3)
        _LOG.exception("Internal error %s", number)
        raise message(
            f"Internal error; your files are not the cause. The server's log has details under {number}."
        ) from error


def message(text: str) -> gr.Error:
    """An error to raise. It stays on the page until the visitor closes it."""
    return gr.Error(html.escape(text, quote=False), duration=None, print_exception=False)


def in_page_words(said: ReenactError | str, names: FileNames) -> str:
    """An error or note of the package, without paths of this server, and with the label of the option that helps."""
    text = with_hint(said, _HINTS)
    for path, name in names.items():
        text = text.replace(path, name)
    return text[:1].upper() + text[1:]


def notes(first: Sequence[str], warnings: Sequence[str], names: FileNames) -> str:
    """Text of the box "Notes": the sentences of `first`, then the package's warnings, one per line."""
    return "\n".join([*filter(None, first), *(f"Note: {in_page_words(warning, names)}" for warning in warnings)])


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
    """A file name after the source's: "anna.jpg" gives "anna-reenacted.png"."""
    stem = re.sub(r"[^\w.-]+", "-", pathlib.Path(source).stem).strip("-.")[:60]
    return f"{stem or 'face'}-{done}{suffix}"


def is_result(path: str) -> bool:
    """Whether a file lies where results are written."""
    return pathlib.Path(path).resolve().is_relative_to(pathlib.Path(get_upload_folder(), _RESULTS).resolve())


def write_result(
    path: pathlib.Path,
    result: "ImageResult",
    *,
    origin: "Origin",
    quality: int | None = None,
    longest_px: int | None = None,
) -> str:
    """Write a result, marked as synthetic unless it is its source; returns its size in words: "512 × 512 pixels"."""
    from reenact.media import write_image
    from reenact.pipeline.results import fitted, origin_of

    rgb, alpha = fitted(result.rgb, longest_px), result.alpha
    if alpha is not None:
        alpha = fitted(alpha[..., None].repeat(3, axis=2), longest_px)[..., 0]
    write_image(path, rgb, alpha=alpha, origin=origin_of(result, origin), quality=quality)
    height, width = rgb.shape[:2]
    return f"{width} × {height} pixels"
