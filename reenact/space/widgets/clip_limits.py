"""How long the clips of visitors may be."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import gradio as gr

from reenact.media.trim import Trim
from reenact.pipeline.motions.library import SUFFIX
from reenact.space.widgets.answers import errors_as_messages, message
from reenact.space.widgets.runs import Clock

if TYPE_CHECKING:
    from reenact.media import VideoInfo

_TOLERANCE_S = 0.2
"""Declared durations are rounded, and sound may last a little longer than pictures."""


class ClipLimits:
    """The host's limit, for clips that are given and that are drawn."""

    def __init__(self, max_seconds: float | None = None) -> None:
        """Clips may have any length without `max_seconds`."""
        self.max_seconds = max_seconds

    def check_clip(self, path: str, role: str = "driving") -> Fraction:
        """Refuse what cannot be read, and what is longer than the host's limit.

        Returns:
            Frames a second.
        """
        info = _described(path, role)
        if self._exceeds(info.duration_s):
            raise self._too_long(f"The {role} clip lasts {info.duration_s:.1f} s")
        return info.fps

    def check_driver(self, path: str, trim: Trim | None) -> Fraction:
        """The same for the part of a driver that is used; motions are not refused, see `cut_motions`."""
        info = _described(path, "driving", trim)
        if not path.lower().endswith(SUFFIX) and self._exceeds(info.duration_s):
            what = f"The driving clip lasts {info.duration_s:.1f} s" if trim is None else "The part is too long"
            advice = "Choose a shorter part with “Driver from” and “Driver to” (begin and end for programs)."
            raise self._too_long(what, advice)
        return info.fps

    def cut_motions(self, drivers: Sequence[str], trim: Trim | None) -> tuple[Trim | None, str]:
        """Cut motions to the host's limit.

        Args:
            drivers: paths of clips, each within the limit, and of motions.
            trim: the part that is used.

        Returns:
            The part within the limit; a note if it is shorter.
        """
        motions = [path for path in drivers if path.lower().endswith(SUFFIX)]
        if not any(self._exceeds(_described(path, "driving", trim).duration_s) for path in motions):
            return trim, ""
        begin_s = Fraction(0) if trim is None else trim.begin_s
        cut = Trim(begin_s=begin_s, end_s=begin_s + Fraction(self.max_seconds or 0))
        return cut, f"Note: The motion was cut to {self.max_seconds:g} s, the longest clip of this page."

    def check_length(self, seconds: float | int) -> None:
        """Refuse to draw a clip that is longer than the host's limit.

        Raises:
            gr.Error: it is.
        """
        if self._exceeds(seconds, tolerance_s=0.0):
            raise message(
                f"The clip is set to {seconds:g} s; this page makes clips of up to {self.max_seconds:g} s. "
                "Make it shorter."
            )

    def _exceeds(self, seconds: float | int, *, tolerance_s: float = _TOLERANCE_S) -> bool:
        return self.max_seconds is not None and seconds > self.max_seconds + tolerance_s

    def reporter(
        self, clock: Clock, progress: gr.Progress, fps: Fraction, *, passes: int = 1
    ) -> Callable[[int, int, str], None]:
        """Progress on the page; ends clips that turn out to be longer than they declare."""
        report = clock.reporter(progress)

        def show(done: int, total: int, stage: str) -> None:
            if self.max_seconds is not None and done / fps > passes * (self.max_seconds + 2 * _TOLERANCE_S):
                raise self._too_long("The driving clip is longer than it declares")
            report(done, total, stage)

        return show

    def _too_long(self, what: str, advice: str = "Give a shorter one.") -> gr.Error:
        return message(f"{what}; this page takes clips of up to {self.max_seconds:g} s. {advice}")


def _described(path: str, role: str, trim: Trim | None = None) -> "VideoInfo":
    """Length and rate of the part of a driver or source clip that is used."""
    from reenact.pipeline.motions.playing import open_driving

    # source and driving may be one file, and then both have one path: here this file alone is meant
    with errors_as_messages({path: f"the {role} file"}), open_driving(path, trim=trim) as opened:
        return opened.info
