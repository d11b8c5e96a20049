"""The head pose for programs: one request, one picture or clip."""

import pathlib
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from reenact.space.clip_part import MP4, made_clip
from reenact.space.inputs import chosen_face, given_source
from reenact.space.picture_files import saved_picture
from reenact.space.pose_layout import PosePanel
from reenact.space.runs import Runs
from reenact.space.sources import Sources
from reenact.space.wiring import PROGRAMS

if TYPE_CHECKING:
    from reenact.pipeline import ImageResult, VideoResult
    from reenact.pipeline.turn import TurnSession


class TurnEndpoints:
    """The handlers of ``/turn`` and ``/turntable``."""

    def __init__(self, sources: "Sources[TurnSession]", runs: Runs) -> None:
        self._sources, self._runs = sources, runs

    def turn(
        self,
        source: str | None,
        yaw: float | int | None = None,
        pitch: float | int | None = None,
        roll: float | int | None = None,
        paste_back: bool = True,
        source_face: int = 0,
    ) -> tuple[str, str]:
        """Turn the head in a picture. Angles are those of the result; one that is not given stays as the source has it.

        Args:
            source: Picture of the head to turn.
            yaw: Degrees towards the person's left, -90 to 90.
            pitch: Degrees down, -45 to 45.
            roll: Degrees towards the person's right shoulder, -45 to 45.
            paste_back: Whether to give back the whole source picture; else only the square around the face.
            source_face: Which of several faces of the source, 1 is the largest; 0 takes the largest.

        Returns:
            The result as a PNG file; notes.
        """
        source = given_source(source)

        def draw() -> "ImageResult":
            from reenact.pipeline.turn import HeadTurn

            turn = HeadTurn(yaw_deg=_angle(yaw), pitch_deg=_angle(pitch), roll_deg=_angle(roll))
            session = self._sources.open(source, face=chosen_face(source_face), paste_back=paste_back)
            return session.render(turn)

        return saved_picture(draw, source=source, done="turned", names={source: "the source picture"})

    def turntable(
        self,
        source: str | None,
        seconds: float | int = 3,
        from_yaw: float | int = -90,
        to_yaw: float | int = 90,
        kind: Literal["MP4", "GIF"] = "MP4",
        paste_back: bool = True,
        source_face: int = 0,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio finds it by its default
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Make a clip in which the head in a picture turns from one profile to the other.

        Args:
            source: Picture of the head to turn.
            seconds: Length of the clip.
            from_yaw: Degrees towards the person's left at the beginning, -90 to 90.
            to_yaw: The same at the end.
            kind: "MP4" or "GIF".
            paste_back: Whether to give back the whole source picture; else only the square around the face.
            source_face: Which of several faces of the source, 1 is the largest; 0 takes the largest.
            progress: Shown while it runs.
            request: Tells visitors apart, so that `/stop` ends their own runs alone.

        Returns:
            The clip as a file; notes.
        """
        source = given_source(source)

        def draw(out: pathlib.Path, show: Any, should_stop: Any) -> "VideoResult":
            session = self._sources.open(source, face=chosen_face(source_face), paste_back=paste_back)
            return session.turntable(
                out,
                seconds=float(seconds),
                from_yaw_deg=float(from_yaw),
                to_yaw_deg=float(to_yaw),
                progress=show,
                should_stop=should_stop,
            )

        clip = made_clip(
            draw,
            source=source,
            kind=kind,
            done="turntable",
            names={source: "the source picture"},
            runs=self._runs,
            progress=progress,
            request=request,
        )
        return clip.path, clip.text

    def build(self, panel: PosePanel) -> None:
        """Offer them to programs; visitors do not see them."""
        angles = [gr.Number(label=name, value=None, visible=False) for name in ("Yaw", "Pitch", "Roll")]
        ends = [gr.Number(label=name, value=yaw, visible=False) for name, yaw in (("From yaw", -90), ("To yaw", 90))]
        seconds = gr.Number(label="Seconds", value=3, visible=False)
        kind = gr.Radio(["MP4", "GIF"], value=MP4, label="Format", visible=False)
        file = gr.DownloadButton("Result", visible=False)
        text = gr.Textbox(label="Notes", visible=False)
        call = gr.Button("Turn", visible=False)
        source, framing = panel.source.picture, [panel.paste_back, panel.face]
        call.click(self.turn, [source, *angles, *framing], [file, text], api_name="turn", **PROGRAMS)
        call.click(
            self.turntable, [source, seconds, *ends, kind, *framing], [file, text], api_name="turntable", **PROGRAMS
        )


def _angle(degrees: float | int | None) -> float | None:
    return None if degrees is None else float(degrees)
