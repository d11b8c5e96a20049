"""Accuracy of editing by Action Units: every unit is set to 0, 2.5 and 5 and read back by an independent tracker.

``python -m benchmarks.editing --data DIR --teacher-file face_landmarker.task`` prints a table and writes JSON. Sources
are frontal, nearly neutral stills of validation people; those with covered eyes or mouth are left out (`COVERED`).
Previews (256 px crops) are measured. A reading is `action_units` of the reader in FACS intensity, clamped to 0 to 5; if
it is the same at all three levels, the rank correlation is 0. Units with a constant score in the labels of the data set
cannot be measured by MediaPipe's scores and are left out of the average; their line shows the reading from the mesh.
"""

import dataclasses
import importlib.metadata
import pathlib
import time
from typing import Any, cast

import cv2
import numpy as np
import scipy.stats
import torch
import tyro

from benchmarks.speed import REPOSITORY, describe_machine, write_result
from reenact.errors import ReenactError
from reenact.facs import ACTION_UNITS, FACS_MAXIMUM
from reenact.geometry.action_units import BLENDSHAPE_NAMES, UNITS, BlendshapeUnit, read_action_units
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.unit_movements import UnitMovements
from reenact.hub import load_parser, load_tracker
from reenact.media.frame import Frame
from reenact.perception.parser import PARSER_CLASSES, PARSER_CROP_PX
from reenact.perception.tracking import Tracker
from reenact.pipeline.controls.session import EditSession, open_edit
from reenact.pipeline.controls.settings import FaceEdit
from reenact.pipeline.engine import load_engine
from reenact.systems.facegan.motion import FaceMotion
from reenact.systems.facegan.reenactor import DrivenFace, FaceganIdentity, FaceganReenactor
from reenact.types import FaceGeometry, head_angles_rad
from train.data.faces import FaceData, load_faces
from train.data.shards import sha256_of
from train.evaluate.encoders import OwnEncoder, aligned_crops

LEVELS = (0.0, 2.5, 5.0)
"""FACS intensities of the edited unit; the other units keep the source's values."""
TARGET = 0.8
"""Target of the average rank correlation."""
SCORE_OF_MESH_UNITS = {6: "cheekSquint", 9: "noseSneer"}
"""MediaPipe's scores of units that `UNITS` reads from the mesh; there is none for 25."""
COVERED = {"val": ("s1180_3fa1", "s3138_b1d0", "s1044_a75c"), "train": ("s2393_042d",)}
"""Stills with sunglasses or a mask among the least expressive of each split, selected manually."""
CONSTANT_BELOW = 0.01
"""A score counts as constant if its 99th percentile over the labels is below this."""
FRONTAL_DEG, TURN_DEG = 12.0, 15.0
HEAD_FROM, WIDENED = 0.5, 1 / 16
"""Probability above which a pixel belongs to the head, and margin around the head as a share of the crop's side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Editing:
    """Measure editing by Action Units."""

    data: pathlib.Path
    """Labelled data folder (docs/data.md)."""
    teacher_file: pathlib.Path | None = None
    """``face_landmarker.task``, so that MediaPipe reads the results. Default: the embedded tracker, which also tracks
    the sources."""
    people: int = 20
    """Number of people, one still each."""
    skip: tuple[str, ...] | None = None
    """Stills to leave out together with their people. Default: those of the labelled set with covered eyes or mouth."""
    calibrate: bool = False
    """Measure training people, with landmarks moved by the table that the landmark transformer is trained on."""
    checkpoint: str = "checkpoints/facegan"
    """Folder of the system."""
    out: pathlib.Path = pathlib.Path("runs/editing.json")
    """Output file."""


def main(settings: Editing) -> None:
    """Measure, print, write."""
    split = "train" if settings.calibrate else "val"
    data = load_faces(settings.data, split, pathlib.Path("runs/cache"))
    skipped = COVERED[split] if settings.skip is None else settings.skip
    rows = choose_rows(data, settings.people, skipped)
    engine = load_engine("facegan", checkpoint=settings.checkpoint, device="cpu")
    if settings.calibrate:
        move_by_table(cast(FaceganReenactor, engine.system))
    named = "own" if settings.teacher_file is None else "mediapipe"
    bench = Bench(load_tracker(named, model_file=settings.teacher_file))
    for row in rows:
        bench.measure(open_edit(np.array(data.rgb[row]), engines=lambda _: engine, system="facegan"))
    units = summarise(np.stack(bench.readings), np.stack(bench.similarities))
    unseen = unseen_units(data.blendshapes)
    libraries = ("scipy",) if named == "own" else ("scipy", "mediapipe")
    result: dict[str, Any] = {
        "machine": describe_machine() | {name: importlib.metadata.version(name) for name in libraries},
        "weights_sha256": weights_of(settings),
        "reader": named,
        "split": split,
        "landmarks_by": "table" if settings.calibrate else "transformer",
        "sources": [data.names[row] for row in rows],
        "left_out": [name for name in skipped if name in data.names],
        "results_without_a_face": bench.missed,
        "units": units,
        "unseen_units": list(unseen),
        "averages": averages(units, unseen),
        "background_difference_255": spread_of(bench.background),
        "preview_ms": {"cpu": spread_of(bench.cpu_ms), "wall": spread_of(bench.wall_ms)},
    }
    print("\n".join(table(result)))
    write_result(settings.out, result)


class Bench:
    """Edits people one by one and collects the readings."""

    def __init__(self, reader: Tracker) -> None:
        self.reader, self.identity, self.parser = reader, OwnEncoder(torch.device("cpu")), load_parser()
        self.readings: list[np.ndarray] = []
        """(17 edited, 3 levels, 17 read) FACS intensities of each person; NaN if no face was found."""
        self.similarities: list[np.ndarray] = []
        """(17,) identity similarity of each person: source and result with the unit at 5."""
        self.background: list[float] = []
        self.cpu_ms: list[float] = []
        self.wall_ms: list[float] = []
        self.missed = 0

    def measure(self, session: EditSession) -> None:
        """Measure all edits of one person."""
        still = session.render(FaceEdit(), preview=True).rgb
        source = self.reader.track(still)
        values = np.full((len(ACTION_UNITS), len(LEVELS), len(ACTION_UNITS)), np.nan)
        similar = np.full(len(ACTION_UNITS), np.nan)
        for i, unit in enumerate(ACTION_UNITS):
            for j, level in enumerate(LEVELS):
                shown = self._render(session, FaceEdit(action_units={str(unit): level}, mode="absolute"))
                face = self._read(shown)
                if face is None:
                    continue
                values[i, j] = face.action_units[0].numpy() * FACS_MAXIMUM
                if level == LEVELS[-1]:
                    similar[i] = self._similarity((still, source), (shown, face))
        self.readings.append(values)
        self.similarities.append(similar)
        for yaw_deg in (-TURN_DEG, TURN_DEG):
            turned = self._render(session, FaceEdit(yaw_deg=yaw_deg, mode="absolute"))
            self.background.append(difference_outside(still, turned, self._head(still), self._head(turned)))

    def _render(self, session: EditSession, edit: FaceEdit) -> Frame:
        wall, cpu = time.perf_counter(), time.process_time()
        shown = session.render(edit, preview=True).rgb
        self.wall_ms.append((time.perf_counter() - wall) * 1000)
        self.cpu_ms.append((time.process_time() - cpu) * 1000)
        return shown

    def _read(self, shown: Frame) -> FaceGeometry | None:
        try:
            return self.reader.track(shown)
        except ReenactError:
            self.missed += 1
            return None

    def _similarity(self, *faces: tuple[Frame, FaceGeometry]) -> float:
        """Cosine of the embeddings of two faces."""
        crops = aligned_crops([frame for frame, _ in faces], [face.mesh_px[0].numpy() for _, face in faces])
        with torch.inference_mode():
            vectors = self.identity.embed(crops)
        return float(vectors[0] @ vectors[1])

    @torch.inference_mode()
    def _head(self, shown: Frame) -> np.ndarray:
        """(s, s) probability of face or hair."""
        small = cv2.resize(shown, (PARSER_CROP_PX, PARSER_CROP_PX), interpolation=cv2.INTER_AREA)
        shares = self.parser(torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255).softmax(1)[0]
        head = shares[PARSER_CLASSES.index("face")] + shares[PARSER_CLASSES.index("hair")]
        return cv2.resize(head.numpy(), shown.shape[:2], interpolation=cv2.INTER_LINEAR)


def choose_rows(data: FaceData, count: int, skipped: tuple[str, ...] = ()) -> list[int]:
    """The least expressive frontal still of each person; of these the `count` least expressive.

    Args:
        data: the split.
        count: number of people.
        skipped: stills to leave out together with their people.
    """
    angles = np.degrees(head_angles_rad(torch.from_numpy(np.array(data.rotation))).numpy())
    frontal = data.is_still & (np.abs(angles).max(1) < FRONTAL_DEG)
    meshes, scores = (torch.from_numpy(np.array(each)) for each in (data.mesh_px, data.blendshapes))
    expressive = read_action_units(scores, meshes).sum(1).numpy()
    best: dict[int, int] = {}
    for row in sorted(np.flatnonzero(frontal), key=lambda row: float(expressive[row])):
        best.setdefault(int(data.person[row]), int(row))
    chosen = [row for row in best.values() if data.names[row] not in skipped]
    if len(chosen) < count:
        raise SystemExit(f"The split has {len(chosen)} people with a frontal still; --people asks for {count}.")
    return chosen[:count]


def move_by_table(system: FaceganReenactor) -> None:
    """Replace the landmark transformer by the table of unit movements."""
    movements, at = UnitMovements(system.rig.model), list(LANDMARKS_68)

    def transform(identity: FaceganIdentity, motion: FaceMotion) -> DrivenFace:
        count = len(motion.action_units)
        shape = identity.rigged.shape[:, at].expand(count, -1, -1)
        own = identity.motion.action_units.expand(count, -1, -1)
        moved = movements.move(shape, own, motion.action_units)
        return DrivenFace(landmarks=motion.pose.apply(moved)[..., :2], pose=motion.pose)

    system.transform = transform  # type: ignore[method-assign]


def unseen_units(blendshapes: np.ndarray) -> tuple[int, ...]:
    """Units whose score is constant over the labels (n, 52), so that they cannot be measured by it."""
    unseen: list[int] = []
    for number in ACTION_UNITS:
        unit = UNITS[number]
        name = unit.name if isinstance(unit, BlendshapeUnit) else SCORE_OF_MESH_UNITS.get(number)
        columns = [i for i, shape in enumerate(BLENDSHAPE_NAMES) if name and shape.startswith(name)]
        if columns and np.percentile(blendshapes[:, columns], 99) < CONSTANT_BELOW:
            unseen.append(number)
    return tuple(unseen)


def rank_correlation(levels: tuple[float, ...], read: np.ndarray) -> float:
    """Spearman's rank correlation of set and read values; 0 for a constant reading."""
    if np.ptp(read) == 0:
        return 0.0
    return float(cast(Any, scipy.stats.spearmanr(levels, read)).statistic)


def leakage(first: np.ndarray, last: np.ndarray, unit: int) -> tuple[float, int]:
    """Change of the other units with an edited unit.

    Args:
        first: (people, 17) readings with the unit at its lowest level.
        last: the same with the unit at its highest level.
        unit: column of the unit.

    Returns:
        Mean absolute change of the other units divided by that of the unit itself (infinite if it does not change),
        and the column of the other unit that changes most.
    """
    change = np.abs(last - first).mean(0)
    others = np.delete(change, unit)
    most = int(np.argmax(np.where(np.arange(len(change)) == unit, -1.0, change)))
    return (float(others.mean() / change[unit]) if change[unit] > 0 else float("inf")), most


def summarise(readings: np.ndarray, similarities: np.ndarray) -> dict[str, dict[str, Any]]:
    """Figures of each unit from (people, 17, 3, 17) readings and (people, 17) similarities."""
    units: dict[str, dict[str, Any]] = {}
    for i, number in enumerate(ACTION_UNITS):
        found = readings[np.isfinite(readings[:, i]).all((1, 2)), i]
        own = found[:, :, i]
        leak, most = leakage(found[:, 0], found[:, -1], i)
        units[str(number)] = {
            "people": len(found),
            "rank_correlation": float(np.mean([rank_correlation(LEVELS, read) for read in own])),
            "monotonic": float((np.diff(own, axis=1) > 0).all(1).mean()),
            "read": own.mean(0).tolist(),
            "leakage": leak if np.isfinite(leak) else None,
            "leaks_most_into": ACTION_UNITS[most],
            "leaks_most": float(np.abs(found[:, -1] - found[:, 0]).mean(0)[most]),
            "identity": float(np.nanmean(similarities[:, i])),
        }
    return units


def averages(units: dict[str, dict[str, Any]], unseen: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Averages over units with a varying score and over all units; medians of the leakage, which may be infinite."""
    seen = [unit for number, unit in units.items() if int(number) not in unseen]
    means: dict[str, dict[str, float]] = {}
    for which, chosen in (("seen", seen), ("all", list(units.values()))):
        names = ("rank_correlation", "monotonic", "identity")
        leak = float(np.median([np.inf if unit["leakage"] is None else unit["leakage"] for unit in chosen]))
        means[which] = {name: float(np.mean([unit[name] for unit in chosen])) for name in names} | {"leakage": leak}
    return means


def difference_outside(source: Frame, shown: Frame, *heads: np.ndarray) -> float:
    """Mean absolute difference of two pictures, in 1/255, outside the widened heads of both."""
    width = 2 * round(len(source) * WIDENED) + 1
    head = (np.max(heads, axis=0) >= HEAD_FROM).astype(np.uint8)
    outside = cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))) == 0
    difference = np.abs(source.astype(np.float32) - shown.astype(np.float32))
    return float(difference[outside].mean()) if outside.any() else float("nan")


def spread_of(values: list[float]) -> dict[str, float]:
    """Mean, median and maximum of the finite values."""
    known = np.array(values)[np.isfinite(values)]
    return {"mean": float(known.mean()), "median": float(np.median(known)), "largest": float(known.max())}


def weights_of(settings: Editing) -> dict[str, str]:
    """sha256 of the system's weights, of the embedded perception networks, and of the teacher's file."""
    files = {"facegan": pathlib.Path(settings.checkpoint) / "model.safetensors"}
    files |= {
        path.parent.name: path for path in sorted((REPOSITORY / "checkpoints/perception").glob("*/*.safetensors"))
    }
    files |= {} if settings.teacher_file is None else {"teacher": settings.teacher_file}
    return {name: sha256_of(path) for name, path in files.items()}


def table(result: dict[str, Any]) -> list[str]:
    """The result as Markdown."""
    lines = [
        "| AU | rank corr. | monotonic | read at 0 / 2.5 / 5 | leakage | leaks most into | identity at 5 |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, unit in result["units"].items():
        name = number + "*" * (int(number) in result["unseen_units"])
        read = " / ".join(f"{value:.2f}" for value in unit["read"])
        leak = "does not move" if unit["leakage"] is None else f"{unit['leakage']:.2f}"
        most = f"AU{unit['leaks_most_into']} ({unit['leaks_most']:.2f})"
        figures = f"{unit['rank_correlation']:.2f} | {unit['monotonic']:.0%} | {read} | {leak} | {most}"
        lines.append(f"| {name} | {figures} | {unit['identity']:.3f} |")
    for which, mean in result["averages"].items():
        figures = f"{mean['rank_correlation']:.2f} | {mean['monotonic']:.0%} | | {mean['leakage']:.2f} (median) |"
        lines.append(f"| average, {which} | {figures} | {mean['identity']:.3f} |")
    background, speed = result["background_difference_255"], result["preview_ms"]
    unseen = ", ".join(f"AU{number}" for number in result["unseen_units"]) or "none"
    lines += ["", f"{len(result['sources'])} people, read by {result['reader']}; target: average, seen {TARGET:g}."]
    lines.append(f"Split {result['split']}, left out: {', '.join(result['left_out']) or 'none'}.")
    lines.append(f"Results without a face: {result['results_without_a_face']}.")
    lines.append(f"* constant score in the labels, not in the first average: {unseen}.")
    lines.append(
        f"Outside the head at yaw +-{TURN_DEG:g}: {background['mean']:.2f}/255, {background['largest']:.2f} at most."
    )
    lines.append(f"Preview: {speed['cpu']['median']:.0f} ms CPU, {speed['wall']['median']:.0f} ms wall (medians).")
    return lines


if __name__ == "__main__":
    main(tyro.cli(Editing))
