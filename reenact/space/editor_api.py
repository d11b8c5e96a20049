"""The editor for programs: one request, one picture."""

from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from reenact.space.editor_layout import Editor
from reenact.space.editor_values import named_edit
from reenact.space.editor_wanted import background_of, file_names
from reenact.space.inputs import chosen_face, given_source
from reenact.space.picture_files import saved_picture
from reenact.space.sources import Sources
from reenact.space.wiring import PROGRAMS

if TYPE_CHECKING:
    from reenact.pipeline import ImageResult
    from reenact.pipeline.controls import EditSession


class EditEndpoint:
    """The handler of ``/edit``."""

    def __init__(self, sources: "Sources[EditSession]") -> None:
        self._sources = sources

    def edit(
        self,
        source: str | None,
        settings: Any = None,
        mode: Literal["relative", "absolute"] = "relative",
        background: Literal["keep", "none", "picture"] = "keep",
        background_picture: str | None = None,
        paste_back: bool = True,
        source_face: int = 0,
    ) -> tuple[str, str]:
        """Edit the expression and pose of the face in a picture.

        Args:
            source: Picture of the face to edit.
            settings: What to change. Either values by name: FACS Action Units ("1", "2", "4", "5", "6", "7", "9", "10",
                "12", "14", "15", "17", "20", "23", "25", "26", "45"; "L" or "R" after 2, 12, 14, 15 and 45 for the
                person's left or right side) with intensities up to 5, and "yaw", "pitch", "roll" with degrees up to 90,
                such as {"12": 3.5, "45L": 5, "yaw": 20}. Or the content of a settings file that the page or
                ``reenact edit --save`` wrote. What is not named stays as the source has it.
            mode: "relative" adds values by name to what the source's face does, "absolute" puts them in its place. A
                settings file says its own.
            background: "keep" the source's own, "none" for a transparent one, or "picture" for the one that is given.
            background_picture: What stands behind the person with background "picture".
            paste_back: Whether to give back the whole source picture; else only the square around the face.
            source_face: Which of several faces of the source, 1 is the largest; 0 takes the largest.

        Returns:
            The result as a PNG file; notes.
        """
        source = given_source(source)

        def draw() -> "ImageResult":
            edit = named_edit({} if settings is None else settings, mode=mode)
            session = self._sources.open(source, face=chosen_face(source_face), paste_back=paste_back)
            return session.render(edit, background=background_of(background, background_picture))

        return saved_picture(draw, source=source, done="edited", names=file_names(source, background_picture))

    def build(self, editor: Editor) -> None:
        """Offer it to programs; visitors do not see it."""
        settings = gr.JSON(label="Settings", visible=False)
        mode = gr.Radio(["relative", "absolute"], value="relative", label="Mode", visible=False)
        file = gr.DownloadButton("Result", visible=False)
        text = gr.Textbox(label="Notes", visible=False)
        call = gr.Button("Edit", visible=False)
        call.click(
            self.edit,
            [
                editor.source.picture,
                settings,
                mode,
                editor.background.choice,
                editor.background.picture,
                editor.paste_back,
                editor.face,
            ],
            [file, text],
            api_name="edit",
            **PROGRAMS,
        )
