"""Folders as source, driver or output: a result for every source with every driver."""

import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from reenact.cli.output import HINTS
from reenact.errors import ConfigError, OutputError, ReenactError, with_hint

if TYPE_CHECKING:
    from reenact.pipeline.engine import Engine

Files = tuple[pathlib.Path, pathlib.Path, pathlib.Path]
"""Source, driver and output."""

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


def expand(source: pathlib.Path, driving: pathlib.Path, out: pathlib.Path, suffix: str) -> list[Files]:
    """The files of every run; a single run where none of the three is a folder.

    In an output folder, results are called SOURCE--DRIVER and the suffix.

    Raises:
        ConfigError: a folder without files, or results that would have the same name.
        OutputError: source or driver is a folder, and the output is none.
    """
    if not (source.is_dir() or driving.is_dir() or out.is_dir()):
        return [(source, driving, out)]
    if not out.is_dir():
        raise OutputError(f"{out} is no folder; for a folder of sources or drivers, give one that exists.")
    pairs = [(one, other) for one in _files(source) for other in _files(driving)]
    runs = [(one, other, out / f"{one.stem}--{other.stem}{suffix}") for one, other in pairs]
    names = [path.name for *_, path in runs]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"Several results would be called {doubled[0]}; give the files of a folder different names.")
    return runs


def run_all(commands: Sequence[Redraws]) -> None:
    """Run one command after the other with the same networks; one that fails does not stop the others.

    Results that exist are left as they are, so that a batch goes on where it was stopped.

    Raises:
        ReenactError: some have failed; each has had its line.
    """
    load, failed = functools.cache(commands[0].load), 0
    for command in commands:
        if command.out.exists() and not command.overwrite:
            print(f"{command.out}: exists already, left as it is")
            continue
        try:
            command.redraw(load)
        except ReenactError as error:
            failed += 1
            print(f"reenact: {command.out}: {' '.join(with_hint(error, HINTS).split())}", file=sys.stderr)
    if failed:
        raise ReenactError(f"{failed} of {len(commands)} results were not made; the lines above say why.")


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    """The visible files of a folder by name, or the path itself."""
    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    if not files:
        raise ConfigError(f"The folder {path} has no files; give another one.")
    return files
