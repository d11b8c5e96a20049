"""Aligned crops of a split, cut once: what the generator of `latent_directions` learns to draw."""

import dataclasses
import pathlib

import numpy as np
import torch
from torch.nn import functional

from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.placement import to_half_sides
from reenact.systems.latent_directions.aligned import invert_similarity, move_mesh, read_state, sample_picture
from train.data.cache import digest, keep_folder
from train.data.faces import CROP_PX, FaceData

_ROWS_AT_ONCE = 256
_FINER = 2
"""Crops are cut this much finer than they are kept, then averaged, against aliasing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignedFaces:
    """Row i of every array belongs to row i of `faces`.

    Attributes:
        faces: the split they were cut from.
        rgb: (N, s, s, 3) uint8, memory-mapped.
        mesh: (N, 478, 3) float16, half-sides of the aligned crop.
        state: (N, p) float32, `FaceState.values`.
        mirrored_state: likewise, of the mirrored picture.
    """

    faces: FaceData
    rgb: np.ndarray
    mesh: np.ndarray
    state: np.ndarray
    mirrored_state: np.ndarray

    def __len__(self) -> int:
        return len(self.rgb)


def align_faces(
    faces: FaceData, model: MorphableModel, side: int, expressions: int, cache: pathlib.Path | None = None
) -> AlignedFaces:
    """Cut the aligned crops of a split.

    Args:
        faces: the split.
        model: the morphable model that the alignment follows.
        side: of the crops in pixels.
        expressions: number of expression coefficients in the states.
        cache: folder in which they are kept; None cuts them in memory.
    """
    shape = (len(faces), side, side, 3)
    if cache is None:
        rgb = np.empty(shape, np.uint8)
        return AlignedFaces(faces=faces, rgb=rgb, **_cut(faces, model, expressions, rgb))

    def make(folder: pathlib.Path) -> None:
        rgb = np.lib.format.open_memmap(folder / "rgb.npy", mode="w+", dtype=np.uint8, shape=shape)
        for name, values in _cut(faces, model, expressions, rgb).items():
            np.save(folder / f"{name}.npy", values)

    weights = (value.contiguous().numpy() for value in model.state_dict().values())
    folder = keep_folder(cache, "aligned", digest([faces.content_key, str((side, expressions)), *weights]), make)
    names = [field.name for field in dataclasses.fields(AlignedFaces) if field.name != "faces"]
    return AlignedFaces(faces=faces, **{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names})


def _cut(faces: FaceData, model: MorphableModel, expressions: int, rgb: np.ndarray) -> dict[str, np.ndarray]:
    """Fill `rgb` with the crops; the other arrays by their names."""
    found: dict[str, list[np.ndarray]] = {"mesh": [], "state": [], "mirrored_state": []}
    mirror, side = torch.from_numpy(mesh_mirror()), rgb.shape[1]
    for first in range(0, len(faces), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        mesh = to_half_sides(torch.from_numpy(np.array(faces.mesh_px[rows], np.float32)), CROP_PX)
        state = read_state(model, mesh, expressions)
        picture = torch.from_numpy(np.array(faces.rgb[rows])).permute(0, 3, 1, 2).float()
        cut = sample_picture(picture, invert_similarity(state.aligned_from_mesh), side * _FINER)
        cut = functional.avg_pool2d(cut, _FINER).round().clamp(0, 255)
        rgb[rows] = cut.byte().permute(0, 2, 3, 1).numpy()
        mirrored = mesh[:, mirror] * mesh.new_tensor([-1.0, 1.0, 1.0])
        found["mesh"].append(move_mesh(mesh, state.aligned_from_mesh).half().numpy())
        found["state"].append(state.values.numpy())
        found["mirrored_state"].append(read_state(model, mirrored, expressions).values.numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}
