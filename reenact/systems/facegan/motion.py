"""Motion of a face: Action Units by side and the fitted head pose."""

import dataclasses

from jaxtyping import Float
from torch import Tensor

from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.matching import DrivingMotion
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.placement import carry_pose
from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry, head_angles_rad

_EXPRESSION_WEIGHT = 4.0
"""Of the units' root mean square against 4 (1 - cos) of the turn: a broad smile counts as much as 30 degrees."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceMotion(DrivingMotion):
    """AU_d and head pose of f frames."""

    action_units: Float[Tensor, "f 17 2"]
    """In the order of `ACTION_UNITS`, the person's left and right. 0 to 1; a driver's with changes added to them may
    leave that range."""

    @property
    def angles_rad(self) -> Float[Tensor, "f 3"]:
        """Pitch, yaw, roll."""
        return head_angles_rad(self.pose.rotation)

    @property
    def strength(self) -> Float[Tensor, "f"]:
        return _EXPRESSION_WEIGHT * self.action_units.square().mean((1, 2)).sqrt()


def read_face_motion(model: MorphableModel, geometry: FaceGeometry) -> FaceMotion:
    """Units from blendshapes and mesh, pose from the mesh: the same fit that normalises the landmarks."""
    return FaceMotion(
        action_units=read_action_unit_sides(geometry.blendshapes, geometry.mesh_px),
        pose=model.fit(geometry.mesh_px).pose,
    )


def carry_motion(own: FaceMotion, motion: FaceMotion, neutral: FaceMotion, mode: MotionMode) -> FaceMotion:
    """Motion of the target, in the unit of `own`.

    Args:
        own: motion of the source in its picture, one frame.
        motion: f driving frames.
        neutral: one frame of the same driver.
        mode: absolute copies the driver's units; relative adds their change since `neutral` to the source's own.
    """
    relative = mode == "relative"
    units = own.action_units + motion.action_units - neutral.action_units if relative else motion.action_units
    return FaceMotion(
        action_units=units.clamp(0, 1), pose=carry_pose(own.pose, motion.pose, neutral.pose, relative=relative)
    )
