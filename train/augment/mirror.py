"""Mirrored pictures: permutations of mesh points and blendshapes."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from reenact.geometry.action_units import BLENDSHAPE_NAMES
from train.data.faces import FaceData


def _swap_sides(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


MIRROR_BLENDSHAPES = np.array([BLENDSHAPE_NAMES.index(_swap_sides(name)) for name in BLENDSHAPE_NAMES])


def mirror_of_mesh(data: FaceData, rows: int = 3000) -> np.ndarray:
    """The permutation of mesh points, found in the mean shape of a set; needs more than a few hundred faces.

    The morphable model is learned with it; `reenact.geometry.mirror.mesh_mirror` is read from that model.
    """
    step = max(len(data) // rows, 1)
    meshes = data.mesh_px[::step].astype(np.float64) * [1, -1, -1]
    centred = meshes - meshes.mean(1, keepdims=True)
    centred /= np.sqrt(np.square(centred).mean((1, 2), keepdims=True))
    mean = np.einsum("nij,nki->nkj", data.rotation[::step].astype(np.float64), centred).mean(0)
    return linear_sum_assignment(cdist(mean * [-1, 1, 1], mean))[1]
