"""Where meshes and heads stand in a crop: half-sides, a driver's motion carried over, a head turned on its neck."""

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.morphable import Pose

NECK = (0.0, -1.6, -1.3)
"""Where the neck stands on the shoulders, head coordinates (eye distances): below and behind the face's centre."""

SKULL_BASE = (0.0, -0.5, -1.0)
"""Where the head stands on the neck."""

_PIXEL_AXES = (1.0, -1.0, -1.0)


def to_half_sides(mesh_px: Float[Tensor, "f 478 3"], side: int) -> Float[Tensor, "f 478 3"]:
    """Crop pixels -> half-sides: x and y from -1 to 1 over the crop, z on the same scale around 0."""
    return mesh_px * (2 / side) - mesh_px.new_tensor([1.0, 1.0, 0.0])


def carry_pose(
    own: Pose,
    motion: Pose,
    neutral: Pose,
    *,
    relative: bool,
    about: tuple[float, float, float] = NECK,
) -> Pose:
    """Where a source's head stands when its driver moves; in the unit of `own`.

    The head is displaced and scaled as the driver's since `neutral`, in proportion to its size.

    Args:
        own: of the source, one head.
        motion: of f driving frames.
        neutral: of one frame of the same driver.
        relative: the driver's turn since `neutral` is added to the source's rotation. Else the rotation is taken over
            as it stands, and the head turns on the neck from the source's rotation to the driver's neutral one.
        about: the point, head coordinates, that this turn leaves where it is.
    """
    to_own = (own.scale / neutral.scale)[:, None]
    moved = (motion.translation_px - neutral.translation_px) * to_own
    if relative:
        rotation = motion.rotation @ neutral.rotation.transpose(1, 2) @ own.rotation
        pivot = torch.zeros_like(own.translation_px)
    else:
        rotation = motion.rotation
        pivot = pivot_shift(own, neutral.rotation, about)
    return Pose(
        rotation=rotation,
        scale=own.scale * (motion.scale / neutral.scale),
        translation_px=own.translation_px + pivot + moved,
    )


def turn_on_neck(own: Pose, rotation: Float[Tensor, "f 3 3"]) -> Pose:
    """The same head with another rotation; the base of its skull stays where it is."""
    return Pose(
        rotation=rotation,
        scale=own.scale.expand(len(rotation)),
        translation_px=own.translation_px + pivot_shift(own, rotation, SKULL_BASE),
    )


def place_head(pose: Pose, place: Float[Tensor, "f 3"]) -> Pose:
    """The head shifted and scaled in its crop; the base of the skull is the middle of the scaling.

    Args:
        pose: in half-sides of the crop.
        place: shift to the right and down, shares of the crop's side; and by how much larger, 0 for its own size.
    """
    shift, larger = place[:, :2] * 2, place[:, 2]
    base = head_to_picture(pose, place.new_tensor([[SKULL_BASE]]))[:, 0]
    moved = torch.cat([shift, torch.zeros_like(shift[:, :1])], 1) - larger[:, None] * base
    return Pose(rotation=pose.rotation, scale=pose.scale * (1 + larger), translation_px=pose.translation_px + moved)


def head_to_picture(pose: Pose, offset: Float[Tensor, "#f n 3"]) -> Float[Tensor, "f n 3"]:
    """Offsets in head coordinates as offsets in the unit and the axes of a posed mesh."""
    turned = offset @ pose.rotation.transpose(1, 2) * offset.new_tensor(_PIXEL_AXES)
    return turned * pose.scale[:, None, None]


def rotation_of_angles(angles_rad: Float[Tensor, "f 3"]) -> Float[Tensor, "f 3 3"]:
    """camera_from_head of pitch, yaw, roll: R_y(yaw) R_x(pitch) R_z(roll), the inverse of `head_angles_rad`."""
    (sp, sy, sr), (cp, cy, cr) = angles_rad.sin().unbind(1), angles_rad.cos().unbind(1)
    rows = [
        torch.stack([cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp], 1),
        torch.stack([cp * sr, cp * cr, -sp], 1),
        torch.stack([cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, cy * cp], 1),
    ]
    return torch.stack(rows, 1)


def pivot_shift(own: Pose, rotation: Float[Tensor, "f 3 3"], pivot: tuple[float, float, float]) -> Float[Tensor, "f 3"]:
    """How far the head's origin moves when it turns to `rotation` about a point, in the unit of `own`.

    Args:
        own: where the head stands.
        rotation: camera_from_head.
        pivot: the point, head coordinates.
    """
    point, axes = (own.translation_px.new_tensor(values) for values in (pivot, _PIXEL_AXES))
    return ((own.rotation - rotation) @ point) * axes * own.scale[:, None]
