"""Maps of the target for G_r, from landmarks: H_t alone, or H_t and the flow of the mesh rigged under them."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.flow import mesh_flow
from reenact.geometry.morphable import Pose
from reenact.systems.facegan.landmarks import POINTS
from reenact.systems.facegan.networks import TargetMaps, landmark_map
from reenact.systems.facegan.rig import LandmarkRig, RiggedFace


class TargetView(NamedTuple):
    """Geometry of the target."""

    maps: TargetMaps
    head: Float[Tensor, "f 1 h w"] | None
    """Share of the head with its hair; None without `source_warp` or a head in the source."""


def target_view(
    rig: LandmarkRig,
    source_mesh: Float[Tensor, "#f 478 3"],
    face: RiggedFace,
    landmarks: Float[Tensor, "f 68 2"],
    pose: Pose,
    side: int,
    *,
    source_warp: bool,
    head: Float[Tensor, "#f 1 i i"] | None = None,
) -> TargetView:
    """Maps for crops of `side` pixels.

    Args:
        rig: on the landmarks' device.
        source_mesh: in half-sides of the crop.
        face: the same, split by `rig`. Without `source_warp` neither is read.
        landmarks: l_t in half-sides.
        pose: of the target's head, half-sides.
        side: of the crop; with `source_warp` the maps have half of it.
        source_warp: of `FaceganConfig`.
        head: share of the head in the source picture; all of it then moves with the face.
    """
    assert landmarks.shape[1] == POINTS
    if not source_warp:
        return TargetView(TargetMaps(landmark_map(landmarks, side), None, None, None), None)
    with torch.autocast(landmarks.device.type, enabled=False):  # least squares want full precision
        moved = rig.move(face, landmarks.float(), pose)
        flow = mesh_flow(rig.model, source_mesh, moved, side // 2, head)
    maps = TargetMaps(landmark_map(landmarks, side // 2), flow.displacement, flow.visible, flow.target.parts)
    return TargetView(maps, flow.head)
