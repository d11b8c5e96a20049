"""The command line of training: ``accelerate launch -m train RECIPE``."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shlex
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import torch
import tyro

from reenact.errors import ReenactError, UnsupportedInputError
from train.data.faces import FaceData, load_faces
from train.data.stream import ShardFeed, make_feed
from train.recipes import find_recipe
from train.run.cost import price
from train.run.loop import run
from train.run.precision import Precision, describe_precision
from train.run.processes import join_processes
from train.run.provenance import data_facts, digest, program_facts
from train.run.trackers import TrackerName

OF_THE_LOOP = (
    "steps", "batch_size", "accumulate", "learning_rate", "warmup_steps", "mixed_precision", "compile", "seed",
    "log_every", "save_every", "validate_every",
)  # fmt: skip
"""Arguments that take the place of a recipe's own `LoopConfig`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train one network of the project. The same command, run again, goes on where it was stopped."""

    recipe: tyro.conf.Positional[str]
    """What to train: a name in train/recipes/__init__.py, such as tracker, correspondence or facegan_reenactor."""
    data: str
    """Labelled folder or prepared folder (docs/data.md), or the http(s):// or hf:// address of a prepared one."""
    out: pathlib.Path
    """Run folder: settings, log, checkpoints, samples, exported weights. Used again, it resumes."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Where decoded pictures and fetched shards are kept."""
    preset: str | None = None
    """Sizes of the networks, where the recipe offers several: "paper" or "tiny"."""
    side: int | None = None
    """Side of the training crops, where the recipe offers several."""
    init: pathlib.Path | None = None
    """Exported weights to start from."""
    own_meshes: bool = False
    """Take half of the meshes from the embedded tracker instead of the labels, where the recipe uses meshes."""
    teacher: pathlib.Path | None = None
    """Network that a recipe learns from or compares features with, where it offers that."""
    stream: bool = False
    """Read the shards of a prepared set window by window instead of decoding all of them first."""
    shards_per_window: int = 4
    """With --stream: shards that are trained on together."""
    steps_per_window: int = 500
    """With --stream: steps on one window while the next is fetched and decoded."""
    shard_cache_gb: float | None = None
    """Fetched shards beyond this are deleted, oldest first; not set keeps all."""
    resident: bool = False
    """Keep the pictures on the device and cut crops there, where the recipe offers it."""
    steps: int | None = None
    """Optimiser steps, instead of the recipe's. 0 measures the weights it starts from."""
    batch_size: int | None = None
    """Samples per micro-batch (process and round of accumulation), instead of the recipe's."""
    accumulate: int | None = None
    """Micro-batches whose gradients are summed before a step: a larger batch in the same memory."""
    learning_rate: float | None = None
    """Peak learning rate, instead of the recipe's."""
    warmup_steps: int | None = None
    """Steps of the linear warm-up, instead of the recipe's."""
    mixed_precision: Precision | None = None
    """Precision of the forward passes, instead of the recipe's. auto: bf16 where the hardware has units for it, else
    fp16 on GPUs and fp32 on CPUs. no: fp32."""
    compile: bool | None = None
    """Compile networks and losses, instead of the recipe's choice."""
    seed: int = 0
    """Of initial weights and batches."""
    log_every: int | None = None
    """Steps between lines of the log, instead of the recipe's."""
    save_every: int | None = None
    """Steps between checkpoints, instead of the recipe's."""
    validate_every: int | None = None
    """Steps between validations, instead of the recipe's."""
    track: Annotated[tuple[TrackerName, ...], tyro.conf.UseAppendAction] = ()
    """Where figures and sample grids go besides OUT; may be repeated. Not given: TensorBoard if installed."""
    threads: int = 0
    """CPU threads; 0 lets torch choose."""
    dry_run: bool = False
    """Print configuration, versions, sizes and expected hours as JSON. Trains nothing and leaves OUT alone."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 2 for what the user can mend, with one line on stderr.
    """
    words = sys.argv[1:] if argv is None else argv
    arguments = tyro.cli(Arguments, args=words, prog="train")
    try:
        train(arguments, command=shlex.join(["-m", "train", *words]))
    except (ReenactError, FloatingPointError) as error:
        rank = os.environ.get("RANK", "0")
        print(f"train: {error}" if rank == "0" else f"train, process {rank}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def train(arguments: Arguments, command: str) -> None:
    """Load the data, build the recipe's task, and hand both to the loop."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = find_recipe(arguments.recipe)
    processes = join_processes()
    torch.manual_seed(arguments.seed)  # every process and every start begins with the same weights
    with processes.local_main_process_first():
        faces, val, feed = load(arguments, processes.process_index, processes.num_processes)
    facts: dict[str, Any] = {"arguments": _settings(arguments), "data": _data_facts(faces, val, feed)}
    if arguments.dry_run and getattr(recipe, "CLOSED_FORM", False):
        _print_once(processes, facts | program_facts() | {"cost": "learned in closed form: minutes on a CPU"})
        return
    built = recipe.build(faces, val, arguments)
    if built is None:  # learned in closed form
        return
    task, loop = built
    changes = {name: getattr(arguments, name) for name in OF_THE_LOOP if getattr(arguments, name) is not None}
    loop = dataclasses.replace(loop, **changes)
    if arguments.dry_run:
        cost = price(task, loop, processes.num_processes)
        precision = describe_precision(loop.mixed_precision, processes.device)
        facts |= {"loop": dataclasses.asdict(loop), "precision": precision}
        _print_once(processes, facts | program_facts() | {"cost": cost})
        return
    with contextlib.closing(feed) if feed is not None else contextlib.nullcontext():
        settings = facts["arguments"] | {"data_facts": facts["data"]}
        run(task, loop, arguments.out, command=command, feed=feed, settings=settings, track=arguments.track or None)


def load(arguments: Arguments, rank: int, world_size: int) -> tuple[FaceData, FaceData, ShardFeed | None]:
    """Training and validation data, and where further training data comes from.

    Raises:
        UnsupportedInputError: the data cannot be read.
        ConfigError: it cannot be streamed.
    """
    with _unreadable_data():
        feed = make_feed(arguments, rank, world_size, arguments.seed)
        val = load_faces(arguments.data, "val", arguments.cache, arguments.shard_cache_gb)
        if feed is None:
            return load_faces(arguments.data, "train", arguments.cache, arguments.shard_cache_gb), val, None
        first = feed.data_for(0)
        assert first is not None, "a fresh feed has nothing to keep"
        return first, val, feed


@contextlib.contextmanager
def _unreadable_data() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise UnsupportedInputError(str(error)) from error


def _settings(arguments: Arguments) -> dict[str, Any]:
    """What the command line asked for, as JSON holds it."""
    return json.loads(json.dumps(dataclasses.asdict(arguments), default=str))


def _data_facts(faces: FaceData, val: FaceData, feed: ShardFeed | None) -> dict[str, Any]:
    if feed is None:
        return data_facts(train=faces, val=val)
    shards = [entry.sha256 for entry in feed.plan.entries]
    return {"train": {"shards": len(shards), "shards_sha256": digest(shards)}} | data_facts(val=val)


def _print_once(processes: Any, facts: dict[str, Any]) -> None:
    if processes.is_main_process:
        print(json.dumps(facts, indent=2))
