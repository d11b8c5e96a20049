"""Head pose tab: the head of a photo, turned by hand up to a profile on either side."""

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from reenact.space.answers import notes, told
from reenact.space.clip_part import made_clip, stopped
from reenact.space.face_layout import connect_source, panels_for
from reenact.space.models import LARGE_POSE, Models
from reenact.space.picture_files import saved_picture
from reenact.space.pose_api import TurnEndpoints
from reenact.space.pose_layout import PosePanel
from reenact.space.pose_values import CONTROLS, GROUPS, VIEWS, WantedPose, angles_of, turn_of
from reenact.space.previews import Previews
from reenact.space.reading import bars
from reenact.space.runs import Runs
from reenact.space.sources import Sources
from reenact.space.wiring import FILES, LAST_ONE, MOVING, save

if TYPE_CHECKING:
    from reenact.pipeline import ImageResult, VideoResult
    from reenact.pipeline.turn import HeadTurn, TurnSession


class PoseTab:
    """Its handlers, the sources that are open, and the runs that can be stopped."""

    def __init__(self, models: Models, runs: Runs, *, sources: "Sources[TurnSession] | None" = None) -> None:
        self._sources = sources or Sources(models, LARGE_POSE, _open_turn)
        self._runs = runs
        self._previews = Previews()

    def forget(self, request: gr.Request | None) -> None:
        """A visitor has left."""
        self._previews.forget(request)

    def open(self, request: gr.Request, *inputs: Any) -> list[Any]:
        """Read how the head in the source stands, and show the sliders there."""
        if inputs[0] is None:
            return [gr.skip()] * (7 + len(CONTROLS))
        wanted = WantedPose.read(inputs)
        with told(wanted.names):
            from reenact.pipeline.turn import HeadTurn

            session = self._session(wanted)
            own = angles_of(session.reading)
            pair = self._preview(request, wanted, session, HeadTurn())
        height, width = session.still.shape[:2]
        text = notes(f"The source has {width} × {height} pixels.", session.warnings, wanted.names)
        return [*panels_for(True), bars(own, GROUPS), pair, text, *own.values()]

    def preview(self, request: gr.Request, *inputs: Any) -> tuple[str, str]:
        """Source and result at the network's size."""
        wanted = WantedPose.read(inputs)
        with told(wanted.names):
            session, turn = self._wanted_turn(wanted)
            return self._preview(request, wanted, session, turn)

    def reset(self, *inputs: Any) -> list[Any]:
        """All sliders back to how the source stands."""
        wanted = WantedPose.read(inputs)
        with told(wanted.names):
            return list(angles_of(self._session(wanted).reading).values())

    def save_picture(self, *inputs: Any) -> tuple[str, str]:
        """The turned head at the picture's full size, as a file."""
        wanted = WantedPose.read(inputs)

        def draw() -> "ImageResult":
            session, turn = self._wanted_turn(wanted)
            return session.render(turn)

        return saved_picture(draw, source=wanted.source, done="turned", names=wanted.names)

    def make_turntable(
        self,
        seconds: float | int,
        kind: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
        *inputs: Any,
    ) -> list[Any]:
        """A clip from one profile to the other."""
        wanted = WantedPose.read(inputs)

        def draw(out: pathlib.Path, show: Any, should_stop: Any) -> "VideoResult":
            session, turn = self._wanted_turn(wanted)
            return session.turntable(out, seconds=float(seconds), turn=turn, progress=show, should_stop=should_stop)

        facts: dict[str, Any] = {"source": wanted.source, "kind": kind, "done": "turntable", "names": wanted.names}
        return made_clip(draw, runs=self._runs, progress=progress, request=request, **facts).shown()

    def stop(self, request: gr.Request | None = None) -> str:
        """End the clip that is being made."""
        return stopped(self._runs, request)

    def build(self) -> None:
        """Lay the tab out and connect it; inside a `gr.Tab`."""
        panel = PosePanel.lay_out()
        wanted, sliders, comparison = panel.wanted, list(panel.sliders.values()), panel.comparison
        connect_source(
            panel.source,
            panel.face,
            panel.panels,
            comparison,
            open_source=self.open,
            wanted=wanted,
            outputs=[*panel.panels.blocks, panel.source.reading, comparison, panel.notes, *sliders],
        )
        drawn: dict[str, Any] = {"fn": self.preview, "inputs": wanted, "outputs": comparison, **LAST_ONE}
        gr.on([slider.input for slider in sliders], **drawn)
        panel.reset.click(self.reset, wanted, sliders, **MOVING).success(**drawn)
        for name, button in panel.views.items():
            button.click(_view(name), outputs=sliders, **MOVING).success(**drawn)
        saving = panel.save_picture.click(
            self.save_picture, wanted, [panel.saved, panel.notes], show_progress_on=panel.notes, **FILES
        )
        save(saving, panel.saved)
        panel.clip.connect(self.make_turntable, self.stop, wanted=wanted, notes=panel.notes)
        TurnEndpoints(self._sources, self._runs).build(panel)

    def _session(self, wanted: WantedPose) -> "TurnSession":
        return self._sources.open(wanted.source, face=wanted.face, paste_back=wanted.paste_back)

    def _wanted_turn(self, wanted: WantedPose) -> "tuple[TurnSession, HeadTurn]":
        session = self._session(wanted)
        return session, turn_of(wanted.angles, angles_of(session.reading))

    def _preview(
        self, request: gr.Request | None, wanted: WantedPose, session: "TurnSession", turn: "HeadTurn"
    ) -> tuple[str, str]:
        return self._previews.write(request, session.render(turn, preview=True), wanted.source, wanted.face)


def _view(name: str) -> Callable[[], list[Any]]:
    def show() -> list[Any]:
        """Some sliders set, the others as they are."""
        return [VIEWS[name].get(angle, gr.skip()) for angle in CONTROLS]

    return show


def _open_turn(source: pathlib.Path, **options: Any) -> "TurnSession":
    from reenact.pipeline.turn import open_turn

    return open_turn(source, **options)
