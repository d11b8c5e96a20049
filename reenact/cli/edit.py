"""``reenact edit``."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import UseAppendAction, arg

from reenact.cli.options import Redrawing
from reenact.cli.output import Bar, clip_line, json_file, picture_line, read_seconds, report
from reenact.errors import ConfigError, Hint, UnsupportedInputError
from reenact.facs import unit_name
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.presets import PRESETS
from reenact.pipeline.controls.settings import FIELDS, FaceEdit, check_timing, checked_value, edit_of_values
from reenact.systems.catalog import POSING_SYSTEMS, cannot_pose

if TYPE_CHECKING:
    from reenact.pipeline.controls.session import EditSession

_FPS = 25
_LEAST_GAZE_DEG = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edit(Redrawing):
    """Redraw a face, in a picture or in every frame of a clip, with other Action Units, head angles or background."""

    system: str = "auto"
    """Which system draws. auto: facegan near the source's own pose, dual_generator far from it; the checkpoint's
    system if a checkpoint is given."""
    au: UseAppendAction[tuple[str, ...]] = ()
    """An Action Unit by its FACS number: 12=3.5, or one side, the person's left or right: 45L=5. Repeatable."""
    yaw: float | None = None
    """Turn the head to the person's left, -90 to 90 degrees."""
    pitch: float | None = None
    """Bend the head down, -45 to 45 degrees."""
    roll: float | None = None
    """Tilt the head to the person's right shoulder, -45 to 45 degrees."""
    gaze_yaw: float | None = None
    """Turn the eyes to the person's left, -30 to 30 degrees; --absolute 0 looks straight ahead."""
    gaze_pitch: float | None = None
    """Turn the eyes down, -20 to 20 degrees."""
    right: float | None = None
    """Move the head to the right of the picture, -20 to 20 per cent of the square around the face."""
    down: float | None = None
    """Move the head down, -20 to 20 per cent."""
    zoom: float | None = None
    """Enlarge the head, -20 to 20 per cent."""
    pucker: float | None = None
    """Purse the lips (up to 5) or widen them (down to -5)."""
    relative: Annotated[
        bool, arg(help_behavior_hint="(default, unless --load, --preset or --copy gives absolute values)")
    ] = False
    """Add units and angles to the source's own."""
    absolute: bool = False
    """Replace the source's own units and angles."""
    preset: str | None = None
    """An expression by name: smile, grin, surprise, wink, frown, disgust, sleepy, neutral."""
    copy: pathlib.Path | None = None
    """Take the expression of the face in this photo; other options override it, with absolute values."""
    copy_pose: bool = False
    """With --copy: take the angles of the head, too."""
    load_settings: Annotated[pathlib.Path | None, arg(name="load")] = None
    """Saved settings (JSON); other options override them."""
    save: pathlib.Path | None = None
    """Write the settings to this file (JSON)."""
    background: str | None = None
    """A picture to put behind the person, or "none" for transparency (PNG, WebP)."""
    animate: str | None = None
    """Make a clip of this length, such as 2s, that eases from the source to the edit and back."""
    turntable: str | None = None
    """Make a clip of this length, such as 3s, in which the head rotates from one profile to the other."""
    keyframes: pathlib.Path | None = None
    """Make a clip of key frames: units and angles at times, as a JSON file (docs/editing.md)."""
    from_yaw: float | None = None
    """With --turntable: yaw in the first frame, in degrees. Default: -90."""
    to_yaw: float | None = None
    """With --turntable: yaw in the last frame. Default: 90."""
    fps: int | None = None
    """Of a clip: frames a second. Default: 25 for a clip made of a picture, else the source clip's."""

    def check(self) -> None:
        """Refuse settings, outputs or pictures that cannot work."""
        from reenact.media import VideoReader, read_image
        from reenact.media.output import IMAGE_SUFFIXES, VIDEO_SUFFIXES, check_output

        super().check()
        if self.source.is_dir():
            raise UnsupportedInputError(
                f"{self.source} is a folder; edit takes one picture or clip. The commands image and video take folders."
            )
        if self.system not in ("auto", *POSING_SYSTEMS):
            raise cannot_pose(self.system)
        self.edit()
        is_clip = self._edits_clip()
        seconds = self._seconds(is_clip=is_clip)
        self._check_transparency(clip=is_clip or seconds is not None)
        suffixes = VIDEO_SUFFIXES if is_clip or seconds is not None else IMAGE_SUFFIXES
        hint = Hint.CLIP if self.out.suffix.lower() in VIDEO_SUFFIXES else None
        inputs = {
            "source": self.source,
            "background": self.background,
            "picture of --copy": self.copy,
            "key-frame file": self.keyframes,
            "settings file": self.load_settings,
        }
        check_output(self.out, overwrite=self.overwrite, suffixes=suffixes, hint=hint, inputs=inputs)
        if self.save is not None:
            check_output(self.save, overwrite=self.overwrite, suffixes=(".json",))
        if is_clip and self.background is not None:
            raise ConfigError("The background of a clip cannot be changed; leave --background out.")
        if is_clip and self.upscale != 1:
            raise ConfigError("Only source pictures are enlarged; leave --upscale out.")
        if is_clip:
            VideoReader(self.source).close()
        else:
            read_image(self.source)
        for picture in (self.copy, None if self.background == "none" else self.background):
            if picture is not None:
                read_image(picture)

    def run(self) -> None:
        """Edit the picture or clip and write the result."""
        self.check()
        copied, notes = self._copied()
        edit = self.edit(copied)
        if self._edits_clip():
            line, warnings = self._edit_clip(edit)
        elif (seconds := self._seconds(is_clip=False)) is None:
            line, warnings = self._draw(self._open(), edit)
        else:
            line, warnings = self._film(self._open(), edit, seconds)
        if self.save is not None:
            with json_file(self.save, overwrite=self.overwrite) as file:
                file.write(edit.to_json())
        report(line, notes + warnings + _small_gaze(edit) + self._nothing_set(edit))

    def edit(self, copied: FaceEdit | None = None) -> FaceEdit:
        """The edit that the options describe: options override a preset, a preset overrides a loaded file.

        Args:
            copied: the face of --copy; without it, the edit is only checked.

        Raises:
            ConfigError: an unknown name, a value out of range, or relative and absolute at once.
        """
        if self.relative and self.absolute:
            raise ConfigError("--relative and --absolute exclude each other; give one of them.")
        below = FaceEdit() if self.load_settings is None else read_settings(self.load_settings)
        if self.copy is not None:
            if self.preset is not None or self.load_settings is not None:
                raise ConfigError("--copy sets all Action Units; leave --preset and --load out.")
            below = copied or FaceEdit(mode="absolute", action_units={"12": 0.0})
        elif self.copy_pose:
            raise ConfigError("--copy-pose works only with --copy PHOTO; add it or leave --copy-pose out.")
        if self.preset is not None:
            if self.preset not in PRESETS:
                raise ConfigError(f"No preset is called {self.preset!r}; they are {', '.join(PRESETS)}.")
            below = PRESETS[self.preset].over(below)
        mode = "absolute" if self.absolute else "relative" if self.relative or below.is_empty else below.mode
        if (self.relative or self.absolute) and not below.is_empty and below.mode != mode:
            given = "--copy" if self.copy is not None else "--load" if self.preset is None else "--preset"
            raise ConfigError(f"{given} gives {below.mode} values; leave --{mode} out.")
        values = {name: getattr(self, name) for name in FIELDS}
        return edit_of_values(read_units(self.au) | values, mode).over(below)

    def _nothing_set(self, edit: FaceEdit) -> tuple[str, ...]:
        """A note where no option changes anything."""
        if not edit.is_empty or any((self.background, self.turntable, self.keyframes)):
            return ()
        return ("Nothing was set: the result is the source itself, without marks. Set --au 12=3 or --yaw 20, say.",)

    def _edits_clip(self) -> bool:
        """Whether every frame of a source clip is edited."""
        from reenact.media import kind_of
        from reenact.media.output import VIDEO_SUFFIXES

        makes_clip = self.out.suffix.lower() in VIDEO_SUFFIXES and self.animate is None and self.turntable is None
        return makes_clip and kind_of(self.source) == "video"

    def _seconds(self, *, is_clip: bool) -> float | None:
        """Length of the clip that is made of a picture, or of key frames; None for a picture.

        Args:
            is_clip: whether the source is a clip that is edited.

        Raises:
            ConfigError: a clip that cannot be made, or options without effect.
        """
        ends = {"--from-yaw": self.from_yaw, "--to-yaw": self.to_yaw}
        if self.keyframes is not None:
            return self._keyframes_seconds(is_clip=is_clip)
        if self.turntable is None:
            for option, value in ends.items():
                if value is not None:
                    raise ConfigError(f"{option} works only with --turntable; add --turntable 3s or leave it out.")
            if self.animate is not None:
                return self._checked_seconds("--animate", self.animate)
            if self.fps is not None and not is_clip:
                raise ConfigError(
                    "--fps works only for clips; add --animate 2s, --turntable 3s or --keyframes FILE, or leave it out."
                )
            return None
        if self.animate is not None:
            raise ConfigError("--animate and --turntable exclude each other; give one of them.")
        if self.yaw is not None:
            raise ConfigError("--turntable sets the yaw itself; leave --yaw out, or give --from-yaw and --to-yaw.")
        for yaw_deg in ends.values():
            if yaw_deg is not None:
                checked_value("yaw", yaw_deg)
        return self._checked_seconds("--turntable", self.turntable)

    def _keyframes_seconds(self, *, is_clip: bool) -> float:
        if self.animate is not None or self.turntable is not None:
            raise ConfigError("--keyframes, --animate and --turntable exclude each other; give one of them.")
        if not self.edit().is_empty or self.save is not None:
            raise ConfigError("The key frames hold all units and angles; give no other edit with --keyframes.")
        seconds = self._read_keyframes().seconds
        if not is_clip or self.fps is not None:
            check_timing(seconds or 1, _FPS if self.fps is None else self.fps)
        return seconds

    def _read_keyframes(self) -> KeyFrames:
        assert self.keyframes is not None
        return KeyFrames.from_json(read_text(self.keyframes, what="key frames"), name=str(self.keyframes))

    def _copied(self) -> tuple[FaceEdit | None, tuple[str, ...]]:
        """The face of --copy, and notes on it."""
        if self.copy is None:
            return None, ()
        from reenact.hub import load_tracker, select_device
        from reenact.pipeline.controls.copied import copy_face

        tracker = load_tracker(self.tracker, select_device(self.device))
        return copy_face(self.copy, tracker=tracker, min_score=self.min_face_score, pose=self.copy_pose)

    def _checked_seconds(self, option: str, text: str) -> float:
        seconds = read_seconds(option, text)
        check_timing(seconds, _FPS if self.fps is None else self.fps)
        return seconds

    def _check_transparency(self, *, clip: bool) -> None:
        if self.background != "none":
            return
        if clip:
            raise ConfigError("Clips cannot be transparent: give a picture as --background, or make a picture.")
        if self.out.suffix.lower() in (".jpg", ".jpeg"):
            raise ConfigError(f"{self.out}: a JPEG cannot be transparent; write a .png or .webp.")

    def _session_options(self) -> dict[str, Any]:
        """What `open_edit` and `edit_clip` have in common."""
        system, engines = self.system, self.load
        if self.checkpoint is not None:
            engine = self.load(None if system == "auto" else system)
            system, engines = engine.system.system, lambda _: engine
        return {
            "engines": engines,
            "system": system,
            "face": self.face,
            "min_face_score": self.min_face_score,
            "max_crop_px": self.max_crop,
            "paste_back": self.paste_back,
            "restore": self.restorer(self._count_frames),
        }

    def _count_frames(self) -> int:
        from reenact.media import VideoReader

        if self._edits_clip():
            with VideoReader(self.source) as reader:
                return max(reader.info.frame_count, 1)
        seconds = self._seconds(is_clip=False)
        return 1 if seconds is None else round(seconds * (_FPS if self.fps is None else self.fps))

    def _open(self) -> "EditSession":
        from reenact.pipeline.controls.session import open_edit

        return open_edit(self.source, upscale=self.upscale, **self._session_options())

    def _edit_clip(self, edit: FaceEdit) -> tuple[str, tuple[str, ...]]:
        from reenact.pipeline.controls.clip_edit import edit_clip

        with Bar() as bar:
            result = edit_clip(
                self.source,
                edit if self.keyframes is None else self._read_keyframes(),
                self.out,
                fps=None if self.fps is None else Fraction(self.fps),
                overwrite=self.overwrite,
                origin=self.origin(),
                progress=bar.show,
                **self._session_options(),
            )
        return clip_line(result), result.warnings

    def _draw(self, session: "EditSession", edit: FaceEdit) -> tuple[str, tuple[str, ...]]:
        from reenact.media import write_image
        from reenact.pipeline.results import origin_of

        result = session.render(edit, background=self.background)
        origin = origin_of(result, self.origin())
        write_image(self.out, result.rgb, alpha=result.alpha, overwrite=self.overwrite, origin=origin)
        return picture_line(self.out, result), result.warnings + (
            () if origin or edit.is_empty else self.unmarked_note()
        )

    def _film(self, session: "EditSession", edit: FaceEdit, seconds: float) -> tuple[str, tuple[str, ...]]:
        options: dict[str, Any] = {
            "seconds": seconds,
            "fps": _FPS if self.fps is None else self.fps,
            "background": self.background,
            "overwrite": self.overwrite,
            "origin": self.origin(),
        }
        with Bar() as bar:
            if self.keyframes is not None:
                del options["seconds"]
                result = session.play(self._read_keyframes(), self.out, progress=bar.show, **options)
            elif self.turntable is None:
                result = session.animate(edit, self.out, progress=bar.show, **options)
            else:
                ends = {"from_yaw_deg": self.from_yaw, "to_yaw_deg": self.to_yaw}
                options |= {name: yaw_deg for name, yaw_deg in ends.items() if yaw_deg is not None} | {"edit": edit}
                result = session.turntable(self.out, progress=bar.show, **options)
        return clip_line(result), result.warnings


def _small_gaze(edit: FaceEdit) -> tuple[str, ...]:
    """A note where the eyes are turned by so little that the painter of eyes leaves them alone."""
    turn_deg = math.hypot(edit.gaze_yaw_deg or 0.0, edit.gaze_pitch_deg or 0.0)
    if edit.mode == "absolute" or not 0 < turn_deg < _LEAST_GAZE_DEG:
        return ()
    return (f"Turning the eyes by less than about {_LEAST_GAZE_DEG} degrees does not show by itself.",)


def read_units(texts: Sequence[str]) -> dict[str, float]:
    """Values by unit from texts such as "12=3.5" and "45L=+5".

    Raises:
        ConfigError: a malformed text, an unknown unit, or a unit that is given twice.
    """
    units: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            unit, number = unit_name(name), float(value)
        except ValueError as error:
            raise ConfigError(f"--au {text}: give a unit and a value, such as 12=3.5 or 45L=5.") from error
        if unit in units:
            raise ConfigError(f"--au {text}: AU{unit} is given twice; give each unit once.")
        units[unit] = number
    return units


def read_settings(path: pathlib.Path) -> FaceEdit:
    """An edit from a file.

    Raises:
        UnsupportedInputError: the file cannot be read.
        ConfigError: the file holds no valid edit.
    """
    return FaceEdit.from_json(read_text(path, what="settings"), name=str(path))


def read_text(path: pathlib.Path, *, what: str) -> str:
    """The text of a JSON file.

    Raises:
        UnsupportedInputError: the file cannot be read.
        ConfigError: the file holds no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is not JSON (no UTF-8 text); save the {what} again.") from error
    except OSError as error:
        raise UnsupportedInputError(f"{path} cannot be read: {error.strerror or error}.") from error
