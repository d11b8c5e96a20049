"""The editor's clips: components, and how a finished clip is shown."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.space.widgets.events import FILES, QUICK, allow_download
from reenact.space.widgets.keyframe_part import KeyFramePart
from reenact.space.widgets.reloads import Reloads

MP4, GIF = "MP4", "GIF"
_LONGEST_S = 6.0
EASED, TURNTABLE, KEYFRAMES, FRAMES = "animation", "turntable", "keyframes", "frames"

_MOTIONS = [
    ("From the source to the edit and back", EASED),
    ("Turntable: from one profile to the other", TURNTABLE),
    ("Key frames", KEYFRAMES),
    ("Every frame of the source clip, changed as this one", FRAMES),
]


class ClipPart:
    """Components in an accordion."""

    def __init__(self, max_seconds: float | None = None) -> None:
        """Create them; `max_seconds` limits the length, None to what the tab offers."""
        longest = min(_LONGEST_S, max_seconds or _LONGEST_S)
        with gr.Accordion("Clip", open=False):
            self.motion = gr.Radio(_MOTIONS, value=EASED, label="Motion of the clip")
            with gr.Column(visible=False) as panel:
                self.keyframes = KeyFramePart()
            with gr.Row():
                with gr.Column(min_width=160, scale=2) as length:
                    self.seconds = gr.Slider(*(min(0.5, longest), longest, min(2, longest)), step=0.5, label="Seconds")
                self.kind = gr.Radio([MP4, GIF], value=MP4, label="Format", min_width=120, scale=1)
            self.motion.change(_show_table, self.motion, [panel, length], show_progress="hidden", **QUICK)
            with gr.Row():
                self.run = gr.Button("Make the clip", variant="primary", size="md", scale=3)
                self.stop = gr.Button("Stop", variant="stop", size="md", scale=1, min_width=80)
            self.video = gr.Video(label="Clip", interactive=False, autoplay=True, loop=True, buttons=[], height=320)
            self.gif = gr.Image(label="Clip", interactive=False, buttons=[], height=320, visible=False, format="gif")
            self.file = gr.DownloadButton("Download the clip", interactive=False)

    def connect(
        self,
        make: Callable[..., list[Any]],
        stop: Callable[..., Any],
        reloads: Reloads,
        *,
        clip: gr.Video,
        inputs: list[Component],
        text: gr.Textbox,
    ) -> None:
        """Connect the buttons.

        Args:
            make: from motion, seconds, kind, rows of key frames, source clip and the values of `inputs` to the result
                of `shown_clip`.
            stop: stops it.
            reloads: the runs of the editor.
            clip: the source clip.
            inputs: what the browser sends with every request.
            text: shows the notes.
        """
        reloads.begin(self.run.click, text)
        ran = self.run.click(
            reloads.kept(make),
            [self.motion, self.seconds, self.kind, self.keyframes.table, clip, *inputs],
            [self.video, self.gif, self.file, text],
            show_progress_on=self.video,
            **FILES,
        )
        allow_download(ran, self.file)
        reloads.end(ran, text)
        self.stop.click(stop, outputs=text, **QUICK)

    def reopen_after(self, restored: Dependency, reloads: Reloads, text: gr.Textbox) -> None:
        """Show the clip that a refresh has restored, and that of a run that has gone on."""
        shown = [self.video, self.gif]
        reopened = restored.then(reopened_clip, self.file, shown, show_progress="hidden", **QUICK)
        resumed = reloads.resume_after(reopened, [*shown, self.file, text], text, shown_on=self.video)
        allow_download(resumed, self.file)


def _show_table(motion: str) -> list[gr.Column]:
    """Key frames and source clips have their own times: no length, and for key frames their table."""
    return [gr.Column(visible=motion == KEYFRAMES), gr.Column(visible=motion in (EASED, TURNTABLE))]


def reopened_clip(path: str | None) -> list[Any]:
    """Updates for the player and the picture of a GIF or WebP, after a refresh has restored the file."""
    return [gr.skip(), gr.skip()] if path is None else shown_clip(path, "")[:2]


def shown_clip(path: str, text: str) -> list[Any]:
    """Updates for the player, the picture of a GIF or WebP, the download and the notes."""
    is_gif = path.endswith((".gif", ".webp"))
    player = gr.update(value=None if is_gif else path, visible=not is_gif)
    picture = gr.update(value=path if is_gif else None, visible=is_gif)
    return [player, picture, path, text]
