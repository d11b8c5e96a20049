"""Meshes of a split by the project's own tracker, as the systems meet them at inference."""

import dataclasses
import pathlib

import numpy as np

from reenact.weights import embedded_weights
from train.data.cache import digest, keep_folder
from train.data.faces import FaceData
from train.readers import read_meshes_px


def with_own_meshes(data: FaceData, cache: pathlib.Path, name: str) -> FaceData:
    """The same split with `mesh_px` of the embedded tracker, computed once per content and tracker."""
    weights = (embedded_weights("perception/tracker") / "model.safetensors").read_bytes()

    def track(folder: pathlib.Path) -> None:
        np.save(folder / "mesh_px.npy", read_meshes_px(data.rgb, data.mesh_px))

    folder = keep_folder(cache, f"own-mesh-{name}", digest([data.content_key, weights]), track)
    return dataclasses.replace(data, mesh_px=np.load(folder / "mesh_px.npy", mmap_mode="r"))
