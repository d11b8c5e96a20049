"""The command line: ``reenact image``, ``video``, ``edit``, ``compare``, ``sample``, ``track``, ``verify``, and more.

Exit codes: 0; 2 for an error, with one line on stderr; 129, 130 and 143 after SIGHUP, Ctrl-C and SIGTERM.
What is slow to import is imported after the arguments have been checked.
"""

import contextlib
import difflib
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Union, get_type_hints

import tyro
from tyro.conf import OmitSubcommandPrefixes, Positional, subcommand

from reenact.cli.compare import Compare
from reenact.cli.edit import Edit
from reenact.cli.hub import Download, Publish, Push, WriteCard
from reenact.cli.image import Image
from reenact.cli.motion import Motion
from reenact.cli.output import HINTS
from reenact.cli.sample import Sample
from reenact.cli.track import Track
from reenact.cli.verify import Verify
from reenact.cli.video import Video
from reenact.errors import ConfigError, ReenactError, is_out_of_memory, with_hint

__all__ = ["AnyCommand", "Image", "Video", "main", "parse", "plain_message"]

_FAILED = 2
_REQUIRED = re.compile(r"(-\w \S+, )?--[\w-]+( \S+)?|[A-Z]+")
"""A line of tyro's list of missing arguments that names one: "-o PATH, --out PATH" or "SOURCE"."""

AnyCommand = Image | Video | Edit | Compare | Sample | Motion | Track | Verify | Download | Push | Publish | WriteCard
_COMMANDS: dict[str, type[AnyCommand]] = {
    "image": Image,
    "video": Video,
    "edit": Edit,
    "compare": Compare,
    "sample": Sample,
    "motion": Motion,
    "track": Track,
    "verify": Verify,
    "download": Download,
    "push": Push,
    "publish": Publish,
    "card": WriteCard,
}
_DESCRIPTION = """Open face reenactment: one photo takes on the pose and expression of another photo or a clip.

reenact --version prints the version; reenact --tyro-print-completion bash (or zsh, tcsh) prints a completion script."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP; handled like Ctrl-C, so that partial files are removed."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line; that of the process if None.

    Returns:
        The exit code.
    """
    try:
        with _signals_as_exceptions():
            command = parse(sys.argv[1:] if arguments is None else arguments)
            if command is not None:
                command.run()
                sys.stdout.flush()
    except ReenactError as error:
        return _fail(with_hint(error, HINTS))
    except KeyboardInterrupt as error:
        number = error.number if isinstance(error, TerminatedError) else signal.SIGINT
        return _fail(str(error) or "Stopped; nothing was written.", code=128 + number)
    except BrokenPipeError:
        # the reader of our output has gone; Python would complain again at exit
        sys.stdout = io.StringIO()
        return _FAILED
    except Exception as error:
        if os.environ.get("REENACT_TRACEBACK"):
            raise
        if is_out_of_memory(error):
            return _fail("The memory does not suffice; nothing was written. Take smaller pictures or clips.")
        return _fail(
            f"Internal error ({type(error).__name__}: {error}); set REENACT_TRACEBACK=1, run it again and report the "
            "output."
        )
    return 0


def parse(arguments: Sequence[str]) -> AnyCommand | None:
    """The command of a command line, or None if help or version was asked for and has been printed.

    Raises:
        ConfigError: the arguments cannot be understood.
    """
    if list(arguments) == ["--version"]:
        from reenact import __version__

        print(f"reenact {__version__}")
        return None
    _refuse_unknown(arguments)
    command: Any = Union[*(Annotated[kind, subcommand(name)] for name, kind in _COMMANDS.items())]
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            return tyro.cli(
                command,
                prog="reenact",
                description=_DESCRIPTION,
                args=list(arguments),
                config=(OmitSubcommandPrefixes,),
            )
    except SystemExit as error:
        if not error.code:
            return None
        raise ConfigError(plain_message(message.getvalue(), next(iter(arguments), ""))) from error


def plain_message(box: str, command: str = "") -> str:
    """The first paragraph of tyro's framed error message, as one line that points to the command's help.

    The frame is a box with the title in its upper border or, on plain terminals, dashes under the title.
    """
    program = f"reenact {command}" if command in _COMMANDS else "reenact"
    words: list[str] = []
    inside = False
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines():
        text = line.strip("│ ")
        if not inside:
            inside = text.startswith("╭") or (bool(text) and not text.strip("-"))
        elif not text.strip("─-") or text.startswith("╰"):
            break
        else:
            words.append(text)
    text = " ".join(words).rstrip(".")
    if text.startswith("Unrecognized options: "):
        text = _unknown_options(text.partition(": ")[2].split(", "), command)
    elif text.startswith("Missing from "):
        needed = [line.partition(",")[0] for line in words if _REQUIRED.fullmatch(line)]
        text = f"{program} needs {' and '.join(needed)}" if needed else text
    return f"{text}{'' if text.endswith('?') else '.'} See {program} --help."


def _unknown_options(words: Sequence[str], command: str) -> str:
    """Name the unknown options without their values, and the nearest option of the command."""
    unknown = [word.partition("=")[0] for word in words if re.match("--?[a-zA-Z]", word)]
    if not unknown:
        return f"Unexpected arguments: {', '.join(words)}"
    near = difflib.get_close_matches(unknown[0], _options(command), n=1)
    return f"There is no option {' or '.join(unknown)}" + (f"; did you mean {near[0]}?" if near else "")


def _options(command: str) -> list[str]:
    """Long options of a command."""
    if command not in _COMMANDS:
        return []
    options: list[str] = []
    for name, hint in get_type_hints(_COMMANDS[command], include_extras=True).items():
        extras: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        if Positional not in extras:
            own = next((extra.name for extra in extras if getattr(extra, "name", None)), name)
            options.append("--" + own.replace("_", "-"))
    return options


def _refuse_unknown(arguments: Sequence[str]) -> None:
    """Suggest the nearest command where the first argument is none."""
    name = next(iter(arguments), "-")
    if name.startswith("-") or name in _COMMANDS:
        return
    near = difflib.get_close_matches(name, _COMMANDS, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"the commands are {', '.join(_COMMANDS)}."
    raise ConfigError(f"There is no command {name!r}; {advice}")


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `TerminatedError` inside the block; a SIGHUP that nohup ignores stays ignored."""

    def stop(number: int, _: object) -> None:
        raise TerminatedError(number)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.signal(each, stop) for each in numbers if signal.getsignal(each) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(text: str, *, code: int = _FAILED) -> int:
    print("reenact: " + " ".join(text.split()), file=sys.stderr)
    return code
