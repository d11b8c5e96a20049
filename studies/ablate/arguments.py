"""The command line of an ablation."""

import dataclasses
import pathlib
from typing import Literal

import tyro


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
    """Seed of initial weights and batches, the same for every row."""
    threads: int = 0
    """CPU threads; 0 lets torch choose."""
