"""Output of the commands: progress bar, results, notes."""

import contextlib
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from reenact.errors import ConfigError, Hint, with_hint

if TYPE_CHECKING:
    from tqdm import tqdm

    from reenact.pipeline.results import ImageResult, VideoResult

HINTS = {
    Hint.OVERWRITE: "--overwrite",
    Hint.SOURCE_FACE: "--face",
    Hint.DRIVING_FACE: "--driving-face",
    Hint.MISSING_FACE: "--on-missing-face",
    Hint.CLIP: "or add --animate 2s for a clip",
    Hint.RESTORE_WEIGHTS: "--restore-weights",
    Hint.OWNER: "--owner",
}
"""The options that errors and notes point to."""


class Bar:
    """A progress bar with rate and time left, shown after two seconds."""

    def __init__(self) -> None:
        self._bar: "tqdm[Any] | None" = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take it away."""
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int, stage: str) -> None:
        """See `reenact.pipeline.progress.Progress`."""
        if not done:  # nothing to count yet, and the rate is that of the frames alone
            return
        if self._bar is None:
            from tqdm import tqdm

            # a log file gets a line every ten seconds, a terminal a moving bar
            pause_s = 0.2 if sys.stderr.isatty() else 10
            self._bar = tqdm(
                initial=done, total=total, unit=" " + stage, delay=2, mininterval=pause_s, leave=False, file=sys.stderr
            )
        else:
            self._bar.total = total
            self._bar.update(done - self._bar.n)


@contextlib.contextmanager
def json_file(path: pathlib.Path | None, *, overwrite: bool) -> Iterator[IO[str]]:
    """A text file, or standard output if `path` is None, that receives everything or nothing."""
    if path is None:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            yield file
            file.seek(0)
            for line in file:
                sys.stdout.write(line)
        return
    from reenact.media.output import replacing

    with replacing(path, overwrite=overwrite) as partial, partial.open("w", encoding="utf-8") as file:
        yield file


def report(line: str, warnings: Sequence[str]) -> None:
    """Print the result to standard output, and notes to standard error."""
    print(line)
    notes(warnings)


def notes(warnings: Sequence[str]) -> None:
    """Print notes, a line each, to standard error."""
    for warning in warnings:
        print(f"Note: {with_hint(warning, HINTS)}", file=sys.stderr)


def picture_line(path: pathlib.Path, result: "ImageResult") -> str:
    """The line for a written picture."""
    height, width = result.rgb.shape[:2]
    return f"{path}: {width} x {height} pixels"


def clip_line(result: "VideoResult") -> str:
    """The line for a written clip."""
    rate, seconds = float(result.fps), float(result.frame_count / result.fps)
    return (
        f"{result.path}: {result.width} x {result.height} pixels, {rate:g} frames a second, "
        f"{result.frame_count} frames ({seconds:.1f} s)"
    )


def read_seconds(option: str, text: str) -> float:
    """Seconds of "2s", "1.5 s" or "2".

    Args:
        option: its name, for the error.
        text: its value.

    Raises:
        ConfigError: not a length of time.
    """
    try:
        return float(text.strip().removesuffix("s"))
    except ValueError as error:
        raise ConfigError(f"{option} {text}: give a length in seconds, such as 2s.") from error
