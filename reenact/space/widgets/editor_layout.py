"""The editor's components and where they stand: source and read-out, preview, sliders."""

from typing import Any

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from reenact.pipeline.controls.presets import PRESETS
from reenact.space import examples
from reenact.space.models import Models
from reenact.space.widgets.answers import SOURCE_FACE
from reenact.space.widgets.clip_part import ClipPart
from reenact.space.widgets.faces_part import FacesPart
from reenact.space.widgets.inputs import CLAMPED, clip_input, notes_box, paste_choice, picture_input
from reenact.space.widgets.reading import reading_bars
from reenact.space.widgets.settings import KEEP, NONE, PICTURE
from reenact.space.widgets.sliders import CONTROLS, GROUPS, VIEWS, Control
from reenact.space.widgets.system_choice import editing_choice

SLIDER_ID = "editor-slider-"

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
.editor-views { display: grid !important; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 8px; }
.editor-presets button, .editor-views button { min-width: 0 !important; padding-inline: 4px; }
.editor-group .column { gap: 1px !important; }
.editor-slider { padding-block: 4px !important; }
.editor-slider .head { margin-bottom: 2px; flex-wrap: nowrap; align-items: center; }
.editor-slider .head .tab-like-container { margin-bottom: 0; }
.editor-slider .head [data-testid="block-info"] {
  background: none; border: 0; padding: 0; color: var(--body-text-color); font-weight: 400; line-height: 1.3;
}
.editor-slider .min_value, .editor-slider .max_value { font-size: var(--text-xs); min-width: 1.6em; }
"""
"""On a narrow screen the picture stays in sight while the sliders scroll, and the read-out comes last."""

_HINT = """
## Edit a face and rotate its head
Give a photo of a face. The page reads its Action Units (muscle movements numbered by FACS) and the angles of its head.
Then every one of them has a slider. The head can be rotated up to a profile on either side.
"""

_CLIP_HINT = """Its first frame with a face becomes the source picture. Change that face, then make the clip: every
frame gets the same changes, and the clip keeps its own motion, rate and sound."""

_BACKGROUNDS = [("As it is", KEEP), ("None: transparent", NONE), ("A picture", PICTURE)]
_MODES = [("Values", "absolute"), ("Changes to the source", "relative")]


class SourceColumn:
    """The source and what its face does."""

    def __init__(self, models: Models) -> None:
        self.picture = picture_input("Source picture")
        with gr.Accordion("Or a clip", open=False):
            self.clip = clip_input("Source clip")
            gr.Markdown(_CLIP_HINT)
        self.faces = FacesPart(models, SOURCE_FACE)
        self.portraits = examples.portraits()
        self.example = gr.Dataset(
            components=["image"],
            samples=[[path] for path in self.portraits],
            type="index",
            label="Examples: click one",
            headers=["Source"],
            visible=bool(self.portraits),
        )
        self.problem = gr.Textbox(label="This picture cannot be edited", interactive=False, visible=False, max_lines=6)
        self.reading_panel = gr.Column(visible=False, elem_classes="editor-reading")
        with self.reading_panel, gr.Accordion("What the face does", open=True):
            self.reading = reading_bars(SLIDER_ID)


class PreviewColumn:
    """The preview and the files to save."""

    def __init__(self) -> None:
        self.comparison = gr.ImageSlider(
            label="Before and after",
            format="png",
            image_mode="RGBA",
            interactive=False,
            buttons=["fullscreen"],
            slider_position=0,
            max_height=420,
            elem_classes="editor-preview",
        )
        with gr.Column(elem_classes="editor-files"):
            self.save_picture = gr.Button("Save picture (PNG)", variant="primary", size="md")
            with gr.Row():
                self.save_settings = gr.Button("Save settings", size="sm", min_width=100)
                self.load_settings = gr.UploadButton("Load settings", size="sm", min_width=100, file_types=[".json"])
                self.copy_face = gr.UploadButton("Copy a face", size="sm", min_width=100, file_types=["image"])
            self.notes = notes_box()
            # invisible: what the browser saves next
            self.saved = gr.File(visible=False, label="Saved")


class SliderColumn:
    """Presets, sliders, background, clips and options."""

    def __init__(self, max_seconds: float | None = None) -> None:
        with gr.Row(elem_classes="editor-presets"):
            self.presets = {name: gr.Button(name.capitalize(), size="sm", min_width=72) for name in PRESETS}
        with gr.Row(elem_classes="editor-views"):
            self.views = {name: gr.Button(name, size="sm", min_width=40) for name in VIEWS}
        with gr.Row():
            info = "The person's own, where one side can move alone."
            self.apart = gr.Checkbox(value=False, label="Left and right apart", info=info, scale=3)
            self.reset = gr.Button("Reset all", size="sm", min_width=90, scale=1)
        self.sliders: dict[str, gr.Slider] = {}
        # Columns around the sliders of sided units: either the whole unit's or its halves' is visible.
        self.wholes: list[gr.Column] = []
        self.sides: list[gr.Column] = []
        for group, controls in GROUPS.items():
            title = group if group == "Head" else f"{group} (0 absent to 5 strongest)"
            with gr.Accordion(title, open=group in ("Eyes", "Mouth", "Head"), elem_classes="editor-group"):
                for control in controls:
                    self._add(control)
        with gr.Accordion("Background", open=False):
            self.background = gr.Radio(_BACKGROUNDS, value=KEEP, show_label=False, label="Background")
            with gr.Column(visible=False) as self.background_panel:
                self.background_picture = picture_input("Background picture")
        self.clip = ClipPart(max_seconds)
        with gr.Accordion("Options", open=False):
            self.paste_back = paste_choice()
            self.system = editing_choice()
            self.saved_mode = gr.Radio(_MODES, value="absolute", label="Settings are saved as")

    def _add(self, control: Control) -> None:
        if control.is_side:
            return
        if not control.sided:
            self.sliders[control.name] = _slider(control)
            return
        with gr.Column() as whole:
            self.sliders[control.name] = _slider(control)
        with gr.Column(visible=False) as side:
            self.sliders |= {name: _slider(CONTROLS[name]) for name in control.sides}
        self.wholes.append(whole)
        self.sides.append(side)


class Editor:
    """All components of the tab, in three columns; created inside a `gr.Tab`."""

    def __init__(self, models: Models, *, max_seconds: float | None = None) -> None:
        """Create the components; `models` give the tracker, `max_seconds` limits clips."""
        with gr.Row(equal_height=False, elem_classes="editor-row"):
            with gr.Column(scale=3, min_width=280, elem_classes="editor-left"):
                self.source = SourceColumn(models)
            with gr.Column(scale=9, min_width=280) as self.hint:
                gr.Markdown(_HINT)
            with gr.Column(scale=4, min_width=320, visible=False, elem_classes="editor-middle") as self.middle:
                self.preview = PreviewColumn()
            with gr.Column(scale=5, min_width=320, visible=False, elem_classes="editor-right") as self.right:
                self.edit = SliderColumn(max_seconds)

    @property
    def inputs(self) -> list[Component]:
        """What the browser sends with every request, in the order of `Request.read`."""
        edit = self.edit
        framing = [self.source.picture, self.source.faces.number, edit.paste_back, edit.system]
        return [*framing, edit.background, edit.background_picture, edit.apart, *edit.sliders.values()]

    @property
    def options(self) -> dict[str, Component]:
        """What settings files hold beside the edit, by name."""
        edit, clip = self.edit, self.edit.clip
        names = ("system", "whole_picture", "background", "saved_as", "clip_motion", "clip_seconds", "clip_format")
        parts = [edit.system, edit.paste_back, edit.background, edit.saved_mode, clip.motion, clip.seconds, clip.kind]
        return dict(zip(names, parts, strict=True))

    @property
    def kept(self) -> list[Component]:
        """What a refresh keeps: the inputs, how they are saved, and the clip."""
        clip = self.edit.clip
        return [*self.inputs, self.edit.saved_mode, clip.motion, clip.seconds, clip.kind, self.source.clip, clip.file]

    @property
    def panels(self) -> list[BlockContext]:
        """For `panel_updates`."""
        return [self.hint, self.source.reading_panel, self.middle, self.right]

    @property
    def shown_source(self) -> list[Component | BlockContext]:
        """What a refresh has to show again."""
        return [*self.panels, self.source.reading, self.preview.comparison, *self.edit.wholes, *self.edit.sides]

    @property
    def shown_edit(self) -> list[Component | BlockContext]:
        """For `slider_updates`."""
        return [self.edit.apart, *self.edit.sliders.values(), *self.edit.wholes, *self.edit.sides]


def panel_updates(*, source: bool) -> list[Any]:
    """Show the hint before there is a source, and the other panels once there is one."""
    return [gr.update(visible=not source), *[gr.update(visible=source)] * 3]


def slider_updates(values: dict[str, float], *, apart: bool) -> list[Any]:
    """Show values on the sliders, and one slider or two for units with sides."""
    count = sum(control.sided for control in CONTROLS.values())
    wholes, sides = [gr.update(visible=not apart)] * count, [gr.update(visible=apart)] * count
    return [apart, *(values[name] for name in CONTROLS), *wholes, *sides]


def _slider(control: Control) -> gr.Slider:
    return gr.Slider(
        control.lowest,
        control.highest,
        value=0.0,
        step=control.step,
        label=control.label,
        info=control.info,
        buttons=["reset"],
        elem_id=SLIDER_ID + control.name,
        elem_classes=CLAMPED,
    )
