"""Maps of the target for G_r, from landmarks: H_t alone, or H_t and the flow of the head rigged under them."""

from jaxtyping import Float
from torch import Tensor

from reenact.portrait.head import HeadFlow
from reenact.systems.facegan.landmarks import POINTS
from reenact.systems.facegan.networks import TargetMaps, landmark_map


def target_maps(landmarks: Float[Tensor, "f 68 2"], flow: HeadFlow | None, side: int) -> TargetMaps:
    """Maps for crops of `side` pixels.

    Args:
        landmarks: l_t in half-sides.
        flow: of the head on the mesh that the rig moves to l_t, at half the side; None without `source_warp`.
        side: of the crop; with a flow the maps have half of it.
    """
    assert landmarks.shape[1] == POINTS
    if flow is None:
        return TargetMaps(landmark_map(landmarks, side), None, None, None)
    return TargetMaps(landmark_map(landmarks, side // 2), flow.displacement, flow.visible, flow.target.parts)
