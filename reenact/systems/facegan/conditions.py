"""What G_r is told of the target, from landmarks: H_t alone, or H_t and the motion of the mesh rigged under them."""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.flow import mesh_flow
from reenact.geometry.morphable import Pose
from reenact.systems.facegan.landmarks import POINTS
from reenact.systems.facegan.networks import TargetMaps, landmark_map
from reenact.systems.facegan.rig import LandmarkRig, RiggedFace


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
    """Maps for crops of `side` pixels.

    Args:
        rig: on the landmarks' device.
        source_mesh: in half-sides of the crop.
        face: the same, taken apart by `rig`; of it and `source_mesh` nothing is read without `source_warp`.
        landmarks: l_t in half-sides.
        pose: where the target's head shall stand, half-sides.
        side: of the crop; with `source_warp` maps have half of it.
        source_warp: of `FaceganConfig`.
    """
    assert landmarks.shape[1] == POINTS
    if not source_warp:
        return TargetMaps(landmark_map(landmarks, side), None, None, None)
    with torch.autocast(landmarks.device.type, enabled=False):  # least squares want full precision
        moved = rig.move(face, landmarks.float(), pose)
        flow = mesh_flow(rig.model, source_mesh, moved, side // 2)
    return TargetMaps(landmark_map(landmarks, side // 2), flow.displacement, flow.visible, flow.target.parts)
