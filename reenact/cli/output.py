"""What commands show: a progress bar, results, remarks."""

import contextlib
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


class Bar:
    """A progress bar with rate and time left, shown once a run has taken two seconds."""

    def __init__(self) -> None:
        self._bar: "tqdm[Any] | None" = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int, stage: str) -> None:
        """See `reenact.pipeline.progress.Progress`."""
        if self._bar is None:
            from tqdm import tqdm

            # a log file gets a line now and then, a terminal a moving bar
            pause_s = 0.2 if sys.stderr.isatty() else 10
            self._bar = tqdm(
                initial=done, total=total, unit=" " + stage, delay=2, mininterval=pause_s, leave=False, file=sys.stderr
            )
        else:
            self._bar.total = total
            self._bar.update(done - self._bar.n)


@contextlib.contextmanager
def json_file(path: pathlib.Path | None, *, overwrite: bool) -> Iterator[IO[str]]:
    """A text file that appears complete or not at all; the standard output likewise gets everything or nothing."""
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
    """The result on the standard output, remarks beside it."""
    print(line)
    notes(warnings)


def notes(warnings: Sequence[str]) -> None:
    """Remarks, a line each, on the standard error output."""
    for warning in warnings:
        print(f"Note: {warning}", file=sys.stderr)
