"""``python -m train.data pack|check``: make a prepared set of a labelled folder, and verify a prepared set."""

import sys
from typing import Annotated

import tyro

from reenact.errors import ReenactError
from train.data.pack import Check, Pack, check, pack


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = tyro.cli(
        Annotated[Pack, tyro.conf.subcommand("pack")] | Annotated[Check, tyro.conf.subcommand("check")],  # type: ignore[arg-type]
        args=argv,
        prog="train.data",
    )
    try:
        pack(options) if isinstance(options, Pack) else check(options)
    except (ReenactError, FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
