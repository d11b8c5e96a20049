"""Image tab: a portrait driven by another picture."""

import pathlib
from typing import Literal

import gradio as gr

from reenact.space import examples
from reenact.space.models import DEFAULT, LARGE_POSE, Models
from reenact.space.widgets import inputs
from reenact.space.widgets.answers import errors_as_messages, notes, result_folder, result_name, write_result
from reenact.space.widgets.events import allow_download
from reenact.space.widgets.problems import Problems, clear_first
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.runs import Clock
from reenact.space.widgets.system_choice import FaceIn, PoseMode, choose_system, mode_choice, system_dropdown


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
        system: str = DEFAULT,
        mode: PoseMode = "automatic",
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
            system: Which system draws in the standard mode.
            mode: "standard"; "large_pose", for heads rotated up to 90 degrees; or "automatic", which takes large_pose
                where a face is turned by more than 45 degrees and `system` is left as it is.

        Returns:
            The result as a PNG file; source and result for comparing; notes.
        """
        source, driving = inputs.given_file(source, "source picture"), inputs.given_file(driving, "driving picture")
        names = {driving: "the driving picture", source: "the source picture"}
        faces = (
            FaceIn(path=source, number=source_face, called="the source"),
            FaceIn(path=driving, number=driving_face, called="the driving picture"),
        )
        with errors_as_messages(names), result_folder() as folder:
            from reenact.media import write_image
            from reenact.pipeline.image import reenact_image

            clock = Clock()
            chosen = choose_system(self._models, mode, system, *faces)
            result = reenact_image(
                pathlib.Path(source),
                pathlib.Path(driving),
                system=self._models.engine(chosen.system),
                mode=motion,
                paste_back=paste_back,
                face=inputs.chosen_face(source_face),
                driving_face=inputs.chosen_face(driving_face),
            )
            seconds = clock.seconds()
            out, before = folder / result_name(source, ".png"), folder / "source.png"
            size = write_result(out, result)
            write_image(before, result.source, alpha=result.alpha)
        first = [f"Done in {seconds:.1f} s: {size}.", chosen.reason, *self._models.notes(result.system)]
        return str(out), (str(before), str(out)), notes(first, result.warnings, names)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=5):
                with gr.Row():
                    source, driving = inputs.picture_input("Source picture"), inputs.picture_input("Driving picture")
                mode = mode_choice(offered=self._models.offers(LARGE_POSE))
                run = gr.Button("Reenact", variant="primary", size="lg")
                with gr.Accordion("Options", open=False):
                    motion, paste_back = inputs.motion_choice(), inputs.paste_choice()
                    source_face, driving_face = inputs.face_numbers()
                    system = system_dropdown(self._models)
                example = inputs.example_choice(examples.pairs(examples.driving_pictures()), [source, driving])
            with gr.Column(scale=4):
                comparison = gr.ImageSlider(
                    label="Before and after", format="png", interactive=False, buttons=["fullscreen"], max_height=520
                )
                text = inputs.notes_box()
                file = gr.DownloadButton("Download the result (PNG)", interactive=False)
        options = [motion, paste_back, source_face, driving_face, system, mode]
        for trigger, name in ((run.click, "reenact_image"), (example, None)):
            clear_first(trigger, text)
            ran = trigger(
                self._problems.kept(self.reenact_image),
                [source, driving, *options],
                [file, comparison, text],
                api_name=name,
                api_visibility="public" if name else "private",
                show_progress_on=comparison,
                concurrency_id="image",
                concurrency_limit=1,
            )
            allow_download(ran, file)
            self._problems.show(ran, text)
        return Remembered("image", [source, driving, *options, file, comparison, text])
