"""A driver's motion for the dual generator: the mesh's motion, and the landmarks that `E_l` reads."""

import dataclasses

from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.matching import MeshMotion, read_mesh_motion
from reenact.geometry.morphable import MorphableModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadMotion(MeshMotion):
    """f frames of a driver."""

    landmarks: Float[Tensor, "f 68 3"]
    """In the unit of the driver's picture."""


def read_head_motion(model: MorphableModel, mesh: Float[Tensor, "f 478 3"]) -> HeadMotion:
    """Motion of driving meshes of any unit."""
    return HeadMotion(**vars(read_mesh_motion(model, mesh)), landmarks=landmarks68_of(mesh))
