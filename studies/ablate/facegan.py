"""FACEGAN's tables 1 and 2, with and without L_T, for its own G_r and for one that warps the source.

Modules are trained apart by their recipes, at `tiny` sizes; a row without L_T gives G_r the driver's own landmarks.
``--checkpoint`` measures weights that are there already in the same way, and trains nothing.
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
from studies.ablate.rows import finished_row, keep_row, train_row
from studies.ablate.table import AblationRow, AblationTable, Figure
from train.data.faces import FaceData, load_faces
from train.evaluate.perceptual import sha256_of
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

PAPER_2: dict[str, Figure] = {WITH: 0.021}
"""LSIM of FACEGAN in the paper's Table 2, which does not have it without L_T."""

VARIANTS: dict[str, FaceganConfig] = {
    "plain": dataclasses.replace(PRESETS["tiny"], source_warp=False, keep_face=False),
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
"""For minutes on a busy CPU: enough to order the rows, far too few for good pictures."""

Figures = dict[str, Figure]
Measure = Callable[[pathlib.Path], Figures]


def run(arguments: Any) -> list[AblationTable]:
    """Train what is missing, measure, and give the tables.

    Raises:
        CheckpointError: ``--checkpoint`` names no FACEGAN weights, or ``--beside`` no system.
    """
    out = pathlib.Path(arguments.out)
    given = None if arguments.checkpoint is None else resolve(arguments.checkpoint)
    sha256 = None if given is None else sha256_of(given / WEIGHTS_NAME)
    if arguments.tables and not {1, 2} & set(arguments.tables):
        return _tables({name: finished_row(out, name) for name in VARIANTS}, None, arguments)
    val = load_faces(arguments.data, "val", arguments.cache)
    measured = dataclasses.asdict(_measured(arguments))

    @functools.cache
    def measures() -> LandmarkMeasures:
        return LandmarkMeasures(val, str(arguments.data), arguments.seed, _measured(arguments))

    def measure(folder: pathlib.Path) -> Figures:
        return measures().measure(folder)

    figures: dict[str, Figures | None] = {name: finished_row(out, name) for name in VARIANTS}
    if given is not None and sha256 is not None:
        settings = _settings(arguments, sha256=sha256, measured=measured)
        figures["embedded"] = keep_row(out, f"given-{sha256[:8]}", settings, lambda _: measure(given))
    else:
        figures |= _train_rows(val, measure, arguments)
    for name in arguments.beside:
        weights = sha256_of(resolve(name) / WEIGHTS_NAME)
        settings = _settings(arguments, sha256=weights, measured=measured)
        beside = functools.partial(_measure_beside, measures, name)
        figures[name] = keep_row(out, f"beside-{pathlib.Path(name).name}-{weights[:8]}", settings, beside)
    return _tables(figures, sha256, arguments)


def _train_rows(val: FaceData, measure: Measure, arguments: Any) -> dict[str, Figures]:
    """Figures of each of `VARIANTS`, trained as far as it is not yet."""
    train = load_faces(arguments.data, "train", arguments.cache)
    exports = {"landmarks": _landmarks(train, val, arguments)}
    figures = {}
    for variant, config in VARIANTS.items():
        for module in ("reenactor", "background"):
            exports[module] = _pictures(module, variant, config, train, val, arguments)
        measured = dataclasses.asdict(_measured(arguments))
        settings = _settings(arguments, steps=_STEPS, variant=variant, measured=measured)
        row = functools.partial(_measure_row, config, dict(exports), measure, arguments.side or 128)
        figures[variant] = keep_row(pathlib.Path(arguments.out), variant, settings, row)
    return figures


def _landmarks(train: FaceData, val: FaceData, arguments: Any) -> pathlib.Path:
    steps = arguments.steps or _STEPS["landmarks"]

    def train_it(folder: pathlib.Path) -> Figures:
        torch.manual_seed(arguments.seed)
        task = LandmarkTask(train, val, PRESETS["tiny"], LandmarkTaskConfig(shares=PairShares()))
        loop = LoopConfig(steps=steps, batch_size=256, validate_every=steps, save_every=500)
        return train_row(task, loop, folder, "facegan")

    keep_row(pathlib.Path(arguments.out), "landmarks", _settings(arguments, steps=steps), train_it)
    return pathlib.Path(arguments.out) / "landmarks" / "export"


def _pictures(
    module: str, variant: str, config: FaceganConfig, train: FaceData, val: FaceData, arguments: Any
) -> pathlib.Path:
    steps, side = arguments.steps or _STEPS[module], arguments.side or 128
    row, size = f"{module}-{variant}", arguments.batch_size or 8

    def train_it(folder: pathlib.Path) -> Figures:
        torch.manual_seed(arguments.seed)
        still = 0.35 if module == "background" else 0.08
        pairs = PairConfig(side=side, still_share=still)
        if module == "background":
            task: Any = BackgroundTask(train, val, config, BackgroundTaskConfig(pairs=pairs))
        else:
            task = FaceReenactorTask(train, val, config, ReenactorTaskConfig(pairs=pairs))
        loop = LoopConfig(
            steps=steps,
            batch_size=size,
            warmup_steps=max(min(200, steps // 10), 1),
            ema_decay=0.98,
            seed=arguments.seed,
            validate_every=steps,
            save_every=100,
        )
        return train_row(task, loop, folder, "facegan")

    keep_row(pathlib.Path(arguments.out), row, _settings(arguments, steps=steps, batch_size=size), train_it)
    return pathlib.Path(arguments.out) / row / "export"


def _measured(arguments: Any) -> MeasureConfig:
    return MeasureConfig(judge=None if arguments.judge is None else str(arguments.judge))


def _settings(arguments: Any, **more: Any) -> dict[str, Any]:
    common = {"side": arguments.side or 128, "seed": arguments.seed, "asked_steps": arguments.steps}
    return common | {"data": str(arguments.data)} | more


def _measure_row(
    config: FaceganConfig, exports: dict[str, pathlib.Path], measure: Measure, side: int, folder: pathlib.Path
) -> Figures:
    """Put the modules into one folder, which `reenact` can load as well, and measure it."""
    config = dataclasses.replace(config, crop=CropSpec(network_px=side))
    networks = FaceganNetworks(config)
    for export in exports.values():
        PARTS.fill(networks, PARTS.read(export), config, export)
    PARTS.write(networks, {}, config, folder / "export", {"recipe": "studies.ablate facegan"})
    return measure(folder / "export")


def _measure_beside(measures: Callable[[], LandmarkMeasures], name: str, _folder: pathlib.Path) -> Figures:
    return measures().measure_beside(name)


def _tables(figures: dict[str, Figures | None], sha256: str | None, arguments: Any) -> list[AblationTable]:
    steps = {module: arguments.steps or count for module, count in _STEPS.items()}
    weights = "" if sha256 is None else f", given weights: sha256 {sha256[:16]}"
    note = (
        f"validation people, means and 95 % bootstrap intervals over the people who drive; trained at "
        f"{arguments.side or 128} px for steps {steps}, no critic, modules not trained end to end{weights}; everything "
        "is measured on 256 px pictures by the embedded detector, tracker and identity encoder"
    )
    return [_table_1(figures, note), _table_2(figures, note)]


def _table_1(figures: dict[str, Figures | None], note: str) -> AblationTable:
    more = (None,) * (len(COLUMNS_1) - 4)
    rows = [
        _row(group, row, (PAPER_1[row] if group == "plain" else (None,) * 4) + more, figures.get(group), COLUMNS_1)
        for group in _shown(figures)
        for row in (WITH, WITHOUT, DIFFERENCE)
    ]
    rows += _beside(figures, COLUMNS_1)
    return AblationTable(
        title="FACEGAN, Table 1: the landmark transformer",
        paper_caption=(
            "with and without L_T on 200,000 pictures of FaceForensics++ at 256 px; CSIM by VGG-Face, PSIM and ED by "
            "OpenFace"
        ),
        columns=tuple(column.title for column in COLUMNS_1),
        rows=tuple(rows),
        note=f"{note}; MSE of RGB in [0, 1], ED over units of 0 to 1",
    )


def _table_2(figures: dict[str, Figures | None], note: str) -> AblationTable:
    rows = [
        _row(group, row, (PAPER_2.get(row) if group == "plain" else None, None), figures.get(group), COLUMNS_2)
        for group in _shown(figures)
        for row in (WITH, WITHOUT, DIFFERENCE, COPY)
    ]
    rows += _beside(figures, COLUMNS_2)
    return AblationTable(
        title="FACEGAN, Table 2: LSIM",
        paper_caption="FACEGAN's LSIM; the paper has it with L_T only, and states neither its unit nor its alignment",
        columns=tuple(column.title for column in COLUMNS_2),
        rows=tuple(rows),
        note=f"{note}; mean squared error of 136 coordinates in half-sides, eyes' middle in one place",
    )


def _shown(figures: dict[str, Figures | None]) -> list[str]:
    return [group for group in _GROUPS if group in figures]


def _beside(figures: dict[str, Figures | None], columns: tuple[Column, ...]) -> list[AblationRow]:
    """Rows of the systems that were measured along; the paper's others are not ours."""
    return [
        AblationRow(name=name, paper=(None,) * len(columns), ours=tuple(found[column.title] for column in columns))
        for name, found in figures.items()
        if name not in _GROUPS and found is not None
    ]


def _row(
    group: str, row: str, paper: tuple[Figure, ...], ours: Figures | None, columns: tuple[Column, ...]
) -> AblationRow:
    return AblationRow(
        name=_NAMES[row].format(_GROUPS[group]),
        paper=paper,
        ours=None if ours is None else tuple(ours[f"{row}: {column.title}"] for column in columns),
    )
