"""Options of the Image and Video tabs that say what of the motion is used, and what of the source is redrawn."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import gradio as gr
import numpy as np
from gradio.components import Component

from reenact.perception.crop_box import CropBox
from reenact.pipeline.options import DrivingOptions
from reenact.space.models import DEFAULT, Models
from reenact.space.widgets.answers import errors_as_messages
from reenact.space.widgets.inputs import chosen_face, given_file

if TYPE_CHECKING:
    from reenact.media.frame import Frame

_REGIONS = [
    ("Everything", "all"),
    ("Expression", "expression"),
    ("Pose", "pose"),
    ("Eyes", "eyes"),
    ("Lips", "lips"),
]
_KEEP = [("Eyes", "eyes"), ("Lips", "lips")]
_BODY = [("Follow", "follows"), ("Stay", "stays")]
_SHOWN_PX = 480
_COLOUR = (255, 140, 0)


class DrivingPart:
    """The components, in two accordions."""

    def __init__(self, models: Models, source: gr.Image, face: gr.Number) -> None:
        """Create them.

        Args:
            models: give the tracker that finds the face for the preview.
            source: the source picture.
            face: which of its faces.
        """
        self._models = models
        with gr.Accordion("What is driven", open=False):
            regions = gr.CheckboxGroup(
                _REGIONS, value=["all"], label="Regions", info="The rest does what it does in the source."
            )
            with gr.Row():
                keep = gr.CheckboxGroup(_KEEP, value=[], label="Keep the source's own", min_width=160)
                neutralise = gr.Checkbox(
                    value=False, label="Neutralise", info="Remove the source's own expression.", min_width=160
                )
            with gr.Row():
                strength = gr.Slider(0, 2, value=1, step=0.05, label="Strength of the motion", min_width=160)
                self.body = gr.Radio(
                    _BODY,
                    value="follows",
                    label="Neck and shoulders",
                    info="They follow the head, or stay.",
                    min_width=160,
                )
        with gr.Accordion("Crop", open=False):
            scale = gr.Slider(0.6, 2, value=1, step=0.02, label="Size of the square that is redrawn")
            with gr.Row():
                right = gr.Slider(-0.3, 0.3, value=0, step=0.01, label="Shift to the right")
                down = gr.Slider(-0.3, 0.3, value=0, step=0.01, label="Shift downwards")
            show = gr.Button("Show the square", size="sm")
            preview = gr.Image(
                label="The square around the face", interactive=False, visible=False, buttons=[], height=300
            )
        self.inputs: list[Component] = [regions, keep, strength, neutralise, scale, right, down]
        """In the order of `options_of` and `crop_of`."""
        box: list[Any] = [source, face, scale, right, down]
        quiet: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "crop", "concurrency_limit": 1}
        show.click(self._preview, box, preview, **quiet)
        for slider in (scale, right, down):
            slider.release(self._update, [preview, *box], preview, show_progress="hidden", **quiet)

    def _preview(
        self, source: str | None, face: int, scale: float | int, right: float | int, down: float | int
    ) -> gr.Image:
        """The source with its square."""
        source = given_file(source, "source picture")
        with errors_as_messages({source: "the source picture"}):
            from reenact.media import read_image
            from reenact.perception.crop import face_square

            frame, engine = read_image(source).rgb, self._models.engine(DEFAULT)
            found = engine.tracker.track(frame, face=chosen_face(face))
            square = face_square(found, engine.system.crop, box=crop_of(scale, right, down))
        return gr.Image(_with_square(frame, *square), visible=True)

    def _update(self, shown: Any, source: str | None, *box: Any) -> Any:
        """The same, where it is shown already."""
        return gr.skip() if shown is None or source is None else self._preview(source, *box)


def options_of(
    regions: Sequence[str], keep: Sequence[str], strength: float | int, neutralise: bool, *, body: str
) -> DrivingOptions:
    """What the components of `DrivingPart` say about the motion.

    Raises:
        ConfigError: a value out of range, or no region.
    """
    chosen: dict[str, Any] = {"regions": tuple(regions), "keep": tuple(keep), "body": body}
    return DrivingOptions(**chosen, strength=float(strength), neutralise=neutralise)


def crop_of(scale: float | int, right: float | int, down: float | int) -> CropBox:
    """What they say about the crop."""
    return CropBox(scale=float(scale), right=float(right), down=float(down))  # sliders give whole numbers as int


def _with_square(frame: "Frame", left: int, top: int, side: int) -> "Frame":
    """A small picture with the outline of a square."""
    scale = min(_SHOWN_PX / max(frame.shape[:2]), 1)
    size = (max(math.ceil(frame.shape[1] * scale), 1), max(math.ceil(frame.shape[0] * scale), 1))
    small = np.ascontiguousarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
    first, last = ((round(x * scale), round(y * scale)) for x, y in ((left, top), (left + side, top + side)))
    return np.asarray(cv2.rectangle(small, first, last, _COLOUR, 3), np.uint8)
