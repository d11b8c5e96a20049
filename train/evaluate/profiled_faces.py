"""Pictures for the pairs of `profiled_pairs`, with turned pictures rendered, as a small data set."""

import dataclasses

import numpy as np
import torch

from reenact.geometry.flow import landmark_visibility
from reenact.geometry.morphable import MorphableModel
from reenact.portrait.posed import build_head
from train.data.faces import FaceData
from train.evaluate.pairs import PairSet, base_and_yaw, rows_by_name
from train.evaluate.settings import PICTURE_PX
from train.profiling.turn import about_vertical, fitted_yaw_deg, turn_head

_VISIBILITY_SIDE_PX = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfiledFaces(FaceData):
    """Single pictures (`clip` is -1); the labels of turned pictures are turned as well."""

    take: np.ndarray
    """(N,) number of the clip or still that a picture is made from; pictures of one take are real pictures of each
    other's results."""
    seen: np.ndarray
    """(N, 68) bool: landmarks not hidden by the head."""
    shown: np.ndarray
    """(N, 256, 256) bool: pixels visible in the photograph."""


def render_faces(data: FaceData, pairs: PairSet, model: MorphableModel) -> ProfiledFaces:
    """All pictures named in the pairs.

    Args:
        data: the photographs.
        pairs: drawn by `draw_profiled`.
        model: of the heads.
    """
    names, rows_of = pairs.names(), rows_by_name(data)
    parts = [base_and_yaw(name) for name in names]
    rows = np.array([rows_of[base] for base, _ in parts])
    heads: dict[int, list[int]] = {}
    for i, (_, yaw) in enumerate(parts):
        if yaw is not None:
            heads.setdefault(int(rows[i]), []).append(i)
    arrays = {
        field.name: np.array(getattr(data, field.name)[rows])
        for field in dataclasses.fields(FaceData)
        if field.name != "names"
    }
    shown = np.ones(arrays["rgb"].shape[:3], bool)
    for row, places in heads.items():
        head = build_head(model, *(np.array(values[row]) for values in (data.rgb, data.mesh_px, data.parsing)))
        for i in places:
            yaw = parts[i][1]
            assert yaw is not None
            face = turn_head(model, head, fitted_yaw_deg(yaw))
            arrays["rgb"][i], arrays["mesh_px"][i], shown[i] = face.rgb, face.mesh_px, face.visible > 0
            arrays["rotation"][i] = about_vertical(yaw - float(data.yaw_deg[row])) @ arrays["rotation"][i]
    takes = np.where(data.clip[rows] >= 0, data.clip[rows], -1 - rows)
    arrays["clip"] = np.full(len(rows), -1)
    arrays["has_parsing"] = np.zeros(len(rows), bool)
    seen = seen_landmarks(model, arrays["mesh_px"])
    return ProfiledFaces(names=tuple(names), take=takes, seen=seen, shown=shown, **arrays)


def seen_landmarks(model: MorphableModel, mesh_px: np.ndarray) -> np.ndarray:
    """(n, 68) bool: landmarks not hidden by the mesh."""
    meshes = torch.from_numpy(np.asarray(mesh_px, np.float32)) / (PICTURE_PX / 2) - torch.tensor([1.0, 1.0, 0.0])
    chunks = [landmark_visibility(model, part, _VISIBILITY_SIDE_PX) for part in meshes.split(64)]
    return torch.cat(chunks).numpy() > 0.5
