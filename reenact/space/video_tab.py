"""Video tab: a portrait driven by a clip."""

import dataclasses
import inspect
import pathlib
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.media.trim import Trim
from reenact.pipeline.motions.library import SUFFIX
from reenact.space import examples
from reenact.space.models import DEFAULT, Models
from reenact.space.widgets import inputs
from reenact.space.widgets.answers import (
    DRIVING_FACE,
    MISSING_FACE,
    SOURCE_FACE,
    errors_as_messages,
    notes,
    result_folder,
    result_name,
)
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.clip_part import reopened_clip, shown_clip
from reenact.space.widgets.driving_part import DrivingPart, crop_of, options_of
from reenact.space.widgets.events import QUICK, allow_download, save_in_browser
from reenact.space.widgets.faces_part import SEVERAL, Assigned, FacesPart, drivers_of, no_drivers, several_drivers
from reenact.space.widgets.linked import Linked
from reenact.space.widgets.motion_part import CLIP, MotionPart, chosen_driver
from reenact.space.widgets.output_part import CLIPS, SILENT, OutputPart, chosen_quality, chosen_rate, chosen_size
from reenact.space.widgets.problems import Problems
from reenact.space.widgets.refusals import refuse_unreadable
from reenact.space.widgets.reloads import Reloads
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.restore_part import RestorePart, restoring
from reenact.space.widgets.runs import Clock, Runs
from reenact.space.widgets.source_kind import PICTURE, SOURCES, show_source, take_picture
from reenact.space.widgets.system_choice import (
    AUTO,
    FaceIn,
    PoseMode,
    choose_system,
    old_mode,
    system_choice,
    tracker_choice,
)

if TYPE_CHECKING:
    from reenact.pipeline.engine import Engine

_QUEUE: dict[str, Any] = {"concurrency_id": "video", "concurrency_limit": 1}
_SOUNDS = [("Automatic", "automatic"), ("The driver's", "driving"), ("The source clip's", "source"), ("None", "none")]
_EXTENSIONS = [("Stop", "stop"), ("Loop the shorter", "loop"), ("Back and forth", "bounce"), ("Hold its last", "hold")]
_MISSING = [("Hold the last result", "hold"), ("Skip them", "skip"), ("Stop with an error", "stop")]


class VideoTab:
    """The handlers of ``/reenact_video`` and ``/stop``, and their components."""

    name = "video"

    def __init__(self, models: Models, runs: Runs, limits: ClipLimits | None = None) -> None:
        """Nothing is loaded yet; clips may have any length without `limits`."""
        self._models, self._runs, self._limits = models, runs, limits or ClipLimits()
        self._problems = Problems()
        self._reloads = Reloads(self.name, runs, self._problems)
        self._saving = Reloads("motion", runs, self._problems)

    def reenact_video(
        self,
        source: str | None = None,
        driving: str | None = None,
        motion: Literal["absolute", "relative"] = "absolute",
        smoothing: float | int = 1.0,
        on_missing_face: Literal["hold", "skip", "stop"] = "hold",
        side_by_side: bool = False,
        paste_back: bool = True,
        source_face: int = 0,
        driving_face: int = 0,
        system: str = AUTO,
        mode: PoseMode = "automatic",
        driver: str = CLIP,
        template: str | None = None,
        kind: Literal["mp4", "webm", "gif", "webp"] = "mp4",
        quality: float | int = 85,
        longest_px: float | int = 0,
        fps: float | int = 0,
        regions: list[Literal["all", "expression", "pose", "eyes", "lips"]] = ["all"],  # noqa: B006 - gradio's way
        keep: list[Literal["eyes", "lips"]] = [],  # noqa: B006
        strength: float | int = 1.0,
        neutralise: bool = False,
        crop_scale: float | int = 1.0,
        crop_right: float | int = 0.0,
        crop_down: float | int = 0.0,
        source_clip: str | None = None,
        extend: Literal["stop", "loop", "bounce", "hold"] = "stop",
        sound: Literal["automatic", "driving", "source", "none"] = "automatic",
        begin: str = "",
        end: str = "",
        upscale: Literal[1, 2] = 1,
        restore: bool = False,
        restore_strength: float | int = 1.0,
        tracker: Literal["own", "fan"] = "own",
        drivers: dict[str, Any] | None = None,
        body: Literal["follows", "stays"] = "follows",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str | None, str]:
        """Give the face of a picture or clip the motion of a clip, at the rate of the source clip or else the driver.

        Args:
            source: Picture of the face to redraw; not needed with `source_clip`.
            driving: Clip whose motion is copied; not needed with another `driver`.
            motion: "absolute" copies pose and expression; "relative" adds what changed since the driver's neutral
                frame to the source's own.
            smoothing: How much the tracker's jitter is filtered; 0 not at all, 1 as usual.
            on_missing_face: For driving frames without a face: "hold" the last result, "skip" the frames and the
                sound, or "stop" with an error.
            side_by_side: Whether to show driving clip, source and result beside each other.
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            driving_face: Which of several faces in the clip's first frame with a face; 1 is the largest, 0 takes it.
            system: Which system draws. "auto" takes the default, or the one for heads rotated up to 90 degrees where a
                face is turned by more than 45 degrees, in the source or anywhere in the clip.
            mode: Older than "auto": "standard" takes the default system for it, "large_pose" always the one for heads
                rotated up to 90 degrees.
            driver: "clip"; or, in its place, the name of a motion ("nod", "shake", "smile", "surprise", "talk",
                "wink"), or "file" for the one in `template`.
            template: Motion that `/record_motion` or ``reenact motion`` saved.
            kind: Format of the result.
            quality: 1 to 100; GIF has one quality.
            longest_px: A result with a longer side is scaled down to it; 0 keeps the source's size.
            fps: Frames a second of the result; 0 keeps those of the clip.
            regions: What is driven: "all", or some of "expression", "pose", "eyes" and "lips".
            keep: Parts that stay the source's own.
            strength: Factor of the motion, 0 to 2.
            neutralise: Whether to remove the source's own expression; the motion is then relative.
            crop_scale: Side of the square around the source's face that is redrawn, 0.6 to 2 of the usual one.
            crop_right: Shift of that square to the right, share of its side, -0.3 to 0.3.
            crop_down: Shift of that square downwards, share of its side, -0.3 to 0.3.
            source_clip: Clip to redraw in place of `source`, frame by frame, at its own rate. For it, `motion`
                "relative" keeps what it does and adds the driver's motion.
            extend: Where source clip and driver differ in length: "stop" with the shorter one, or go on with it from
                its beginning ("loop"), back and forth ("bounce") or at its last frame ("hold").
            sound: Whose sound the result has; "automatic" is the driver's, or the source clip's if that has none.
            begin: Time in the driver at which it begins: seconds, or a time such as 1:02.5; "" is its beginning.
            end: Time in the driver at which it ends, written as `begin`; "" is its end.
            upscale: 2 enlarges a source picture, for small ones; 1 keeps its size.
            restore: Whether GFPGAN restores the faces that were drawn; only where the host offers it.
            restore_strength: 0 leaves the pixels as they are, 1 takes the restored ones.
            tracker: What finds and reads faces: the project's "own", or "fan" where face-alignment is installed.
            drivers: For several faces of the source, in place of `driving`: by the number of the face ("1" is the
                largest), a clip, the name of a motion, or {"path": that file, "face": number of the face in it}.
            body: Whether neck, shoulders and long hair follow the head, or stay and only the upper neck bends.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The result as a file; the same for playing, none for GIF and WebP; notes.
        """
        what = "source picture" if source_clip is None else "source clip"
        source = inputs.given_file(source if source_clip is None else source_clip, what)
        is_clip, chosen_drivers = source_clip is not None, drivers_of(drivers)
        if not chosen_drivers:
            driving, called = chosen_driver(driver, driving, template)
            chosen_drivers, names = {source_face: (driving, driving_face if driver == CLIP else 0)}, {driving: called}
        else:
            names = {path: f"the driver of face {number}" for number, (path, _) in chosen_drivers.items()}
        faces = [FaceIn(path=source, number=each, called="the source", is_clip=is_clip) for each in chosen_drivers]
        drive = [FaceIn(path=path, number=n, called=names[path], is_clip=True) for path, n in chosen_drivers.values()]
        names[source] = f"the {what}"
        with self._runs.started(request) as should_stop, errors_as_messages(names), result_folder() as folder:
            progress(0, desc="Getting ready")
            from reenact.pipeline.faces import reenact_faces_video
            from reenact.pipeline.motions.playing import count_frames
            from reenact.pipeline.video import reenact_video

            trim = Trim.read(begin, end, names=("The begin", "The end"))
            rates = [self._limits.check_driver(path, trim) for path, _ in chosen_drivers.values()]
            declared = rates[0] if source_clip is None else self._limits.check_clip(source_clip, "source")
            rate, longest = chosen_rate(fps), chosen_size(longest_px)
            trim, cut = self._limits.cut_motions([path for path, _ in chosen_drivers.values()], trim)
            faces += [dataclasses.replace(each, trim=trim) for each in drive]
            count = sum(count_frames(path, fps=rate, trim=trim) for path, _ in chosen_drivers.values())
            restored = restoring(self._models, upscale, restore, restore_strength, faces=count)
            clock = Clock()
            progress(0, desc="Looking for faces turned far")
            chosen = choose_system(self._models, mode, system, *faces, should_stop=should_stop)
            shared: dict[str, Any] = {
                "system": self._loaded(chosen.system, tracker, progress),
                "mode": motion,
                "side_by_side": side_by_side,
                "paste_back": paste_back,
                "on_missing_face": on_missing_face,
                "smoothing": float(smoothing),
                "fps": rate,
                "quality": chosen_quality(quality),
                "longest_px": longest,
                "options": options_of(regions, keep, strength, neutralise, body=body),
                "crop": crop_of(crop_scale, crop_right, crop_down),
                "extend": extend,
                "sound": None if sound == "automatic" else sound,
                "trim": trim,
                **restored,
                "origin": self._models.origin,
                "progress": self._limits.reporter(clock, progress, rate or declared, passes=len(chosen_drivers)),
                "should_stop": should_stop,
            }
            out = folder / result_name(source, f".{kind}")
            if len(chosen_drivers) > 1:
                paths = {number: path for number, (path, _) in chosen_drivers.items()}
                numbers = {number: face for number, (_, face) in chosen_drivers.items() if face}
                result = reenact_faces_video(pathlib.Path(source), paths, out, driving_faces=numbers, **shared)
            else:
                ((number, (path, face)),) = chosen_drivers.items()
                shared |= {"face": inputs.chosen_face(number), "driving_face": inputs.chosen_face(face)}
                result = reenact_video(pathlib.Path(source), path, out, **shared)
        done = (
            f"Done in {clock.seconds():.1f} s: {result.frame_count} frames at {float(result.fps):.4g} a second, "
            f"{result.width} × {result.height} pixels."
        )
        first = [done, chosen.reason, *self._models.notes(result.system), cut]
        played = None if kind in SILENT else str(result.path)
        return str(result.path), played, notes(first, result.warnings, names)

    def show_video(
        self,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
        *given: Any,
    ) -> list[Any]:
        """The same for the tab, which shows GIF and WebP, too."""
        values = dict(zip(inspect.signature(self.reenact_video).parameters, given, strict=False))
        own = {"path": values["driving"], "face": values["driving_face"]}
        own |= {name: values[name] for name in ("driver", "template")}
        values["drivers"] = several_drivers(values["drivers"], values["source_face"], own)
        file, _, text = self.reenact_video(**values, progress=progress, request=request)
        return shown_clip(file, text)

    def _loaded(self, system: str, tracker: str, progress: gr.Progress) -> "Engine":
        """The engine of a system; loading it takes a while once."""
        progress(0, desc="Loading the networks")
        engine = self._models.engine(system, tracker)
        progress(0, desc="Preparing the source")
        return engine

    def record_motion(
        self,
        driving: str | None,
        smoothing: float | int = 1.0,
        driving_face: int = 0,
        begin: str = "",
        end: str = "",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Save the motion of a clip, without its pictures, as a file that drives like the clip.

        Args:
            driving: Clip whose motion is saved.
            smoothing: How much the tracker's jitter is filtered; 0 not at all, 1 as usual.
            driving_face: Which of several faces in the clip's first frame with a face; 1 is the largest, 0 takes it.
            begin: Time in the clip at which the motion begins: seconds, or a time such as 1:02.5; "" is its beginning.
            end: Time in the clip at which it ends, written as `begin`; "" is its end.
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

            trim = Trim.read(begin, end, names=("The begin", "The end"))
            fps = self._limits.check_driver(driving, trim)
            progress(0, desc="Reading the clip")
            clock = Clock()
            found, warnings = record_motion(
                driving,
                engine=self._models.engine(DEFAULT),
                smoothing=float(smoothing),
                face=inputs.chosen_face(driving_face),
                trim=trim,
                progress=self._limits.reporter(clock, progress, fps),
                should_stop=should_stop,
            )
            out = folder / result_name(driving, SUFFIX, done="motion")
            write_template(found, out, small=True)
        first = f"Saved {found.frame_count} frames in {out.stat().st_size / 1000:.0f} kB, without pictures."
        return str(out), notes([first], warnings, names)

    async def stop(self, request: gr.Request | None = None) -> str:
        """Stop the clips that are being made or wait for their turn; no file is left behind.

        Args:
            request: Tells visitors apart.

        Returns:
            What was done.
        """
        return await self._runs.stop(request)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        with gr.Row(equal_height=False, elem_classes="work"):
            with gr.Column(scale=5, elem_classes="given"):
                with gr.Row():
                    with gr.Column(min_width=160):
                        source = inputs.picture_input("Source picture")
                        source_clip = inputs.clip_input("Source clip", visible=False)
                        source_kind = gr.Radio(SOURCES, value=PICTURE, show_label=False, label="Kind of source")
                    driving = inputs.clip_input("Driving clip")
                source_faces = FacesPart(self._models, SOURCE_FACE, hint=SEVERAL)
                driving_faces, assigned = FacesPart(self._models, DRIVING_FACE), Assigned()
                motion_part = MotionPart()
                longest_s = self._limits.max_seconds
                if longest_s is not None:
                    unit = "second" if longest_s == 1 else "seconds"
                    gr.Markdown(f"Clips may last up to {longest_s:g} {unit}; longer motions are cut.")
                system = system_choice(self._models)
                with gr.Row(elem_classes="run"):
                    run = gr.Button("Reenact the clip", variant="primary", size="lg", scale=3)
                    stop = gr.Button("Stop", variant="stop", size="lg", scale=1, min_width=80)
                with gr.Accordion("Options", open=False):
                    motion = inputs.motion_choice()
                    on_missing_face = gr.Radio(_MISSING, value="hold", label=MISSING_FACE)
                    with gr.Row():
                        smoothing = gr.Slider(
                            *(0, 4, 1), step=0.25, label="Smoothing", info="Filter the tracker's jitter.", min_width=160
                        )
                        side_by_side = gr.Checkbox(
                            value=False, label="Side by side", info="Show driving clip, source and result."
                        )
                    paste_back = inputs.paste_choice()
                    with gr.Row():
                        begin, end = inputs.part_of_driver()
                        sound = gr.Dropdown(_SOUNDS, value="automatic", label="Sound", min_width=160)
                    extend = gr.Radio(_EXTENSIONS, value="stop", label="If source clip and driver differ in length")
                    tracker = tracker_choice(self._models)
                    save = gr.Button("Save the clip's motion", size="sm")
                    saved = gr.File(visible=False, label="Saved")
                part = DrivingPart(self._models, source, source_faces.number)
                restore = RestorePart(self._models)
                output = OutputPart(CLIPS)
                portrait = inputs.example_portraits(source)
                others: dict[Component, str] = {motion_part.driver: CLIP}
                if longest_s is not None and longest_s < examples.LONGEST_S:
                    others |= {begin: "", end: f"{longest_s:g}"}
                example = inputs.example_drivers(examples.driving_clips(), source, driving, others=others)
            with gr.Column(scale=4, elem_classes="made"):
                preview = gr.Video(label="Result", interactive=False, autoplay=True, loop=True, buttons=[], height=400)
                picture = gr.Image(
                    label="Result", interactive=False, buttons=[], height=400, visible=False, format="gif"
                )
                text = inputs.notes_box()
                file = gr.DownloadButton("Download the result", interactive=False)
        for each in (source, source_clip, driving, motion_part.file):
            refuse_unreadable(each, text, self._problems)
        for given in (source.input, portrait, example):
            source_faces.look(given, source)
            given(no_drivers, None, assigned.drivers, show_progress="hidden", **QUICK)
        for given in (driving.input, example):
            driving_faces.look(given, driving)
        source_faces.look(source_clip.input, source_clip)
        source_clip.input(no_drivers, None, assigned.drivers, show_progress="hidden", **QUICK)
        portrait(take_picture, None, source_kind, show_progress="hidden", **QUICK)
        driving_faces.choose()
        own: dict[str, Component] = {"path": driving, "face": driving_faces.number}
        own |= {"driver": motion_part.driver, "template": motion_part.file}
        driving_faces.look(assigned.connect(source_faces, own).then, driving, keep=True)
        self._results, self._saved = (preview, picture, file, text), saved
        self._faces = ((source_faces, source), (driving_faces, driving))
        source_face, driving_face = source_faces.number, driving_faces.number
        options = [motion, smoothing, on_missing_face, side_by_side, paste_back, source_face, driving_face]
        mode, driver = old_mode(), [motion_part.driver, motion_part.file]
        sent = [source, driving, *options, system, mode, *driver, *output.components, *part.inputs]
        sent += [source_clip, extend, sound, begin, end, *restore.inputs, tracker, assigned.drivers, part.body]
        source_kind.change(show_source, source_kind, [source, source_clip, motion], show_progress="hidden", **QUICK)
        for trigger in (run.click, example):
            self._reloads.begin(trigger, text)
            ran = trigger(
                self._reloads.kept(self.show_video),
                sent,
                [*self._results],
                api_visibility="private",
                show_progress_on=preview,
                **_QUEUE,
            )
            allow_download(ran, file)
            self._reloads.end(ran, text)
        self._saving.begin(save.click, text)
        recorded = save.click(
            self._saving.kept(self.record_motion),
            [driving, smoothing, driving_face, begin, end],
            [saved, text],
            api_name="save_motion",
            api_visibility="private",
            show_progress_on=text,
            **_QUEUE,
        )
        self._saving.end(recorded, text)
        save_in_browser(recorded, saved)
        stop.click(self.stop, outputs=text, queue=False, api_name="stop")
        call = gr.Button("Reenact", visible=False)
        call.click(self.reenact_video, sent, [file, preview, text], api_name="reenact_video", **_QUEUE)
        recording: list[Any] = [driving, smoothing, driving_face, begin, end]
        call.click(self.record_motion, recording, [saved, text], api_name="record_motion", **_QUEUE)
        # a source clip would come back unseen, behind the choice of a picture
        kept = [each for each in sent if each is not source_clip]
        linked = Linked("reenact_video", self.reenact_video, sent, {"source": "portrait.jpg", "driving": "clip.mp4"})
        return Remembered(self.name, [*kept, file, text], linked)

    def reopen_after(self, restored: Dependency) -> None:
        """Show the faces of what a refresh has restored, its result, and that of a run that has gone on."""
        (preview, picture, file, text), saved = self._results, self._saved
        reopened = restored.then(reopened_clip, file, [preview, picture], show_progress="hidden", **QUICK)
        allow_download(self._reloads.resume_after(reopened, self._results, text, shown_on=preview), file)
        save_in_browser(self._saving.resume_after(restored, [saved, text], text, shown_on=text), saved)
        for part, given in self._faces:
            restored = part.look(restored.then, given, keep=True)
