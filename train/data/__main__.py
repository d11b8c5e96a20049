"""``python -m train.data pack|check``: make a prepared set of a labelled folder, and verify a prepared set."""

import sys

import tyro

from reenact.errors import ReenactError
from train.data.pack import check, pack


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        tyro.extras.subcommand_cli_from_dict({"pack": pack, "check": check}, args=argv, prog="train.data")
    except (ReenactError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
