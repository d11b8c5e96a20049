"""The head pose tab's components and where they stand: source and read-out, preview, sliders."""

import dataclasses

import gradio as gr
from gradio.components import Component

from reenact.space.clip_part import ClipPart
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
from reenact.space.pose_values import CONTROLS, VIEWS

SLIDER_ID = "pose-slider-"

CSS = """
.pose-views { display: grid !important; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 8px; }
.pose-views button { min-width: 0 !important; padding-inline: 4px; }
"""

_HINT = """
### Turn a head by hand
Give a photo of a face. How its head stands is read off; then you turn it: up to a profile on either side, and up, down
and sideways by 45 degrees. What the photo does not show is drawn from its mirror image, or guessed.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PosePanel:
    """All of the tab."""

    panels: Panels
    source: SourcePart
    comparison: gr.ImageSlider
    save_picture: gr.Button
    notes: gr.Textbox
    saved: gr.File
    views: dict[str, gr.Button]
    reset: gr.Button
    sliders: dict[str, gr.Slider]
    """In the order of `CONTROLS`."""
    clip: ClipPart
    face: gr.Number
    paste_back: gr.Checkbox

    @classmethod
    def lay_out(cls) -> "PosePanel":
        """Three columns; inside a `gr.Tab`."""
        with gr.Row(equal_height=False, elem_classes="editor-row"):
            with gr.Column(scale=3, min_width=280, elem_classes="editor-left"):
                source = SourcePart.lay_out(SLIDER_ID, "How the head stands")
            with gr.Column(scale=9, min_width=280) as hint:
                gr.Markdown(_HINT)
            with gr.Column(scale=4, min_width=320, visible=False, elem_classes="editor-middle") as middle:
                comparison = comparison_view()
                with gr.Column(elem_classes="editor-files"):
                    save_picture, notes, saved = save_button(), notes_box(), saved_file()
            with gr.Column(scale=5, min_width=320, visible=False, elem_classes="editor-right") as right:
                with gr.Row(elem_classes="pose-views"):
                    views = {name: gr.Button(name, size="sm", min_width=40) for name in VIEWS}
                with gr.Accordion("Head", elem_classes="editor-group"):
                    sliders = {name: control_slider(control, SLIDER_ID) for name, control in CONTROLS.items()}
                reset = gr.Button("Reset all", size="sm")
                clip = ClipPart.lay_out(
                    "Turntable",
                    "A clip that turns the head from one profile to the other; nod and tilt stay as the sliders say.",
                    seconds=3.0,
                    open_at_first=True,
                )
                face, paste_back = options_part()
        return cls(
            panels=Panels(hint=hint, shown=(source.reading_panel, middle, right)),
            source=source,
            comparison=comparison,
            save_picture=save_picture,
            notes=notes,
            saved=saved,
            views=views,
            reset=reset,
            sliders=sliders,
            clip=clip,
            face=face,
            paste_back=paste_back,
        )

    @property
    def wanted(self) -> list[Component]:
        """All that says what is to be drawn, in the order of `WantedPose.read`."""
        return [self.source.picture, self.face, self.paste_back, *self.sliders.values()]
