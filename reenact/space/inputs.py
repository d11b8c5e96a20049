"""The parts that both tabs have."""

from collections.abc import Callable

import gradio as gr
from gradio.components import Component
from gradio.data_classes import ImageData
from gradio.events import Dependency

from reenact.space.answers import DRIVING_FACE, SOURCE_FACE, message
from reenact.space.models import DEFAULT, LARGE_POSE, SYSTEM_NAMES, has_weights

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
    """Which of several faces; 0 in place of nothing, which the browser would turn into 0."""
    return gr.Number(
        value=0,
        minimum=0,
        precision=0,
        label=label,
        info="1 is the largest, 2 the next; 0 takes the largest.",
        min_width=120,
    )


def face_numbers() -> tuple[gr.Number, gr.Number]:
    """Source and driving, side by side."""
    with gr.Row():
        return face_number(SOURCE_FACE), face_number(DRIVING_FACE)


def system_choice() -> gr.Dropdown:
    """Which system draws; that of large poses has a mode of its own (`pose_mode`)."""
    choices = [
        (text, system)
        for system, text in SYSTEM_NAMES.items()
        if system == DEFAULT or (system != LARGE_POSE and has_weights(system))
    ]
    return gr.Dropdown(choices, value=DEFAULT, label="System")


def paste_choice() -> gr.Checkbox:
    """Whole picture or crop."""
    return gr.Checkbox(
        value=True, label="Paste back", info="Give the whole source picture back; else only the square around the face."
    )


def example_choice(
    rows: list[list[str]], inputs: list[Component], *, labels: list[str] | None = None
) -> Callable[..., Dependency]:
    """Pictures or clips to click; like `gr.Examples`, which would put new components in the place of the inputs.

    Args:
        rows: of source and driving.
        inputs: likewise.
        labels: shown in place of small pictures.

    Returns:
        Attaches what shall happen once one was clicked and stands in the inputs.
    """

    def load(index: int) -> list[str]:
        return rows[index]

    shown = gr.Dataset(
        components=[inputs[1].get_block_name()],
        samples=[[driving] for _, driving in rows],
        sample_labels=labels,
        type="index",
        label="Examples: click one, and an astronaut does it",
        headers=["Driving"],
        visible=bool(rows),
    )
    return shown.click(load, shown, inputs, show_progress="hidden", queue=False, api_visibility="private").success


def allow_download(ran: Dependency, button: gr.DownloadButton) -> None:
    """Make the button work once a run has succeeded."""
    ran.success(_enabled, outputs=button, queue=False, show_progress="hidden", api_visibility="private")


def chosen_face(number: int) -> int | None:
    """The number of a face, from 1, or None if none was chosen."""
    return number or None


def given_source(source: str | None) -> str:
    """The source's file.

    Raises:
        gr.Error: there is none.
    """
    if source is None:
        raise message("There is no source picture yet: give one, or click the example.")
    return source


def _enabled() -> gr.DownloadButton:
    return gr.DownloadButton(interactive=True)
