"""The editor's components and where they stand: source and read-out, preview, sliders."""

import dataclasses

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component

from reenact.space.clip_part import ClipPart
from reenact.space.editor_units import CONTROLS, GROUPS, PRESET_NAMES
from reenact.space.editor_wanted import KEEP, NONE, PICTURE
from reenact.space.face_layout import (
    Panels,
    SourcePart,
    comparison_view,
    control_slider,
    notes_box,
    options_part,
    save_button,
    saved_file,
)
from reenact.space.inputs import picture_input

SLIDER_ID = "editor-slider-"

BACKGROUNDS = [("As it is", KEEP), ("None: transparent", NONE), ("A picture", PICTURE)]

_HINT = """
### Change an expression by name
Give a photo of a face. Its Action Units (the muscles' movements that FACS numbers) and the pose of the head are read
off; then every one of them has a slider.
"""


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
        comparison = comparison_view()
        with gr.Column(elem_classes="editor-files"):
            save_picture = save_button()
            with gr.Row():
                save_settings = gr.Button("Save settings", size="sm", min_width=100)
                load_settings = gr.UploadButton("Load settings", size="sm", min_width=100, file_types=[".json"])
            notes = notes_box()
            saved = saved_file()
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
                        sliders[control.name] = control_slider(control, SLIDER_ID)
                        continue
                    with gr.Column() as whole:
                        sliders[control.name] = control_slider(control, SLIDER_ID)
                    with gr.Column(visible=False) as side:
                        sliders |= {name: control_slider(CONTROLS[name], SLIDER_ID) for name in control.sides}
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
class Editor:
    """All of the tab."""

    panels: Panels
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
                source = SourcePart.lay_out(SLIDER_ID, "What the face does")
            with gr.Column(scale=9, min_width=280) as hint:
                gr.Markdown(_HINT)
            with gr.Column(scale=4, min_width=320, visible=False, elem_classes="editor-middle") as middle:
                preview = PreviewPart.lay_out()
            with gr.Column(scale=5, min_width=320, visible=False, elem_classes="editor-right") as right:
                by_hand, background = SliderPart.lay_out(), BackgroundPart.lay_out()
                clip = ClipPart.lay_out(
                    "Animate", "A clip that eases from the source to the edit and back.", seconds=2.0
                )
                face, paste_back = options_part()
        return cls(
            panels=Panels(hint=hint, shown=(source.reading_panel, middle, right)),
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
