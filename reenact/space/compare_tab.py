"""Compare tab: one source and one driver through several systems."""

import pathlib
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.media.trim import Trim
from reenact.pipeline.compare.figures import SystemFigures
from reenact.space import examples
from reenact.space.models import Models
from reenact.space.widgets import inputs
from reenact.space.widgets.answers import (
    DRIVING_FACE,
    SOURCE_FACE,
    errors_as_messages,
    message,
    notes,
    result_folder,
    result_name,
)
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.events import QUICK, allow_download
from reenact.space.widgets.faces_part import FacesPart
from reenact.space.widgets.linked import Linked
from reenact.space.widgets.problems import Problems
from reenact.space.widgets.refusals import refuse_unreadable
from reenact.space.widgets.reloads import Reloads
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.runs import Clock, Runs
from reenact.space.widgets.source_kind import PICTURE, SOURCES
from reenact.systems.catalog import CATALOG

_QUEUE: dict[str, Any] = {"concurrency_id": "compare", "concurrency_limit": 1}


class CompareTab:
    """The handler of ``/compare``, and its components."""

    name = "compare"

    def __init__(self, models: Models, runs: Runs, limits: ClipLimits) -> None:
        """Nothing is loaded yet; `limits` say which clips are too long."""
        self._models, self._runs, self._limits = models, runs, limits
        self._problems = Problems()
        self._reloads = Reloads(self.name, runs, self._problems)

    def compare(
        self,
        source: str | None,
        driving: str | None = None,
        driving_clip: str | None = None,
        systems: list[str] | None = None,
        paste_back: bool = False,
        source_face: int = 0,
        driving_face: int = 0,
        begin: str = "",
        end: str = "",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, dict[str, Any], str]:
        """Draw the same source and driver by several systems, side by side, and measure the results.

        Args:
            source: Picture of the face to redraw.
            driving: Picture whose pose and expression are copied.
            driving_clip: Clip whose motion is copied, in place of `driving`; the result is then a clip.
            systems: Ids of the systems; all by default.
            paste_back: Whether to show the whole source picture; otherwise the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            driving_face: Which of several faces of the driver; 1 is the largest, 0 takes the largest.
            begin: Time in `driving_clip` at which it begins: seconds, or a time such as 1:02.5; "" is its beginning.
            end: Time in it at which it ends, written as `begin`; "" is its end.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The result as a PNG or MP4 file; figures: {"file", "frames", "systems": [{"system", "title", "use",
            "pose_error_deg" (angle to the driver's head), "identity" (similarity to the source, at most 1),
            "seconds_per_frame", "lost" (measured frames in which no face was found)}]}, in the file's order; notes.
        """
        options = (systems, paste_back, source_face, driving_face, begin, end)
        file, figures, text = self._compared(source, driving, driving_clip, *options, progress, request)
        return file, figures, text

    def show_compare(
        self,
        source: str | None,
        driving: str | None,
        driving_clip: str | None,
        systems: list[str],
        paste_back: bool,
        source_face: int,
        driving_face: int,
        begin: str,
        end: str,
        kind: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        request: gr.Request | None = None,
    ) -> list[Any]:
        """The same for the tab, with the driver of the chosen kind: picture, player, table, file and notes."""
        if not systems:
            raise message("No system is chosen: choose one or several.")
        drivers = (driving, None) if kind == PICTURE else (None, inputs.given_file(driving_clip, "driving clip"))
        options = (systems, paste_back, source_face, driving_face, *(("", "") if kind == PICTURE else (begin, end)))
        file, figures, text = self._compared(source, *drivers, *options, progress, request)
        return [*_shown(file), table(figures), file, text]

    def _compared(
        self,
        source: str | None,
        driving: str | None,
        driving_clip: str | None,
        systems: list[str] | None,
        paste_back: bool,
        source_face: int,
        driving_face: int,
        begin: str,
        end: str,
        progress: gr.Progress,
        request: gr.Request | None,
    ) -> tuple[str, dict[str, Any], str]:
        source = inputs.given_file(source, "source picture")
        moving = driving_clip is not None
        called = "driving clip" if moving else "driving picture"
        driver = inputs.given_file(driving_clip if moving else driving, called)
        names = {driver: f"the {called}", source: "the source picture"}
        with self._runs.started(request) as should_stop, errors_as_messages(names), result_folder() as folder:
            progress(0, desc="Getting ready")
            from reenact.pipeline.compare.run import compare

            clock = Clock()
            report = clock.reporter(progress)
            trim = Trim.read(begin, end, names=("The begin", "The end"))
            if moving:
                report = self._limits.reporter(clock, progress, self._limits.check_driver(driver, trim))
            progress(0, desc="Loading the networks")
            chosen = systems or [name for name in CATALOG if self._models.offers(name)]
            result = compare(
                pathlib.Path(source),
                driver,
                folder / result_name(source, ".mp4" if moving else ".png", done="compared"),
                systems=[self._models.engine(name) for name in chosen],
                paste_back=paste_back,
                face=inputs.chosen_face(source_face),
                driving_face=inputs.chosen_face(driving_face),
                trim=trim,
                progress=report,
                should_stop=should_stop,
                origin=self._models.origin,
            )
        done = f"Done in {clock.seconds():.1f} s: {result.width} × {result.height} pixels."
        weights = [line for each in result.figures for line in self._models.notes(each.system)]
        return str(result.path), result.as_dict(), notes([done, *weights], result.warnings, names)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        offered = [name for name in CATALOG if self._models.offers(name)]
        with gr.Row(equal_height=False, elem_classes="work"):
            with gr.Column(scale=4, elem_classes="given"):
                with gr.Row():
                    source = inputs.picture_input("Source picture")
                    with gr.Column(min_width=160):
                        driving = inputs.picture_input("Driving picture")
                        clip = inputs.clip_input("Driving clip", visible=False)
                        begin, end = part = inputs.part_of_driver(visible=False)
                        kind = gr.Radio(SOURCES, value=PICTURE, show_label=False, label="Kind of driver")
                source_faces = FacesPart(self._models, SOURCE_FACE)
                driving_faces = FacesPart(self._models, DRIVING_FACE)
                titles = [(CATALOG[name].title, name) for name in offered]
                systems = gr.CheckboxGroup(titles, value=offered, label="Systems")
                paste_back = gr.Checkbox(value=False, label="Whole picture", info="Otherwise the face's square.")
                with gr.Row(elem_classes="run"):
                    run = gr.Button("Compare", variant="primary", size="lg", scale=3)
                    stop = gr.Button("Stop", variant="stop", size="lg", scale=1, min_width=80)
                portrait = inputs.example_portraits(source)
                others: dict[Component, str] = {kind: PICTURE}
                example = inputs.example_drivers(examples.driving_pictures(), source, driving, others=others)
            with gr.Column(scale=5, elem_classes="made"):
                picture = gr.Image(label="Side by side", interactive=False, format="png", buttons=["fullscreen"])
                player = gr.Video(
                    label="Side by side", interactive=False, autoplay=True, loop=True, buttons=[], visible=False
                )
                figures = gr.Markdown(label="Figures", elem_classes="figures")
                text = inputs.notes_box()
                file = gr.DownloadButton("Download the result", interactive=False)
        kind.change(_show_driver, kind, [driving, clip, *part], show_progress="hidden", **QUICK)
        for each in (source, driving, clip):
            refuse_unreadable(each, text, self._problems)
        for given in (source.input, portrait, example):
            source_faces.look(given, source)
        driving_faces.look(driving.input, driving)
        driving_faces.look(example, driving)
        driving_faces.look(clip.input, clip)
        source_faces.choose()
        driving_faces.choose()
        self._faces = ((source_faces, source), (driving_faces, driving))
        sent = [source, driving, clip, systems, paste_back, source_faces.number, driving_faces.number, begin, end]
        self._results = picture, player, figures, file, text
        for trigger in (run.click, example):
            self._reloads.begin(trigger, text)
            ran = trigger(
                self._reloads.kept(self.show_compare),
                [*sent, kind],
                [*self._results],
                api_visibility="private",
                show_progress_on=[picture, player],
                **_QUEUE,
            )
            allow_download(ran, file)
            self._reloads.end(ran, text)
        stop.click(self._stop, outputs=text, **QUICK)
        call, numbers = gr.Button("Compare", visible=False), gr.JSON(label="Figures", visible=False)
        call.click(self.compare, sent, [file, numbers, text], api_name="compare", **_QUEUE)
        linked = Linked("compare", self.compare, sent, {"source": "portrait.jpg", "driving": "driving.jpg"})
        return Remembered(self.name, [*sent, kind, picture, player, figures, file, text], linked)

    def reopen_after(self, restored: Dependency) -> None:
        """Show the faces, and picture or clip, of what a refresh has restored, and of a run that has gone on."""
        *shown, _, file, text = self._results
        reopened = restored.then(_shown_again, file, shown, show_progress="hidden", **QUICK)
        allow_download(self._reloads.resume_after(reopened, self._results, text, shown_on=shown), file)
        for part, given in self._faces:
            restored = part.look(restored.then, given, keep=True)

    async def _stop(self, request: gr.Request) -> str:
        return await self._runs.stop(request)


def table(figures: dict[str, Any]) -> str:
    """Markdown of what `/compare` returns."""
    lines = ["| system | pose error | identity | s a frame | good for |", "|---|---|---|---|---|"]
    for each in figures["systems"]:
        values = {key: each[key] for key in ("system", "pose_error_deg", "identity", "seconds_per_frame", "lost")}
        row = SystemFigures(**values)
        lines.append("| " + " | ".join([row.title, *row.cells(), row.use]) + " |")
    return "\n".join(lines)


def _shown(path: str) -> list[Any]:
    """Updates of the picture and the player: one shows the file, the other hides."""
    moves = path.endswith(".mp4")
    return [
        gr.update(value=None if moves else path, visible=not moves),
        gr.update(value=path if moves else None, visible=moves),
    ]


def _shown_again(path: str | None) -> list[Any]:
    moves = path is not None and path.endswith(".mp4")
    return [gr.update(visible=not moves), gr.update(visible=moves)]


def _show_driver(kind: str) -> list[Any]:
    return [gr.update(visible=kind == PICTURE), *[gr.update(visible=kind != PICTURE)] * 3]
