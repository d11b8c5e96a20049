"""What a visitor's browser sends along with every request to the editor."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reenact.space.answers import message
from reenact.space.editor_units import CONTROLS
from reenact.space.editor_values import Values
from reenact.space.inputs import chosen_face, given_source

if TYPE_CHECKING:
    from reenact.pipeline.controls.background import Background

KEEP, NONE, PICTURE = "keep", "none", "picture"
"""Choices of what stands behind the person."""

_LARGEST_SETTINGS_BYTES = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """A source, and what shall become of it."""

    source: str
    """Name of its file."""
    face: int | None
    paste_back: bool
    background: str
    """KEEP, NONE or PICTURE."""
    picture: str | None
    """Name of the background's file."""
    apart: bool
    values: Values

    @classmethod
    def read(cls, inputs: Sequence[Any]) -> "Wanted":
        """From the values of `Editor.wanted`.

        Raises:
            gr.Error: there is no source.
        """
        source, face, paste_back, background, picture, apart, *values = inputs
        return cls(
            source=given_source(source),
            face=chosen_face(face),
            paste_back=paste_back,
            background=background,
            picture=picture,
            apart=apart,
            values={name: float(value) for name, value in zip(CONTROLS, values, strict=True)},
        )

    @property
    def names(self) -> dict[str, str]:
        """For `told`."""
        return file_names(self.source, self.picture)


def file_names(source: str, picture: str | None) -> dict[str, str]:
    """What to call the files of this server."""
    return {source: "the source picture"} | ({} if picture is None else {picture: "the background picture"})


def background_of(choice: str, picture: str | None) -> "Background":
    """What the pipeline calls it.

    Raises:
        gr.Error: a picture was chosen, and there is none.
    """
    if choice == PICTURE:
        if picture is None:
            raise message("There is no background picture yet: give one under “Background”.")
        return pathlib.Path(picture)
    return "none" if choice == NONE else None


def read_settings(file: str) -> str:
    """The text of a settings file.

    Raises:
        gr.Error: it cannot be one.
    """
    path = pathlib.Path(file)
    if path.stat().st_size > _LARGEST_SETTINGS_BYTES:
        raise message("The settings are too large to be those of an edit; give a file that “Save settings” made.")
    return path.read_bytes().decode("utf-8", errors="replace")
