"""What a face does - Action Units by side and the fitted head pose - and how a driver's doing becomes the source's."""

import dataclasses

from jaxtyping import Float
from torch import Tensor

from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.geometry.placement import carry_pose
from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry, head_angles_rad

_EXPRESSION_WEIGHT = 4.0
"""Of the units' root mean square against 4 (1 - cos) of the turn: a broad smile counts as much as 30 degrees."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceMotion:
    """What f frames of a face do: AU_d, and where the head is."""

    action_units: Float[Tensor, "f 17 2"]
    """In the order of `ACTION_UNITS`, the person's left and right, 0 to 1; a change that was added may leave that
    range, which only the units that a face is given must keep."""
    pose: Pose
    """Of the fitted head, in the unit of the meshes."""

    @property
    def angles_rad(self) -> Float[Tensor, "f 3"]:
        """Pitch, yaw, roll."""
        return head_angles_rad(self.pose.rotation)

    def __getitem__(self, frames: slice) -> "FaceMotion":
        return FaceMotion(action_units=self.action_units[frames], pose=self.pose[frames])


def read_face_motion(model: MorphableModel, geometry: FaceGeometry) -> FaceMotion:
    """Units from blendshapes and mesh, pose from the mesh: landmarks and angles have to come from one fit."""
    return FaceMotion(
        action_units=read_action_unit_sides(geometry.blendshapes, geometry.mesh_px),
        pose=model.fit(geometry.mesh_px).pose,
    )


def find_neutral(motion: FaceMotion) -> int:
    """The frame with the weakest expression and the most frontal pose."""
    turn = 1 - motion.pose.rotation[:, 2, 2]  # 1 - cos of the angle between the face's axis and the viewer's
    expression = motion.action_units.square().mean((1, 2)).sqrt()
    return int((_EXPRESSION_WEIGHT * expression + 4 * turn).argmin())


def carry_motion(own: FaceMotion, motion: FaceMotion, neutral: FaceMotion, mode: MotionMode) -> FaceMotion:
    """What the source shall do, in the unit of `own`.

    Args:
        own: what it does in its picture, one frame.
        motion: f driving frames.
        neutral: one frame of the same driver.
        mode: absolute takes the units over; relative adds their change since `neutral` to the source's own.
    """
    relative = mode == "relative"
    units = own.action_units + motion.action_units - neutral.action_units if relative else motion.action_units
    return FaceMotion(
        action_units=units.clamp(0, 1), pose=carry_pose(own.pose, motion.pose, neutral.pose, relative=relative)
    )
