"""``reenact edit``."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from tyro.conf import UseAppendAction, arg

from reenact.cli.faces import Redrawing
from reenact.cli.output import Bar, clip_line, picture_line, read_seconds, report
from reenact.errors import ConfigError, UnsupportedInputError

if TYPE_CHECKING:
    from reenact.pipeline import EditSession, FaceEdit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edit(Redrawing):
    """Redraw a face with other Action Units, head angles or another background."""

    system: str | None = None
    """Which system draws; "facegan" unless the checkpoint says another."""
    au: UseAppendAction[tuple[str, ...]] = ()
    """An Action Unit by its FACS number: 12=3.5, or one side, the person's left or right: 45L=5. Repeatable."""
    yaw: float | None = None
    """Turn the head to the person's left, in degrees."""
    pitch: float | None = None
    """Bend it down, in degrees."""
    roll: float | None = None
    """Tilt it to the person's right shoulder, in degrees."""
    relative: bool = False
    """Add the values to the source's own (as is done unless --absolute, or a loaded file or preset, says otherwise)."""
    absolute: bool = False
    """Put the values in the place of the source's own."""
    preset: str | None = None
    """An expression by name: smile, grin, surprise, wink, frown, disgust, sleepy, neutral."""
    load_settings: Annotated[pathlib.Path | None, arg(name="load")] = None
    """Settings saved before (JSON); other options go before them."""
    save: pathlib.Path | None = None
    """Write the settings to this file (JSON)."""
    background: str | None = None
    """A picture to put behind the person, or "none" for transparency (PNG, WebP)."""
    animate: str | None = None
    """Make a clip of this length, such as 2s, that eases from the source to the edit and back."""
    fps: int = 25
    """With --animate: frames a second."""

    def run(self) -> None:
        """Do it."""
        from reenact.media import check_output, read_image
        from reenact.media.image import IMAGE_SUFFIXES
        from reenact.media.video_writer import VIDEO_SUFFIXES
        from reenact.pipeline import open_edit

        edit, seconds = self.edit(), None if self.animate is None else read_seconds("--animate", self.animate)
        self._check_transparency(seconds)
        check_output(self.out, overwrite=self.overwrite, suffixes=IMAGE_SUFFIXES if seconds is None else VIDEO_SUFFIXES)
        if self.save is not None:
            check_output(self.save, overwrite=self.overwrite, suffixes=(".json",))
        read_image(self.source)
        if self.background not in (None, "none"):
            read_image(self.background)
        session = open_edit(
            self.source,
            engine=self.load("facegan"),
            face=self.face,
            min_face_score=self.min_face_score,
            max_crop_px=self.max_crop,
            paste_back=self.paste_back,
        )
        line = self._draw(session, edit) if seconds is None else self._animate(session, edit, seconds)
        if self.save is not None:
            from reenact.cli.output import json_file

            with json_file(self.save, overwrite=self.overwrite) as file:
                file.write(edit.to_json())
        report(line, session.warnings)

    def edit(self) -> "FaceEdit":
        """What is asked for: options over a preset over a loaded file.

        Raises:
            ConfigError: something that there is not, out of range, or relative and absolute at once.
        """
        from reenact.pipeline import PRESETS, FaceEdit

        if self.relative and self.absolute:
            raise ConfigError("--relative and --absolute exclude each other; give one of them.")
        below = FaceEdit() if self.load_settings is None else read_settings(self.load_settings)
        if self.preset is not None:
            if self.preset not in PRESETS:
                raise ConfigError(f"No preset is called {self.preset!r}; they are {', '.join(PRESETS)}.")
            below = PRESETS[self.preset].over(below)
        mode = "absolute" if self.absolute else "relative" if self.relative or below.is_empty else below.mode
        own = FaceEdit(
            action_units=read_units(self.au),
            yaw_deg=self.yaw,
            pitch_deg=self.pitch,
            roll_deg=self.roll,
            mode=mode,
        )
        return own.over(below)

    def _check_transparency(self, seconds: float | None) -> None:
        if self.background != "none":
            return
        if seconds is not None:
            raise ConfigError("Clips know no transparency: give a picture as --background, or leave --animate out.")
        if self.out.suffix.lower() in (".jpg", ".jpeg"):
            raise ConfigError(f"{self.out}: a JPEG holds no transparency; write a .png or .webp, or leave it out.")

    def _draw(self, session: "EditSession", edit: "FaceEdit") -> str:
        from reenact.media import write_image
        from reenact.pipeline.progress import COMMENT

        result = session.render(edit, background=self.background)
        write_image(self.out, result.rgb, alpha=result.alpha, overwrite=self.overwrite, comment=COMMENT)
        return picture_line(self.out, result)

    def _animate(self, session: "EditSession", edit: "FaceEdit", seconds: float) -> str:
        with Bar() as bar:
            result = session.animate(
                edit,
                self.out,
                seconds=seconds,
                fps=self.fps,
                background=self.background,
                overwrite=self.overwrite,
                progress=bar.show,
            )
        return clip_line(result)


def read_units(texts: Sequence[str]) -> dict[str, float]:
    """Values by name of texts such as "12=3.5" and "45L=+5"; of a name given twice the last.

    Raises:
        ConfigError: a text of another form, or a unit that there is not.
    """
    from reenact.pipeline.edit_settings import unit_name

    units: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            units[unit_name(name)] = float(value)
        except ValueError as error:
            raise ConfigError(f"--au {text}: give a unit and a value, such as 12=3.5 or 45L=5.") from error
    return units


def read_settings(path: pathlib.Path) -> "FaceEdit":
    """An edit from a file.

    Raises:
        UnsupportedInputError: it cannot be read.
        ConfigError: it holds no edit that this program reads.
    """
    from reenact.pipeline import FaceEdit

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is not JSON (no UTF-8 text); save the settings again.") from error
    except OSError as error:
        raise UnsupportedInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return FaceEdit.from_json(text, name=str(path))
