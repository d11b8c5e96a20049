"""``python -m train.evaluate``: measure systems on pairs, print the table, write the report."""

import sys
import time

import tyro

from reenact.errors import ReenactError
from train.evaluate.run import evaluate
from train.evaluate.settings import Settings
from train.evaluate.table import to_markdown


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 after an error of one line."""
    start = time.monotonic()
    try:
        report = evaluate(tyro.cli(Settings, args=argv, prog="train.evaluate"))
    except ReenactError as error:
        print(f"train.evaluate: {error}", file=sys.stderr)
        return 2
    print(to_markdown(report))
    print(f"\nwritten: {report.settings.out} ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
