"""Left and right of a mesh exchanged."""

import functools

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from reenact.geometry.morphable import load_morphable


@functools.cache
def mesh_mirror() -> np.ndarray:
    """(478,) permutation p: point p[i] of a mirrored mesh lies where point i lies in the face itself.

    Read off the embedded morphable model, whose mean is symmetric: the same for every set, however small.
    """
    mean = load_morphable().mean.double().numpy()
    return linear_sum_assignment(cdist(mean * [-1, 1, 1], mean))[1]
