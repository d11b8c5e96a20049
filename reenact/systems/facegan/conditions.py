"""What G_r is told of the target, from landmarks: H_t alone, or H_t and the motion of the mesh rigged under them."""

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
    """The target, as far as geometry knows it."""

    maps: TargetMaps
    head: Float[Tensor, "f 1 h w"] | None
    """Where the head stands, hair and all; None without `source_warp` or a source's head."""


def target_maps(
    rig: LandmarkRig,
    source_mesh: Float[Tensor, "#f 478 3"],
    face: RiggedFace,
    landmarks: Float[Tensor, "f 68 2"],
    pose: Pose,
    side: int,
    *,
    source_warp: bool,
) -> TargetMaps:
    """Maps of `target_view`, where nobody has looked for the source's head."""
    return target_view(rig, source_mesh, face, landmarks, pose, side, source_warp=source_warp).maps


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
        face: the same, taken apart by `rig`; of it and `source_mesh` nothing is read without `source_warp`.
        landmarks: l_t in half-sides.
        pose: where the target's head shall stand, half-sides.
        side: of the crop; with `source_warp` maps have half of it.
        source_warp: of `FaceganConfig`.
        head: 1 where the source picture shows the head: all of it then turns with the face.
    """
    assert landmarks.shape[1] == POINTS
    if not source_warp:
        return TargetView(TargetMaps(landmark_map(landmarks, side), None, None, None), None)
    with torch.autocast(landmarks.device.type, enabled=False):  # least squares want full precision
        moved = rig.move(face, landmarks.float(), pose)
        flow = mesh_flow(rig.model, source_mesh, moved, side // 2, head)
    maps = TargetMaps(landmark_map(landmarks, side // 2), flow.displacement, flow.visible, flow.target.parts)
    return TargetView(maps, flow.head)
