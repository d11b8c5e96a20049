"""Meshes of the set as the project's own tracker sees them: what the systems meet at inference."""

import dataclasses
import hashlib
import pathlib

import cv2
import numpy as np
import torch

from reenact.hub.checkpoint import load_weights, read_checkpoint, read_network_config
from reenact.perception.crop import tracker_crop
from reenact.perception.tracker import TrackerConfig, TrackerNetwork
from reenact.weights import embedded_weights
from train.augment.crops import warp_crop
from train.data.faces import FaceData


def with_own_meshes(data: FaceData, cache: pathlib.Path, name: str) -> FaceData:
    """The same split with `mesh_px` from the embedded tracker, computed once per tracker and set, kept in `cache`."""
    checkpoint = read_checkpoint(embedded_weights("perception/tracker"), model="tracker")
    weights = embedded_weights("perception/tracker") / "model.safetensors"
    of_set = hashlib.sha256("\n".join(data.names).encode() + data.mesh_px[:: 1 + len(data) // 64].tobytes())
    of_tracker = f"{weights.stat().st_size}-{int(weights.stat().st_mtime)}"
    path = cache / f"own-mesh-{name}-{of_set.hexdigest()[:12]}-{of_tracker}.npy"
    if not path.exists():
        network = TrackerNetwork(read_network_config(checkpoint, TrackerConfig))
        load_weights(network, checkpoint.weights, where=checkpoint.folder)
        np.save(path, _track(network.eval().to(memory_format=torch.channels_last), data))
    return dataclasses.replace(data, mesh_px=np.load(path, mmap_mode="r"))


@torch.inference_mode()
def _track(network: TrackerNetwork, data: FaceData) -> np.ndarray:
    meshes, crop_px = np.zeros((len(data), 478, 3), np.float32), network.config.crop_px
    for rows in np.array_split(np.arange(len(data)), max(len(data) // 64, 1)):
        matrices = [tracker_crop(data.mesh_px[row], crop_px) for row in rows]
        crops = [
            warp_crop(data.rgb[row], matrix, crop_px, cv2.BORDER_REPLICATE)
            for row, matrix in zip(rows, matrices, strict=True)
        ]
        crop = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        found = network(crop.contiguous(memory_format=torch.channels_last)).mesh.numpy()
        for row, matrix, mesh in zip(rows, matrices, found, strict=True):
            back = np.linalg.inv(matrix)
            scale = np.hypot(back[0, 0], back[1, 0]) * crop_px / 2
            in_crop = (mesh[:, :2] + 1) * (crop_px / 2)
            meshes[row, :, :2] = in_crop @ back[:2, :2].T + back[:2, 2]
            meshes[row, :, 2] = mesh[:, 2] * scale
    return meshes
