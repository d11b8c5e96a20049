"""Image tab: a portrait driven by another picture."""

import pathlib
import time
from typing import TYPE_CHECKING, Literal

import gradio as gr

from reenact.space import examples
from reenact.space.answers import message, notes, result_folder, result_name, told
from reenact.space.inputs import (
    allow_download,
    chosen_face,
    example_choice,
    face_numbers,
    motion_choice,
    paste_choice,
    picture_input,
    system_choice,
)
from reenact.space.models import DEFAULT, Models
from reenact.space.pose_mode import Drawer, PoseMode, drawer, mode_choice

if TYPE_CHECKING:
    from reenact.pipeline.large_pose import FarTurn


class ImageTab:
    """Its handler, and the models it works with."""

    def __init__(self, models: Models, *, large_pose: bool) -> None:
        """Nothing is loaded yet.

        Args:
            models: give the engines.
            large_pose: whether the system of large poses is installed.
        """
        self._models, self._large_pose = models, large_pose

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
            driving: Picture whose pose and expression are taken.
            motion: "absolute" takes pose and expression as they are, "relative" adds what differs from the driving
                face at rest to the source's own.
            paste_back: Whether to give back the whole source picture; else only the square around the face.
            source_face: Which of several faces of the source, 1 is the largest; 0 takes the largest.
            driving_face: Likewise in the driving picture.
            system: Which system draws in the standard mode.
            mode: "standard"; "large_pose", for heads turned up to 90 degrees; or "automatic", which takes large_pose
                where a face is turned by more than 45 degrees and `system` is left as it is.

        Returns:
            The result as a PNG file; source and result for comparing; notes.
        """
        if source is None:
            raise message("There is no source picture yet: give one, or click an example.")
        if driving is None:
            raise message("There is no driving picture yet: give one, or click an example.")
        names = {driving: "the driving picture", source: "the source picture"}
        with told(names), result_folder() as folder:
            from reenact.media import write_image
            from reenact.pipeline import reenact_image
            from reenact.pipeline.results import COMMENT

            begun = time.perf_counter()
            chosen = self._drawer(mode, system, (source, source_face), (driving, driving_face))
            engine = self._models.engine(chosen.system)
            result = reenact_image(
                pathlib.Path(source),
                pathlib.Path(driving),
                system=engine,
                mode=motion,
                paste_back=paste_back,
                face=chosen_face(source_face),
                driving_face=chosen_face(driving_face),
            )
            seconds = time.perf_counter() - begun
            out, before = folder / result_name(source, ".png"), folder / "source.png"
            write_image(out, result.rgb, alpha=result.alpha, comment=COMMENT)
            write_image(before, result.source, alpha=result.alpha)
        height, width = result.rgb.shape[:2]
        done = f"Done in {seconds:.1f} s: {width} × {height} pixels."
        return str(out), (str(before), str(out)), notes(done, result.warnings, names, why=chosen.why)

    def _drawer(self, mode: PoseMode, system: str, *given: tuple[str, int]) -> Drawer:
        def look() -> "tuple[str, FarTurn] | None":
            from reenact.pipeline.large_pose import far_turn_in_picture

            tracker = self._models.engine(DEFAULT).tracker
            for whose, (path, face) in zip(("the source", "the driving picture"), given, strict=True):
                turn = far_turn_in_picture(pathlib.Path(path), tracker=tracker, face=chosen_face(face))
                if turn is not None:
                    return whose, turn
            return None

        return drawer(mode, system, offered=self._large_pose, look=look)

    def build(self) -> None:
        """Lay the tab out and connect it; inside a `gr.Tab`."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=5):
                with gr.Row():
                    source, driving = picture_input("Source picture"), picture_input("Driving picture")
                mode = mode_choice(offered=self._large_pose)
                run = gr.Button("Reenact", variant="primary", size="lg")
                with gr.Accordion("Options", open=False):
                    motion, paste_back = motion_choice(), paste_choice()
                    source_face, driving_face = face_numbers()
                    system = system_choice()
                example = example_choice(examples.pairs(examples.driving_pictures()), [source, driving])
            with gr.Column(scale=4):
                comparison = gr.ImageSlider(
                    label="Before and after", format="png", interactive=False, buttons=["fullscreen"], max_height=520
                )
                text = gr.Textbox(label="Notes", interactive=False, lines=1, max_lines=6)
                file = gr.DownloadButton("Download the result (PNG)", interactive=False)
        options = [motion, paste_back, source_face, driving_face, system, mode]
        for trigger, name in ((run.click, "reenact_image"), (example, None)):
            ran = trigger(
                self.reenact_image,
                [source, driving, *options],
                [file, comparison, text],
                api_name=name,
                api_visibility="public" if name else "private",
                show_progress_on=comparison,
                concurrency_id="image",
                concurrency_limit=1,
            )
            allow_download(ran, file)
