"""Meshes of the set as the project's own tracker sees them: what the systems meet at inference."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from reenact.weights import embedded_weights
from train.data.faces import FaceData
from train.readers import read_meshes_px


def with_own_meshes(data: FaceData, cache: pathlib.Path, name: str) -> FaceData:
    """The same split with `mesh_px` from the embedded tracker, computed once per tracker and set, kept in `cache`."""
    weights = embedded_weights("perception/tracker") / "model.safetensors"
    of_set = hashlib.sha256("\n".join(data.names).encode() + data.mesh_px[:: 1 + len(data) // 64].tobytes())
    of_tracker = f"{weights.stat().st_size}-{int(weights.stat().st_mtime)}"
    path = cache / f"own-mesh-{name}-{of_set.hexdigest()[:12]}-{of_tracker}.npy"
    if not path.exists():
        np.save(path, read_meshes_px(data.rgb, data.mesh_px))
    return dataclasses.replace(data, mesh_px=np.load(path, mmap_mode="r"))
