"""Expression editor tab: the Action Units of a face, read off and set by hand."""

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from reenact.space.answers import notes, result_folder, result_name, told
from reenact.space.clip_part import made_clip, stopped
from reenact.space.editor_api import EditEndpoint
from reenact.space.editor_backgrounds import Pictures
from reenact.space.editor_layout import Editor
from reenact.space.editor_units import CONTROLS, GROUPS, sided_units
from reenact.space.editor_values import Values, applied, edit_of, put_together, taken_apart, values_of
from reenact.space.editor_wanted import PICTURE, Wanted, background_of, read_settings
from reenact.space.face_layout import connect_source, panels_for
from reenact.space.models import EDITING, Models
from reenact.space.picture_files import saved_picture
from reenact.space.previews import Previews
from reenact.space.reading import bars
from reenact.space.runs import Runs
from reenact.space.sources import Sources
from reenact.space.wiring import FILES, LAST_ONE, MOVING, QUICK, save

if TYPE_CHECKING:
    from reenact.pipeline import Engine, ImageResult, VideoResult
    from reenact.pipeline.controls import EditSession, FaceEdit

_SHOWN_EDIT = 1 + len(CONTROLS) + 2 * len(list(sided_units()))
"""Length of `Editor.shown_edit`."""

Update = dict[str, Any]


class EditorTab:
    """Its handlers, the sources that are open, and the runs that can be stopped."""

    def __init__(self, models: Models, runs: Runs, *, sources: "Sources[EditSession] | None" = None) -> None:
        self._sources = sources or Sources(models, EDITING, _open_edit)
        self._runs = runs
        self._previews = Previews()
        self._pictures = Pictures()

    def forget(self, request: gr.Request | None) -> None:
        """A visitor has left."""
        self._previews.forget(request)

    def open(self, request: gr.Request, *inputs: Any) -> list[Any]:
        """Read what the face in the source does, and show the sliders there."""
        if inputs[0] is None:
            return [gr.skip()] * (7 + _SHOWN_EDIT)
        wanted = Wanted.read(inputs)
        with told(wanted.names):
            from reenact.pipeline.controls import FaceEdit

            session = self._session(wanted)
            own = values_of(session.reading)
            pair = self._preview(request, wanted, session, FaceEdit())
        height, width = session.still.shape[:2]
        text = notes(f"The source has {width} × {height} pixels.", session.warnings, wanted.names)
        return [*panels_for(True), bars(own, GROUPS), pair, text, *_sliders(own, apart=False)]

    def preview(self, request: gr.Request, *inputs: Any) -> tuple[str, str]:
        """Source and result at the network's size."""
        wanted = Wanted.read(inputs)
        with told(wanted.names):
            session, edit = self._wanted_edit(wanted)
            return self._preview(request, wanted, session, edit)

    def reset(self, *inputs: Any) -> list[Any]:
        """All sliders back to what the source does."""
        wanted = Wanted.read(inputs)
        with told(wanted.names):
            return _sliders(values_of(self._session(wanted).reading), apart=wanted.apart)

    def take_apart(self, *inputs: Any) -> list[Any]:
        """One slider or two for units with sides; what the face does stays."""
        wanted = Wanted.read(inputs)
        with told(wanted.names):
            own = values_of(self._session(wanted).reading)
        values = (taken_apart if wanted.apart else put_together)(wanted.values, own)
        return _sliders(values, apart=wanted.apart)

    def preset(self, name: str) -> Callable[..., list[Any]]:
        """A handler that shows a preset on the sliders, from the source's own face."""

        def show(*inputs: Any) -> list[Any]:
            wanted = Wanted.read(inputs)
            with told(wanted.names):
                from reenact.pipeline.controls import PRESETS

                return self._shown(wanted, PRESETS[name])

        return show

    def load_settings(self, file: str | None, *inputs: Any) -> list[Any]:
        """Show the edit of a file on the sliders."""
        if file is None:
            return [gr.skip()] * _SHOWN_EDIT
        wanted = Wanted.read(inputs)
        with told(wanted.names):
            from reenact.pipeline.controls import FaceEdit

            return self._shown(wanted, FaceEdit.from_json(read_settings(file), name="The settings"))

    def save_settings(self, *inputs: Any) -> str:
        """The edit as a file."""
        wanted = Wanted.read(inputs)
        with told(wanted.names), result_folder() as folder:
            _, edit = self._wanted_edit(wanted)
            out = folder / result_name(wanted.source, ".json", done="edit")
            out.write_text(edit.to_json(), encoding="utf-8")
            return str(out)

    def save_picture(self, *inputs: Any) -> tuple[str, str]:
        """The edited picture at its full size, as a file."""
        wanted = Wanted.read(inputs)

        def draw() -> "ImageResult":
            session, edit = self._wanted_edit(wanted)
            return session.render(edit, background=background_of(wanted.background, wanted.picture))

        return saved_picture(draw, source=wanted.source, done="edited", names=wanted.names)

    def animate(
        self,
        seconds: float | int,
        kind: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
        *inputs: Any,
    ) -> list[Any]:
        """A clip from the source to the edit and back."""
        wanted = Wanted.read(inputs)

        def draw(out: pathlib.Path, show: Any, should_stop: Any) -> "VideoResult":
            session, edit = self._wanted_edit(wanted)
            background = background_of(wanted.background, wanted.picture)
            timing: dict[str, Any] = {"seconds": float(seconds), "progress": show, "should_stop": should_stop}
            return session.animate(edit, out, background=background, **timing)

        facts: dict[str, Any] = {"source": wanted.source, "kind": kind, "done": "edited", "names": wanted.names}
        return made_clip(draw, runs=self._runs, progress=progress, request=request, **facts).shown()

    def stop(self, request: gr.Request | None = None) -> str:
        """End the clip that is being made."""
        return stopped(self._runs, request)

    def build(self) -> None:
        """Lay the tab out and connect it; inside a `gr.Tab`."""
        editor = Editor.lay_out()
        source, preview = editor.source, editor.preview
        connect_source(
            source,
            editor.face,
            editor.panels,
            preview.comparison,
            open_source=self.open,
            wanted=editor.wanted,
            outputs=[
                *editor.panels.blocks,
                source.reading,
                preview.comparison,
                preview.notes,
                *editor.shown_edit,
            ],
        )
        self._connect_sliders(editor)
        self._connect_files(editor)
        EditEndpoint(self._sources).build(editor)

    def _connect_sliders(self, editor: Editor) -> None:
        by_hand, background, load = editor.by_hand, editor.background, editor.preview.load_settings
        drawn: dict[str, Any] = {
            "fn": self.preview,
            "inputs": editor.wanted,
            "outputs": editor.preview.comparison,
            **LAST_ONE,
        }
        moves = [slider.input for slider in by_hand.sliders.values()]
        gr.on([*moves, background.choice.input, background.picture.change], **drawn)

        def show_picture(choice: str) -> Update:
            return gr.update(visible=choice == PICTURE)

        background.choice.input(show_picture, background.choice, background.panel, **QUICK)
        given, shown_edit = editor.wanted, editor.shown_edit
        changes = [
            by_hand.reset.click(self.reset, given, shown_edit, **MOVING),
            by_hand.apart.input(self.take_apart, given, shown_edit, **MOVING),
            load.upload(self.load_settings, [load, *given], shown_edit, **MOVING),
            *(button.click(self.preset(name), given, shown_edit, **MOVING) for name, button in by_hand.presets.items()),
        ]
        for change in changes:
            change.success(**drawn)

    def _connect_files(self, editor: Editor) -> None:
        preview = editor.preview
        saved = [
            preview.save_picture.click(
                self.save_picture,
                editor.wanted,
                [preview.saved, preview.notes],
                show_progress_on=preview.notes,
                **FILES,
            ),
            preview.save_settings.click(self.save_settings, editor.wanted, preview.saved, **MOVING),
        ]
        for each in saved:
            save(each, preview.saved)
        editor.clip.connect(self.animate, self.stop, wanted=editor.wanted, notes=preview.notes)

    def _session(self, wanted: Wanted) -> "EditSession":
        return self._sources.open(wanted.source, face=wanted.face, paste_back=wanted.paste_back)

    def _wanted_edit(self, wanted: Wanted) -> "tuple[EditSession, FaceEdit]":
        session = self._session(wanted)
        return session, edit_of(wanted.values, values_of(session.reading), apart=wanted.apart)

    def _preview(
        self, request: gr.Request | None, wanted: Wanted, session: "EditSession", edit: "FaceEdit"
    ) -> tuple[str, str]:
        # until there is a picture, the background stays
        chosen = None if wanted.background == PICTURE and wanted.picture is None else wanted.background
        background = background_of(chosen or "keep", wanted.picture)
        if isinstance(background, pathlib.Path):
            background = self._pictures.small(background)
        result = session.render(edit, background=background, preview=True)
        return self._previews.write(request, result, wanted.source, wanted.face)

    def _shown(self, wanted: Wanted, edit: "FaceEdit") -> list[Any]:
        values, apart = applied(edit, self._session(wanted).reading)
        return _sliders(values, apart=wanted.apart or apart)


def _sliders(values: Values, *, apart: bool) -> list[Any]:
    """For `Editor.shown_edit`."""
    count = len(list(sided_units()))
    wholes, sides = [gr.update(visible=not apart)] * count, [gr.update(visible=apart)] * count
    return [apart, *(values[name] for name in CONTROLS), *wholes, *sides]


def _open_edit(source: pathlib.Path, *, engine: "Engine", **options: Any) -> "EditSession":
    from reenact.pipeline.controls import open_edit

    return open_edit(source, engines=lambda _: engine, system="facegan", **options)
