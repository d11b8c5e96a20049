"""The dual generator's Tables 1 and 2: losses added one after the other, for each of the two generators.

Table 1 trains the shape generator by its recipe, in about a minute per row. Table 2 trains the face generator on small
pictures, in the paper's form and with source features. A few hundred steps against critics from random weights end in
noise, which shows no order of losses; so all rows of a form start from one generator, trained with `L_at` alone. An
hour on one core: the beginning of a training, far from what the recipe reaches.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import torch

from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig
from studies.ablate.arguments import AblationArguments
from studies.ablate.rows import Figures, finished_row, keep_row, train_row
from studies.ablate.table import AblationRow, AblationTable, Figure
from train.data.faces import FaceData, load_faces
from train.evaluate.metrics import frechet_distance
from train.evaluate.perceptual import Inception, find_inception
from train.pairs.frames import PairConfig
from train.pairs.shapes import ShapePairs
from train.recipes.dual_generator.face import FaceTask, FaceTaskConfig
from train.recipes.dual_generator.shape import TINY_LOOP, ShapeTask, ShapeTaskConfig
from train.run.loop import LoopConfig

SHAPE_STEPS, FACE_STEPS = 2000, 300
"""Steps of each row."""
START_STEPS = {"": 3000, ", source features": 300}
"""Steps of the generator that the rows of Table 2 start from: in the paper's form, and in the variant, which gets
the moved source."""
SHAPE_BATCH, FACE_BATCH = 64, 8
"""Pairs per step; the paper has 4."""
FACE_SIDE_PX = 64
"""Side of Table 2's pictures."""

SHAPE_ROWS: dict[str, tuple[str, dict[str, float]]] = {
    "BL: L_adv + L_C": ("8.07 ± 2.59", {"localization": 0.0, "action": 0.0, "local_shape": 0.0}),
    "+ L_l": ("6.93 ± 1.90", {"action": 0.0, "local_shape": 0.0}),
    "+ L_a": ("6.61 ± 1.65", {"local_shape": 0.0}),
    "DG (+ L_vls)": ("4.13 ± 1.12", {}),
}
"""Table 1: the paper's ACE, and the weights of equation (7) that each row leaves out."""

SHAPE_COLUMNS = {
    "ACE ↓": "ace_px",
    "ACE, turned 65° and 80° ↓": "ace_large_px",
    "ACE, other people ↓": "ace_cross_px",
    "nearer to the source's shape ↑": "nearer_source",
    "ACE, anchored ↓": "ace_anchored_px",
    "ACE, turned, anchored ↓": "ace_large_anchored_px",
    "nearer to the source's shape, anchored ↑": "nearer_source_anchored",
}
"""Columns of Table 1, and the recipe's names for them."""

FACE_ROWS: dict[str, tuple[tuple[Figure, ...], dict[str, Any]]] = {
    "BL: L_adv(D_f) + L_at": (
        (0.503, 58.61, 0.211),
        {"identity": 0.0, "style": 0.0, "landmarks": 0.0, "shape_critic": False},
    ),
    "+ L_id": ((0.643, 12.01, 0.775), {"style": 0.0, "landmarks": 0.0, "shape_critic": False}),
    "+ L_st": ((0.662, 9.92, 0.803), {"landmarks": 0.0, "shape_critic": False}),
    "+ L_lm": ((0.707, 5.59, 0.844), {"shape_critic": False}),
    "DG (+ D_s)": ((0.726, 3.99, 0.862), {}),
}
"""Table 2: the paper's SSIM, FID and CSIM, and the weights of equation (15) that each row leaves out. Each is trained
twice: in the paper's form, and with source features."""

FACE_COLUMNS = {
    "SSIM ↑": "ssim",
    "FID ↓": "fid",
    "CSIM ↑": "csim",
    "AKD, px at 256 ↓": "akd_px",
    "SSIM, with source features ↑": "features_ssim",
    "CSIM, with source features ↑": "features_csim",
    "AKD, with source features ↓": "features_akd_px",
}
"""Columns of Table 2, and our names for them."""

_WITH_FEATURES = ", source features"
"""Appended to a row's name for the variant's folder and file."""
_START = "start: L_at alone"
_ALL_FACE_ROWS: dict[str, tuple[tuple[Figure, ...], dict[str, Any]]] = {
    _START: ((None, None, None), {"identity": 0.0, "style": 0.0, "landmarks": 0.0, "critics": False})
} | FACE_ROWS
"""The paper has no such row."""

NO_FID = "no Inception weights"


Data = Callable[[str], FaceData]


def run(arguments: AblationArguments) -> list[AblationTable]:
    """Train what is missing, measure, and give both tables."""
    wanted = arguments.tables or (1, 2)
    data = functools.cache(lambda split: load_faces(arguments.data, split, arguments.cache))
    shape = _table_1(arguments, data) if 1 in wanted else _finished(arguments, SHAPE_ROWS, "shape")
    forms = _table_2(arguments, data) if 2 in wanted else _finished(arguments, _face_forms(), "face")
    return [_shape_table(arguments, shape), _face_table(arguments, _side_by_side(forms))]


def _table_1(arguments: AblationArguments, data: Data) -> dict[str, Figures | None]:
    steps, size = arguments.steps or SHAPE_STEPS, arguments.batch_size or SHAPE_BATCH
    loop = dataclasses.replace(
        TINY_LOOP, steps=steps, batch_size=size, seed=arguments.seed, log_every=200, validate_every=steps
    )
    pairs: list[ShapePairs] = []  # the pool of landmarks is made once, for the first row that is missing

    def train(left_out: dict[str, float], folder: pathlib.Path) -> Figures:
        torch.manual_seed(arguments.seed)
        config = ShapeTaskConfig(**left_out)  # type: ignore[arg-type]
        task = ShapeTask(data("train"), data("val"), PRESETS["tiny"], config, pairs[0] if pairs else None)
        pairs[:] = [task.pairs]
        return train_row(task, loop, folder, "dual_generator")

    rows: dict[str, Figures | None] = {}
    for name, (_, left_out) in SHAPE_ROWS.items():
        settings = _settings(arguments, steps=steps, batch_size=size, left_out=left_out)
        row = functools.partial(train, left_out)
        rows[name] = keep_row(arguments.out, _file_name("shape", name), settings, row, lambda: data("val"))
    return rows


def _table_2(arguments: AblationArguments, data: Data) -> dict[str, Figures | None]:
    steps, size = arguments.steps or FACE_STEPS, arguments.batch_size or FACE_BATCH
    side, rows = arguments.side or FACE_SIDE_PX, {}

    def train(name: str, start: pathlib.Path | None, loop: LoopConfig, folder: pathlib.Path) -> Figures:
        torch.manual_seed(arguments.seed)
        network = face_network(side, source_features=name.endswith(_WITH_FEATURES))
        config = FaceTaskConfig(pairs=PairConfig(side=side), **_face_forms()[name])
        task = FaceTask(data("train"), data("val"), network, config)
        task.start_from(start)
        return train_row(task, loop, folder, "dual_generator") | {"fid": _measure_fid(task, folder)}

    for name, left_out in _face_forms().items():
        form, starts = _form(name), name.startswith(_START)
        length = min(START_STEPS[form], 10 * steps) if starts else steps
        loop = LoopConfig(
            steps=length,
            batch_size=size,
            learning_rate=1e-3 if starts else 3e-4,
            critic_learning_rate=2e-4,
            weight_decay=0.0,
            warmup_steps=min(100, length // 10),
            ema_decay=0.95,
            mixed_precision="no",
            seed=arguments.seed,
            log_every=50,
            save_every=50,
            validate_every=length,
        )
        start = None if starts else arguments.out / _file_name("face", _START + form) / "export"
        settings = _settings(arguments, steps=length, batch_size=size, side=side, left_out=left_out, starts=starts)
        row = functools.partial(train, name, start, loop)
        rows[name] = keep_row(arguments.out, _file_name("face", name), settings, row, lambda: data("val"))
    return rows


def _form(name: str) -> str:
    """The end of a name that says which form was trained."""
    return _WITH_FEATURES if name.endswith(_WITH_FEATURES) else ""


def _face_forms() -> dict[str, dict[str, Any]]:
    """What each training of Table 2 leaves out: all rows in the paper's form, then all with source features."""
    return {name + form: left_out for form in ("", _WITH_FEATURES) for name, (_, left_out) in _ALL_FACE_ROWS.items()}


def _side_by_side(forms: dict[str, Figures | None]) -> dict[str, Figures | None]:
    """Both forms of a row in one, those of the variant under names that say so."""
    rows: dict[str, Figures | None] = {}
    for name in _ALL_FACE_ROWS:
        paper, variant = forms[name], forms[name + _WITH_FEATURES]
        if paper or variant:
            rows[name] = (paper or {}) | {f"features_{key}": value for key, value in (variant or {}).items()}
    return rows


def face_network(side: int, *, source_features: bool) -> DualGeneratorConfig:
    """The tiny preset for small pictures: it folds fewer pixels, and its style encoder reads them at their own side."""
    stem = PRESETS["tiny"].stem if side >= 256 else 2
    return dataclasses.replace(PRESETS["tiny"], stem=stem, style_px=min(side, 128), source_features=source_features)


@torch.no_grad()
def _measure_fid(task: FaceTask, folder: pathlib.Path) -> Figure:
    """FID of the exported weights on the validation pairs, or a text if there are no Inception weights."""
    path = find_inception(None)
    if path is None:
        return NO_FID
    task.start_from(folder / "export")
    inception, features = Inception(path, torch.device("cpu")), {"result": [], "target": []}
    for batch in task.validation_batches(torch.device("cpu")):
        pictures = {"result": task.networks(*task.inputs(batch)).rgb, "target": batch["target"]}
        for name, rgb in pictures.items():
            features[name].append(inception((rgb.clamp(0, 1) * 255).round().byte()))
    return frechet_distance(torch.cat(features["result"]), torch.cat(features["target"]))


def _finished(arguments: AblationArguments, rows: Any, table: str) -> dict[str, Figures | None]:
    return {name: finished_row(arguments.out, _file_name(table, name)) for name in rows}


def _settings(arguments: AblationArguments, **more: Any) -> dict[str, Any]:
    return {"data": arguments.data, "seed": arguments.seed} | more


def _file_name(table: str, row: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in row).split()
    return "-".join([table, *words]).lower()


def _rows(rows: Any, columns: dict[str, str], figures: dict[str, Figures | None]) -> tuple[AblationRow, ...]:
    made = []
    for name, (paper, _) in rows.items():
        ours = figures.get(name)
        published: tuple[Figure, ...] = (paper,) if isinstance(paper, str) else paper
        published += (None,) * (len(columns) - len(published))
        values = None if ours is None else tuple(ours.get(key) for key in columns.values())
        made.append(AblationRow(name=name, paper=published, ours=values))
    return tuple(made)


def _shape_table(arguments: AblationArguments, figures: dict[str, Figures | None]) -> AblationTable:
    copy = next((row["ace_copy_px"] for row in figures.values() if row), None)
    copied = f"; the source's own landmarks, unmoved, would have {copy:.2f}" if isinstance(copy, float) else ""
    return AblationTable(
        title="Dual-Generator, Table 1: losses of the shape generator",
        paper_caption="average coordinate-wise error on RaFD, mean and standard deviation, after training on RaFD",
        columns=tuple(SHAPE_COLUMNS),
        rows=_rows(SHAPE_ROWS, SHAPE_COLUMNS, figures),
        note=(
            "pixels of a 256 px crop, three coordinates, validation people; steps "
            f"{arguments.steps or SHAPE_STEPS}, batch {arguments.batch_size or SHAPE_BATCH}. ACE: first frame of a "
            f"clip as source, later ones as reference{copied}. Turned: references turned in depth. Other people: "
            "frames of another person, against the source's mesh with that expression and pose by the morphable model. "
            "Nearer: share of these whose neutral, aligned shape is nearer to the source's than to the reference's. "
            "Anchored: this project's variant, which adds the change of action to the source's own landmarks"
        ),
    )


def _face_table(arguments: AblationArguments, figures: dict[str, Figures | None]) -> AblationTable:
    side = arguments.side or FACE_SIDE_PX
    done = next((row for row in figures.values() if row and "ssim_copy" in row), None)
    beside = ""
    if done is not None:
        beside = (
            f"; the source itself has SSIM {done['ssim_copy']:.3f}, the target's picture CSIM {done['csim_real']:.3f}"
        )
    return AblationTable(
        title="Dual-Generator, Table 2: losses of the face generator",
        paper_caption="RaFD, 256 px; FID by Inception-V3, CSIM by ArcFace",
        columns=tuple(FACE_COLUMNS),
        rows=_rows(_ALL_FACE_ROWS, FACE_COLUMNS, figures),
        note=(
            f"self-reenactment of validation people, {side} px, tiny preset, {arguments.steps or FACE_STEPS} steps of "
            f"{arguments.batch_size or FACE_BATCH} pairs from a generator that was trained with L_at alone: the "
            "beginning of a training, not its result; CSIM by the "
            "embedded identity encoder, which L_id also trains against, AKD by the embedded tracker at the target's "
            "place. With source features: this project's variant, which is given the source's head moved by geometry "
            f"and starts from there{beside}"
        ),
    )
