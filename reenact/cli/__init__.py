"""The command line: ``reenact image``, ``video``, ``edit``, ``track``; ``download``, ``push``, ``card``, ...

Everything heavy is imported after the arguments have been read. Exit code 0, or 2 with one line on stderr.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro
from tyro.conf import OmitSubcommandPrefixes, subcommand

from reenact.cli.edit import Edit
from reenact.cli.faces import Image, Track, Video
from reenact.cli.hub import Download, Publish, Push, WriteCard
from reenact.cli.output import HINTS
from reenact.errors import ConfigError, ReenactError, with_hint

__all__ = [
    "Download",
    "Edit",
    "Image",
    "Publish",
    "Push",
    "Track",
    "Video",
    "WriteCard",
    "main",
    "parse",
    "plain_complaint",
]

_FAILED = 2

Command = (
    Annotated[Image, subcommand("image")]
    | Annotated[Video, subcommand("video")]
    | Annotated[Edit, subcommand("edit")]
    | Annotated[Track, subcommand("track")]
    | Annotated[Download, subcommand("download")]
    | Annotated[Push, subcommand("push")]
    | Annotated[Publish, subcommand("publish")]
    | Annotated[WriteCard, subcommand("card")]
)
AnyCommand = Image | Video | Edit | Track | Download | Push | Publish | WriteCard


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: in place of the program's own.

    Returns:
        The exit code.
    """
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
        if command is not None:
            command.run()
            sys.stdout.flush()
    except ReenactError as error:
        return _fail(with_hint(error, HINTS))
    except KeyboardInterrupt:
        return _fail("Stopped; nothing was written.")
    except BrokenPipeError:
        # whoever reads the output has gone; Python would complain once more while it exits
        sys.stdout = io.StringIO()
        return _FAILED
    except Exception as error:
        if os.environ.get("REENACT_TRACEBACK"):
            raise
        return _fail(
            f"A mistake of the program ({type(error).__name__}: {error}); "
            "set REENACT_TRACEBACK=1, run it again and report what it prints."
        )
    return 0


def parse(arguments: Sequence[str]) -> AnyCommand | None:
    """The command that the arguments ask for, or None if they asked for help, which has been printed.

    Raises:
        ConfigError: they cannot be understood.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(Command, prog="reenact", args=list(arguments), config=(OmitSubcommandPrefixes,))
    except SystemExit as error:
        if not error.code:
            return None
        raise ConfigError(plain_complaint(complaint.getvalue())) from error


def plain_complaint(box: str) -> str:
    """The first paragraph in tyro's framed message, as one line.

    The frame is a box with the title in its upper border or, on terminals without such signs, dashes under the title.
    """
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
    return " ".join(words).rstrip(".") + ". See reenact --help."


def _fail(text: str) -> int:
    print("reenact: " + " ".join(text.split()), file=sys.stderr)
    return _FAILED
