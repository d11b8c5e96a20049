"""The command line of training: ``accelerate launch -m train RECIPE``."""

import contextlib
import dataclasses
import json
import os
import shlex
import sys
from typing import Annotated, Any

import torch
import tyro

from reenact.errors import ConfigError, ReenactError
from train.data.faces import FaceData, load_faces, refuse_unreadable
from train.data.stream import ShardFeed, StreamConfig, open_feed
from train.recipes import RECIPES, find_recipe
from train.run.cost import measure_cost
from train.run.loop import LoopConfig, run
from train.run.options import RecipeOptions
from train.run.precision import Precision, describe_precision
from train.run.processes import join_processes
from train.run.provenance import data_facts, digest, program_facts
from train.run.trackers import TrackerName


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """Replace a recipe's own settings of the loop; what is not given stays as the recipe has it."""

    steps: int | None = None
    """Optimiser steps. 0 measures the weights that the run starts from."""
    batch_size: int | None = None
    """Samples per micro-batch (process and round of accumulation)."""
    accumulate: int | None = None
    """Micro-batches whose gradients are summed before a step: a larger batch in the same memory."""
    learning_rate: float | None = None
    """Peak learning rate."""
    warmup_steps: int | None = None
    """Steps of the linear warm-up."""
    mixed_precision: Precision | None = None
    """Precision of the forward passes. auto: bf16 where the hardware has units for it, else fp16 on GPUs and fp32 on
    CPUs. no: fp32."""
    compile: bool | None = None
    """Compile networks and losses."""
    seed: int = 0
    """Seed of the initial weights and of the batches."""
    log_every: int | None = None
    """Steps between lines of the log."""
    save_every: int | None = None
    """Steps between checkpoints."""
    validate_every: int | None = None
    """Steps between validations."""

    def applied_to(self, loop: LoopConfig) -> LoopConfig:
        """The recipe's settings with those that were given."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(loop, **given)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train one network of the project. The same command, run again, resumes where it stopped."""

    recipe: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=f"What to train: {', '.join(RECIPES)}.")]
    data: str
    """Labelled folder or prepared folder (docs/data.md), or the http(s):// or hf:// address of a prepared one."""
    options: RecipeOptions
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)
    stream: bool = False
    """Read the shards of a prepared set window by window instead of decoding all of them first."""
    shards_per_window: int = 4
    """With --stream: shards that are trained on together."""
    steps_per_window: int = 500
    """With --stream: steps on one window while the next is downloaded and decoded."""
    shard_cache_gb: float | None = None
    """Downloaded shards beyond this are deleted, oldest first; not set keeps all."""
    track: Annotated[tuple[TrackerName, ...], tyro.conf.UseAppendAction] = ()
    """Where figures and sample grids go besides OUT; may be repeated. Not given: TensorBoard if installed."""
    threads: int = 0
    """CPU threads; 0 lets torch choose."""
    dry_run: bool = False
    """Print configuration, versions, sizes and speed as JSON. Trains nothing and leaves OUT alone."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 2 for errors that the user can fix, with one line on stderr.
    """
    words = sys.argv[1:] if argv is None else argv
    arguments = tyro.cli(Arguments, args=words, prog="train", config=(tyro.conf.OmitArgPrefixes,))
    try:
        train(arguments, command=shlex.join(["-m", "train", *words]))
    except (ReenactError, FloatingPointError) as error:
        rank = os.environ.get("RANK", "0")
        print(f"train: {error}" if rank == "0" else f"train, process {rank}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train: stopped; the same command resumes from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def train(arguments: Arguments, command: str) -> None:
    """Load the data, build the recipe's task, and pass both to the loop."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = find_recipe(arguments.recipe)
    closed_form = getattr(recipe, "CLOSED_FORM", False)
    check_stream(arguments, closed_form)
    processes = join_processes()
    torch.manual_seed(arguments.loop.seed)  # every process and every start begins with the same weights
    with processes.local_main_process_first():
        faces, val, feed = load(arguments, processes.process_index, processes.num_processes)
    facts: dict[str, Any] = {"arguments": settings_of(arguments), "data": _data_facts(faces, val, feed)}
    if arguments.dry_run and closed_form:
        _print_once(processes, facts | program_facts() | {"cost": "learned in closed form: minutes on a CPU"})
        return
    built = recipe.build(faces, val, arguments.options)
    if built is None:  # learned in closed form
        return
    task, loop = built
    loop = arguments.loop.applied_to(loop)
    if arguments.dry_run:
        precision = describe_precision(loop.mixed_precision, processes.device)
        cost = measure_cost(task, loop, processes.device, processes.num_processes)
        facts |= {"loop": dataclasses.asdict(loop), "precision": precision}
        _print_once(processes, facts | program_facts() | {"cost": cost})
        return
    with contextlib.closing(feed) if feed is not None else contextlib.nullcontext():
        settings, track = facts["arguments"] | {"data_facts": facts["data"]}, arguments.track or None
        run(task, loop, arguments.options.out, command=command, feed=feed, settings=settings, track=track)


def check_stream(arguments: Arguments, closed_form: bool) -> None:
    """Refuse what needs the whole set at once.

    Raises:
        ConfigError: it was asked for together with ``--stream``.
    """
    if not arguments.stream:
        return
    if closed_form:
        raise ConfigError(f"recipe {arguments.recipe} is learned from the whole set at once; leave --stream out")
    if arguments.options.own_meshes:
        raise ConfigError("--own-meshes tracks the whole set beforehand and cannot be used with --stream; omit one")


def load(arguments: Arguments, rank: int, world_size: int) -> tuple[FaceData, FaceData, ShardFeed | None]:
    """Training and validation data, and the feed of further training data if it is streamed.

    Raises:
        UnsupportedInputError: the data cannot be read.
        ConfigError: it cannot be streamed.
    """
    data, cache, limit_gb = arguments.data, arguments.options.cache, arguments.shard_cache_gb
    if not arguments.stream:
        train, val = (load_faces(data, split, cache, limit_gb) for split in ("train", "val"))
        return train, val, None
    config = StreamConfig(
        shards_per_window=arguments.shards_per_window,
        steps_per_window=arguments.steps_per_window,
        seed=arguments.loop.seed,
    )
    with refuse_unreadable():
        feed = open_feed(data, config, cache, limit_gb, rank, world_size)
        val = load_faces(data, "val", cache, limit_gb)
        first = feed.data_for(0)
    assert first is not None, "a new feed always gives its first window"
    return first, val, feed


def settings_of(arguments: Arguments) -> dict[str, Any]:
    """All arguments on one level, as JSON."""
    groups: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(arguments), default=str))
    return groups.pop("options") | groups.pop("loop") | groups


def _data_facts(faces: FaceData, val: FaceData, feed: ShardFeed | None) -> dict[str, Any]:
    if feed is None:
        return data_facts(train=faces, val=val)
    shards = [entry.sha256 for entry in feed.plan.entries]
    return {"train": {"shards": len(shards), "shards_sha256": digest(shards)}} | data_facts(val=val)


def _print_once(processes: Any, facts: dict[str, Any]) -> None:
    if processes.is_main_process:
        print(json.dumps(facts, indent=2))
