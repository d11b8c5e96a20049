"""Faces to click: shown where a picture or clip holds several."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.errors import ReenactError
from reenact.space.models import DEFAULT, Models
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.remembered import known_file

_LOOKING: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_id": "faces",
    "concurrency_limit": 1,
}

Driver = tuple[str, int]
"""Path of a driving picture, and the number of the face in it; 0 takes the largest."""


class FacesPart:
    """Thumbnails, and the number of the face that was clicked: from the largest, 1; 0 until one is."""

    def __init__(self, models: Models, label: str, *, hint: str = "") -> None:
        """Create the components, hidden.

        Args:
            models: give the tracker.
            label: of the thumbnails.
            hint: shown above them.
        """
        self._models = models
        self.hint = gr.Markdown(hint, visible=False)
        self.thumbnails = gr.Gallery(
            label=label,
            columns=6,
            fit_columns=False,
            allow_preview=False,
            interactive=False,
            visible=False,
            buttons=[],
            elem_classes="faces",
        )
        self.number = gr.Number(value=0, minimum=0, precision=0, label=label, visible=False)

    def look(self, trigger: Callable[..., Dependency], file: Component, *, keep: bool = False) -> Dependency:
        """After a file was given, show its faces if there are several.

        Args:
            trigger: connects what happens then.
            file: its component.
            keep: whether the number stays, because a refresh has restored it.
        """

        def show(path: str | None, number: int) -> list[Any]:
            faces = self._faces(path)
            number = number if keep and number <= len(faces) else min(len(faces), 1)
            selected = max(number, 1) - 1 if faces else None
            thumbnails = gr.Gallery(faces, selected_index=selected, visible=bool(faces))
            return [thumbnails, number, gr.Markdown(visible=bool(faces and self.hint.value))]

        return trigger(show, [file, self.number], [self.thumbnails, self.number, self.hint], **_LOOKING)

    def choose(self) -> Dependency:
        """Let a click on a thumbnail choose its face."""
        return self.thumbnails.select(_clicked, None, self.number, show_progress="hidden", **QUICK)

    def _faces(self, path: str | None) -> list[tuple[Any, str]]:
        """Thumbnails with captions; none if there is nothing to choose."""
        if path is None:
            return []
        from reenact.pipeline.faces import find_faces

        try:
            found = find_faces(pathlib.Path(path), tracker=self._models.engine(DEFAULT).tracker)
        except ReenactError:
            return []  # the run says what is wrong
        return [(face.thumbnail, f"Face {face.number}") for face in found] if len(found) > 1 else []


class Assigned:
    """The driver of each face in the source: what was given while the face was chosen."""

    def __init__(self) -> None:
        self.drivers = gr.JSON({}, label="Drivers", visible=False)
        """By the number of the face: {"1": {"path": ..., "face": 0}}."""

    def connect(self, source: FacesPart, driving: Component, driver: FacesPart) -> Dependency:
        """When another face is clicked, keep the driver of the last one and show that of the new one."""

        def pick(
            event: gr.SelectData, last: int, path: str | None, face: int, drivers: dict[str, Any] | None
        ) -> list[Any]:
            number = int(event.index) + 1
            drivers = {**(drivers or {}), str(last or 1): {"path": path, "face": face}}
            own = drivers.get(str(number), {})
            return [number, own.get("path") if known_file(own.get("path")) else None, int(own.get("face", 0)), drivers]

        shown = [source.number, driving, driver.number, self.drivers]
        return source.thumbnails.select(pick, shown, shown, show_progress="hidden", **QUICK)


def drivers_of(drivers: Mapping[str, Any] | None, number: int, driving: str | None, face: int) -> dict[int, Driver]:
    """Drivers by the face of the source, without faces that have none.

    Args:
        drivers: of `Assigned`, as the browser sends it.
        number: of the chosen face.
        driving: its driver.
        face: of the driver.
    """
    named: dict[int, Driver] = {}
    for key, value in (drivers or {}).items():
        if isinstance(value, dict) and key.isdecimal() and known_file(value.get("path")):
            named[int(key)] = str(value["path"]), int(value.get("face") or 0)
    named.pop(number or 1, None)
    return named | ({} if driving is None else {number or 1: (driving, face)})


def _clicked(event: gr.SelectData) -> int:
    return int(event.index) + 1
