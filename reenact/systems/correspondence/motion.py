"""Identity-matched motion (`reenact.geometry.matching`) as this system takes it: target meshes by motion mode."""

from jaxtyping import Float
from torch import Tensor

from reenact.geometry.matching import (
    MatchedIdentity,
    MeshMotion,
    find_neutral,
    match_shape,
    read_mesh_motion,
    split_identity,
)
from reenact.geometry.morphable import MorphableModel
from reenact.systems.base import MotionMode

__all__ = ["MatchedIdentity", "MeshMotion", "find_neutral", "match_identity", "read_mesh_motion", "split_identity"]


def match_identity(
    model: MorphableModel,
    identity: MatchedIdentity,
    motion: MeshMotion,
    neutral: MeshMotion,
    mode: MotionMode,
) -> Float[Tensor, "f 478 3"]:
    """Target meshes in the unit of the identity's mesh; see `match_shape`."""
    matched = match_shape(model, identity, motion, neutral, relative=mode == "relative")
    return matched.pose.apply(matched.shape)
