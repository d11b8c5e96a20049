"""The editor's key frames: a small table, and the file that it is saved in."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.errors import ConfigError
from reenact.pipeline.controls.keyframes import KeyFrame, KeyFrames
from reenact.pipeline.controls.settings import FaceEdit
from reenact.space.widgets.events import MOVING, save_in_browser

HEADERS = ["Time (s)", "Changes", "Ease"]
_FIRST = [["0", "", "smooth"], ["0.8", "12=3.5 25=1.5", "smooth"], ["1.6", "", "smooth"]]
_HELP = """A row is a face at a time: changes of units and angles, such as `12=3.5 45L=5 yaw=10`; none is the source's
own face. `smooth`, `linear` or `hold` says how the face comes there. A clip has up to 60 seconds."""
_STEP_S = 0.8


class KeyFramePart:
    """Components of the table; visible where key frames are chosen as the motion of the clip."""

    def __init__(self) -> None:
        """Create them; inside a column."""
        gr.Markdown(_HELP)
        self.table = gr.Dataframe(
            _FIRST,
            headers=HEADERS,
            datatype="str",
            type="array",
            column_count=len(HEADERS),
            interactive=True,
            show_label=False,
            label="Key frames",
        )
        with gr.Row():
            self.time = gr.Textbox("2.4", label="Time of this face (s)", min_width=120, scale=1)
            self.add = gr.Button("Add this face", size="sm", min_width=100, scale=1)
        with gr.Row():
            self.save = gr.Button("Save key frames", size="sm", min_width=100)
            self.load = gr.UploadButton("Load key frames", size="sm", min_width=100, file_types=[".json"])
        # invisible: what the browser saves next
        self.saved = gr.File(visible=False, label="Saved")

    def connect(
        self,
        add: Callable[..., list[Any]],
        save: Callable[..., str],
        load: Callable[[str | None], Any],
        *,
        inputs: list[Component],
    ) -> list[Dependency]:
        """Connect the buttons.

        Args:
            add: from rows, time and the values of `inputs` to new rows and the time after them.
            save: from rows and the values of `inputs` to the path of a file.
            load: from the path of a file to rows.
            inputs: what the browser sends with every request of the editor.

        Returns:
            The events.
        """
        added = self.add.click(add, [self.table, self.time, *inputs], [self.table, self.time], **MOVING)
        saved = self.save.click(save, [self.table, *inputs], self.saved, **MOVING)
        save_in_browser(saved, self.saved)
        return [added, saved, self.load.upload(load, self.load, self.table, **MOVING)]


def with_face(rows: list[list[Any]], time: str, edit: FaceEdit) -> tuple[list[list[str]], str]:
    """The rows with one more key frame, or another one at its time; and a time after them.

    Args:
        rows: of the table.
        time: in seconds, as text.
        edit: relative to the source.

    Raises:
        ConfigError: rows or a time that cannot be read.
    """
    (new,) = KeyFrames.from_rows([[time, "", ""]]).frames if time.strip() else ((),)
    if not isinstance(new, KeyFrame):
        raise ConfigError("The new key frame has no time; give seconds, such as 0.8.")
    kept = [row for row in rows if any(str(cell or "").strip() for cell in row[:2])]
    before = KeyFrames.from_rows(kept).frames if kept else ()
    others = tuple(frame for frame in before if abs(frame.time_s - new.time_s) > 1e-6)
    keys = KeyFrames(frames=(*others, KeyFrame(time_s=new.time_s, edit=edit)))
    return keys.to_rows(), f"{min(keys.seconds + _STEP_S, 60):g}"
