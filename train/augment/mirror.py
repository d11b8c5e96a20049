"""Left and right exchanged: which mesh point and which blendshape takes whose place in a mirrored picture."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from reenact.geometry.mirror import mesh_mirror as mesh_mirror
from train.data.faces import FaceData

BLENDSHAPE_NAMES = tuple(
    """_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
    cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
    eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight
    jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight
    mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
    mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight""".split()
)


def _swap_sides(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


MIRROR_BLENDSHAPES = np.array([BLENDSHAPE_NAMES.index(_swap_sides(name)) for name in BLENDSHAPE_NAMES])


def mirror_of_mesh(data: FaceData, rows: int = 3000) -> np.ndarray:
    """`mesh_mirror` as a set shows it, for what the morphable model is learned from.

    Found on the mean shape, which is symmetric to within noise; a few hundred faces are too few.
    """
    step = max(len(data) // rows, 1)
    meshes = data.mesh_px[::step].astype(np.float64) * [1, -1, -1]
    centred = meshes - meshes.mean(1, keepdims=True)
    centred /= np.sqrt(np.square(centred).mean((1, 2), keepdims=True))
    mean = np.einsum("nij,nki->nkj", data.rotation[::step].astype(np.float64), centred).mean(0)
    return linear_sum_assignment(cdist(mean * [-1, 1, 1], mean))[1]
