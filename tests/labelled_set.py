"""A labelled folder (docs/data.md) of painted faces, small enough to train on in seconds."""

import csv
import dataclasses
import pathlib

import cv2
import numpy as np

from reenact.geometry.morphable import MorphableModel
from tests.synthetic import face_set
from train.data.faces import FaceData


def painted_faces(model: MorphableModel, seed: int, clips: int, frames: int, stills: int) -> FaceData:
    """`face_set` with a parsing: face inside the mesh, hair around it, neck and clothes below."""
    faces = face_set(model, np.random.default_rng(seed), clips, frames, stills)
    parsing = np.stack([_parsing_of(mesh_px[:, :2] / 2) for mesh_px in faces.mesh_px])
    return dataclasses.replace(faces, parsing=parsing)


def _parsing_of(points: np.ndarray) -> np.ndarray:
    """(128, 128) uint8 parsing of a face with these points."""
    hull = cv2.convexHull(points.astype(np.float32)).round().astype(np.int32)
    face = cv2.fillConvexPoly(np.zeros((128, 128), np.uint8), hull, 1)
    around = cv2.dilate(face, np.ones((15, 15), np.uint8))
    result = np.where(around > 0, 2, 0).astype(np.uint8)
    chin = int(hull[..., 1].max())
    result[min(chin, 120) :, 40:88] = 4
    result[min(chin + 10, 124) :] = 3
    result[face > 0] = 1
    return result


def write_labelled(root: pathlib.Path, splits: dict[str, FaceData]) -> pathlib.Path:
    """Write the splits ``train`` and ``val`` as one labelled folder. No person is in both."""
    (root / "clips").mkdir(parents=True)
    (root / "stills").mkdir()
    clip_rows: list[dict[str, object]] = []
    still_rows: list[dict[str, object]] = []
    still_labels: dict[str, list[np.ndarray]] = {}
    names: list[str] = []
    for split, faces in splits.items():
        for number, (first, last) in enumerate(faces.clip_ranges):
            name, rows = f"{split}{number}", np.arange(first, last)
            write_clip(root / "clips" / f"{name}.mp4", faces.rgb[rows])
            mesh_16 = (faces.mesh_px[rows] * 16).round().astype(np.int16)
            labels = _labels(faces, rows) | {"mesh_d16": np.diff(mesh_16, axis=0, prepend=np.zeros_like(mesh_16[:1]))}
            labels["parsing"] = labels["parsing"][::2]
            np.savez(root / "clips" / f"{name}.npz", **labels)
            person = f"{split}-{faces.person[first]}"
            clip_rows.append(
                {"clip": name, "person": person, "split": split, "frames": len(rows), "fps": "25/2"}
                | {"face_px_in_source": 128, "yaw_min": -30, "yaw_max": 30, "repo": "painted", "licence": "CC0"}
            )
        for row in np.flatnonzero(faces.is_still):
            name = f"{split}-still{row}"
            cv2.imwrite(str(root / "stills" / f"{name}.jpg"), cv2.cvtColor(faces.rgb[row], cv2.COLOR_RGB2BGR))
            mesh_16 = (faces.mesh_px[row : row + 1] * 16).round().astype(np.int16)
            for key, value in (_labels(faces, np.array([row])) | {"mesh_16": mesh_16}).items():
                still_labels.setdefault(key, []).append(value)
            names.append(name)
            still_rows.append(
                {"still": name, "person": f"{split}-{faces.person[row]}", "split": split, "synthetic": 1}
                | {"face_px_in_source": 128, "repo": "painted", "licence": "CC0"}
            )
    np.savez(root / "stills.npz", name=np.array(names), **{key: np.concatenate(v) for key, v in still_labels.items()})
    write_table(root / "clips.csv", clip_rows)
    write_table(root / "stills.csv", still_rows)
    return root


def _labels(faces: FaceData, rows: np.ndarray) -> dict[str, np.ndarray]:
    pose = np.zeros((len(rows), 4, 4), np.float16)
    pose[:, :3, :3], pose[:, 3, 3] = faces.rotation[rows], 1
    return {
        "blendshapes": (faces.blendshapes[rows] * 255).round().astype(np.uint8),
        "pose": pose,
        "parsing": faces.parsing[rows],
        "embedding": faces.embedding[rows].astype(np.float16),
    }


def write_clip(path: pathlib.Path, rgb: np.ndarray) -> None:
    """12.5 square frames (T, s, s, 3) a second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 12.5, rgb.shape[1:3])
    for frame in rgb:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def write_table(path: pathlib.Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
