"""Folders as source, driver or output: a result for every source with every driver."""

import contextlib
import functools
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from reenact.cli.output import HINTS, notes
from reenact.errors import ConfigError, OutputError, ReenactError, with_hint

if TYPE_CHECKING:
    from reenact.pipeline.engine import Engine

Files = tuple[pathlib.Path, pathlib.Path, pathlib.Path]
"""Source, driver and output."""


class NewFolder(pathlib.PosixPath):
    """A path that was given with "/" at its end."""


Load = Callable[[str | None], "Engine"]


@runtime_checkable
class Redraws(Protocol):
    """A command that writes one file: `reenact.cli.options.Driven`."""

    @property
    def source(self) -> pathlib.Path:
        """Its source."""
        ...

    @property
    def driving(self) -> pathlib.Path:
        """Its driver."""
        ...

    @property
    def out(self) -> pathlib.Path:
        """Its output."""
        ...

    @property
    def overwrite(self) -> bool:
        """Whether that may be replaced."""
        ...

    def load(self, system: str | None) -> "Engine":
        """Load networks."""
        ...

    def redraw(self, load: Load) -> None:
        """Write the output."""
        ...


def read_out(text: str) -> pathlib.Path:
    """The path of an output, which still knows of a "/" at its end."""
    return (NewFolder if text.endswith("/") else pathlib.Path)(text)


def expand(source: pathlib.Path, driving: pathlib.Path, out: pathlib.Path, suffix: str) -> list[Files]:
    """The files of every run; a single run where none of the three is a folder.

    In an output folder, results are called SOURCE--DRIVER and the suffix; what has such a name already is no source or
    driver. An output that does not exist, and has no suffix or ends in "/", is a folder, too; it is not created here.

    Raises:
        ConfigError: a folder without files, or results that would have the same name.
        OutputError: source or driver is a folder, and the output is none.
    """
    is_new = not out.exists() and (isinstance(out, NewFolder) or not out.suffix)
    if not (source.is_dir() or driving.is_dir() or out.is_dir() or is_new):
        return [(source, driving, out)]
    if not (out.is_dir() or is_new):
        raise OutputError(f"{out} is no folder; for a folder of sources or drivers, give one, or a new name for one.")
    sources, drivers = (_files(path, suffix) for path in (source, driving))
    made = {f"{one.stem}--{other.stem}{suffix}" for one in sources for other in drivers}
    sources, drivers = (
        [each for each in files if not (path.is_dir() and out.is_dir() and path.samefile(out) and each.name in made)]
        for path, files in ((source, sources), (driving, drivers))
    )
    runs: dict[str, Files] = {}
    for one in sources:
        for other in drivers:
            name = f"{one.stem}--{other.stem}{suffix}"
            if name in runs:
                first, second = runs[name][:2], (one, other)
                both = next(f"{old} and {new}" for old, new in zip(first, second, strict=True) if old != new)
                raise ConfigError(f"{both} would both give {name}; give the files of a folder different names.")
            runs[name] = one, other, pathlib.Path(out) / name
    return list(runs.values())


@contextlib.contextmanager
def folder_for(out: pathlib.Path, *, is_new: bool) -> Iterator[None]:
    """Create the folder of a result, and remove it at the end if nothing was written.

    Raises:
        OutputError: the folder cannot be created.
    """
    from reenact.media.output import disk_errors

    folder = out.parent
    if not is_new or folder.exists():
        yield
        return
    if not folder.parent.is_dir():
        raise OutputError(f"Cannot write {folder}: the folder {folder.parent} does not exist; create it first.")
    with disk_errors(folder):
        folder.mkdir()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()


def run_all(commands: Sequence[Redraws]) -> None:
    """Run one command after the other with the same networks; one that fails does not stop the others.

    Results that exist, unless they are empty, are left as they are, so that a batch goes on where it was stopped.

    Raises:
        ReenactError: some have failed; every reason has had its line.
    """
    load, total, made, left = functools.cache(commands[0].load), len(commands), 0, 0
    reasons: set[str] = set()
    overwrite = commands[0].overwrite
    try:
        for command in commands:
            if not overwrite and _is_written(command.out):
                left += 1
                print(f"{command.out}: exists already, left as it is")
                continue
            try:
                _make(command, load)
                made += 1
            except ReenactError as error:
                _complain(command, error, reasons)
    except KeyboardInterrupt as error:
        then = "with --overwrite, it begins anew" if overwrite else "the same command goes on with the rest"
        error.args = (f"Stopped; {made} of {total} results were made, {left} existed already; {then}.",)
        raise
    failed = total - made - left
    advice = " (--overwrite makes them anew, for instance with other settings)" if left else ""
    print(f"{made} made, {left} existed already and were left as they are{advice}, {failed} failed")
    if failed:
        raise ReenactError(f"{failed} of {total} results were not made; the lines above say why.")


def _is_written(path: pathlib.Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _make(command: Redraws, load: Load) -> None:
    from reenact.media.output import disk_errors

    if command.out.is_file() and not _is_written(command.out):
        with disk_errors(command.out):
            command.out.unlink()
    command.redraw(load)


def _complain(command: Redraws, error: ReenactError, before: set[str]) -> None:
    """Say why a result was not made, once for every reason: an unusable file would fail with every other file."""
    text = " ".join(with_hint(error, HINTS).split())
    if text not in before:
        before.add(text)
        is_named = str(command.source) in text or str(command.driving) in text
        print(f"reenact: {'' if is_named else f'{command.out}: '}{text}", file=sys.stderr)


def _files(path: pathlib.Path, suffix: str) -> list[pathlib.Path]:
    """The visible files of a folder by name, or the path itself; without clips where results are pictures."""
    from reenact.media.output import VIDEO_SUFFIXES

    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    if suffix not in VIDEO_SUFFIXES and (clips := [each for each in files if _is_clip(each)]):
        notes([f"{', '.join(each.name for each in clips)} in {path}: left out, as only pictures are used here."])
        files = [each for each in files if each not in clips]
    if not files:
        raise ConfigError(f"The folder {path} has no files to use; give another one.")
    return files


def _is_clip(path: pathlib.Path) -> bool:
    from reenact.media import kind_of

    try:
        return kind_of(path) == "video"
    except ReenactError:  # that is said where the file is used
        return False
