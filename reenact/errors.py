"""Errors that the user can fix, and notes about results.

Each text says what happened, what was expected and what to do. It never names an option of one front end: a `Hint` says
which setting would help, and the command line and the page add their own words for it.
"""

import enum
import re

_NO_MEMORY = re.compile(r"allocate memory|insufficient memory|out of memory|bad_alloc", re.IGNORECASE)


class Hint(enum.Enum):
    """A setting that the user can change."""

    OVERWRITE = enum.auto()
    """Replace existing files."""
    SOURCE_FACE = enum.auto()
    """Choose one of several faces in the source."""
    DRIVING_FACE = enum.auto()
    """Choose one of several faces in the driving picture or clip."""
    MISSING_FACE = enum.auto()
    """Hold or skip driving frames without a face."""
    CLIP = enum.auto()
    """Make a clip instead of a picture."""
    RESTORE_WEIGHTS = enum.auto()
    """Give the restoration's weights as a file."""
    OWNER = enum.auto()
    """Name the owner of published weights."""


class ReenactError(Exception):
    """Base of all errors that the package raises on purpose; the text has one line, and long ones lack their middle."""

    def __init__(self, text: str, *, hint: Hint | None = None) -> None:
        text = text.replace("\r", " ").replace("\n", " ")
        super().__init__(text if len(text) <= 1000 else f"{text[:500]} … {text[-400:]}")
        self.hint = hint

    def about(self, name: object) -> "ReenactError":
        """The same error with the name of a file or picture before its text."""
        return type(self)(f"{name}: {self}", hint=self.hint)


class NoFaceFoundError(ReenactError):
    """No usable face in a picture or a clip."""


class UnsupportedInputError(ReenactError):
    """A file that cannot be read, or whose content is not supported."""


class OutputError(ReenactError):
    """The result cannot be written to its path."""


class DiskFullError(OutputError):
    """There is no room for the result."""


class ConfigError(ReenactError):
    """Settings that contradict each other or lie outside their range."""


class CheckpointError(ReenactError):
    """Weights that are missing, incomplete, of another model, or in a format that is not accepted."""


class MissingDependencyError(ReenactError):
    """An optional library or its weights are needed and absent."""


class ShapeError(ReenactError):
    """A tensor whose shape differs from the promised one."""


class StoppedError(ReenactError):
    """The user stopped the work."""


class Note(str):
    """A remark about a result: one line of text with an optional hint."""

    hint: Hint | None

    def __new__(cls, text: str, *, hint: Hint | None = None) -> "Note":
        note = super().__new__(cls, text)
        note.hint = hint
        return note

    def about(self, name: object, *, hint: Hint | None = None) -> "Note":
        """The same note with the name of a file or picture before its text; `hint` replaces a hint that it has."""
        return Note(f"{name}: {self}", hint=self.hint and (hint or self.hint))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, PyTorch or OpenCV got no memory; the libraries raise errors of their own for that."""
    return isinstance(error, MemoryError) or re.search(_NO_MEMORY, str(error)) is not None


def one_line(error: BaseException) -> str:
    """The error's text on one line, at most 200 characters, without a full stop at the end."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def with_hint(said: ReenactError | str, words: dict[Hint, str]) -> str:
    """The text of an error or a note; the front end's words for its hint follow in brackets."""
    hint = getattr(said, "hint", None)
    return f"{str(said).removesuffix('.')} ({words[hint]})." if hint in words else str(said)
