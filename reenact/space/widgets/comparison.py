"""Before and after: the face at full size, or the whole picture."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

import gradio as gr

from reenact.space.widgets.answers import is_result
from reenact.space.widgets.events import QUICK

if TYPE_CHECKING:
    from reenact.pipeline.results import ImageResult
    from reenact.provenance.origin import Origin

FACE, WHOLE = "face", "whole"
_BEFORE, _FACE_BEFORE, _FACE_AFTER = "source.png", "face-source.png", "face-result.png"

Pair = tuple[str, str]
"""Paths of source and result."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """What the slider can show of one result."""

    face: Pair
    whole: Pair


class Comparison:
    """The slider and its switch."""

    def __init__(self) -> None:
        self.slider = gr.ImageSlider(
            label="Before and after", format="png", interactive=False, buttons=["fullscreen"], max_height=520
        )
        choices = [("The face", FACE), ("The whole picture", WHOLE)]
        self.shown = gr.Radio(choices, value=FACE, label="Shown", show_label=False, elem_classes="compact")

    def connect(self, file: gr.DownloadButton) -> None:
        """Let the switch change what is shown of the result in `file`."""
        self.shown.input(show_pair, [file, self.shown], self.slider, show_progress="hidden", **QUICK)


def write_pairs(out: pathlib.Path, result: "ImageResult", *, origin: "Origin", longest_px: int | None = None) -> Pairs:
    """Write source and face beside a result that was written to `out` with this longest side."""
    from reenact.media import write_image
    from reenact.pipeline.results import fitted, origin_of

    folder = out.parent
    write_image(folder / _BEFORE, fitted(result.source, longest_px))
    whole = str(folder / _BEFORE), str(out)
    if result.face_px is None:
        return Pairs(face=whole, whole=whole)
    left, top, side = result.face_px
    rows, columns = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
    write_image(folder / _FACE_BEFORE, result.source[rows, columns])
    write_image(folder / _FACE_AFTER, result.rgb[rows, columns], origin=origin_of(result, origin))
    return Pairs(face=(str(folder / _FACE_BEFORE), str(folder / _FACE_AFTER)), whole=whole)


def show_pair(file: str | None, shown: str) -> Pair | None:
    """The pair that was written beside a result; None if there is no result."""
    if file is None or not is_result(file):
        return None
    folder = pathlib.Path(file).parent
    names = (_FACE_BEFORE, _FACE_AFTER) if shown == FACE else (_BEFORE, pathlib.Path(file).name)
    if not all((folder / name).is_file() for name in names):
        names = (_BEFORE, pathlib.Path(file).name)
    return str(folder / names[0]), str(folder / names[1])
