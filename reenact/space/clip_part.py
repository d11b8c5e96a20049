"""A clip of what the sliders ask for: its components, and how it is made, shown and stopped."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from reenact.space.answers import notes, result_folder, result_name, told
from reenact.space.clock import Clock
from reenact.space.inputs import allow_download
from reenact.space.runs import Runs
from reenact.space.wiring import FILES, QUICK

if TYPE_CHECKING:
    from reenact.pipeline import VideoResult

    Draw = Callable[[pathlib.Path, Callable[[int, int, str], None], Callable[[], bool]], VideoResult]
    """Writes the clip: told its name, whom to tell of every frame, and whom to ask whether to stop."""

MP4, GIF = "MP4", "GIF"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipPart:
    """What asks for a clip, and where it is shown."""

    seconds: gr.Slider
    kind: gr.Radio
    run: gr.Button
    stop: gr.Button
    clip: gr.Video
    gif: gr.Image
    file: gr.DownloadButton

    @classmethod
    def lay_out(cls, title: str, text: str, *, seconds: float, open_at_first: bool = False) -> "ClipPart":
        """In an accordion.

        Args:
            title: of it, and of the button.
            text: what the clip shows.
            seconds: proposed.
            open_at_first: whether its content is seen without a click.
        """
        with gr.Accordion(title, open=open_at_first):
            gr.Markdown(text)
            with gr.Row():
                length = gr.Slider(0.5, 6, value=seconds, step=0.5, label="Seconds", min_width=160, scale=2)
                kind = gr.Radio([MP4, GIF], value=MP4, label="Format", min_width=120, scale=1)
            with gr.Row():
                run = gr.Button(title, variant="primary", size="md", scale=3)
                stop = gr.Button("Stop", variant="stop", size="md", scale=1, min_width=80)
            clip = gr.Video(label="Clip", interactive=False, autoplay=True, loop=True, buttons=[], height=320)
            gif = gr.Image(label="Clip", interactive=False, buttons=[], height=320, visible=False, format="gif")
            file = gr.DownloadButton("Download the clip", interactive=False)
        return cls(seconds=length, kind=kind, run=run, stop=stop, clip=clip, gif=gif, file=file)

    def connect(
        self,
        make: Callable[..., list[Any]],
        stop: Callable[..., str],
        *,
        wanted: list[Component],
        notes: gr.Textbox,
    ) -> None:
        """Let the buttons work.

        Args:
            make: from seconds, kind and the values of `wanted` to what `shown_clip` gives.
            stop: ends it.
            wanted: what says what is to be drawn.
            notes: where it says how it went.
        """
        ran = self.run.click(
            make,
            [self.seconds, self.kind, *wanted],
            [self.clip, self.gif, self.file, notes],
            show_progress_on=self.clip,
            **FILES,
        )
        allow_download(ran, self.file)
        self.stop.click(stop, outputs=notes, cancels=[ran], **QUICK)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeClip:
    """A clip in a folder of its own."""

    path: str
    text: str
    """Notes."""

    def shown(self) -> list[Any]:
        """For the player, the picture of a GIF, the download and the notes of a `ClipPart`."""
        is_gif = self.path.endswith(".gif")
        player = gr.update(value=None if is_gif else self.path, visible=not is_gif)
        picture = gr.update(value=self.path if is_gif else None, visible=is_gif)
        return [player, picture, self.path, self.text]


def made_clip(
    draw: "Draw",
    *,
    source: str,
    kind: str,
    done: str,
    names: Mapping[str, str],
    runs: Runs,
    progress: gr.Progress,
    request: gr.Request | None,
) -> MadeClip:
    """Make a clip that its visitor can stop.

    Args:
        draw: makes it.
        source: name of the source's file.
        kind: MP4 or GIF.
        done: what is done to the source, for the file's name.
        names: as in `told`.
        runs: knows it while it lasts.
        progress: shows it.
        request: tells visitors apart.

    Raises:
        gr.Error: in place of any exception.
    """
    clock = Clock()

    def show(frame: int, total: int, stage: str) -> None:
        progress((frame, total), desc=clock.text(frame, total), unit=stage)

    with runs.started(request) as should_stop, told(names), result_folder() as folder:
        progress(0, desc="Getting ready")
        result = draw(folder / result_name(source, f".{kind.lower()}", done=done), show, should_stop)
    text = f"Done in {clock.seconds():.1f} s: {result.frame_count} frames, {result.width} × {result.height} pixels."
    return MadeClip(path=str(result.path), text=notes(text, result.warnings, names))


def stopped(runs: Runs, request: gr.Request | None) -> str:
    """End what a visitor has running, and say so."""
    return "Stopped; nothing was written." if runs.stop(request) else "Nothing is running."
