"""Key frames: edits at times, and the faces between them. Also as JSON and as rows of a table.

{"format_version": 1, "kind": "reenact-keyframes", "mode": "relative", "frames": [
{"time_s": 0},
{"time_s": 0.8, "action_units": {"12": 3.5}, "yaw_deg": 10},
{"time_s": 1.2, "action_units": {"12": 3.5}, "ease": "hold"},
{"time_s": 2}]}
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

from reenact.errors import ConfigError
from reenact.pipeline.controls.settings import (
    FIELDS,
    LONGEST_S,
    EditMode,
    FaceEdit,
    edit_of_values,
    is_number,
    read_object,
)

KIND, FORMAT_VERSION = "reenact-keyframes", 1
MOST_FRAMES = 1000

Ease = Literal["smooth", "linear", "hold"]
"""How a face comes to a key frame from the one before. smooth: slowly at both ends. linear: at one speed. hold: it
stays as in the key frame before, and jumps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyFrame:
    """What a face does at a time."""

    time_s: float
    edit: FaceEdit = dataclasses.field(default_factory=FaceEdit)
    """What it does not name is the source's own at that time."""
    ease: Ease = "smooth"

    def __post_init__(self) -> None:
        _check(self.time_s, self.ease)


def _check(time_s: object, ease: object) -> None:
    """Refuse a time or an ease of a key frame."""
    if not is_number(time_s) or not 0 <= cast(float, time_s) <= LONGEST_S:
        raise ConfigError(f"A key frame has the time {time_s!r}; it takes seconds from 0 to {LONGEST_S:g}.")
    if ease not in get_args(Ease):
        raise ConfigError(f"A key frame has the ease {ease!r}; choose {', '.join(get_args(Ease))}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Between:
    """A time between two key frames."""

    first: FaceEdit
    second: FaceEdit
    share: float
    """Of the second, 0 to 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyFrames:
    """Key frames in the order of their times.

    Raises:
        ConfigError: none, too many, or two at one time.
    """

    frames: tuple[KeyFrame, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.frames) <= MOST_FRAMES:
            raise ConfigError(f"There are {len(self.frames)} key frames; give 1 to {MOST_FRAMES}.")
        ordered = tuple(sorted(self.frames, key=lambda frame: frame.time_s))
        for first, second in itertools.pairwise(ordered):
            if second.time_s - first.time_s < 1e-6:
                raise ConfigError(f"Two key frames have the time {first.time_s:g} s; give each time once.")
        object.__setattr__(self, "frames", ordered)

    @property
    def seconds(self) -> float:
        """Time of the last key frame."""
        return self.frames[-1].time_s

    def at(self, time_s: float) -> Between:
        """The two key frames around a time; before the first and after the last, that one alone."""
        after = next((index for index, frame in enumerate(self.frames) if frame.time_s > time_s), len(self.frames))
        first, second = self.frames[max(after - 1, 0)], self.frames[min(after, len(self.frames) - 1)]
        if first is second:
            return Between(first=first.edit, second=first.edit, share=0.0)
        share = (time_s - first.time_s) / (second.time_s - first.time_s)
        eased = {"smooth": (1 - math.cos(math.pi * share)) / 2, "linear": share, "hold": 0.0}[second.ease]
        return Between(first=first.edit, second=second.edit, share=eased)

    def to_json(self) -> str:
        """The key frames as text; `from_json` reads it back.

        Raises:
            ConfigError: some edits are relative and others absolute.
        """
        modes = {frame.edit.mode for frame in self.frames if not frame.edit.is_empty}
        if len(modes) > 1:
            raise ConfigError("Some key frames are relative and others absolute; make all of them one or the other.")
        frames = [_described(frame) for frame in self.frames]
        head = {"format_version": FORMAT_VERSION, "kind": KIND, "mode": next(iter(modes), "relative")}
        return json.dumps(head | {"frames": frames}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = "the key frames") -> "KeyFrames":
        """Read key frames.

        Args:
            text: as `to_json` writes it.
            name: of the file, for errors.

        Raises:
            ConfigError: malformed JSON, another kind of file, a newer version, unknown names or values out of range.
        """
        try:
            fields = read_object(text, kind=KIND, version=FORMAT_VERSION, what="a file of key frames")
            if unknown := sorted(fields.keys() - {"mode", "frames"}):
                raise ConfigError(f"unknown names {', '.join(unknown)}; the names are frames, mode.")
            rows = fields.get("frames")
            if not isinstance(rows, list):
                raise ConfigError('"frames" has to be a list such as [{"time_s": 0}, {"time_s": 1, "yaw_deg": 20}].')
            mode = fields.get("mode", "relative")
            return cls(frames=tuple(_read_frame(row, mode) for row in cast(list[Any], rows)[: MOST_FRAMES + 1]))
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[Any]], mode: EditMode = "relative") -> "KeyFrames":
        """Read the rows of a table; empty ones are left out.

        Args:
            rows: time in seconds, values such as "12=3.5 45L=5 yaw=10", and ease.
            mode: of the values.

        Raises:
            ConfigError: a row that cannot be read; the text has its number.
        """
        frames: list[KeyFrame] = []
        for number, row in enumerate(rows, 1):
            time, values, ease = (str(cell if cell is not None else "").strip() for cell in [*row, "", "", ""][:3])
            if not time and not values:
                continue
            try:
                frames.append(_key_frame(_seconds(time), _read_values(values, mode), ease or "smooth"))
            except ConfigError as error:
                raise ConfigError(f"Key frame in row {number}: {error}") from error
        return cls(frames=tuple(frames))

    def to_rows(self) -> list[list[str]]:
        """The rows of a table; see `from_rows`."""
        return [[f"{frame.time_s:g}", _written(frame.edit), frame.ease] for frame in self.frames]


def _seconds(text: str) -> float:
    try:
        return float(text.removesuffix("s").replace(",", "."))
    except ValueError:
        raise ConfigError(f"the time is {text!r}; give seconds, such as 0.8.") from None


def _written(edit: FaceEdit) -> str:
    return " ".join(f"{name}={value:g}" for name, value in (dict(edit.action_units) | edit.values).items())


def _read_values(text: str, mode: EditMode) -> FaceEdit:
    """An edit from "12=3.5 45L=5 yaw=10"."""
    values: dict[str, float] = {}
    for part in text.replace(",", " ").replace(";", " ").split():
        name, _, value = part.partition("=")
        try:
            values[name.removeprefix("AU") if name not in FIELDS else name] = float(value)
        except ValueError:
            raise ConfigError(f"{part!r} is no value; write 12=3.5, 45L=5 or yaw=10.") from None
    return edit_of_values(values, mode)


def _described(frame: KeyFrame) -> dict[str, Any]:
    values = {FIELDS[name]: value for name, value in frame.edit.values.items()}
    units = {"action_units": dict(frame.edit.action_units)} if frame.edit.action_units else {}
    return {"time_s": frame.time_s, "ease": frame.ease} | units | values


def _read_frame(row: Any, mode: Any) -> KeyFrame:
    if not isinstance(row, dict):
        raise ConfigError(f'a key frame is {json.dumps(row)[:60]}; it has to be an object such as {{"time_s": 1}}.')
    fields = dict(cast(dict[str, Any], row))
    if unknown := sorted(fields.keys() - {"time_s", "ease", "action_units", *FIELDS.values()}):
        raise ConfigError(f"unknown names {', '.join(unknown)} in a key frame.")
    time_s, ease = fields.pop("time_s", None), fields.pop("ease", "smooth")
    return _key_frame(time_s, FaceEdit.from_fields(fields | {"mode": mode}), ease)


def _key_frame(time_s: Any, edit: FaceEdit, ease: Any) -> KeyFrame:
    """A key frame of values from outside."""
    _check(time_s, ease)
    return KeyFrame(time_s=float(time_s), edit=edit, ease=ease)
