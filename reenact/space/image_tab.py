"""Image tab: a portrait driven by another picture."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.space import examples
from reenact.space.models import Models
from reenact.space.widgets import inputs
from reenact.space.widgets.answers import (
    DRIVING_FACE,
    SOURCE_FACE,
    errors_as_messages,
    notes,
    result_folder,
    result_name,
    write_result,
)
from reenact.space.widgets.comparison import FACE, Comparison, Pairs, write_pairs
from reenact.space.widgets.driving_part import DrivingPart, crop_of, options_of
from reenact.space.widgets.events import QUICK, allow_download
from reenact.space.widgets.faces_part import (
    SEVERAL,
    Assigned,
    Driver,
    FacesPart,
    drivers_of,
    no_drivers,
    several_drivers,
)
from reenact.space.widgets.linked import Linked
from reenact.space.widgets.output_part import PICTURES, OutputPart, chosen_quality, chosen_size
from reenact.space.widgets.problems import Problems
from reenact.space.widgets.refusals import refuse_unreadable
from reenact.space.widgets.reloads import Reloads
from reenact.space.widgets.remembered import Remembered
from reenact.space.widgets.restore_part import RestorePart, restoring
from reenact.space.widgets.runs import Clock, Runs
from reenact.space.widgets.system_choice import (
    AUTO,
    FaceIn,
    PoseMode,
    choose_system,
    old_mode,
    system_choice,
    tracker_choice,
)

_QUEUE: dict[str, Any] = {"concurrency_id": "image", "concurrency_limit": 1}


class ImageTab:
    """The handler of ``/reenact_image``, and its components."""

    name = "image"

    def __init__(self, models: Models, runs: Runs | None = None) -> None:
        self._models = models
        self._problems = Problems()
        self._reloads = Reloads(self.name, runs or Runs(), self._problems)

    def reenact_image(
        self,
        source: str | None,
        driving: str | None = None,
        motion: Literal["absolute", "relative"] = "absolute",
        paste_back: bool = True,
        source_face: int = 0,
        driving_face: int = 0,
        system: str = AUTO,
        mode: PoseMode = "automatic",
        kind: Literal["png", "jpg", "webp"] = "png",
        quality: float | int = 95,
        longest_px: float | int = 0,
        regions: list[Literal["all", "expression", "pose", "eyes", "lips"]] = ["all"],  # noqa: B006 - gradio's way
        keep: list[Literal["eyes", "lips"]] = [],  # noqa: B006
        strength: float | int = 1.0,
        neutralise: bool = False,
        crop_scale: float | int = 1.0,
        crop_right: float | int = 0.0,
        crop_down: float | int = 0.0,
        upscale: Literal[1, 2] = 1,
        restore: bool = False,
        restore_strength: float | int = 1.0,
        tracker: Literal["own", "fan"] = "own",
        drivers: dict[str, Any] | None = None,
        body: Literal["follows", "stays"] = "follows",
    ) -> tuple[str, tuple[str, str], str]:
        """Give the face of one picture the pose and expression of another.

        Args:
            source: Picture of the face to redraw.
            driving: Picture whose pose and expression are copied; not needed with `drivers`.
            motion: "absolute" copies pose and expression; "relative" adds the difference from the driver's neutral
                face to the source's own.
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            driving_face: Which of several faces of the driving picture; 1 is the largest, 0 takes the largest.
            system: Which system draws. "auto" takes the default, or the one for heads rotated up to 90 degrees where a
                face is turned by more than 45 degrees.
            mode: Older than "auto": "standard" takes the default system for it, "large_pose" always the one for heads
                rotated up to 90 degrees.
            kind: Format of the result.
            quality: 1 to 100, of JPEG and WebP.
            longest_px: A result with a longer side is scaled down to it; 0 keeps the source's size.
            regions: What is driven: "all", or some of "expression", "pose", "eyes" and "lips".
            keep: Parts that stay the source's own.
            strength: Factor of the motion, 0 to 2.
            neutralise: Whether to remove the source's own expression; the motion is then relative.
            crop_scale: Side of the square around the source's face that is redrawn, 0.6 to 2 of the usual one.
            crop_right: Shift of that square to the right, share of its side, -0.3 to 0.3.
            crop_down: Shift of that square downwards, share of its side, -0.3 to 0.3.
            upscale: 2 enlarges the source, for small ones; 1 keeps its size.
            restore: Whether GFPGAN restores the face that was drawn; only where the host offers it.
            restore_strength: 0 leaves the pixels as they are, 1 takes the restored ones.
            tracker: What finds and reads faces: the project's "own", or "fan" where face-alignment is installed.
            drivers: For several faces of the source, in place of `driving`: by the number of the face ("1" is the
                largest), a picture, or {"path": that file, "face": number of the face in it}.
            body: Whether neck, shoulders and long hair follow the head, or stay and only the upper neck bends.

        Returns:
            The result as a file; source and result for comparing; notes.
        """
        options = [paste_back, source_face, driving_face, system, mode, kind, quality, longest_px]
        part = (regions, keep, strength, neutralise, crop_scale, crop_right, crop_down)
        part += (upscale, restore, restore_strength, tracker, body)
        several = drivers_of(drivers)
        file, pairs, text = self._drawn(source, driving, motion, *options, part=part, several=several)
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
        drivers: dict[str, Any] | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        *part: Any,
    ) -> tuple[str, tuple[str, str], str]:
        """The same for the tab, which compares the faces or the whole pictures, and has a driver for each face."""
        progress(0, desc="Getting ready")
        options = [paste_back, source_face, driving_face, system, "automatic", kind, quality, longest_px]
        several = drivers_of(several_drivers(drivers, source_face, {"path": driving, "face": driving_face}))
        file, pairs, text = self._drawn(
            source, driving, motion, *options, part=part, several=several, progress=progress
        )
        return file, pairs.face if shown == FACE else pairs.whole, text

    def _drawn(
        self,
        source: str | None,
        driving: str | None,
        motion: Literal["absolute", "relative"],
        *options: Any,
        part: Sequence[Any],
        several: Mapping[int, Driver] | None = None,
        progress: Callable[..., Any] = lambda *_, **__: None,
    ) -> tuple[str, Pairs, str]:
        paste_back, source_face, driving_face, system, mode, kind, quality, longest_px = options
        source = inputs.given_file(source, "source picture")
        drivers = dict(several or {})
        if not drivers:
            drivers = {source_face: (inputs.given_file(driving, "driving picture"), driving_face)}
        called = {number: "the driving picture" + f" of face {number}" * (len(drivers) > 1) for number in drivers}
        names = {path: called[number] for number, (path, _) in drivers.items()} | {source: "the source picture"}
        faces = [FaceIn(path=source, number=number, called="the source") for number in drivers]
        faces += [FaceIn(path=path, number=face, called=called[number]) for number, (path, face) in drivers.items()]
        with errors_as_messages(names), result_folder() as folder:
            from reenact.pipeline.faces import reenact_faces
            from reenact.pipeline.image import reenact_image

            clock, longest = Clock(), chosen_size(longest_px)
            progress(0.1, desc="Finding the faces")
            chosen = choose_system(self._models, mode, system, *faces)
            progress(0.3, desc="Loading the networks")
            engine = self._models.engine(chosen.system, part[10])
            progress(0.4, desc="Drawing")
            shared: dict[str, Any] = {"system": engine, "mode": motion}
            shared |= {"options": options_of(*part[:4], body=part[11]), "crop": crop_of(*part[4:7])}
            shared |= restoring(self._models, *part[7:10], faces=len(drivers))
            if len(drivers) > 1:
                pictures = {number: pathlib.Path(path) for number, (path, _) in drivers.items()}
                numbers = {number: face for number, (_, face) in drivers.items() if face}
                result = reenact_faces(pathlib.Path(source), pictures, driving_faces=numbers, **shared)
            else:
                ((number, (path, face)),) = drivers.items()
                chosen_faces = {"face": inputs.chosen_face(number), "driving_face": inputs.chosen_face(face)}
                shared |= {"paste_back": paste_back, **chosen_faces}
                result = reenact_image(pathlib.Path(source), pathlib.Path(path), **shared)
            seconds = clock.seconds()
            progress(0.9, desc="Writing")
            out = folder / result_name(source, f".{kind}")
            size = write_result(
                out, result, origin=self._models.origin, quality=chosen_quality(quality), longest_px=longest
            )
            pairs = write_pairs(out, result, origin=self._models.origin, longest_px=longest)
        first = [f"Done in {seconds:.1f} s: {size}.", chosen.reason, *self._models.notes(result.system)]
        return str(out), pairs, notes(first, result.warnings, names)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        with gr.Row(equal_height=False, elem_classes="work"):
            with gr.Column(scale=5, elem_classes="given"):
                with gr.Row():
                    source, driving = inputs.picture_input("Source picture"), inputs.picture_input("Driving picture")
                source_faces = FacesPart(self._models, SOURCE_FACE, hint=SEVERAL)
                driving_faces, assigned = FacesPart(self._models, DRIVING_FACE), Assigned()
                system = system_choice(self._models)
                run = gr.Button("Reenact", variant="primary", size="lg", elem_classes="run")
                with gr.Accordion("Options", open=False):
                    motion, paste_back = inputs.motion_choice(), inputs.paste_choice()
                    tracker = tracker_choice(self._models)
                part = DrivingPart(self._models, source, source_faces.number)
                restore = RestorePart(self._models)
                output = OutputPart(PICTURES)
                portrait = inputs.example_portraits(source)
                example = inputs.example_drivers(examples.driving_pictures(), source, driving)
            with gr.Column(scale=4, elem_classes="made"):
                comparison = Comparison()
                text = inputs.notes_box()
                file = gr.DownloadButton("Download the result", interactive=False)
        comparison.connect(file)
        for each in (source, driving):
            refuse_unreadable(each, text, self._problems)
        for given in (source.input, portrait, example):
            source_faces.look(given, source)
            given(no_drivers, None, assigned.drivers, show_progress="hidden", **QUICK)
        for given in (driving.input, example):
            driving_faces.look(given, driving)
        driving_faces.choose()
        own: dict[str, Component] = {"path": driving, "face": driving_faces.number}
        driving_faces.look(assigned.connect(source_faces, own).then, driving, keep=True)
        self._faces = ((source_faces, source), (driving_faces, driving))
        options: list[Component] = [motion, paste_back, source_faces.number, driving_faces.number, system]
        self._results = results = (file, comparison.slider, text)
        drawn = [*part.inputs, *restore.inputs, tracker]
        for trigger in (run.click, example):
            self._reloads.begin(trigger, text)
            ran = trigger(
                self._reloads.kept(self.show_image),
                [source, driving, comparison.shown, *options, *output.components, assigned.drivers, *drawn, part.body],
                [*results],
                api_visibility="private",
                show_progress_on=comparison.slider,
                **_QUEUE,
            )
            allow_download(ran, file)
            self._reloads.end(ran, text)
        call = gr.Button("Reenact", visible=False)
        sent = [source, driving, *options, old_mode(), *output.components, *drawn, assigned.drivers, part.body]
        call.click(self.reenact_image, sent, [*results], api_name="reenact_image", **_QUEUE)
        given = [source, driving, *options, *output.components, *drawn, part.body, assigned.drivers, comparison.shown]
        linked = Linked("reenact_image", self.reenact_image, sent, {"source": "portrait.jpg", "driving": "driving.jpg"})
        return Remembered(self.name, [*given, *results], linked)

    def reopen_after(self, restored: Dependency) -> None:
        """Show the faces of what a refresh has restored, and the result of a run that has gone on."""
        file, slider, text = self._results
        allow_download(self._reloads.resume_after(restored, self._results, text, shown_on=slider), file)
        for part, file in self._faces:
            restored = part.look(restored.then, file, keep=True)
