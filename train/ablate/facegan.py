"""FACEGAN's Table 1, with and without the landmark transformer, for its own G_r and for one that warps the source.

Modules are trained apart by their recipes, at `tiny` sizes; a row without L_T gives G_r the driver's own landmarks.
"""

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reenact.geometry.action_units import read_action_unit_sides, read_action_units
from reenact.geometry.morphable import Pose
from reenact.hub.loading import load_identity
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.systems.facegan.landmarks import motion_vector, normalise_landmarks, read_head_angles
from reenact.types import head_angles_rad
from train.ablate.table import AblationRow, AblationTable, Figure, finished_row, keep_row
from train.data import FaceData, load_faces
from train.evaluate.encoders import aligned_crops
from train.evaluate.metrics import csim, ed, mse, psim
from train.facegan_modules import fill_modules, read_modules
from train.landmark_table import PairShares
from train.loop import Batch, LoopConfig
from train.loop import run as train_task
from train.losses.facegan import foreground_of
from train.pairs import PairConfig, PairSampler, validation_pairs
from train.recipes.correspondence import PairDraws
from train.recipes.facegan import EndToEnd
from train.recipes.facegan_background import BackgroundTask, BackgroundTaskConfig, widen
from train.recipes.facegan_landmarks import LandmarkTask, LandmarkTaskConfig
from train.recipes.facegan_reenactor import FaceReenactorTask, ReenactorTaskConfig
from train.reread import TrackerReader

COLUMNS = ("self MSE ↓", "cross CSIM ↑", "cross PSIM ↑", "cross ED ↓")

PAPER: dict[str, tuple[Figure, ...]] = {
    "FACEGAN w L_T": (0.018, 0.747, 0.811, 0.012),
    "FACEGAN w/o L_T": (0.015, 0.623, 0.885, 0.014),
    "FACEGAN w L_T, source warped": (None, None, None, None),
    "FACEGAN w/o L_T, source warped": (None, None, None, None),
}
"""Table 1 of the paper; it has no rows for a G_r that is given the warped source."""

VARIANTS: dict[str, FaceganConfig] = {
    "plain": dataclasses.replace(PRESETS["tiny"], source_warp=False, keep_face=False),
    "warp": PRESETS["tiny"],
}
"""G_r and G_b as in the paper, and with the source's own pixels; the same sizes."""

_STEPS = {"landmarks": 2000, "reenactor": 1500, "background": 500}
_PAIRS_PER_CLIP = 4


def run(arguments: Any) -> list[AblationTable]:
    """Train what is missing, measure, and give the table."""
    out, side = pathlib.Path(arguments.out), arguments.side or 128
    names = list(PAPER)
    if arguments.tables and 1 not in arguments.tables:
        figures = {name: finished_row(out, _file_name(name)) for name in names}
        return [_table(figures, side, arguments)]
    train = load_faces(arguments.data, "train", arguments.cache)
    val = load_faces(arguments.data, "val", arguments.cache)
    exports = {"landmarks": _landmarks(train, val, arguments)}
    figures: dict[str, dict[str, Figure] | None] = {}
    for variant, config in VARIANTS.items():
        for module in ("reenactor", "background"):
            exports[module] = _pictures(module, variant, config, train, val, arguments)
        for with_transformer in (True, False):
            name = names[2 * (variant == "warp") + (not with_transformer)]
            settings = _settings(arguments, steps=_STEPS, variant=variant, transformer=with_transformer)
            measured = functools.partial(_measure_row, config, dict(exports), val, side, with_transformer)
            figures[name] = keep_row(out, _file_name(name), settings, measured)
    return [_table(figures, side, arguments)]


def _landmarks(train: FaceData, val: FaceData, arguments: Any) -> pathlib.Path:
    steps = arguments.steps or _STEPS["landmarks"]

    def train_it(folder: pathlib.Path) -> dict[str, Figure]:
        task = LandmarkTask(train, val, PRESETS["tiny"], LandmarkTaskConfig(shares=PairShares()))
        return _train(task, LoopConfig(steps=steps, batch_size=256, validate_every=steps, save_every=500), folder)

    keep_row(pathlib.Path(arguments.out), "landmarks", _settings(arguments, steps=steps), train_it)
    return pathlib.Path(arguments.out) / "landmarks" / "export"


def _pictures(
    module: str, variant: str, config: FaceganConfig, train: FaceData, val: FaceData, arguments: Any
) -> pathlib.Path:
    steps, side = arguments.steps or _STEPS[module], arguments.side or 128
    row, size = f"{module}-{variant}", arguments.batch_size or 8

    def train_it(folder: pathlib.Path) -> dict[str, Figure]:
        torch.manual_seed(arguments.seed)
        still = 0.35 if module == "background" else 0.08
        sampler = PairSampler(train, PairConfig(side=side, still_share=still))
        if module == "background":
            task: Any = BackgroundTask(sampler, val, config, BackgroundTaskConfig(side=side))
        else:
            task = FaceReenactorTask(sampler, val, config, ReenactorTaskConfig(side=side))
        loop = LoopConfig(
            steps=steps, batch_size=size, seed=arguments.seed, validate_every=max(steps // 2, 1), save_every=100
        )
        return _train(task, loop, folder)

    keep_row(pathlib.Path(arguments.out), row, _settings(arguments, steps=steps, batch_size=size), train_it)
    return pathlib.Path(arguments.out) / row / "export"


def _train(task: Any, loop: LoopConfig, folder: pathlib.Path) -> dict[str, Figure]:
    return dict(train_task(task, loop, folder, command="-m train.ablate facegan"))


def _settings(arguments: Any, **more: Any) -> dict[str, Any]:
    common = {"side": arguments.side or 128, "seed": arguments.seed, "asked_steps": arguments.steps}
    return common | {"data": str(arguments.data)} | more


def _file_name(row: str) -> str:
    return row.replace("w/o ", "without ").replace(",", "").replace("w L_T", "with L_T").replace(" ", "-")


def _measure_row(
    config: FaceganConfig,
    exports: dict[str, pathlib.Path],
    val: FaceData,
    side: int,
    with_transformer: bool,
    _folder: pathlib.Path,
) -> dict[str, Figure]:
    networks = EndToEnd(config)
    for folder in exports.values():
        fill_modules(networks.facegan, read_modules(folder), folder)
    networks.eval().requires_grad_(False)
    return measure(networks, val, side, with_transformer=with_transformer)


@torch.no_grad()
def measure(networks: EndToEnd, val: FaceData, side: int, *, with_transformer: bool) -> dict[str, Figure]:
    """Table 1's columns on validation people.

    Self: a clip's first frame driven by later ones. Cross: the same first frame driven by frames of the next clip that
    shows somebody else, the head staying where the source's is. Embeddings, angles and Action Units of results and
    drivers are read off the pictures by the embedded networks.
    """
    found: dict[str, list[float]] = {name: [] for name in COLUMNS}
    reader, identity = TrackerReader(), load_identity(torch.device("cpu"))
    for batch in validation_pairs(val, side, _PAIRS_PER_CLIP, torch.device("cpu")):
        picture = render(networks, batch, val, keep_place=False, with_transformer=with_transformer)[0]
        found[COLUMNS[0]] += mse(picture, batch["target"]).tolist()
    model = networks.rigs[0].model
    for batch in cross_pairs(val, side):
        picture, near = render(networks, batch, val, keep_place=True, with_transformer=with_transformer)
        mesh, scores = reader.read_faces(picture, near)
        driving_mesh, driving_scores = reader.read_faces(batch["target"], batch["target_mesh"])
        source_mesh = reader.read(batch["source"], batch["source_mesh"])
        embedded = [
            identity(aligned_crops(_frames(rgb), _pixels(points, side)) / 255)
            for rgb, points in ((picture, mesh), (batch["source"], source_mesh))
        ]
        found[COLUMNS[1]] += csim(*embedded).tolist()
        angles = [read_head_angles(model, points) for points in (mesh, driving_mesh)]
        found[COLUMNS[2]] += psim(*angles).tolist()
        units = [read_action_units(*read) for read in ((scores, mesh), (driving_scores, driving_mesh))]
        found[COLUMNS[3]] += ed(*units).tolist()
    return {name: float(np.mean(values)) for name, values in found.items()}


def render(
    networks: EndToEnd, batch: Batch, data: FaceData, *, keep_place: bool, with_transformer: bool
) -> tuple[Tensor, Tensor]:
    """I_r, and about where its face is (a mesh in half-sides).

    Args:
        networks: all three modules.
        batch: of `PairSampler.cut`.
        data: the split of the batch's rows, for their blendshapes.
        keep_place: leave the head where the source's is; otherwise it stands where the target's does.
        with_transformer: False draws the driver's own landmarks.
    """
    rig, config = networks.rigs[0], networks.config
    face, driving = rig.take_apart(batch["source_mesh"]), rig.model.fit(batch["target_mesh"]).pose
    pose, wanted = driving, normalise_landmarks(batch["target_mesh"], driving)
    near = batch["target_mesh"]
    if keep_place:
        pose = Pose(rotation=driving.rotation, scale=face.pose.scale, translation_px=face.pose.translation_px)
        near = pose.apply(driving.invert(batch["target_mesh"]))
    landmarks = wanted
    if with_transformer:
        own = normalise_landmarks(batch["source_mesh"], face.pose)
        motions = [
            motion_vector(_units(data, batch[f"{name}_row"]), head_angles_rad(of.rotation), config.sides)
            for name, of in (("target", driving), ("source", face.pose))
        ]
        landmarks = own + networks.facegan.transformer(own, *motions)
    hole = widen(foreground_of(batch["source_classes"]), BackgroundTaskConfig().rim)
    return networks.draw(batch["source"], batch["source_mesh"], face, landmarks, pose, hole)[-1], near


def cross_pairs(data: FaceData, side: int) -> list[Batch]:
    """Each clip's first frame with frames of the next clip of somebody else, one batch a clip."""
    sampler = PairSampler(data, PairConfig(side=side))
    count = _PAIRS_PER_CLIP
    matrix = np.tile(np.diag([side / 256, side / 256, 1.0]), (count, 1, 1))
    lut = np.tile(np.arange(256, dtype=np.uint8)[:, None], (count, 1, 3))
    batches, clips = [], len(sampler.ranges)
    for i, (first, _) in enumerate(sampler.ranges):
        others = [(i + k) % clips for k in range(1, clips)]
        others = [k for k in others if data.person[sampler.ranges[k][0]] != data.person[first]]
        if not others:
            continue
        driving = np.linspace(*sampler.ranges[others[0]] - [0, 1], count).round().astype(int)
        rows = np.stack([np.full(count, first), driving], 1)
        none = np.zeros(count, bool)
        draws = PairDraws(rows=rows, crop_from_frame=matrix, flips=none, luts=lut, own=none)
        batches.append(sampler.cut(draws, torch.device("cpu")))
    return batches


def _units(data: FaceData, rows: Tensor) -> Tensor:
    at = rows.numpy()
    scores, mesh = (torch.from_numpy(np.array(array[at], np.float32)) for array in (data.blendshapes, data.mesh_px))
    return read_action_unit_sides(scores, mesh)


def _frames(rgb: Tensor) -> list[np.ndarray]:
    return list((rgb.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy())


def _pixels(mesh: Tensor, side: int) -> list[np.ndarray]:
    return list(((mesh + torch.tensor([1.0, 1.0, 0.0])) * (side / 2)).numpy())


def _table(figures: dict[str, dict[str, Figure] | None], side: int, arguments: Any) -> AblationTable:
    rows = []
    for name, paper in PAPER.items():
        ours = figures.get(name)
        rows.append(
            AblationRow(name=name, paper=paper, ours=None if ours is None else tuple(ours[each] for each in COLUMNS))
        )
    steps = {module: arguments.steps or count for module, count in _STEPS.items()}
    return AblationTable(
        title="FACEGAN, Table 1: the landmark transformer",
        paper_caption=(
            "with and without L_T on 200,000 pictures of FaceForensics++ at 256 px; CSIM by VGG-Face, PSIM and ED by "
            "OpenFace"
        ),
        columns=COLUMNS,
        rows=tuple(rows),
        note=(
            f"validation people, {side} px, steps {steps}, no critic, modules not trained end to end; MSE of RGB in "
            "[0, 1]; CSIM, PSIM and ED by the embedded identity encoder and tracker, ED over units of 0 to 1"
        ),
    )
