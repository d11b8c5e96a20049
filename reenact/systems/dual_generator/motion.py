"""What a driver does, as the dual generator takes it: the mesh's motion, and the landmarks that `E_l` reads."""

import dataclasses

from jaxtyping import Float
from torch import Tensor

from reenact.geometry import matching
from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.matching import MeshMotion
from reenact.geometry.morphable import MorphableModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadMotion:
    """f frames of a driver."""

    mesh: MeshMotion
    """Expression, shape and pose."""
    landmarks: Float[Tensor, "f 68 3"]
    """In the unit of the driver's picture."""

    def __getitem__(self, frames: slice) -> "HeadMotion":
        return HeadMotion(mesh=self.mesh[frames], landmarks=self.landmarks[frames])


def read_head_motion(model: MorphableModel, mesh: Float[Tensor, "f 478 3"]) -> HeadMotion:
    """What driving meshes of any unit do."""
    return HeadMotion(mesh=matching.read_mesh_motion(model, mesh), landmarks=landmarks68_of(mesh))


def find_neutral(motion: HeadMotion) -> int:
    """The frame with the weakest expression and the most frontal pose."""
    return matching.find_neutral(motion.mesh)
