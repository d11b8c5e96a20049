"""Inputs that several tabs have: pictures, faces, framing, examples."""

import math
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import gradio as gr
from gradio.components import Component
from gradio.data_classes import ImageData
from gradio.events import Dependency

from reenact.space import examples
from reenact.space.widgets.answers import message, result_folder
from reenact.space.widgets.events import QUICK

_MOTIONS = [("Same as the driver", "absolute"), ("Added to the source's own", "relative")]
_MOTION_INFO = "Copy the driver's pose and expression, or add only the difference from the driver's neutral face."


_PEOPLE, _PERSON_PX = 1_000_000, 512
"""Number of people who can be made, and the side of their pictures."""
CLAMPED = "editor-slider"
"""Class of sliders that take the nearest number in place of one out of range.

Their previews follow every key, and a visitor who types a number may pass through others.
"""
_decode, _within_limits = gr.Image.preprocess, gr.Slider.preprocess


def _pass_on(picture: gr.Image, payload: ImageData | None) -> Any:
    """Files stay undecoded: the package reads them by its own rules, gradio fails without a message on other files."""
    is_file = picture.type == "filepath" and payload is not None and payload.path is not None
    return payload.path if is_file and payload is not None else _decode(picture, payload)


def _number(slider: gr.Slider, payload: Any) -> float | int:
    """An emptied number is NaN, which the pipeline refuses; gradio fails without a message."""
    if CLAMPED in (slider.elem_classes or []):
        return float(min(max(payload, slider.minimum), slider.maximum)) if _is_number(payload) else math.nan
    return math.nan if payload is None else _within_limits(slider, payload)


def _is_number(payload: Any) -> bool:
    return isinstance(payload, (int, float)) and not isinstance(payload, bool)


# Set on the classes: gradio makes components anew when an event changes or skips them, and writes a stub file beside
# every module that derives from its components.
gr.Image.preprocess = _pass_on  # type: ignore[method-assign]
gr.Slider.preprocess = _number  # type: ignore[method-assign]


def picture_input(label: str) -> gr.Image:
    """An upload, a webcam shot or a pasted picture, passed on as a file."""
    return gr.Image(
        label=label,
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),
        image_mode=None,
        format="png",
        buttons=["fullscreen"],
        height=300,
    )


def clip_input(label: str, *, visible: bool = True) -> gr.Video:
    """An upload or a webcam clip."""
    return gr.Video(
        label=label,
        sources=["upload", "webcam"],
        webcam_options=gr.WebcamOptions(mirror=False),
        include_audio=True,
        buttons=[],
        height=300,
        visible=visible,
        elem_classes="driving-clip",
    )


def motion_choice() -> gr.Radio:
    """Absolute or relative motion."""
    return gr.Radio(_MOTIONS, value="absolute", label="Motion", info=_MOTION_INFO)


def chosen_face(number: int) -> int | None:
    """The number of a face, from 1, or None if none was chosen."""
    return number or None


def part_of_driver(*, visible: bool = True) -> tuple[gr.Textbox, gr.Textbox]:
    """Times in the driver at which it begins and ends."""
    shared: dict[str, Any] = {"max_lines": 1, "min_width": 120, "visible": visible}
    return (
        gr.Textbox("", label="Driver from", placeholder="0:01.5", **shared),
        gr.Textbox("", label="Driver to", placeholder="its end", **shared),
    )


def paste_choice() -> gr.Checkbox:
    """Whole picture or crop."""
    info = "Return the whole source picture; otherwise only the square around the face."
    return gr.Checkbox(value=True, label="Whole picture", info=info)


def notes_box() -> gr.Textbox:
    """Shows how a run went."""
    return gr.Textbox(label="Notes", interactive=False, lines=1, max_lines=8)


def given_file(path: str | None, name: str, *, advice: str = "give one, or click an example") -> str:
    """The path, or an error that asks for the file.

    Raises:
        gr.Error: no file was given.
    """
    if path is None:
        raise message(f"There is no {name} yet: {advice}.")
    return path


def example_portraits(source: Component) -> Callable[..., Dependency]:
    """Portraits to click for the source, and a button that makes one of nobody.

    Unlike `gr.Examples` they keep the given input component.

    Returns:
        Connects what happens after the source was given in one of these ways.
    """
    sources = examples.portraits()
    shown = gr.Dataset(
        components=["image"],
        samples=[[path] for path in sources],
        type="index",
        label="Example portraits",
        headers=["Source"],
        visible=bool(sources),
    )

    def load(index: int) -> str:
        return sources[index]

    button = gr.Button("Make a person who does not exist", size="sm")
    chosen = shown.click(load, shown, source, show_progress="hidden", **QUICK)
    made = button.click(make_person, None, source, show_progress="hidden", **QUICK)

    def then(*handler: Any, **options: Any) -> Dependency:
        chosen.then(*handler, **options)
        return made.then(*handler, **options)

    return then


def make_person() -> str:
    """Draw somebody who does not exist, anew each time.

    Returns:
        A picture in the page's cache.
    """
    from reenact.media import write_image
    from reenact.pipeline.sample import sample_people
    from reenact.provenance.origin import Origin

    seed = secrets.randbelow(_PEOPLE)
    person = cv2.resize(sample_people(seed), (_PERSON_PX, _PERSON_PX), interpolation=cv2.INTER_CUBIC)
    with result_folder() as folder:
        path = folder / f"person-{seed}.png"
        write_image(path, person, origin=Origin(text="Synthetic: drawn by the program reenact"))
    return str(path)


def example_drivers(
    drivers: list[str],
    source: Component,
    driving: Component,
    *,
    others: Mapping[Component, str] | None = None,
) -> Callable[..., Dependency]:
    """Drivers to click: pictures, or clips that play under the pointer (`reenact.space.head`).

    Args:
        drivers: paths of the pictures or clips, in the order of `examples.driving_pictures`.
        source: gets a portrait if it has none.
        driving: gets the driver.
        others: further components, and the value that each of them gets.

    Returns:
        Connects what happens after a driver was clicked and loaded.
    """
    sources, others = examples.portraits(), others or {}
    shown = gr.Dataset(
        components=["video" if drivers[:1] == examples.driving_clips()[:1] else "image"],
        samples=[[path] for path in drivers],
        type="index",
        label="Example motions: click one, and the face moves",
        headers=["Driver"],
        visible=bool(drivers and sources),
    )

    def load(index: int, given: str | None) -> list[Any]:
        first = gr.skip() if given is not None else sources[index % len(sources)]
        return [first, drivers[index], *others.values()]

    return shown.click(load, [shown, source], [source, driving, *others], show_progress="hidden", **QUICK).success
