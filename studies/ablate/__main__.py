"""``python -m studies.ablate SYSTEM --data DATA --out RUN``: a paper's ablation tables on our data.

Trains one network per row, prints the paper's figures beside ours, and writes ``ablation.md`` and ``ablation.json``.
A finished row is not trained again; a row that was interrupted goes on where it stopped.
"""

import dataclasses
import importlib
import pathlib
import platform
import sys
from typing import Literal

import torch
import tyro

from reenact.errors import ConfigError, ReenactError
from studies.ablate.table import write_tables


@dataclasses.dataclass(frozen=True, kw_only=True)
class AblationArguments:
    """Do a paper's ablation again, on our data."""

    system: tyro.conf.Positional[Literal["dual_generator", "facegan"]]
    """Whose tables."""
    data: str
    """Labelled folder or prepared folder (docs/data.md), or the address of a prepared one."""
    out: pathlib.Path
    """Gets one run folder and one JSON file per row, and the tables. Used again, it resumes."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Where decoded pictures are kept."""
    steps: int | None = None
    """Optimiser steps of every row, instead of each table's own."""
    side: int | None = None
    """Side of the pictures in pixels, instead of each table's own."""
    batch_size: int | None = None
    """Samples per step, instead of each table's own."""
    checkpoint: str | None = None
    """facegan: measure these weights (a folder, an embedded name or a Hub repository) and train nothing."""
    beside: tuple[str, ...] = ()
    """facegan: other systems to measure on the same pairs."""
    judge: pathlib.Path | None = None
    """facegan: identity network (ONNX, aligned 112 px crops) for a second CSIM, as of `train.evaluate`."""
    tables: tuple[int, ...] = ()
    """Numbers of the paper's tables to train; none means all. Finished rows of the others are still shown."""
    seed: int = 0
    """Of initial weights and batches: the same for every row."""
    threads: int = 0
    """CPU threads; 0 lets torch choose."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = tyro.cli(AblationArguments, args=argv, prog="studies.ablate")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        _refuse_strangers(arguments)
        tables = importlib.import_module(f"studies.ablate.{arguments.system}").run(arguments)
    except ReenactError as error:
        print(f"studies.ablate: {error}", file=sys.stderr)
        return 2
    facts = {
        "command": " ".join(["-m studies.ablate", *(sys.argv[1:] if argv is None else argv)]),
        "torch": torch.__version__,
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "CPU",
    }
    print(write_tables(arguments.out, tables, facts))
    return 0


def _refuse_strangers(arguments: AblationArguments) -> None:
    given = [name for name in ("checkpoint", "beside", "judge") if getattr(arguments, name)]
    if given and arguments.system != "facegan":
        raise ConfigError(f"--{given[0]} is for facegan; the tables of {arguments.system} train their own networks")


if __name__ == "__main__":
    sys.exit(main())
