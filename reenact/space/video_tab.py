"""Video tab: a portrait driven by a clip."""

import pathlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import gradio as gr

from reenact.pipeline.motions.library import SUFFIX
from reenact.space import examples
from reenact.space.models import DEFAULT, LARGE_POSE, Models
from reenact.space.widgets import inputs
from reenact.space.widgets.answers import (
    MISSING_FACE,
    errors_as_messages,
    message,
    notes,
    result_folder,
    result_name,
)
from reenact.space.widgets.events import allow_download, save_in_browser
from reenact.space.widgets.motion_part import CLIP, MotionPart, chosen_driver
from reenact.space.widgets.problems import Problems, clear_first
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.runs import Clock, Runs
from reenact.space.widgets.system_choice import FaceIn, PoseMode, choose_system, mode_choice, system_dropdown

_TOLERANCE_S = 0.2
"""Declared durations are rounded, and sound may last a little longer than pictures."""
_MISSING = [("Hold the last result", "hold"), ("Skip them", "skip"), ("Stop with an error", "stop")]


class VideoTab:
    """The handlers of ``/reenact_video`` and ``/stop``, and their components."""

    def __init__(self, models: Models, runs: Runs, *, max_seconds: float | None = None) -> None:
        """Nothing is loaded yet; `max_seconds` limits driving clips."""
        self._models, self._runs, self._max_seconds = models, runs, max_seconds
        self._problems = Problems()

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
        driver: str = CLIP,
        template: str | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str, str]:
        """Give the face of a picture the motion of a clip, with the clip's frame rate and sound.

        Args:
            source: Picture of the face to redraw.
            driving: Clip whose motion is copied.
            motion: "absolute" copies pose and expression; "relative" adds what changed since the driver's neutral
                frame to the source's own.
            smoothing: Whether to filter the tracker's jitter.
            on_missing_face: For driving frames without a face: "hold" the last result, "skip" the frames and the
                sound, or "stop" with an error.
            side_by_side: Whether to show driving clip, source and result beside each other.
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            driving_face: The same for the clip's first frame with a face.
            system: Which system draws in the standard mode.
            mode: "standard"; "large_pose", for heads rotated up to 90 degrees; or "automatic", which takes large_pose
                where a face is turned by more than 45 degrees, in the source or anywhere in the clip, and `system` is
                left as it is.
            driver: "clip"; or, in its place, the name of a motion ("nod", "shake", "smile", "surprise", "talk",
                "wink"), or "file" for the one in `template`.
            template: Motion that `/record_motion` or ``reenact motion`` saved.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The result as an MP4 file; the same for playing; notes.
        """
        source = inputs.given_file(source, "source picture")
        driving, called = chosen_driver(driver, driving, template)
        names = {driving: called, source: "the source picture"}
        driving_face = driving_face if driver == CLIP else 0
        faces = (
            FaceIn(path=source, number=source_face, called="the source"),
            FaceIn(path=driving, number=driving_face, called=called, is_clip=True),
        )
        with self._runs.started(request) as should_stop, errors_as_messages(names), result_folder() as folder:
            progress(0, desc="Getting ready")
            from reenact.pipeline.video import reenact_video

            fps = self._check_clip(driving)
            progress(0, desc="Reading source and clip")
            clock = Clock()
            chosen = choose_system(self._models, mode, system, *faces, should_stop=should_stop)
            result = reenact_video(
                pathlib.Path(source),
                driving,
                folder / result_name(source, ".mp4"),
                system=self._models.engine(chosen.system),
                mode=motion,
                paste_back=paste_back,
                side_by_side=side_by_side,
                on_missing_face=on_missing_face,
                smoothing=smoothing,
                face=inputs.chosen_face(source_face),
                driving_face=inputs.chosen_face(driving_face),
                progress=self._reporter(clock, progress, fps),
                should_stop=should_stop,
            )
        done = (
            f"Done in {clock.seconds():.1f} s: {result.frame_count} frames at {float(result.fps):.4g} a second, "
            f"{result.width} × {result.height} pixels."
        )
        first = [done, chosen.reason, *self._models.notes(result.system)]
        return str(result.path), str(result.path), notes(first, result.warnings, names)

    def record_motion(
        self,
        driving: str | None,
        smoothing: bool = True,
        driving_face: int = 0,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Save the motion of a clip, without its pictures, as a file that drives like the clip.

        Args:
            driving: Clip whose motion is saved.
            smoothing: Whether to filter the tracker's jitter.
            driving_face: Which of several faces in the clip's first frame with a face; 1 is the largest, 0 takes it.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The motion as a .safetensors file; notes.
        """
        driving = inputs.given_file(driving, "driving clip")
        names = {driving: "the driving clip"}
        with self._runs.started(request) as should_stop, errors_as_messages(names), result_folder() as folder:
            from reenact.pipeline.motions.record import record_motion
            from reenact.pipeline.motions.template import write_template

            fps = self._check_clip(driving)
            progress(0, desc="Reading the clip")
            clock = Clock()
            found, warnings = record_motion(
                driving,
                engine=self._models.engine(DEFAULT),
                smoothing=smoothing,
                face=inputs.chosen_face(driving_face),
                progress=self._reporter(clock, progress, fps),
                should_stop=should_stop,
            )
            out = folder / result_name(driving, SUFFIX, done="motion")
            write_template(found, out, small=True)
        first = f"Saved {found.frame_count} frames in {out.stat().st_size / 1000:.0f} kB, without pictures."
        return str(out), notes([first], warnings, names)

    def stop(self, request: gr.Request | None = None) -> str:
        """Stop the video or clip that is being made; no file is left behind.

        Args:
            request: Tells visitors apart.

        Returns:
            What was done.
        """
        return self._runs.stop(request)

    def _check_clip(self, driving: str) -> Fraction:
        """Refuse what cannot drive, and what is longer than the host's limit.

        Returns:
            Frames a second.
        """
        from reenact.pipeline.motions.playing import open_driving

        # source and driving may be one file, and then both have one path: here the driving file alone is meant
        with errors_as_messages({driving: "the driving file"}), open_driving(driving) as opened:
            info = opened.info
        if self._max_seconds is not None and info.duration_s > self._max_seconds + _TOLERANCE_S:
            raise self._too_long(f"The driving clip lasts {info.duration_s:.1f} s")
        return info.fps

    def _reporter(self, clock: Clock, progress: gr.Progress, fps: Fraction) -> Callable[[int, int, str], None]:
        """Progress on the page; ends clips that turn out to be longer than they declare."""
        report = clock.reporter(progress)

        def show(done: int, total: int, stage: str) -> None:
            if self._max_seconds is not None and done / fps > self._max_seconds + 2 * _TOLERANCE_S:
                raise self._too_long("The driving clip is longer than it declares")
            report(done, total, stage)

        return show

    def _too_long(self, what: str) -> gr.Error:
        return message(f"{what}; this page takes clips of up to {self._max_seconds:g} s. Give a shorter one.")

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        with gr.Row(equal_height=False):
            with gr.Column(scale=5):
                with gr.Row():
                    source = inputs.picture_input("Source picture")
                    driving = gr.Video(
                        label="Driving clip",
                        sources=["upload", "webcam"],
                        webcam_options=gr.WebcamOptions(mirror=False),
                        include_audio=True,
                        buttons=[],
                        height=300,
                        elem_classes="driving-clip",
                    )
                motion_part = MotionPart()
                if self._max_seconds is not None:
                    gr.Markdown(f"Driving clips may last up to {self._max_seconds:g} seconds.")
                mode = mode_choice(offered=self._models.offers(LARGE_POSE))
                with gr.Row():
                    run = gr.Button("Reenact the clip", variant="primary", size="lg", scale=3)
                    stop = gr.Button("Stop", variant="stop", size="lg", scale=1, min_width=80)
                with gr.Accordion("Options", open=False):
                    motion = inputs.motion_choice()
                    on_missing_face = gr.Radio(_MISSING, value="hold", label=MISSING_FACE)
                    with gr.Row():
                        smoothing = gr.Checkbox(value=True, label="Smoothing", info="Filter the tracker's jitter.")
                        side_by_side = gr.Checkbox(
                            value=False, label="Side by side", info="Show driving clip, source and result."
                        )
                        paste_back = inputs.paste_choice()
                    source_face, driving_face = inputs.face_numbers()
                    system = system_dropdown(self._models)
                    save = gr.Button("Save the clip's motion", size="sm")
                    saved = gr.File(visible=False, label="Saved")
                rows = [[*pair, CLIP] for pair in examples.pairs(examples.driving_clips())]
                example = inputs.example_choice(rows, [source, driving, motion_part.driver])
            with gr.Column(scale=4):
                preview = gr.Video(label="Result", interactive=False, autoplay=True, loop=True, buttons=[], height=400)
                text = inputs.notes_box()
                file = gr.DownloadButton("Download the result (MP4)", interactive=False)
        options = [motion, smoothing, on_missing_face, side_by_side, paste_back, source_face, driving_face]
        runs: list[Any] = []
        for trigger, name in ((run.click, "reenact_video"), (example, None)):
            clear_first(trigger, text)
            ran = trigger(
                self._problems.kept(self.reenact_video),
                [source, driving, *options, system, mode, motion_part.driver, motion_part.file],
                [file, preview, text],
                api_name=name,
                api_visibility="public" if name else "private",
                show_progress_on=preview,
                concurrency_id="video",
                concurrency_limit=1,
            )
            allow_download(ran, file)
            self._problems.show(ran, text)
            runs.append(ran)
        clear_first(save.click, text)
        recorded = save.click(
            self._problems.kept(self.record_motion),
            [driving, smoothing, driving_face],
            [saved, text],
            api_name="record_motion",
            show_progress_on=text,
            concurrency_id="video",
            concurrency_limit=1,
        )
        save_in_browser(recorded, saved)
        self._problems.show(recorded, text)
        runs.append(recorded)
        stop.click(self.stop, outputs=text, cancels=runs, queue=False, api_name="stop")
        given = [source, driving, motion_part.driver, motion_part.file]
        return Remembered("video", [*given, *options, system, mode, file, preview, text])
