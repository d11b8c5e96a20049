"""A part of a clip, by times that users write."""

import dataclasses
import re
from fractions import Fraction

from reenact.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trim:
    """A part of a clip, in seconds from its first picture."""

    begin_s: Fraction = Fraction(0)
    end_s: Fraction | None = None
    """The clip's end if None."""

    def __post_init__(self) -> None:
        if self.begin_s < 0 or (self.end_s is not None and self.end_s <= self.begin_s):
            until = "" if self.end_s is None else f" to {float(self.end_s):g} s"
            raise ConfigError(f"The part from {float(self.begin_s):g} s{until} is empty; give an end after its begin.")

    def length_s(self, whole_s: Fraction, name: object) -> Fraction:
        """Length of the part of a clip; 0 if the clip's is unknown.

        Args:
            whole_s: length of the clip; 0 if unknown.
            name: of the clip, for the error.

        Raises:
            ConfigError: the clip ends before the part begins.
        """
        if not whole_s:
            return whole_s
        if self.begin_s >= whole_s:
            raise ConfigError(f"{name} lasts {float(whole_s):.1f} s; the part from {float(self.begin_s):g} s is empty.")
        return (whole_s if self.end_s is None else min(self.end_s, whole_s)) - self.begin_s

    @staticmethod
    def read(begin: str | None, end: str | None, *, names: tuple[str, str]) -> "Trim | None":
        """The part between two times; None if neither is given.

        Args:
            begin: "62.5", "1:02.5" or "0:01:02.5"; the clip's beginning if None or "".
            end: the clip's end if None or "".
            names: of both, for errors.

        Raises:
            ConfigError: not a time, or an empty part.
        """
        if not begin and not end:
            return None
        begin_s = _seconds(begin, names[0]) if begin else Fraction(0)
        return Trim(begin_s=begin_s, end_s=_seconds(end, names[1]) if end else None)


def _seconds(text: str, name: str) -> Fraction:
    parts, total = text.strip().removesuffix("s").split(":"), Fraction(0)
    for part in parts:
        if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", part.strip()) or len(parts) > 3:
            raise ConfigError(f"{name} is {text!r}; give seconds, such as 62.5, or a time, such as 1:02.5.")
        total = total * 60 + Fraction(part.strip())
    return total
