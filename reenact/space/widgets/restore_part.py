"""Options of the Image and Video tabs that make results sharper: enlarged sources, restored faces."""

from typing import Any

import gradio as gr
from gradio.components import Component

from reenact.errors import ConfigError
from reenact.space.models import Models

_INFO = "GFPGAN v1.4 redraws the drawn face. It sharpens, and it beautifies. The run says first how long it takes."


class RestorePart:
    """The components, in an accordion; those of restoration are hidden where the host does not offer it."""

    def __init__(self, models: Models) -> None:
        offered = models.restores
        with gr.Accordion("Enlarge and restore" if offered else "Enlarge", open=False):
            upscale = gr.Radio(
                [("As it is", 1), ("Twice its size", 2)],
                value=1,
                label="Source picture",
                info="Small ones get a result with more pixels.",
            )
            with gr.Row(visible=offered):
                restore = gr.Checkbox(value=False, label="Restore the face", info=_INFO)
                strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength of the restoration")
        self.inputs: list[Component] = [upscale, restore, strength]
        """In the order of `restoring`."""


def restoring(models: Models, upscale: int, restore: bool, strength: float | int, *, faces: int) -> dict[str, Any]:
    """What the components of `RestorePart` say, as options of a run; tells the visitor how long restoring will take.

    Args:
        models: give the restorer.
        upscale: 1 or 2.
        restore: whether faces are restored.
        strength: of the restoration, 0 to 1.
        faces: number of faces that will be drawn.

    Raises:
        ConfigError: a value out of range, or the host does not offer restoration.
        ReenactError: the restorer cannot be loaded.
    """
    if not restore:
        return {"upscale": upscale}
    if not models.restores:
        raise ConfigError("This page does not restore faces; leave it out, or start the page with --restore.")
    from reenact.restore.gfpgan import time_text

    restorer, seconds = models.restorer()
    gr.Info(time_text(seconds, faces))
    return {"upscale": upscale, "restore": restorer.with_strength(float(strength))}
