"""Picture or clip: as the source of the Video tab, as the driver of the Compare tab."""

import gradio as gr

from reenact.space.widgets.motion_part import CLIP

PICTURE = "picture"
SOURCES = [("Picture", PICTURE), ("Clip", CLIP)]


def take_picture() -> str:
    """The kind to show after an example portrait was clicked."""
    return PICTURE


def show_source(kind: str) -> tuple[gr.Image, gr.Video, gr.Radio]:
    """Show the input of one kind; the other is emptied. Clips keep what they do, by relative motion."""
    is_clip = kind == CLIP
    picture = gr.Image(visible=False, value=None) if is_clip else gr.Image(visible=True)
    clip = gr.Video(visible=True) if is_clip else gr.Video(visible=False, value=None)
    return picture, clip, gr.Radio(value="relative" if is_clip else "absolute")
