"""``python -m studies.ablate SYSTEM --data DATA --out RUN``: a paper's ablation tables on our data.

Trains one network per row, prints the paper's figures beside ours, and writes ``ablation.md`` and ``ablation.json``.
A finished row is not trained again; an interrupted row resumes.
"""

import importlib
import sys

import torch
import tyro

from reenact.errors import ConfigError, ReenactError
from studies.ablate.arguments import AblationArguments
from studies.ablate.table import write_tables
from train.run.provenance import describe_hardware


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = tyro.cli(AblationArguments, args=argv, prog="studies.ablate")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        _refuse_options_of_others(arguments)
        tables = importlib.import_module(f"studies.ablate.{arguments.system}").run(arguments)
    except ReenactError as error:
        print(f"studies.ablate: {error}", file=sys.stderr)
        return 2
    facts = {
        "command": " ".join(["-m studies.ablate", *(sys.argv[1:] if argv is None else argv)]),
        "torch": torch.__version__,
        "hardware": describe_hardware(),
    }
    print(write_tables(arguments.out, tables, facts))
    return 0


def _refuse_options_of_others(arguments: AblationArguments) -> None:
    given = [name for name in ("checkpoint", "beside", "judge") if getattr(arguments, name)]
    if given and arguments.system != "facegan":
        raise ConfigError(f"--{given[0]} is for facegan; the tables of {arguments.system} train their own networks")


if __name__ == "__main__":
    sys.exit(main())
