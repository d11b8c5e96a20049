"""What drives on the Video tab: the clip, a motion template of the library, or one that the visitor saved."""

import gradio as gr

from reenact.pipeline.motions.library import LIBRARY, SUFFIX, library_names
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.inputs import given_file

CLIP, FILE = "clip", "file"

_INFO = "A motion drives without a clip: one of the program's own, or one saved from a clip. It holds no pictures."


class MotionPart:
    """Components: the choice, the file, and the button that saves the clip's motion."""

    def __init__(self) -> None:
        """Create them; inside a column."""
        names = [(f"Motion: {name}", name) for name in library_names()]
        choices = [("The driving clip", CLIP), *names, ("A saved motion", FILE)]
        self.driver = gr.Dropdown(choices, value=CLIP, label="Driven by", info=_INFO)
        with gr.Column(visible=False) as panel:
            self.file = gr.File(label="Saved motion", file_types=[SUFFIX], height=120)

        def show_file(choice: str) -> gr.Column:
            return gr.Column(visible=choice == FILE)

        self.driver.change(show_file, self.driver, panel, show_progress="hidden", **QUICK)


def chosen_driver(driver: str, clip: str | None, file: str | None) -> tuple[str, str]:
    """The path of what drives, and what messages call it.

    Args:
        driver: CLIP, FILE or a name of the library.
        clip: path of the driving clip, if one was given.
        file: path of the saved motion, if one was given.

    Raises:
        gr.Error: it was not given.
    """
    if driver == CLIP:
        return given_file(clip, "driving clip"), "the driving clip"
    if driver == FILE:
        return given_file(file, "saved motion", advice="give one, or choose another driver"), "the saved motion"
    return str(LIBRARY / f"{driver}{SUFFIX}"), f"the motion {driver}"
