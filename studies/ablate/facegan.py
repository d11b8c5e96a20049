"""FACEGAN's tables 1 and 2, with and without L_T, for the paper's G_r and for one that warps the source.

Modules are trained apart by their recipes, at `tiny` sizes. A row without L_T gives G_r the driver's own landmarks.
``--checkpoint`` measures given weights in the same way and trains nothing.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import torch

from reenact.hub.names import resolve
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.networks import FaceganNetworks
from reenact.types import CropSpec
from reenact.weights import WEIGHTS_NAME
from studies.ablate.arguments import AblationArguments
from studies.ablate.facegan_measures import (
    COLUMNS_1,
    COLUMNS_2,
    COPY,
    DIFFERENCE,
    WITH,
    WITHOUT,
    Column,
    LandmarkMeasures,
    MeasureConfig,
)
from studies.ablate.rows import Figure, Figures, finished_row, keep_row, train_row
from studies.ablate.table import AblationRow, AblationTable
from train.data.faces import FaceData, load_faces
from train.data.shards import sha256_of
from train.pairs.frames import PairConfig
from train.pairs.landmarks import PairShares
from train.recipes.facegan import PARTS
from train.recipes.facegan.background import BackgroundTask, BackgroundTaskConfig
from train.recipes.facegan.landmarks import LandmarkTask, LandmarkTaskConfig
from train.recipes.facegan.reenactor import FaceReenactorTask, ReenactorTaskConfig
from train.run.loop import LoopConfig

PAPER_1: dict[str, tuple[Figure, ...]] = {
    WITH: (0.018, 0.747, 0.811, 0.012),
    WITHOUT: (0.015, 0.623, 0.885, 0.014),
    DIFFERENCE: (0.003, 0.124, -0.074, -0.002),
}
"""Table 1 of the paper, and the difference of its two rows."""

PAPER_2: dict[str, tuple[Figure, ...]] = {WITH: (0.021,)}
"""LSIM of FACEGAN in the paper's Table 2, which does not have it without L_T."""

VARIANTS: dict[str, FaceganConfig] = {
    "plain": dataclasses.replace(PRESETS["tiny"], source_warp=False, layered=False),
    "warp": PRESETS["tiny"],
}
"""G_r and G_b as in the paper, and with the source's own pixels; the same sizes."""

_NAMES = {
    WITH: "{} w L_T",
    WITHOUT: "{} w/o L_T",
    DIFFERENCE: "{}: difference, pair by pair",
    COPY: "copy of the source",
}
_GROUPS = {"plain": "FACEGAN", "warp": "FACEGAN, source warped", "embedded": "given weights"}

_STEPS = {"landmarks": 2000, "reenactor": 400, "background": 150}
"""Minutes on a CPU: enough to order the rows, far too few for good pictures."""


def run(arguments: AblationArguments) -> list[AblationTable]:
    """Train what is missing, measure, and give the tables.

    Raises:
        CheckpointError: ``--checkpoint`` names no FACEGAN weights, or ``--beside`` no system.
    """
    given = None if arguments.checkpoint is None else resolve(arguments.checkpoint)
    sha256 = None if given is None else sha256_of(given / WEIGHTS_NAME)
    figures: dict[str, Figures | None] = {name: finished_row(arguments.out, name) for name in VARIANTS}
    if arguments.tables and not {1, 2} & set(arguments.tables):
        return _tables(figures, None, arguments)
    measured = MeasureConfig(judge=None if arguments.judge is None else str(arguments.judge))
    data = functools.cache(lambda split: load_faces(arguments.data, split, arguments.cache))
    measures = functools.cache(lambda: LandmarkMeasures(data("val"), arguments.data, arguments.seed, measured))

    def keep(name: str, measure: Callable[[pathlib.Path], Figures], **settings: Any) -> Figures:
        settings |= {"measured": dataclasses.asdict(measured)}
        return keep_row(arguments.out, name, _settings(arguments, **settings), measure, lambda: data("val"))

    if given is not None and sha256 is not None:
        figures["embedded"] = keep(f"given-{sha256[:8]}", lambda _: measures().measure(given), sha256=sha256)
    else:
        for variant, config in VARIANTS.items():
            modules = [module for module in _STEPS if module != "background" or not config.layered]
            exports = [_train_module(module, variant, config, data, arguments) for module in modules]
            row = functools.partial(_join, config, exports, arguments.side or 128)
            figures[variant] = keep(
                variant, lambda folder, row=row: measures().measure(row(folder)), steps=_STEPS, variant=variant
            )
    for name in arguments.beside:
        weights = sha256_of(resolve(name) / WEIGHTS_NAME)
        row_name = f"beside-{pathlib.Path(name).name}-{weights[:8]}"
        figures[name] = keep(row_name, lambda _, name=name: measures().measure_beside(name), sha256=weights)
    return _tables(figures, sha256, arguments)


def _train_module(
    module: str, variant: str, config: FaceganConfig, data: Callable[[str], FaceData], arguments: AblationArguments
) -> pathlib.Path:
    """The export of one module, trained if it is not there yet; both variants share L_T."""
    steps, side, size = arguments.steps or _STEPS[module], arguments.side or 128, arguments.batch_size or 8
    name = module if module == "landmarks" else f"{module}-{variant}"
    loop = LoopConfig(
        steps=steps,
        batch_size=size,
        warmup_steps=max(min(200, steps // 10), 1),
        ema_decay=0.98,
        seed=arguments.seed,
        validate_every=steps,
        save_every=100,
    )
    settings = _settings(arguments, steps=steps) | ({} if module == "landmarks" else {"batch_size": size})
    if module == "landmarks":
        loop = LoopConfig(steps=steps, batch_size=256, validate_every=steps, save_every=500)

    def train(folder: pathlib.Path) -> Figures:
        torch.manual_seed(arguments.seed)
        splits = data("train"), data("val")
        if module == "landmarks":
            task: Any = LandmarkTask(*splits, PRESETS["tiny"], LandmarkTaskConfig(shares=PairShares()))
        elif module == "background":
            pairs = PairConfig(side=side, still_share=0.35)
            task = BackgroundTask(*splits, config, BackgroundTaskConfig(pairs=pairs))
        else:
            weights = ReenactorTaskConfig(pairs=PairConfig(side=side), adversarial=0.0, feature_matching=0.0)
            task = FaceReenactorTask(*splits, config, weights)
        return train_row(task, loop, folder, "facegan")

    keep_row(arguments.out, name, settings, train, lambda: data("val"))
    return arguments.out / name / "export"


def _settings(arguments: AblationArguments, **more: Any) -> dict[str, Any]:
    common = {"side": arguments.side or 128, "seed": arguments.seed, "asked_steps": arguments.steps}
    return common | {"data": arguments.data} | more


def _join(config: FaceganConfig, exports: list[pathlib.Path], side: int, folder: pathlib.Path) -> pathlib.Path:
    """Put the modules into one export, which `reenact` can load as well."""
    config = dataclasses.replace(config, crop=CropSpec(network_px=side))
    networks = FaceganNetworks(config)
    for export in exports:
        PARTS.fill(networks, PARTS.read(export), config, export)
    PARTS.write(networks, {}, config, folder / "export", {"recipe": "studies.ablate facegan"})
    return folder / "export"


def _tables(
    figures: dict[str, Figures | None], sha256: str | None, arguments: AblationArguments
) -> list[AblationTable]:
    steps = {module: arguments.steps or count for module, count in _STEPS.items()}
    weights = "" if sha256 is None else f", given weights: sha256 {sha256[:16]}"
    note = (
        f"validation people, means and 95 % bootstrap intervals over the people who drive; trained at "
        f"{arguments.side or 128} px for steps {steps}, no critic, modules not trained end to end{weights}; everything "
        "is measured on 256 px pictures by the embedded detector, tracker and identity encoder"
    )
    landmarks = AblationTable(
        title="FACEGAN, Table 1: the landmark transformer",
        paper_caption=(
            "with and without L_T on 200,000 pictures of FaceForensics++ at 256 px; CSIM by VGG-Face, PSIM and ED by "
            "OpenFace"
        ),
        columns=tuple(column.title for column in COLUMNS_1),
        rows=_rows(figures, COLUMNS_1, (WITH, WITHOUT, DIFFERENCE), PAPER_1),
        note=f"{note}; MSE of RGB in [0, 1], ED over units of 0 to 1",
    )
    lsim = AblationTable(
        title="FACEGAN, Table 2: LSIM",
        paper_caption="FACEGAN's LSIM; the paper has it with L_T only, and states neither its unit nor its alignment",
        columns=tuple(column.title for column in COLUMNS_2),
        rows=_rows(figures, COLUMNS_2, (WITH, WITHOUT, DIFFERENCE, COPY), PAPER_2),
        note=f"{note}; mean squared error of 136 coordinates in half-sides, eyes' middle in one place",
    )
    return [landmarks, lsim]


def _rows(
    figures: dict[str, Figures | None],
    columns: tuple[Column, ...],
    kinds: tuple[str, ...],
    paper: dict[str, tuple[Figure, ...]],
) -> tuple[AblationRow, ...]:
    """The rows of our networks, then those of the systems that were measured along."""
    absent, rows = (None,) * len(columns), []
    for group in (group for group in _GROUPS if group in figures):
        found = figures[group]
        for kind in kinds:
            published = paper.get(kind, ()) if group == "plain" else ()
            ours = None if found is None else tuple(found[f"{kind}: {column.title}"] for column in columns)
            name = _NAMES[kind].format(_GROUPS[group])
            rows.append(AblationRow(name=name, paper=published + absent[len(published) :], ours=ours))
    for name, found in figures.items():
        if name not in _GROUPS and found is not None:
            ours = tuple(found[column.title] for column in columns)
            rows.append(AblationRow(name=name, paper=absent, ours=ours))
    return tuple(rows)
