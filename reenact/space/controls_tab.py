"""Editor tab: Action Units, head angles and background of a face, set with sliders."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import Dependency

from reenact.errors import ConfigError
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.presets import PRESETS
from reenact.pipeline.controls.settings import FaceEdit
from reenact.space.controls_api import ControlsApi
from reenact.space.models import EDITING, Models
from reenact.space.widgets import settings
from reenact.space.widgets.answers import errors_as_messages, notes, result_folder, result_name
from reenact.space.widgets.caches import Previews, Recent, Sessions, content_of, small_picture
from reenact.space.widgets.clip_limits import ClipLimits
from reenact.space.widgets.clip_part import EASED, FRAMES, KEYFRAMES, shown_clip
from reenact.space.widgets.editor_layout import Editor, panel_updates, slider_updates
from reenact.space.widgets.events import DRAWING, FILES, LAST_ONE, MOVING, QUICK, save_in_browser
from reenact.space.widgets.keyframe_part import with_face
from reenact.space.widgets.linked import Linked, fits
from reenact.space.widgets.problems import Problems, clear_first
from reenact.space.widgets.reading import bars
from reenact.space.widgets.reloads import Reloads
from reenact.space.widgets.remembered import ONLY_RESTORED, Remembered
from reenact.space.widgets.runs import Runs
from reenact.space.widgets.settings import KEEP, PICTURE, Request, edit_of, values_of
from reenact.space.widgets.sliders import CONTROLS, VIEWS, angle_info, sided_units

if TYPE_CHECKING:
    from reenact.media import Picture
    from reenact.pipeline.controls.session import EditSession

_SHOWN_EDIT = 1 + len(CONTROLS) + 2 * len(list(sided_units()))
"""Length of `Editor.shown_edit`."""
_SHOWN_SOURCE = 6 + 2 * len(list(sided_units()))
"""Length of `Editor.shown_source`."""


class ControlsTab:
    """The handlers behind the sliders and buttons."""

    name = "editor"

    def __init__(self, models: Models, runs: Runs, limits: ClipLimits, *, sessions: Sessions | None = None) -> None:
        """Nothing is open yet; `limits` say which clips are too long."""
        self._sessions = sessions or Sessions(models)
        self._models, self._runs, self._limits, self._problems = models, runs, limits, Problems()
        self._reloads = Reloads(self.name, runs, self._problems)
        self._api = ControlsApi(models, runs, limits, self._sessions)
        self._previews = Previews(models.origin)
        self._backgrounds: Recent[Picture] = Recent()

    def forget(self, request: gr.Request | None) -> None:
        """Delete the previews of a visitor who left."""
        self._previews.forget(request)

    def take_frame(self, clip: str | None) -> list[Any]:
        """Of a source clip, the frame that the sliders change: its first one with a face; and the clip's motion."""
        if clip is None:
            return [gr.skip(), gr.skip()]
        with errors_as_messages({clip: "the source clip"}), result_folder() as folder:
            from reenact.media import write_image
            from reenact.pipeline.faces import find_frame

            self._limits.check_clip(clip, "source")
            out = folder / result_name(clip, ".png", done="frame")
            write_image(out, find_frame(clip, tracker=self._models.engine(EDITING).tracker))
        return [str(out), FRAMES]

    def open(self, request: gr.Request, *inputs: Any) -> list[Any]:
        """Read what the face in the source does, and show it on the sliders."""
        if inputs[0] is None:
            return [gr.skip()] * (7 + _SHOWN_EDIT)
        with _request(inputs) as given:
            session = self._sessions.open(given)
            own = values_of(session.reading)
            pair = self._draw_preview(request, given, session, FaceEdit())
        height, width = session.still.shape[:2]
        text = notes([f"The source has {width} × {height} pixels."], session.warnings, given.names)
        return [*panel_updates(source=True), bars(own), pair, text, *slider_updates(own, apart=False)]

    def reopen(self, request: gr.Request, *inputs: Any) -> list[Any]:
        """After a refresh, open the source again and draw what the sliders say."""
        if inputs[0] is None:
            return [gr.skip()] * _SHOWN_SOURCE
        with _request(inputs) as given:
            session = self._sessions.open(given)
            pair = self._draw_preview(request, given, session, self._edit(given, session))
        sides = [gr.update(visible=shown) for shown in (not given.apart, given.apart) for _ in sided_units()]
        return [*panel_updates(source=True), bars(values_of(session.reading)), pair, *sides]

    def preview(self, request: gr.Request, *inputs: Any) -> tuple[str, str]:
        """Source and result at the network's size."""
        with _request(inputs) as given:
            session = self._sessions.open(given)
            return self._draw_preview(request, given, session, self._edit(given, session))

    def reset(self, *inputs: Any) -> list[Any]:
        """Set all sliders back to what the source does."""
        with _request(inputs) as given:
            return slider_updates(values_of(self._sessions.open(given).reading), apart=given.apart)

    def split_sides(self, *inputs: Any) -> list[Any]:
        """Show one slider or two for units with sides; the face stays as it is."""
        with _request(inputs) as given:
            own = values_of(self._sessions.open(given).reading)
        values = (settings.with_sides_apart if given.apart else settings.with_sides_together)(given.values, own)
        return slider_updates(values, apart=given.apart)

    def show_preset(self, name: str) -> Callable[..., list[Any]]:
        """A handler that shows a preset of the source's own face on the sliders."""

        def show(*inputs: Any) -> list[Any]:
            with _request(inputs) as given:
                values, _ = settings.applied(PRESETS[name], self._sessions.open(given).reading)
            return slider_updates(values, apart=given.apart)

        return show

    def load_settings(self, file: str | None, *inputs: Any) -> list[Any]:
        """Show the edit of a settings file on the sliders."""
        options = self._editor.options
        if file is None:
            return [gr.skip()] * (_SHOWN_EDIT + len(options))
        with _request(inputs) as given:
            edit, page = settings.read_settings(file)
            apart, *shown = self._shown(given, edit)
        values = [page.get(name) for name in options]
        others = [
            value if fits(each, value) else gr.skip() for each, value in zip(options.values(), values, strict=True)
        ]
        return [apart, *shown, *others]

    def copy_face(self, file: str | None, *inputs: Any) -> list[Any]:
        """Show the expression of a face in a photo on the sliders."""
        if file is None:
            return [gr.skip()] * _SHOWN_EDIT
        with _request(inputs) as given, errors_as_messages({file: "the photo to copy"}):
            from reenact.pipeline.controls.copied import copy_face

            edit, _ = copy_face(file, tracker=self._models.engine(EDITING).tracker)
            return self._shown(given, edit)

    def add_keyframe(self, rows: list[list[Any]], time: str, *inputs: Any) -> list[Any]:
        """Add what the sliders show to the key frames."""
        with _request(inputs) as given:
            return list(with_face(rows, time, self._edit(given, self._sessions.open(given), relative=True)))

    def save_keyframes(self, rows: list[list[Any]], *inputs: Any) -> str:
        """Write the key frames to a file."""
        with _request(inputs) as given, result_folder() as folder:
            out = folder / result_name(given.source, ".json", done="keyframes")
            out.write_text(KeyFrames.from_rows(rows).to_json(), encoding="utf-8")
            return str(out)

    def load_keyframes(self, file: str | None) -> Any:
        """Show the key frames of a file in the table."""
        if file is None:
            return gr.skip()
        with errors_as_messages({file: "the key frames"}):
            return KeyFrames.from_json(settings.small_text(file), name="The key frames").to_rows()

    def save_settings(self, *inputs: Any) -> str:
        """Write the edit and the other settings of the tab to a settings file."""
        names = self._editor.options
        page, inputs = dict(zip(names, inputs, strict=False)), inputs[len(names) :]
        with _request(inputs) as given, result_folder() as folder:
            edit = self._edit(given, self._sessions.open(given), relative=page["saved_as"] == "relative")
            out = folder / result_name(given.source, ".json", done="edit")
            out.write_text(edit.to_json(page=page), encoding="utf-8")
            return str(out)

    def save_picture(self, *inputs: Any) -> tuple[str, str]:
        """Draw the edit at the picture's full size and write it as PNG."""
        given = Request.read(inputs)
        return self._api.saved_picture(given, lambda session: self._edit(given, session))

    def make_clip(
        self,
        motion: str,
        seconds: float | int | None,
        kind: str,
        rows: list[list[Any]],
        clip: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
        *inputs: Any,
    ) -> list[Any]:
        """A clip from the source to the edit and back, from one profile to the other, or of key frames.

        Or every frame of the source clip, with the same changes or with key frames.
        """
        given = Request.read(inputs)
        with errors_as_messages({}):
            keyframes = KeyFrames.from_rows(rows) if motion == KEYFRAMES else None
        if motion == FRAMES or (keyframes is not None and clip is not None):
            with errors_as_messages(given.names):
                edit = keyframes or self._edit(given, self._sessions.open(given), relative=True)
                if given.background != KEEP:
                    raise ConfigError("The background of a clip stays; choose “As it is”.")
            framing = {"paste_back": given.paste_back, "face": given.face, "system": given.system}
            made: dict[str, Any] = {"framing": framing, "kind": kind, "progress": progress, "request": request}
            return shown_clip(*self._api.edited_clip(clip, edit, **made))
        return shown_clip(
            *self._api.saved_clip(
                given,
                lambda session: self._edit(given, session),
                motion=motion,
                timing={} if motion == KEYFRAMES else {"seconds": seconds},
                keyframes=keyframes,
                kind=kind,
                progress=progress,
                request=request,
            )
        )

    async def stop(self, request: gr.Request | None = None) -> str:
        """Stop the clip that is being made."""
        return await self._runs.stop(request)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        self._editor = editor = Editor(self._models, max_seconds=self._limits.max_seconds)
        self._connect_source(editor)
        self._connect_sliders(editor)
        self._connect_files(editor)
        sent = self._api.build(editor)
        linked = Linked("edit", self._api.edit, sent, {"source": "portrait.jpg"})
        return Remembered(self.name, editor.kept, linked)

    def reopen_after(self, restored: Dependency) -> None:
        """Open the source that a refresh has restored."""
        editor = self._editor
        shown: dict[str, Any] = {"outputs": editor.shown_source, "show_progress_on": editor.source.picture}
        opened = restored.then(self._problems.kept(self.reopen), editor.inputs, js=ONLY_RESTORED, **shown, **DRAWING)
        opened.failure(self._refused, None, editor.source.problem, show_progress="hidden", **QUICK)
        editor.edit.clip.reopen_after(restored, self._reloads, editor.preview.notes)
        editor.source.faces.look(opened.then, editor.source.picture, keep=True)

    def _connect_source(self, editor: Editor) -> None:
        """Open every source that is given; hide the last one meanwhile."""
        source, comparison = editor.source, editor.preview.comparison

        def load(index: int) -> str:
            return source.portraits[index]

        def hide() -> list[Any]:
            return [*panel_updates(source=False), None, gr.Textbox("", visible=False)]

        outputs = [*editor.panels, source.reading, comparison, editor.preview.notes, *editor.shown_edit]
        hidden = [*editor.panels, comparison, source.problem]
        example = source.example.click(load, source.example, source.picture, show_progress="hidden", **QUICK)
        given = source.picture.input(hide, None, hidden, **QUICK)
        clicked = source.faces.choose().then(hide, None, hidden, **QUICK)
        motion = editor.edit.clip.motion
        taken = source.clip.input(hide, None, hidden, **QUICK).then(
            self._problems.kept(self.take_frame),
            source.clip,
            [source.picture, motion],
            show_progress_on=source.clip,
            **DRAWING,
        )
        taken.failure(self._refused, None, source.problem, show_progress="hidden", **QUICK)
        for each in (source.picture.input, example.then, source.clip.clear):
            each(_no_clip, motion, [source.clip, motion], show_progress="hidden", **QUICK)
        new = [
            source.faces.look(each, source.picture)
            for each in (given.then, example.then(hide, None, hidden, **QUICK).then, taken.success)
        ]
        for changed in (*new, clicked):
            opened = changed.then(
                self._problems.kept(self.open), editor.inputs, outputs, show_progress_on=source.picture, **DRAWING
            )
            opened.failure(self._refused, None, source.problem, show_progress="hidden", **QUICK)

    def _connect_sliders(self, editor: Editor) -> None:
        """Draw a preview after every change of the edit."""
        edit, inputs, shown = editor.edit, editor.inputs, editor.shown_edit
        load, copy = editor.preview.load_settings, editor.preview.copy_face
        drawn: dict[str, Any] = {
            "fn": self._problems.kept(self.preview),
            "inputs": inputs,
            "outputs": editor.preview.comparison,
            **LAST_ONE,
        }
        moves = [slider.input for slider in edit.sliders.values()]
        moved = gr.on([*moves, edit.background.input, edit.background_picture.change, edit.system.input], **drawn)
        self._problems.show(moved, editor.preview.notes)

        def show_picture(choice: str) -> dict[str, Any]:
            return gr.update(visible=choice == PICTURE)

        angles = [edit.sliders[angle] for angle in VIEWS["Front"]]
        edit.system.change(_reach, edit.system, angles, show_progress="hidden", **QUICK)
        edit.background.change(show_picture, edit.background, edit.background_panel, **QUICK)
        changes = [
            edit.reset.click(self.reset, inputs, shown, **MOVING),
            edit.apart.input(self.split_sides, inputs, shown, **MOVING),
            load.upload(
                self._problems.kept(self.load_settings), [load, *inputs], [*shown, *editor.options.values()], **MOVING
            ),
            copy.upload(self._problems.kept(self.copy_face), [copy, *inputs], shown, **MOVING),
            *(button.click(self.show_preset(name), inputs, shown, **MOVING) for name, button in edit.presets.items()),
        ]
        for name, button in edit.views.items():
            changes.append(button.click(_view(name), outputs=angles, **MOVING))
        for change in changes:
            self._problems.show(change, editor.preview.notes)
            self._problems.show(change.success(**drawn), editor.preview.notes)

    def _connect_files(self, editor: Editor) -> None:
        preview, inputs = editor.preview, editor.inputs
        clear_first(preview.save_picture.click, preview.notes)
        picture = preview.save_picture.click(
            self._problems.kept(self.save_picture),
            inputs,
            [preview.saved, preview.notes],
            show_progress_on=preview.notes,
            **FILES,
        )
        saved = preview.save_settings.click(
            self._problems.kept(self.save_settings),
            [*editor.options.values(), *inputs],
            preview.saved,
            **MOVING,
        )
        for ran in (picture, saved):
            save_in_browser(ran, preview.saved)
            self._problems.show(ran, preview.notes)
        kept = self._problems.kept
        adding = editor.edit.clip.keyframes.connect(
            kept(self.add_keyframe), kept(self.save_keyframes), kept(self.load_keyframes), inputs=inputs
        )
        for ran in adding:
            self._problems.show(ran, preview.notes)
        editor.edit.clip.connect(
            self.make_clip, self.stop, self._reloads, clip=editor.source.clip, inputs=inputs, text=preview.notes
        )

    def _refused(self, request: gr.Request) -> dict[str, Any]:
        """Why a source cannot be edited; the notes are hidden then."""
        return gr.update(value=self._problems.last(request), visible=True)

    def _edit(self, given: Request, session: "EditSession", *, relative: bool = False) -> FaceEdit:
        return edit_of(given.values, values_of(session.reading), apart=given.apart, relative=relative)

    def _draw_preview(
        self, request: gr.Request | None, given: Request, session: "EditSession", edit: FaceEdit
    ) -> tuple[str, str]:
        background: Any = None if given.background in (KEEP, PICTURE) else given.background
        if given.background == PICTURE and given.picture is not None:  # until there is one, the source's own is shown
            path = pathlib.Path(given.picture)
            background = self._backgrounds.get(content_of(given.picture), lambda: small_picture(path))
        result = session.render(edit, background=background, preview=True)
        return self._previews.write(request, result)

    def _shown(self, given: Request, edit: FaceEdit) -> list[Any]:
        values, apart = settings.applied(edit, self._sessions.open(given).reading)
        return slider_updates(values, apart=given.apart or apart)


@contextlib.contextmanager
def _request(inputs: Sequence[Any]) -> Iterator[Request]:
    """What the browser sent; errors inside the block become messages."""
    given = Request.read(inputs)
    with errors_as_messages(given.names):
        yield given


def _no_clip(motion: str) -> list[Any]:
    """A picture takes the place of the source clip."""
    return [None, EASED if motion == FRAMES else gr.skip()]


def _reach(system: str) -> list[dict[str, Any]]:
    """What the chosen system can do with each angle."""
    from reenact.pipeline.controls.choice import EDITING_LIMITS_DEG

    limits = EDITING_LIMITS_DEG if system == EDITING else {}
    return [gr.update(info=angle_info(angle, limits.get(angle))) for angle in VIEWS["Front"]]


def _view(name: str) -> Callable[[], list[Any]]:
    def show() -> list[Any]:
        """Set some angles and leave the others."""
        return [VIEWS[name].get(angle, gr.skip()) for angle in VIEWS["Front"]]

    return show
