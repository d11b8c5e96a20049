"""Faces to click: shown where a picture or clip holds several."""

import pathlib
import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from reenact.errors import ReenactError
from reenact.pipeline.motions.library import LIBRARY, SUFFIX, library_names
from reenact.space.models import DEFAULT, Models
from reenact.space.widgets.answers import message
from reenact.space.widgets.events import QUICK
from reenact.space.widgets.motion_part import CLIP, FILE
from reenact.space.widgets.remembered import known_file

_LOOKING: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_id": "faces",
    "concurrency_limit": 1,
}

Driver = tuple[str, int]
"""Path of a driving picture, clip or motion, and the number of the face in it; 0 takes the largest."""

SEVERAL = "Click a face, then give its driver. Faces without a driver stay as they are."


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

    def connect(self, source: FacesPart, own: Mapping[str, Component]) -> Dependency:
        """When another face is clicked, keep the driver of the last one and show that of the new one.

        Args:
            source: its faces.
            own: components of a driver: "path" and "face", on the Video tab also "driver" and "template".
        """
        names, fresh = [*own], {name: component.value for name, component in own.items()}

        def pick(event: gr.SelectData, last: int, drivers: dict[str, Any] | None, *values: Any) -> list[Any]:
            number = int(event.index) + 1
            drivers = with_own(drivers, last, dict(zip(names, values, strict=True)))
            shown = fresh | drivers.get(str(number), {})
            for file in {"path", "template"} & {*names}:
                shown[file] = shown[file] if known_file(shown[file]) else None
            return [number, drivers, *(shown[name] for name in names)]

        parts = [source.number, self.drivers, *own.values()]
        return source.thumbnails.select(pick, parts, parts, show_progress="hidden", **QUICK)


def with_own(drivers: Mapping[str, Any] | None, number: int, own: Mapping[str, Any]) -> dict[str, Any]:
    """The drivers with that of the chosen face, which is what the page shows."""
    return {**(drivers or {}), str(number or 1): dict(own)}


def several_drivers(drivers: Mapping[str, Any] | None, number: int, own: Mapping[str, Any]) -> dict[str, Any]:
    """The same; none where the chosen face alone has a driver."""
    given = with_own(drivers, number, own)
    return {} if [*drivers_of(given)] == [number or 1] else given


def drivers_of(drivers: Mapping[str, Any] | None) -> dict[int, Driver]:
    """Drivers by the face of the source, without faces that have none.

    Args:
        drivers: of `Assigned`, as the browser sends it; programs may send a file, or the name of a motion, for each.

    Raises:
        gr.Error: there is no motion of this name, or no such face.
    """
    known = ((number, value) for number, value in (drivers or {}).items() if re.fullmatch("[0-9]{1,4}", number))
    given = {int(number): _driver(value) for number, value in known}
    return {number: driver for number, driver in sorted(given.items()) if driver is not None}


def no_drivers() -> dict[str, Any]:
    """Of a new source."""
    return {}


def _driver(value: Any) -> Driver | None:
    given: dict[str, Any] = {"driver": value} if isinstance(value, str) else value if isinstance(value, dict) else {}
    kind, path = given.get("driver", CLIP), given.get("path")
    if kind in library_names():
        return str(LIBRARY / f"{kind}{SUFFIX}"), 0
    if kind not in (CLIP, FILE):
        raise message(f"There is no motion {reprlib.repr(kind)}; the motions are {', '.join(library_names())}.")
    path = given.get("template") if kind == FILE else path
    path = path.get("path") if isinstance(path, dict) else path
    face = given.get("face") if kind == CLIP else 0
    if face is not None and not (isinstance(face, (int, float)) and face in range(10_000)):
        raise message(
            f"The face of a driver is set to {reprlib.repr(face)}; it takes a whole number, 0 for the largest."
        )
    return (str(path), int(face or 0)) if known_file(path) else None


def _clicked(event: gr.SelectData) -> int:
    return int(event.index) + 1
