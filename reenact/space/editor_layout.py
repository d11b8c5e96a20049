"""The editor's components and where they stand: source and read-out, preview, sliders."""

import dataclasses
import math

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from reenact.space import examples
from reenact.space.answers import SOURCE_FACE
from reenact.space.editor_reading import SLIDER_CLASS, SLIDER_ID, reading_bars
from reenact.space.editor_units import CONTROLS, GROUPS, PRESET_NAMES, Control
from reenact.space.editor_wanted import KEEP, NONE, PICTURE
from reenact.space.inputs import face_number, picture_input

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

BACKGROUNDS = [("As it is", KEEP), ("None: transparent", NONE), ("A picture", PICTURE)]
FORMATS = ["MP4", "GIF"]

_HINT = """
### Change an expression by name
Give a photo of a face. Its Action Units (the muscles' movements that FACS numbers) and the pose of the head are read
off; then every one of them has a slider.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourcePart:
    """What is edited, and what its face does."""

    picture: gr.Image
    example: gr.Dataset
    reading: gr.HTML
    reading_panel: gr.Column

    @classmethod
    def lay_out(cls) -> "SourcePart":
        """In a narrow column."""
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
        with panel, gr.Accordion("What the face does", open=True):
            reading = reading_bars()
        return cls(picture=picture, example=example, reading=reading, reading_panel=panel)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreviewPart:
    """What becomes of it, and what can be taken home."""

    comparison: gr.ImageSlider
    save_picture: gr.Button
    save_settings: gr.Button
    load_settings: gr.UploadButton
    notes: gr.Textbox
    saved: gr.File
    """Never seen: what the browser saves next."""

    @classmethod
    def lay_out(cls) -> "PreviewPart":
        """In the middle."""
        comparison = gr.ImageSlider(
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
            save_picture = gr.Button("Save picture (PNG)", variant="primary", size="md")
            with gr.Row():
                save_settings = gr.Button("Save settings", size="sm", min_width=100)
                load_settings = gr.UploadButton("Load settings", size="sm", min_width=100, file_types=[".json"])
            notes = gr.Textbox(label="Notes", interactive=False, lines=1, max_lines=6)
            saved = gr.File(visible=False, label="Saved")
        return cls(
            comparison=comparison,
            save_picture=save_picture,
            save_settings=save_settings,
            load_settings=load_settings,
            notes=notes,
            saved=saved,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SliderPart:
    """Expressions by name and by hand."""

    presets: dict[str, gr.Button]
    apart: gr.Checkbox
    reset: gr.Button
    sliders: dict[str, gr.Slider]
    """In the order of `CONTROLS`."""
    wholes: list[gr.Column]
    """Around the sliders of units with sides, and `sides` around those of their halves: one of the two is visible. A
    slider whose own visibility changed would lose its `preprocess`."""
    sides: list[gr.Column]

    @classmethod
    def lay_out(cls) -> "SliderPart":
        """Presets, then a part of the face after the other."""
        with gr.Row(elem_classes="editor-presets"):
            presets = {name: gr.Button(text, size="sm", min_width=72) for name, text in PRESET_NAMES.items()}
        with gr.Row():
            apart = gr.Checkbox(
                value=False,
                label="Left and right apart",
                info="The person's own, where one side can move alone.",
                scale=3,
            )
            reset = gr.Button("Reset all", size="sm", min_width=90, scale=1)
        sliders: dict[str, gr.Slider] = {}
        wholes: list[gr.Column] = []
        sides: list[gr.Column] = []
        for group, controls in GROUPS.items():
            with gr.Accordion(group, open=group in ("Eyes", "Mouth"), elem_classes="editor-group"):
                for control in (each for each in controls if not each.is_side):
                    if not control.sided:
                        sliders[control.name] = _slider(control)
                        continue
                    with gr.Column() as whole:
                        sliders[control.name] = _slider(control)
                    with gr.Column(visible=False) as side:
                        sliders |= {name: _slider(CONTROLS[name]) for name in control.sides}
                    wholes.append(whole)
                    sides.append(side)
        return cls(presets=presets, apart=apart, reset=reset, sliders=sliders, wholes=wholes, sides=sides)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackgroundPart:
    """What stands behind the person."""

    choice: gr.Radio
    picture: gr.Image
    panel: gr.Column
    """Around `picture`."""

    @classmethod
    def lay_out(cls) -> "BackgroundPart":
        """Closed."""
        with gr.Accordion("Background", open=False):
            choice = gr.Radio(BACKGROUNDS, value=KEEP, show_label=False, label="Background")
            with gr.Column(visible=False) as panel:
                picture = picture_input("Background picture")
        return cls(choice=choice, picture=picture, panel=panel)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipPart:
    """The edit as a clip."""

    seconds: gr.Slider
    kind: gr.Radio
    animate: gr.Button
    stop: gr.Button
    clip: gr.Video
    gif: gr.Image
    file: gr.DownloadButton

    @classmethod
    def lay_out(cls) -> "ClipPart":
        """Closed."""
        with gr.Accordion("Animate", open=False):
            gr.Markdown("A clip that eases from the source to the edit and back.")
            with gr.Row():
                seconds = gr.Slider(0.5, 6, value=2, step=0.5, label="Seconds", min_width=160, scale=2)
                kind = gr.Radio(FORMATS, value="MP4", label="Format", min_width=120, scale=1)
            with gr.Row():
                animate = gr.Button("Animate", variant="primary", size="md", scale=3)
                stop = gr.Button("Stop", variant="stop", size="md", scale=1, min_width=80)
            clip = gr.Video(label="Clip", interactive=False, autoplay=True, loop=True, buttons=[], height=320)
            gif = gr.Image(label="Clip", interactive=False, buttons=[], height=320, visible=False, format="gif")
            file = gr.DownloadButton("Download the clip", interactive=False)
        return cls(seconds=seconds, kind=kind, animate=animate, stop=stop, clip=clip, gif=gif, file=file)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Editor:
    """All of the tab."""

    hint: gr.Column
    panels: tuple[gr.Column, gr.Column, gr.Column]
    """Shown once there is a source."""
    source: SourcePart
    preview: PreviewPart
    by_hand: SliderPart
    background: BackgroundPart
    clip: ClipPart
    face: gr.Number
    paste_back: gr.Checkbox

    @classmethod
    def lay_out(cls) -> "Editor":
        """Three columns; inside a `gr.Tab`."""
        with gr.Row(equal_height=False, elem_classes="editor-row"):
            with gr.Column(scale=3, min_width=280, elem_classes="editor-left"):
                source = SourcePart.lay_out()
            with gr.Column(scale=9, min_width=280) as hint:
                gr.Markdown(_HINT)
            with gr.Column(scale=4, min_width=320, visible=False, elem_classes="editor-middle") as middle:
                preview = PreviewPart.lay_out()
            with gr.Column(scale=5, min_width=320, visible=False, elem_classes="editor-right") as right:
                by_hand, background, clip = SliderPart.lay_out(), BackgroundPart.lay_out(), ClipPart.lay_out()
                with gr.Accordion("Options", open=False):
                    face = face_number(SOURCE_FACE)
                    paste_back = gr.Checkbox(
                        value=True,
                        label="Whole picture",
                        info="Save the whole source picture and clips of it; else only the square around the face.",
                    )
        return cls(
            hint=hint,
            panels=(source.reading_panel, middle, right),
            source=source,
            preview=preview,
            by_hand=by_hand,
            background=background,
            clip=clip,
            face=face,
            paste_back=paste_back,
        )

    @property
    def wanted(self) -> list[Component]:
        """All that says what is to be drawn, in the order of `Wanted.read`."""
        behind = self.background.choice, self.background.picture
        by_hand = self.by_hand
        return [self.source.picture, self.face, self.paste_back, *behind, by_hand.apart, *by_hand.sliders.values()]

    @property
    def shown_edit(self) -> list[Component | BlockContext]:
        """The switch, all sliders, and what shows or hides some of them."""
        by_hand = self.by_hand
        return [by_hand.apart, *by_hand.sliders.values(), *by_hand.wholes, *by_hand.sides]


def _slider(control: Control) -> gr.Slider:
    slider = gr.Slider(
        control.lowest,
        control.highest,
        value=0.0,
        step=control.step,
        label=control.label,
        info=control.info,
        buttons=["reset"],
        elem_id=SLIDER_ID + control.name,
        elem_classes=SLIDER_CLASS,
    )

    def within_limits(payload: object) -> float:
        if not isinstance(payload, (int, float)):
            return math.nan
        return float(min(max(payload, control.lowest), control.highest))

    # who types a number first deletes the old one: gradio would complain of every such step
    slider.preprocess = within_limits
    return slider
