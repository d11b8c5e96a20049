"""The parts that both tabs ask for."""

import gradio as gr
from gradio.data_classes import ImageData

from reenact.space.answers import DRIVING_FACE, SOURCE_FACE
from reenact.space.models import SYSTEM_NAMES

MOTIONS = [("As the driver does it", "absolute"), ("Added to the source's own", "relative")]
MOTION_INFO = "Take pose and expression over as they are, or add only what differs from the driver's face at rest."


def picture_input(label: str) -> gr.Image:
    """An upload, a webcam shot or a pasted picture.

    It hands over the file as it was given, so that the package reads it by its own rules: gradio would decode it first,
    and fail without a word on what is no picture.
    """
    picture = gr.Image(
        label=label,
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),
        image_mode=None,
        format="png",
        buttons=["fullscreen"],
        height=300,
    )
    decode = picture.preprocess

    def path_of(payload: ImageData | None) -> str | None:
        if payload is not None and payload.path is not None:
            return payload.path
        return str(decode(payload)) if payload is not None else None

    # on the instance: gradio writes a stub file beside every module that derives from its components
    picture.preprocess = path_of
    return picture


def motion_choice() -> gr.Radio:
    """Absolute or relative motion."""
    return gr.Radio(MOTIONS, value="absolute", label="Motion", info=MOTION_INFO)


def face_number(label: str) -> gr.Number:
    """Which of several faces."""
    return gr.Number(
        value=None, minimum=1, precision=0, label=label, info="1 is the largest; empty takes the largest.", min_width=120
    )


def face_numbers() -> tuple[gr.Number, gr.Number]:
    """Source and driving, side by side."""
    with gr.Row():
        return face_number(SOURCE_FACE), face_number(DRIVING_FACE)


def system_choice() -> gr.Dropdown:
    """Which system draws."""
    choices = [(text, system) for system, text in SYSTEM_NAMES.items()]
    return gr.Dropdown(choices, value="correspondence", label="System")


def paste_choice() -> gr.Checkbox:
    """Whole picture or crop."""
    return gr.Checkbox(
        value=True, label="Paste back", info="Give the whole source picture back; else only the square around the face."
    )
