"""Accuracy of trackers on rendered heads at known yaws, and yaw of labels against that of fitted meshes.

``python -m benchmarks.profiles --data DIR`` renders validation people (one picture each) at known yaws and tracks the
whole pictures; ``--teacher-file face_landmarker.task`` also measures MediaPipe, which labelled the set. The second
table compares the yaw of the labels' rotation with that of a fit to the labels' mesh, on real pictures of the training
split. `train/profiling/turn.py` uses its figures as constants.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks.speed import describe_machine, write_result
from reenact.errors import NoFaceFoundError
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.hub import load_tracker
from reenact.perception.tracking import Tracker
from reenact.portrait.posed import build_head
from reenact.types import head_angles_rad
from train.data.faces import FaceData, load_faces
from train.profiling.turn import about_vertical, fitted_yaw_deg, turn_head

YAWS_DEG = (0, 20, 40, 55, 65, 75, 80, 85, 90)
STRAIGHT_DEG = 12.0
"""Largest yaw of a picture to render."""
LOST_DEG = 20.0
"""Rotation error above which the tracker has lost the face."""
LABEL_BINS_DEG = ((5.0, 15.0), (15.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 90.0))
MOST_PER_BIN = 600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profiles:
    """Measure trackers on rendered profiles."""

    data: pathlib.Path
    """Labelled data folder (docs/data.md)."""
    teacher_file: pathlib.Path | None = None
    """``face_landmarker.task``, to measure MediaPipe as well."""
    people: int = 60
    """Number of people, one picture each."""
    out: pathlib.Path = pathlib.Path("runs/profiles.json")
    """Output file."""


def main(settings: Profiles) -> None:
    """Measure, print, write."""
    cache = pathlib.Path("runs/cache")
    model, val = load_morphable(), load_faces(settings.data, "val", cache)
    trackers: dict[str, Tracker] = {"own": load_tracker()}
    if settings.teacher_file is not None:
        trackers["mediapipe"] = load_tracker("mediapipe", model_file=settings.teacher_file)
    rows = choose_rows(val, settings.people)
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "pictures": [val.names[row] for row in rows],
        "trackers": measure_trackers(trackers, model, val, rows),
        "labels": compare_labels(model, load_faces(settings.data, "train", cache)),
    }
    print("\n".join(table(result)))
    write_result(settings.out, result)


def choose_rows(data: FaceData, people: int) -> list[int]:
    """One near-frontal picture of each of some people, drawn with a fixed seed."""
    straight = np.flatnonzero(np.asarray(data.has_parsing, bool) & (np.abs(data.yaw_deg) <= STRAIGHT_DEG))
    first: dict[int, int] = {}
    for row in np.random.default_rng(3).permutation(straight):
        first.setdefault(int(data.person[row]), int(row))
    return list(first.values())[:people]


def measure_trackers(
    trackers: dict[str, Tracker], model: MorphableModel, data: FaceData, rows: list[int]
) -> dict[str, list[dict[str, float]]]:
    """Figures of each tracker for each of `YAWS_DEG`."""
    read: dict[str, list[list[tuple[float, float]]]] = {name: [[] for _ in YAWS_DEG] for name in trackers}
    for row in rows:
        head = build_head(model, *(np.array(values[row]) for values in (data.rgb, data.mesh_px, data.parsing)))
        own_deg = float(data.yaw_deg[row])
        side = 1.0 if own_deg >= 0 else -1.0
        for i, yaw_deg in enumerate(YAWS_DEG):
            face = turn_head(model, head, fitted_yaw_deg(side * yaw_deg))
            known = about_vertical(side * yaw_deg - own_deg) @ data.rotation[row]
            for name, tracker in trackers.items():
                try:
                    rotation = tracker.track(face.rgb).rotation
                except NoFaceFoundError:
                    continue
                cosine = (float(np.trace(rotation[0].numpy().T @ known)) - 1) / 2
                yaw = side * float(head_angles_rad(rotation)[0, 1].rad2deg())
                read[name][i].append((yaw, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))))
    return {name: [_line(yaw, found, len(rows)) for yaw, found in zip(YAWS_DEG, lines, strict=True)]
            for name, lines in read.items()}  # fmt: skip


def _line(yaw_deg: float, found: list[tuple[float, float]], pictures: int) -> dict[str, float]:
    yaws, errors = np.array(found or [(np.nan, np.nan)]).T
    return {
        "yaw_deg": yaw_deg,
        "found": len(found) / pictures,
        "found_right": float((errors < LOST_DEG).sum()) / pictures,
        "yaw_read_deg": float(yaws.mean()),
        "rotation_error_deg": float(errors.mean()),
        "rotation_error_median_deg": float(np.median(errors)),
    }


def compare_labels(model: MorphableModel, data: FaceData) -> list[dict[str, float]]:
    """Mean |yaw| of labels and of fitted meshes by bin of the label; at most `MOST_PER_BIN` pictures per bin."""
    lines: list[dict[str, float]] = []
    for low, high in LABEL_BINS_DEG:
        rows = np.flatnonzero((np.abs(data.yaw_deg) >= low) & (np.abs(data.yaw_deg) < high))
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST_PER_BIN])
        if not len(rows):
            continue
        labelled = data.yaw_deg[rows]
        rotation = model.fit(torch.from_numpy(np.array(data.mesh_px[rows]))).pose.rotation
        fitted = head_angles_rad(rotation)[:, 1].rad2deg().numpy() * np.sign(labelled)
        lines.append(
            {
                "low": low,
                "high": high,
                "pictures": len(rows),
                "labelled_deg": float(np.abs(labelled).mean()),
                "fitted_deg": float(fitted.mean()),
            }
        )
    return lines


def table(result: dict[str, Any]) -> list[str]:
    """Both tables in Markdown."""
    pictures = len(result["pictures"])
    lines = [
        f"{pictures} people rendered at known yaws, whole pictures tracked; lost: more than {LOST_DEG:g} degrees off",
        "",
        "| tracker | yaw | found | found and not lost | yaw read | rotation error, mean | median |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in result["trackers"].items():
        for row in rows:
            shares = " | ".join(f"{row[key]:.0%}" for key in ("found", "found_right"))
            angles = ("yaw_read_deg", "rotation_error_deg", "rotation_error_median_deg")
            degrees = " | ".join(f"{row[key]:.1f}" for key in angles)
            lines.append(f"| {name} | {row['yaw_deg']:g} | {shares} | {degrees} |")
    lines += [
        "",
        "| real pictures, yaw of the label | pictures | label, mean | fitted mesh, mean |",
        "|---|---|---|---|",
    ]
    for row in result["labels"]:
        means = f"{row['labelled_deg']:.1f} | {row['fitted_deg']:.1f}"
        lines.append(f"| {row['low']:g}-{row['high']:g} | {row['pictures']} | {means} |")
    return lines


if __name__ == "__main__":
    main(tyro.cli(Profiles))
