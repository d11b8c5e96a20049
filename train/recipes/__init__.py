"""Recipes: what can be trained, each a function from data to a task."""

import dataclasses
import importlib
import pathlib
import sys
from typing import Annotated

import torch
import tyro

from train.data import load_faces
from train.loop import LoopConfig, run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train one network of the project."""

    recipe: tyro.conf.Positional[str]
    """tracker, detector, identity, parser or correspondence."""
    data: pathlib.Path
    """Folder of the labelled set (docs/data.md)."""
    out: pathlib.Path
    """Run folder: log, checkpoints, samples, exported weights. Used again, it resumes."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Where decoded pictures are kept."""
    preset: str | None = None
    """Sizes of the networks, where the recipe offers several: "paper" or "tiny"."""
    stream: bool = False
    """Read the shards of a prepared set window by window, from a folder, http(s):// or hf://, instead of decoding all."""
    resident: bool = False
    """Keep the pictures on the device and cut crops there, where the recipe offers it."""
    loop: Annotated[LoopConfig | None, tyro.conf.Suppress] = None
    steps: int | None = None
    """Optimiser steps, instead of the recipe's."""
    batch_size: int | None = None
    """Samples per step, instead of the recipe's."""
    learning_rate: float | None = None
    """Peak learning rate, instead of the recipe's."""
    validate_every: int | None = None
    """Steps between validations, instead of the recipe's."""
    init: pathlib.Path | None = None
    """Exported weights to start from."""
    compile: bool | None = None
    """Compile networks and losses, instead of the recipe's choice."""
    side: int | None = None
    """Side of the training crops, where the recipe offers several."""
    own_meshes: bool = False
    """Take half of the meshes from the embedded tracker instead of the labels, where the recipe uses meshes."""
    teacher: pathlib.Path | None = None
    """Network whose embeddings the recipe `identity` learns (ONNX), to label blended faces as well."""
    threads: int = 0
    """CPU threads; 0 lets torch choose."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    arguments = tyro.cli(Arguments, args=argv, prog="train")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = importlib.import_module(f"train.recipes.{arguments.recipe}")
    train = load_faces(arguments.data, "train", arguments.cache)
    val = load_faces(arguments.data, "val", arguments.cache)
    built = recipe.build(train, val, arguments)
    if built is None:  # learned in closed form
        return 0
    task, loop = built
    changes = {
        name: getattr(arguments, name)
        for name in ("steps", "batch_size", "learning_rate", "validate_every", "compile")
        if getattr(arguments, name) is not None
    }
    run(task, dataclasses.replace(loop, **changes), arguments.out, command=" ".join(["-m train", *sys.argv[1:]]))
    return 0
