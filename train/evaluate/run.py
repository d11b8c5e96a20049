"""The whole evaluation, from settings to a report and its files."""

import hashlib
import pathlib
import tempfile

from reenact.errors import ConfigError, OutputError, UnsupportedInputError
from reenact.geometry.morphable import load_morphable
from reenact.systems.base import MotionMode
from train.data.faces import FaceData, load_faces
from train.evaluate.bench import Bench
from train.evaluate.checks import run_checks
from train.evaluate.cost import measure_cost
from train.evaluate.jobs import Job, Outcome
from train.evaluate.methods import SystemMethod
from train.evaluate.networks import describe_networks, left_out
from train.evaluate.pairs import PairSet, load_pairs, save_pairs
from train.evaluate.plan import list_items, plan_jobs, plan_sources, plan_tracking
from train.evaluate.pool import Spread, spread, worker_count
from train.evaluate.profiled_bench import bench_for
from train.evaluate.profiled_faces import render_faces
from train.evaluate.protocols import draw_pairs
from train.evaluate.report import Report, describe_machine, save_values
from train.evaluate.settings import Settings
from train.evaluate.sheet import check_order, draw_sheet, write_sheet
from train.evaluate.summary import gains, summarise
from train.evaluate.table import save_report

PAIRS_NAME, VALUES_NAME = "pairs.json", "values.csv"


def evaluate(settings: Settings) -> Report:
    """Draw pairs, reenact them with every method, measure the results and write the report.

    Writes pairs.json, report.json, report.md, values.csv and sheet-<system>.png to ``settings.out``.

    Raises:
        ReenactError: a subclass, with a text for the user.
    """
    check_out(settings)
    check_order(settings)
    data = open_data(settings)
    pairs = draw_pairs(data, settings) if settings.pairs_file is None else _reuse_pairs(settings, data)
    bench = bench_for(settings, render_faces(data, pairs, load_morphable()) if settings.profiled else data)
    with spread(bench, worker_count(settings, bench.device)) as across:
        jobs, lost = _plan(pairs, bench.data, settings, across)
        settings.out.mkdir(parents=True, exist_ok=True)
        outcomes = [outcome for found in across("work", jobs, "drawing and measuring") for outcome in found]
    save_pairs(pairs, data, settings.out / PAIRS_NAME)
    report = _conclude(bench, pairs, jobs, outcomes, lost)
    save_report(report, settings.out)
    save_values(outcomes, bench.data, settings.out / VALUES_NAME)
    _draw_sheets(bench, jobs, outcomes)
    return report


def check_out(settings: Settings) -> None:
    """Check that the output folder can be written; does not make it, so that a refused evaluation leaves nothing.

    Raises:
        OutputError: it is not empty and may not be overwritten, or cannot be written.
    """
    out = settings.out
    if out.exists() and not out.is_dir():
        raise OutputError(f"Cannot write to {out}: it is a file; give the name of a folder.")
    if out.is_dir() and any(out.iterdir()) and not settings.overwrite:
        raise OutputError(f"The folder {out} exists already and is not empty; choose another --out or add --overwrite.")
    existing = next(folder for folder in (out, *out.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass  # permission bits are not reliable, so try
    except OSError as error:
        raise OutputError(f"Cannot write to {out} ({error.strerror}); choose another --out.") from error


def open_data(settings: Settings) -> FaceData:
    """The split that is evaluated.

    Raises:
        UnsupportedInputError: the data is missing or has no pictures of this split.
    """
    data = load_faces(settings.data, settings.split, settings.cache)
    if not len(data):
        raise UnsupportedInputError(f"Split {settings.split!r} of {settings.data} is empty; give another --split.")
    return data


def _reuse_pairs(settings: Settings, data: FaceData) -> PairSet:
    assert settings.pairs_file is not None
    return load_pairs(settings.pairs_file, data, protocol=settings.protocol, split=settings.split)


def _plan(pairs: PairSet, data: FaceData, settings: Settings, across: Spread) -> tuple[list[Job], int]:
    items = list_items(pairs, data)
    sources, drivers = plan_sources(items), plan_tracking(items, data, settings)
    tracked = across("track", [*sources.values(), *drivers.values()], "tracking")
    modes: tuple[MotionMode, ...] = ("absolute", "relative") if settings.protocol == "cross" else ("absolute",)
    jobs, lost = plan_jobs(
        items,
        data,
        dict(zip(sources, tracked[: len(sources)], strict=True)),
        dict(zip(drivers, tracked[len(sources) :], strict=True)),
        modes,
    )
    if not any(job.kind == "pair" for job in jobs):
        raise ConfigError(
            f"The tracker finds no face in the inputs of all {len(pairs.pairs)} pairs. Check that the pictures are "
            "face crops as in docs/data.md, or take the geometry from the labels with --labels."
        )
    return jobs, lost


def _conclude(bench: Bench, pairs: PairSet, jobs: list[Job], outcomes: list[Outcome], lost: int) -> Report:
    settings, labels = bench.settings, [method.label for method in bench.methods]
    systems = [method.label for method in bench.methods if isinstance(method, SystemMethod)]
    baselines = [label for label in labels if label not in systems]
    first, timings = next(job for job in jobs if job.kind == "pair"), settings.timings
    return Report(
        settings=settings,
        pairs=pairs,
        pairs_sha256=hashlib.sha256((settings.out / PAIRS_NAME).read_bytes()).hexdigest(),
        rows=tuple(summarise(outcomes, labels, bench.data, settings.draws)),
        gains=tuple(gains(outcomes, systems, baselines, bench.data, settings.draws)),
        costs={method.label: measure_cost(bench, method, first, timings) for method in bench.methods if timings},
        facts={method.label: method.facts for method in bench.methods},
        networks=describe_networks(settings),
        left_out=left_out(settings),
        lost=lost,
        checks=run_checks(bench) if settings.checks else {},
        made=describe_machine(bench.device),
    )


def _draw_sheets(bench: Bench, jobs: list[Job], outcomes: list[Outcome]) -> None:
    count = bench.settings.sheet_rows
    pair_jobs = [job for job in jobs if job.kind == "pair" and job.mode == "absolute"]
    for method in bench.methods if count else ():
        own = [
            each for each in outcomes if each.method == method.label and each.kind == "pair" and each.mode == "absolute"
        ]
        if isinstance(method, SystemMethod) and own:
            for by in bench.settings.sheet_by or ("",):
                sheet = draw_sheet(bench, method, pair_jobs, own, count, by)
                write_sheet(sheet, sheet_path(bench.settings.out, method.label, by))


def sheet_path(out: pathlib.Path, label: str, by: str = "") -> pathlib.Path:
    """Path of a system's contact sheet; `by`: the measure that was given to order it."""
    name = "-".join(filter(None, ("sheet", label, by)))
    return out / f"{''.join(c if c.isalnum() or c in '-_.' else '-' for c in name)}.png"
