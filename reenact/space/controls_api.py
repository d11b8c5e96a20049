"""The editor for programs: ``/edit`` gives a picture, ``/turntable``, ``/keyframes`` and ``/edit_clip`` give clips."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from gradio.components import Component

from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.settings import FaceEdit
from reenact.space.models import Models
from reenact.space.widgets.answers import errors_as_messages, notes, result_folder, result_name, write_result
from reenact.space.widgets.caches import Sessions
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.clip_part import EASED, KEYFRAMES, MP4, TURNTABLE
from reenact.space.widgets.editor_layout import Editor
from reenact.space.widgets.events import PROGRAMS
from reenact.space.widgets.inputs import chosen_face, given_file
from reenact.space.widgets.runs import Clock, Runs
from reenact.space.widgets.settings import Request, named_edit, read_number

if TYPE_CHECKING:
    from reenact.pipeline.controls.session import EditSession
    from reenact.pipeline.results import VideoResult

    MakeEdit = Callable[[EditSession], FaceEdit]

BackgroundChoice = Literal["keep", "none", "picture"]

_TIMING = {
    "seconds": "The length of the clip in seconds",
    "from_yaw_deg": "The yaw of the first frame (from_yaw)",
    "to_yaw_deg": "The yaw of the last frame (to_yaw)",
    "fps": "The rate in frames a second (fps)",
}
"""What messages call the numbers of a clip."""


class ControlsApi:
    """The endpoints, and the files of the tab."""

    def __init__(self, models: Models, runs: Runs, limits: ClipLimits, sessions: Sessions) -> None:
        self._models, self._runs, self._limits, self._sessions = models, runs, limits, sessions

    def edit(
        self,
        source: str | None,
        settings: Any = None,
        mode: Literal["relative", "absolute"] = "relative",
        background: BackgroundChoice = "keep",
        background_picture: str | None = None,
        paste_back: bool = True,
        source_face: int = 0,
        system: str = "auto",
    ) -> tuple[str, str]:
        """Edit the expression of the face in a picture and rotate its head.

        Args:
            source: Picture of the face to edit.
            settings: What to change. Either values by name: FACS Action Units ("1", "2", "4", "5", "6", "7", "9", "10",
                "12", "14", "15", "17", "20", "23", "25", "26", "45"; "L" or "R" after 2, 12, 14, 15 and 45 for the
                person's left or right side) with intensities up to 5, and "yaw" with degrees up to 90, "pitch" and
                "roll" up to 45, "gaze_yaw" up to 30, "gaze_pitch" up to 20; "right", "down" and "zoom" with per cent up
                to 20; "pucker" up to 5, such as {"12": 3.5, "45L": 5, "yaw": 20}. Or the content of a settings file
                that the page or ``reenact edit --save`` wrote. What is not named stays as in the source.
            mode: "relative" adds values by name to what the source's face does, "absolute" replaces it. A settings file
                holds its own mode.
            background: "keep" the source's own, "none" for a transparent one, or "picture" for the given picture.
            background_picture: The picture behind the person, for background "picture".
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            system: "facegan" draws rotations up to 45 degrees, "dual_generator" larger ones; "auto" chooses.

        Returns:
            The result as a PNG file; notes.
        """
        given = _request(source, source_face, paste_back, system, background, background_picture)
        return self.saved_picture(given, lambda _: named_edit(settings, mode=mode))

    def turntable(
        self,
        source: str | None,
        seconds: float | int | str | None = 3,
        from_yaw: float | int | str | None = -90,
        to_yaw: float | int | str | None = 90,
        kind: Literal["MP4", "GIF"] = "MP4",
        paste_back: bool = True,
        source_face: int = 0,
        settings: Any = None,
        mode: Literal["relative", "absolute"] = "relative",
        background: BackgroundChoice = "keep",
        background_picture: str | None = None,
        system: str = "auto",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Make a clip in which the head in a picture rotates from one profile to the other.

        Args:
            source: Picture of the head to rotate.
            seconds: Length of the clip.
            from_yaw: Yaw in the first frame, degrees towards the person's left, -90 to 90.
            to_yaw: Yaw in the last frame, degrees towards the person's left, -90 to 90.
            kind: "MP4" or "GIF".
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            settings: Action Units, pitch and roll of all frames, as `/edit` takes them; a yaw in it is ignored.
            mode: "relative" adds values by name to what the source's face does, "absolute" replaces it.
            background: "keep" the source's own, or "picture" for the given picture; a clip cannot be transparent.
            background_picture: The picture behind the person, for background "picture".
            system: "facegan" draws rotations up to 45 degrees, "dual_generator" larger ones; "auto" chooses.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The clip as a file; notes.
        """
        return self.saved_clip(
            _request(source, source_face, paste_back, system, background, background_picture),
            lambda _: named_edit(settings, mode=mode),
            motion=TURNTABLE,
            timing={"seconds": seconds, "from_yaw_deg": from_yaw, "to_yaw_deg": to_yaw},
            kind=kind,
            progress=progress,
            request=request,
        )

    def keyframes(
        self,
        source: str | None,
        frames: Any = None,
        fps: float | int | str | None = 25,
        kind: Literal["MP4", "GIF"] = "MP4",
        paste_back: bool = True,
        source_face: int = 0,
        background: BackgroundChoice = "keep",
        background_picture: str | None = None,
        system: str = "auto",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Make a clip of a picture's face that goes from key frame to key frame.

        Args:
            source: Picture of the face to edit.
            frames: The content of a file of key frames, as the page saves it, such as {"format_version": 1, "kind":
                "reenact-keyframes", "frames": [{"time_s": 0}, {"time_s": 1, "action_units": {"12": 3.5}}]}.
            fps: Frames a second.
            kind: "MP4" or "GIF".
            paste_back: Whether to return the whole source picture; otherwise only the square around the face.
            source_face: Which of several faces of the source; 1 is the largest, 0 takes the largest.
            background: "keep" the source's own, or "picture" for the given picture; a clip cannot be transparent.
            background_picture: The picture behind the person, for background "picture".
            system: "facegan" draws rotations up to 45 degrees, "dual_generator" larger ones; "auto" chooses.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The clip as a file; notes.
        """
        with errors_as_messages({}):
            keyframes = KeyFrames.from_json(json.dumps(frames), name="The key frames")
        return self.saved_clip(
            _request(source, source_face, paste_back, system, background, background_picture),
            lambda _: FaceEdit(),
            motion=KEYFRAMES,
            timing={"fps": fps},
            kind=kind,
            keyframes=keyframes,
            progress=progress,
            request=request,
        )

    def edit_clip(
        self,
        source_clip: str | None,
        settings: Any = None,
        mode: Literal["relative", "absolute"] = "relative",
        frames: Any = None,
        kind: Literal["MP4", "GIF"] = "MP4",
        paste_back: bool = True,
        source_face: int = 0,
        system: str = "auto",
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Edit the face in every frame of a clip, where it stands; the clip's rate and sound stay.

        Args:
            source_clip: Clip of the face to edit.
            settings: What to change in every frame, in the form that `/edit` takes.
            mode: "relative" adds values by name to what the face does in each frame, "absolute" replaces it.
            frames: Key frames in place of the settings, in the form that `/keyframes` takes; the last one is held to
                the clip's end.
            kind: "MP4" or "GIF".
            paste_back: Whether to return whole frames; otherwise only the square around the face.
            source_face: Which of several faces of the clip's first frame with a face; 1 is the largest, 0 takes it.
            system: "facegan" draws rotations up to 45 degrees, "dual_generator" larger ones; "auto" chooses.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` stops only their own runs.

        Returns:
            The clip as a file; notes.
        """
        with errors_as_messages({}):
            keyframes = KeyFrames.from_json(json.dumps(frames), name="The key frames") if frames else None
            edit = keyframes or named_edit(settings, mode=mode)
        framing = {"paste_back": paste_back, "face": chosen_face(source_face), "system": system}
        return self.edited_clip(source_clip, edit, framing=framing, kind=kind, progress=progress, request=request)

    def edited_clip(
        self,
        clip: str | None,
        edit: FaceEdit | KeyFrames,
        *,
        framing: Mapping[str, Any],
        kind: str,
        progress: gr.Progress,
        request: gr.Request | None,
    ) -> tuple[str, str]:
        """Edit every frame of a clip, which its visitor can stop; returns path and notes.

        Args:
            clip: path of the source clip.
            edit: made in every frame, or key frames.
            framing: face, system and whether whole frames are returned.
            kind: MP4 or GIF.
            progress: shows the run.
            request: tells visitors apart.
        """
        clip = given_file(clip, "source clip", advice="give one")
        clock, names = Clock(), {clip: "the source clip"}
        with self._runs.started(request) as stop, errors_as_messages(names), result_folder() as folder:
            progress(0, desc="Getting ready")
            from reenact.pipeline.controls.clip_edit import edit_clip

            report = self._limits.reporter(clock, progress, self._limits.check_clip(clip, "source"))
            out = folder / result_name(clip, f".{kind.lower()}", done="edited")
            watched: dict[str, Any] = {"progress": report, "should_stop": stop, "origin": self._models.origin}
            result = edit_clip(clip, edit, out, engines=self._models.engine, **framing, **watched)
        return str(result.path), self._clip_notes(clock, result, names)

    def saved_picture(self, given: Request, make_edit: "MakeEdit") -> tuple[str, str]:
        """Draw an edit at the picture's full size; returns path and notes."""
        clock = Clock()
        with errors_as_messages(given.names), result_folder() as folder:
            session = self._sessions.open(given)
            result = session.render(make_edit(session), background=given.full_background())
            seconds = clock.seconds()
            out = folder / result_name(given.source, ".png", done="edited")
            size = write_result(out, result, origin=self._models.origin)
        first = [f"Done in {seconds:.1f} s: {size}.", *self._models.notes(result.system)]
        return str(out), notes(first, result.warnings, given.names)

    def saved_clip(
        self,
        given: Request,
        make_edit: "MakeEdit",
        *,
        motion: str,
        timing: Mapping[str, object],
        kind: str,
        progress: gr.Progress,
        request: gr.Request | None,
        keyframes: KeyFrames | None = None,
    ) -> tuple[str, str]:
        """Draw a clip of an edit, which its visitor can stop; returns path and notes.

        Args:
            given: the source and how it is framed.
            make_edit: from the session to the edit.
            motion: EASED, TURNTABLE or KEYFRAMES.
            timing: arguments of `EditSession.animate`, `turntable` or `play`; what is no number is refused.
            kind: MP4 or GIF.
            progress: shows the run.
            request: tells visitors apart.
            keyframes: for KEYFRAMES, in place of the edit.
        """
        clock = Clock()
        with self._runs.started(request) as stop, errors_as_messages(given.names), result_folder() as folder:
            checked = {name: read_number(_TIMING[name], value) for name, value in timing.items()}
            progress(0, desc="Getting ready")
            name = result_name(given.source, f".{kind.lower()}", done="edited" if motion == EASED else motion)
            session = self._sessions.open(given)
            options: dict[str, Any] = {"progress": clock.reporter(progress), "should_stop": stop, **checked}
            options |= {"out": folder / name, "background": given.full_background(), "origin": self._models.origin}
            if keyframes is not None:
                self._limits.check_length(keyframes.seconds)
                options["fps"] = round(checked.get("fps", 25))
                result = session.play(keyframes, **options)
            else:
                self._limits.check_length(checked["seconds"])
                film = session.turntable if motion == TURNTABLE else session.animate
                result = film(edit=make_edit(session), **options)
        return str(result.path), self._clip_notes(clock, result, given.names)

    def _clip_notes(self, clock: Clock, result: "VideoResult", names: Mapping[str, str]) -> str:
        size = f"{result.frame_count} frames, {result.width} × {result.height} pixels"
        first = [f"Done in {clock.seconds():.1f} s: {size}.", *self._models.notes(result.system)]
        return notes(first, result.warnings, names)

    def build(self, editor: Editor) -> list[Component]:
        """Offer the endpoints to programs; visitors do not see them. Returns the inputs of ``/edit``."""
        settings = gr.JSON(label="Settings", visible=False)
        mode = gr.Radio(["relative", "absolute"], value="relative", label="Mode", visible=False)
        seconds = gr.Number(label="Seconds", value=3, visible=False)
        ends = [gr.Number(label=name, value=yaw, visible=False) for name, yaw in (("From yaw", -90), ("To yaw", 90))]
        kind = gr.Radio(["MP4", "GIF"], value=MP4, label="Format", visible=False)
        file, text = gr.DownloadButton("Result", visible=False), gr.Textbox(label="Notes", visible=False)
        call = gr.Button("Edit", visible=False)
        source, edit = editor.source.picture, editor.edit
        framing, background = [edit.paste_back, editor.source.faces.number], [edit.background, edit.background_picture]
        edited: list[Component] = [source, settings, mode, *background, *framing, edit.system]
        turned = [source, seconds, *ends, kind, *framing, settings, mode, *background, edit.system]
        call.click(self.edit, edited, [file, text], api_name="edit", **PROGRAMS)
        keyed = [source, settings, gr.Number(label="Frames a second", value=25, visible=False), kind, *framing]
        call.click(self.keyframes, [*keyed, *background, edit.system], [file, text], api_name="keyframes", **PROGRAMS)
        clipped = [editor.source.clip, settings, mode, keyed[1], kind, *framing, edit.system]
        call.click(self.edit_clip, clipped, [file, text], api_name="edit_clip", **PROGRAMS)
        call.click(self.turntable, turned, [file, text], api_name="turntable", **PROGRAMS)
        return edited


def _request(
    source: str | None, face: int, paste_back: bool, system: str, background: str, picture: str | None
) -> Request:
    return Request(
        source=given_file(source, "source picture"),
        face=chosen_face(face),
        paste_back=paste_back,
        system=system,
        background=background,
        picture=picture,
    )
