"""Folders as source, driver or output: a result for every source with every driver."""

import contextlib
import functools
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from reenact.cli.output import HINTS, notes
from reenact.errors import ConfigError, OutputError, ReenactError, is_out_of_memory, with_hint

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


def read_out(words: Sequence[str]) -> pathlib.Path:
    """The path of an output, which still knows of a "/" at its end."""
    return (NewFolder if words[0].endswith("/") else pathlib.Path)(words[0])


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
        raise OutputError(f"{out} is no folder; for a folder of sources or drivers, give one, or a new name.")
    sources, drivers = _files(source, suffix), _files(driving, suffix)
    made = {out.resolve() / f"{one.stem}--{other.stem}{suffix}" for one in sources for other in drivers}
    sources, drivers = ([each for each in files if each.resolve() not in made] for files in (sources, drivers))
    runs: dict[str, Files] = {}
    for one in sources:
        for other in drivers:
            name = f"{one.stem}--{other.stem}{suffix}"
            if name in runs:
                both = " and ".join(sorted(str(each) for each in {*runs[name][:2]} ^ {one, other}))
                raise ConfigError(f"{both} would both give {name}; give the files of a folder different names.")
            runs[name] = one, other, pathlib.Path(out) / name
    return list(runs.values())


@contextlib.contextmanager
def folder_for(out: pathlib.Path, *, is_new: bool) -> Iterator[None]:
    """Create the folder of a result, and remove it at the end if nothing was written.

    Raises:
        OutputError: the folder cannot be created.
    """
    is_new = is_new and not out.parent.exists()
    try:
        if is_new:
            out.parent.mkdir()
    except OSError as error:
        raise OutputError(f"{out.parent} cannot be created: {error.strerror}; choose another folder.") from error
    try:
        yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # not empty
                out.parent.rmdir()


def is_empty(path: pathlib.Path) -> bool:
    """Whether a file has no bytes: a result that was not finished."""
    return path.is_file() and not path.stat().st_size


def run_all(commands: Sequence[Redraws]) -> None:
    """Run one command after the other with the same networks; one that fails does not stop the others.

    Results that exist are left as they are, so that a batch goes on where it was stopped.

    Raises:
        ReenactError: some have failed; every reason has had its line.
    """
    load, total, made, left = functools.cache(commands[0].load), len(commands), 0, 0
    reasons: set[str] = set()
    try:
        for command in commands:
            if command.out.is_file() and not command.overwrite:
                left += 1
                print(f"{command.out}: exists already, left as it is")
                continue
            try:
                command.redraw(load)
                made += 1
            except Exception as error:  # noqa: BLE001 - libraries without memory raise their own; others go on
                text = _reason(error, command.out)
                if text not in reasons:  # an unusable file fails with every other file
                    reasons.add(text)
                    print(f"reenact: {text}", file=sys.stderr)
    except KeyboardInterrupt as error:
        done = f"{made} of {total} results were made, {left} existed already"
        error.args = (f"Stopped; {done}; without --overwrite, the same command goes on with the rest.",)
        raise
    failed = total - made - left
    advice = " (--overwrite makes them anew, for instance with other settings)" if left else ""
    print(f"{made} made, {left} existed already and were left as they are{advice}, {failed} failed")
    if failed:
        raise ReenactError(f"{failed} of {total} results were not made; the lines above say why.")


def _reason(error: Exception, out: pathlib.Path) -> str:
    """Why a result was not made, in one line.

    Raises:
        Exception: the error, if it is no reason of this result alone.
    """
    if isinstance(error, ReenactError):
        return " ".join(with_hint(error, HINTS).split())
    if is_out_of_memory(error):
        return f"{out} was not written: the memory does not suffice. Take smaller pictures or clips."
    raise error


def _files(path: pathlib.Path, suffix: str) -> list[pathlib.Path]:
    """The visible files of a folder by name, or the path itself; without clips where results are pictures."""
    from reenact.media import kind_of
    from reenact.media.output import VIDEO_SUFFIXES

    def is_clip(file: pathlib.Path) -> bool:
        with contextlib.suppress(ReenactError):  # that is said where the file is used
            return kind_of(file) == "video"
        return False

    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    if suffix not in VIDEO_SUFFIXES and (clips := [each for each in files if is_clip(each)]):
        notes([f"{', '.join(each.name for each in clips)} in {path}: left out, as only pictures are used here."])
        files = [each for each in files if each not in clips]
    if not files:
        raise ConfigError(f"The folder {path} has no files to use; give another one.")
    return files
