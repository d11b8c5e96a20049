"""Image tab: a portrait driven by another picture."""

import pathlib
from collections.abc import Callable
from typing import Any, Literal

import gradio as gr
from gradio.components import Component

from reenact.space import examples
from reenact.space.models import Models
from reenact.space.widgets import inputs
from reenact.space.widgets.answers import errors_as_messages, notes, result_folder, result_name, write_result
from reenact.space.widgets.comparison import FACE, Comparison, Pairs, write_pairs
from reenact.space.widgets.events import allow_download
from reenact.space.widgets.output_part import PICTURES, OutputPart, chosen_quality, chosen_size
from reenact.space.widgets.problems import Problems, clear_first
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.runs import Clock
from reenact.space.widgets.system_choice import AUTO, FaceIn, PoseMode, choose_system, old_mode, system_choice

_QUEUE: dict[str, Any] = {"concurrency_id": "image", "concurrency_limit": 1}


class ImageTab:
    """The handler of ``/reenact_image``, and its components."""

    def __init__(self, models: Models) -> None:
        self._models, self._problems = models, Problems()

    def reenact_image(
        self,
        source: str | None,
        driving: str | None,
        motion: Literal["absolute", "relative"] = "absolute",
        paste_back: bool = True,
        source_face: int = 0,
        driving_face: int = 0,
        system: str = AUTO,
        mode: PoseMode = "automatic",
        kind: Literal["png", "jpg", "webp"] = "png",
        quality: float | int = 95,
        longest_px: float | int = 0,
    ) -> tuple[str, tuple[str, str], str]:
        """Give the face of one picture the pose and expression of another.

        Args:
            source: Picture of the face to redraw.
            driving: Picture whose pose and expression are copied.
            motion: "absolute" copies pose and expression; "relative" adds the difference from the driver's neutral
                face to the source's own.
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            driving_face: The same for the driving picture.
            system: Which system draws. "auto" takes the default, or the one for heads rotated up to 90 degrees where a
                face is turned by more than 45 degrees.
            mode: Older than "auto": "standard" takes the default system for it, "large_pose" always the one for heads
                rotated up to 90 degrees.
            kind: Format of the result.
            quality: 1 to 100, of JPEG and WebP.
            longest_px: A result with a longer side is scaled down to it; 0 keeps the source's size.

        Returns:
            The result as a file; source and result for comparing; notes.
        """
        file, pairs, text = self._drawn(
            source, driving, motion, paste_back, source_face, driving_face, system, mode, kind, quality, longest_px
        )
        return file, pairs.whole, text

    def show_image(
        self,
        source: str | None,
        driving: str | None,
        shown: str,
        motion: Literal["absolute", "relative"],
        paste_back: bool,
        source_face: int,
        driving_face: int,
        system: str,
        kind: str,
        quality: float | int,
        longest_px: float | int,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
    ) -> tuple[str, tuple[str, str], str]:
        """The same for the tab, which compares the faces or the whole pictures."""
        progress(0, desc="Getting ready")
        options = [paste_back, source_face, driving_face, system, "automatic", kind, quality, longest_px]
        file, pairs, text = self._drawn(source, driving, motion, *options, progress=progress)
        return file, pairs.face if shown == FACE else pairs.whole, text

    def _drawn(
        self,
        source: str | None,
        driving: str | None,
        motion: Literal["absolute", "relative"],
        *options: Any,
        progress: Callable[..., Any] = lambda *_, **__: None,
    ) -> tuple[str, Pairs, str]:
        paste_back, source_face, driving_face, system, mode, kind, quality, longest_px = options
        source, driving = inputs.given_file(source, "source picture"), inputs.given_file(driving, "driving picture")
        names = {driving: "the driving picture", source: "the source picture"}
        faces = (
            FaceIn(path=source, number=source_face, called="the source"),
            FaceIn(path=driving, number=driving_face, called="the driving picture"),
        )
        with errors_as_messages(names), result_folder() as folder:
            from reenact.pipeline.image import reenact_image

            clock, longest = Clock(), chosen_size(longest_px)
            progress(0.1, desc="Finding the faces")
            chosen = choose_system(self._models, mode, system, *faces)
            progress(0.3, desc="Loading the networks")
            engine = self._models.engine(chosen.system)
            progress(0.4, desc="Drawing")
            result = reenact_image(
                pathlib.Path(source),
                pathlib.Path(driving),
                system=engine,
                mode=motion,
                paste_back=paste_back,
                face=inputs.chosen_face(source_face),
                driving_face=inputs.chosen_face(driving_face),
            )
            seconds = clock.seconds()
            progress(0.9, desc="Writing")
            out = folder / result_name(source, f".{kind}")
            size = write_result(out, result, quality=chosen_quality(quality), longest_px=longest)
            pairs = write_pairs(out, result, longest_px=longest)
        first = [f"Done in {seconds:.1f} s: {size}.", chosen.reason, *self._models.notes(result.system)]
        return str(out), pairs, notes(first, result.warnings, names)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=5):
                with gr.Row():
                    source, driving = inputs.picture_input("Source picture"), inputs.picture_input("Driving picture")
                system = system_choice(self._models)
                run = gr.Button("Reenact", variant="primary", size="lg")
                with gr.Accordion("Options", open=False):
                    motion, paste_back = inputs.motion_choice(), inputs.paste_choice()
                    source_face, driving_face = inputs.face_numbers()
                output = OutputPart(PICTURES)
                inputs.example_portraits(source)
                example = inputs.example_drivers("image", examples.driving_pictures(), source, driving)
            with gr.Column(scale=4):
                comparison = Comparison()
                text = inputs.notes_box()
                file = gr.DownloadButton("Download the result", interactive=False)
        comparison.connect(file)
        options: list[Component] = [motion, paste_back, source_face, driving_face, system]
        results: list[Component] = [file, comparison.slider, text]
        for trigger in (run.click, example):
            clear_first(trigger, text)
            ran = trigger(
                self._problems.kept(self.show_image),
                [source, driving, comparison.shown, *options, *output.components],
                results,
                api_visibility="private",
                show_progress_on=comparison.slider,
                **_QUEUE,
            )
            allow_download(ran, file)
            self._problems.show(ran, text)
        call = gr.Button("Reenact", visible=False)
        sent = [source, driving, *options, old_mode(), *output.components]
        call.click(self.reenact_image, sent, results, api_name="reenact_image", **_QUEUE)
        return Remembered("image", [source, driving, *options, *output.components, comparison.shown, *results])
