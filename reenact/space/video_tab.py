"""Video tab: a portrait driven by a clip."""

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from reenact.space import examples
from reenact.space.answers import MISSING_FACE, message, notes, result_folder, result_name, told
from reenact.space.clip_part import stopped
from reenact.space.clock import Clock
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
from reenact.space.runs import Runs

if TYPE_CHECKING:
    from reenact.pipeline.large_pose import FarTurn

_MISSING = [("Hold the last result", "hold"), ("Skip them", "skip"), ("Stop with an error", "stop")]


class VideoTab:
    """Its handlers, the models they work with and the runs that can be stopped."""

    def __init__(self, models: Models, runs: Runs, *, large_pose: bool) -> None:
        """Nothing is loaded yet.

        Args:
            models: give the engines.
            runs: know what is going on.
            large_pose: whether the system of large poses is installed.
        """
        self._models, self._runs, self._large_pose = models, runs, large_pose

    def reenact_video(
        self,
        source: str | None,
        driving: str | None,
        motion: Literal["absolute", "relative"] = "absolute",
        smoothing: bool = True,
        on_missing_face: Literal["hold", "skip", "stop"] = "hold",
        side_by_side: bool = False,
        paste_back: bool = True,
        source_face: int = 0,
        driving_face: int = 0,
        system: str = DEFAULT,
        mode: PoseMode = "automatic",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str, str]:
        """Give the face of a picture the motion of a clip, with the clip's rate and sound.

        Args:
            source: Picture of the face to redraw.
            driving: Clip whose motion is taken.
            motion: "absolute" takes pose and expression as they are, "relative" adds what changes since the driver's
                neutral frame to the source's own.
            smoothing: Whether to filter the tracker's jitter.
            on_missing_face: For driving frames without a face: "hold" the last result, "skip" them and the sound, or
                "stop" with an error.
            side_by_side: Whether to show driving clip, source and result beside each other.
            paste_back: Whether to give back the whole source picture; else only the square around the face.
            source_face: Which of several faces of the source, 1 is the largest; 0 takes the largest.
            driving_face: Likewise in the clip's first frame with a face.
            system: Which system draws in the standard mode.
            mode: "standard"; "large_pose", for heads turned up to 90 degrees; or "automatic", which takes large_pose
                where a face is turned by more than 45 degrees, in the source or anywhere in the clip, and `system` is
                left as it is.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` ends their own runs alone.

        Returns:
            The result as an MP4 file; the same for playing; notes.
        """
        if source is None:
            raise message("There is no source picture yet: give one, or click an example.")
        if driving is None:
            raise message("There is no driving clip yet: give one, or click an example.")
        names = {driving: "the driving clip", source: "the source picture"}
        with self._runs.started(request) as should_stop, told(names), result_folder() as folder:
            progress(0, desc="Getting ready")
            from reenact.pipeline import reenact_video

            progress(0, desc="Looking at source and clip")
            clock = Clock()
            chosen = self._drawer(mode, system, (source, source_face), (driving, driving_face), should_stop)
            engine = self._models.engine(chosen.system)

            def show(done: int, total: int, stage: str) -> None:
                progress((done, total), desc=clock.text(done, total), unit=stage)

            result = reenact_video(
                pathlib.Path(source),
                driving,
                folder / result_name(source, ".mp4"),
                system=engine,
                mode=motion,
                paste_back=paste_back,
                side_by_side=side_by_side,
                on_missing_face=on_missing_face,
                smoothing=smoothing,
                face=chosen_face(source_face),
                driving_face=chosen_face(driving_face),
                progress=show,
                should_stop=should_stop,
            )
        done = (
            f"Done in {clock.seconds():.1f} s: {result.frame_count} frames at {float(result.fps):.4g} a second, "
            f"{result.width} × {result.height} pixels."
        )
        return str(result.path), str(result.path), notes(done, result.warnings, names, why=chosen.why)

    def _drawer(
        self,
        mode: PoseMode,
        system: str,
        source: tuple[str, int],
        driving: tuple[str, int],
        should_stop: Callable[[], bool],
    ) -> Drawer:
        def look() -> "tuple[str, FarTurn] | None":
            from reenact.pipeline.large_pose import far_turn_in_clip, far_turn_in_picture

            tracker = self._models.engine(DEFAULT).tracker
            path, face = source
            turn = far_turn_in_picture(pathlib.Path(path), tracker=tracker, face=chosen_face(face))
            if turn is not None:
                return "the source", turn
            path, face = driving
            turn = far_turn_in_clip(path, tracker=tracker, face=chosen_face(face), should_stop=should_stop)
            return None if turn is None else ("the driving clip", turn)

        return drawer(mode, system, offered=self._large_pose, look=look)

    def stop(self, request: gr.Request | None = None) -> str:
        """End the video that is being made; nothing is left of it.

        Args:
            request: Tells visitors apart.

        Returns:
            What was done.
        """
        return stopped(self._runs, request)

    def build(self) -> None:
        """Lay the tab out and connect it; inside a `gr.Tab`."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=5):
                with gr.Row():
                    source = picture_input("Source picture")
                    driving = gr.Video(
                        label="Driving clip",
                        sources=["upload", "webcam"],
                        webcam_options=gr.WebcamOptions(mirror=False),
                        include_audio=True,
                        buttons=[],
                        height=300,
                        elem_classes="driving-clip",
                    )
                mode = mode_choice(offered=self._large_pose)
                with gr.Row():
                    run = gr.Button("Reenact the clip", variant="primary", size="lg", scale=3)
                    stop = gr.Button("Stop", variant="stop", size="lg", scale=1, min_width=80)
                with gr.Accordion("Options", open=False):
                    motion = motion_choice()
                    on_missing_face = gr.Radio(_MISSING, value="hold", label=MISSING_FACE)
                    with gr.Row():
                        smoothing = gr.Checkbox(value=True, label="Smoothing", info="Filter the tracker's jitter.")
                        side_by_side = gr.Checkbox(
                            value=False, label="Side by side", info="Show driving clip, source and result."
                        )
                        paste_back = paste_choice()
                    source_face, driving_face = face_numbers()
                    system = system_choice()
                rows = examples.pairs(examples.driving_clips())
                example = example_choice(rows, [source, driving], labels=examples.motion_names(rows))
            with gr.Column(scale=4):
                preview = gr.Video(label="Result", interactive=False, autoplay=True, loop=True, buttons=[], height=400)
                text = gr.Textbox(label="Notes", interactive=False, lines=1, max_lines=6)
                file = gr.DownloadButton("Download the result (MP4)", interactive=False)
        options = [motion, smoothing, on_missing_face, side_by_side, paste_back, source_face, driving_face]
        runs: list[Any] = []
        for trigger, name in ((run.click, "reenact_video"), (example, None)):
            ran = trigger(
                self.reenact_video,
                [source, driving, *options, system, mode],
                [file, preview, text],
                api_name=name,
                api_visibility="public" if name else "private",
                show_progress_on=preview,
                concurrency_id="video",
                concurrency_limit=1,
            )
            allow_download(ran, file)
            runs.append(ran)
        stop.click(self.stop, outputs=text, cancels=runs, queue=False, api_name="stop")
