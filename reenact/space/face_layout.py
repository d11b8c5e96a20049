"""What the tabs have in common that change one face with sliders: a source and its read-out, a preview, sliders."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from reenact.space import examples
from reenact.space.answers import SOURCE_FACE
from reenact.space.controls import Control
from reenact.space.inputs import face_number, picture_input
from reenact.space.reading import reading_bars
from reenact.space.wiring import DRAWING, QUICK

CSS = """
@media (min-width: 1000px) {
  .editor-middle { position: sticky; top: 12px; align-self: flex-start; }
}
@media (max-width: 999px) {
  .editor-row > .editor-left, .editor-row > .editor-middle { display: contents; }
  .editor-row > .editor-left > *, .editor-row > .editor-middle > *, .editor-row > .editor-right { width: 100%; }
  .editor-files { order: 2; }
  .editor-reading { order: 3; }
  .editor-row > .editor-middle > .editor-preview { width: min(100%, 34vh); margin-inline: auto; }
  .editor-preview {
    position: sticky; top: 0; z-index: 200; --beside: var(--body-background-fill);
    box-shadow: -50vw 0 0 var(--beside), 50vw 0 0 var(--beside) !important;
  }
}
.editor-preview img { background: repeating-conic-gradient(#ddd 0 25%, #fff 0 50%) 0 / 20px 20px !important; }
.editor-presets { display: grid !important; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }
.editor-presets button { min-width: 0 !important; padding-inline: 4px; }
.editor-group .column { gap: 1px !important; }
.editor-slider { padding-block: 4px !important; }
.editor-slider .head { margin-bottom: 2px; flex-wrap: nowrap; align-items: center; }
.editor-slider .head .tab-like-container { margin-bottom: 0; }
.editor-slider .head [data-testid="block-info"] {
  background: none; border: 0; padding: 0; color: var(--body-text-color); font-weight: 400; line-height: 1.3;
}
.editor-slider .min_value, .editor-slider .max_value { display: none; }
"""
"""On a narrow screen the picture stays in sight while the sliders scroll; the read-out comes last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourcePart:
    """What is changed, and what its face does."""

    picture: gr.Image
    example: gr.Dataset
    reading: gr.HTML
    reading_panel: gr.Column

    @classmethod
    def lay_out(cls, slider_id: str, title: str) -> "SourcePart":
        """In a narrow column.

        Args:
            slider_id: what the ids of the tab's sliders begin with.
            title: of the read-out.
        """
        picture = picture_input("Source picture")
        portraits = examples.portraits()
        example = gr.Dataset(
            components=["image"],
            samples=[[path] for path in portraits],
            type="index",
            label="Example: click it",
            headers=["Source"],
            visible=bool(portraits),
        )
        panel = gr.Column(visible=False, elem_classes="editor-reading")
        with panel, gr.Accordion(title, open=True):
            reading = reading_bars(slider_id)
        return cls(picture=picture, example=example, reading=reading, reading_panel=panel)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panels:
    """What is seen before there is a source, and after."""

    hint: gr.Column
    shown: tuple[gr.Column, gr.Column, gr.Column]
    """Read-out, preview and sliders."""

    @property
    def blocks(self) -> list[Component | BlockContext]:
        """For the updates of `panels_for`."""
        return [self.hint, *self.shown]


def panels_for(source: bool) -> list[dict[str, Any]]:
    """Updates of `Panels.blocks`.

    Args:
        source: whether there is one.
    """
    return [gr.update(visible=not source), *[gr.update(visible=source)] * 3]


def connect_source(
    part: SourcePart,
    face: gr.Number,
    panels: Panels,
    comparison: gr.ImageSlider,
    *,
    open_source: Callable[..., list[Any]],
    wanted: list[Component],
    outputs: list[Component | BlockContext],
) -> None:
    """Open every source that is given.

    Args:
        part: where it is given.
        face: which of its faces.
        panels: hidden meanwhile, so that nothing of the last source is seen.
        comparison: emptied meanwhile.
        open_source: from the values of `wanted` to those of `outputs`.
        wanted: what says what is to be drawn.
        outputs: what shows the source.
    """
    portraits = examples.portraits()

    def load(index: int) -> str:
        return portraits[index]

    def hide() -> list[Any]:
        return [*panels_for(False), None]

    part.example.click(load, part.example, part.picture, show_progress="hidden", **QUICK)
    changes = [part.picture.change, face.change]
    gr.on(changes, hide, outputs=[*panels.blocks, comparison], **QUICK).then(
        open_source, wanted, outputs, show_progress_on=part.picture, **DRAWING
    )


def comparison_view() -> gr.ImageSlider:
    """Source and preview."""
    return gr.ImageSlider(
        label="Before and after",
        format="png",
        image_mode="RGBA",
        interactive=False,
        buttons=["fullscreen"],
        slider_position=0,
        max_height=420,
        elem_classes="editor-preview",
    )


def save_button() -> gr.Button:
    """For the picture."""
    return gr.Button("Save picture (PNG)", variant="primary", size="md")


def notes_box() -> gr.Textbox:
    """How it went."""
    return gr.Textbox(label="Notes", interactive=False, lines=1, max_lines=6)


def saved_file() -> gr.File:
    """Never seen: what the browser saves next."""
    return gr.File(visible=False, label="Saved")


def options_part() -> tuple[gr.Number, gr.Checkbox]:
    """Which face, and whether results are whole pictures; closed."""
    with gr.Accordion("Options", open=False):
        face = face_number(SOURCE_FACE)
        paste_back = gr.Checkbox(
            value=True,
            label="Whole picture",
            info="Save the whole source picture and clips of it; else only the square around the face.",
        )
    return face, paste_back


def control_slider(control: Control, slider_id: str) -> gr.Slider:
    """The slider of a control.

    Args:
        control: what it shows.
        slider_id: what the ids of the tab's sliders begin with.
    """
    slider = gr.Slider(
        control.lowest,
        control.highest,
        value=0.0,
        step=control.step,
        label=control.label,
        info=control.info,
        buttons=["reset"],
        elem_id=slider_id + control.name,
        elem_classes="editor-slider",
    )

    def within_limits(payload: object) -> float:
        if not isinstance(payload, (int, float)):
            return math.nan
        return float(min(max(payload, control.lowest), control.highest))

    # who types a number first deletes the old one: gradio would complain of every such step
    slider.preprocess = within_limits
    return slider
