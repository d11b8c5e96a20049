"""Identity-matched motion: the driving expression and pose on the source's own face shape.

The idea is that of the paper's identity-matched PNCC (TOMM 2023); the equations are this project's. A mesh is split
into who it is (neutral shape) and what it does (expression, pose); the target keeps the first from the source and takes
the second from the driver.
"""

import abc
import dataclasses

from jaxtyping import Float
from torch import Tensor

from reenact.geometry.eye_sides import lid_offset
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.geometry.placement import NECK, carry_pose
from reenact.types import PerFrame


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatchedIdentity:
    """A face at rest, and where it stands."""

    neutral: Float[Tensor, "#f 478 3"]
    """Head coordinates; the expression is taken out, every other detail of the mesh is kept."""
    expression: Float[Tensor, "#f e"]
    lids: Float[Tensor, "#f 478 3"]
    """Of `lid_offset`."""
    pose: Pose


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivingMotion(PerFrame, abc.ABC):
    """Motion of f driving frames; base of each system's own."""

    pose: Pose
    """Of the fitted head, in the unit of the driver's meshes."""

    @property
    @abc.abstractmethod
    def strength(self) -> Float[Tensor, "f"]:
        """Distance of the expression from a neutral one; a broad smile is about as far as a turn of 30 degrees."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshMotion(DrivingMotion):
    """What f frames of a driver do."""

    expression: Float[Tensor, "f e"]
    shape: Float[Tensor, "f i"]
    """Identity coefficients. Those of one person should stand still; what they do move by is pose-dependent (true
    perspective, cheeks and chin seen from the side) and belongs to the motion."""
    lids: Float[Tensor, "f 478 3"]
    """Of `lid_offset`."""

    @property
    def strength(self) -> Float[Tensor, "f"]:
        return self.expression.square().mean(1).sqrt()


def split_identity(model: MorphableModel, mesh: Float[Tensor, "#f 478 3"]) -> MatchedIdentity:
    """Take the expression out of a mesh of any unit."""
    fit = model.fit(mesh)
    lids = lid_offset(model, fit)
    neutral = fit.pose.invert(mesh) - model.expression_offset(fit.expression) - lids
    return MatchedIdentity(neutral=neutral, expression=fit.expression, lids=lids, pose=fit.pose)


def read_mesh_motion(model: MorphableModel, mesh: Float[Tensor, "f 478 3"]) -> MeshMotion:
    """Expression and pose of driving meshes."""
    fit = model.fit(mesh)
    return MeshMotion(expression=fit.expression, shape=fit.identity, lids=lid_offset(model, fit), pose=fit.pose)


def find_neutral(motion: DrivingMotion) -> int:
    """Index of the frame with the weakest expression and the most frontal pose."""
    turn = 1 - motion.pose.rotation[:, 2, 2]  # 1 - cos of the angle between the face's axis and the viewer's
    return int((motion.strength + 4 * turn).argmin())


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatchedShape:
    """The source's face doing what the driver's does, before it is posed."""

    shape: Float[Tensor, "f 478 3"]
    """Head coordinates."""
    pose: Pose
    """Target position in the unit of the identity's mesh."""


def match_shape(
    model: MorphableModel,
    identity: MatchedIdentity,
    motion: MeshMotion,
    neutral: MeshMotion,
    *,
    relative: bool,
    about: tuple[float, float, float] = NECK,
) -> MatchedShape:
    """The source's neutral shape, moved as the driver moves.

    Only the *change* of the driver's shape since `neutral` is carried over (measured: 0.2 px instead of 1.0 px of mesh
    error at 256 in self-reenactment), never the shape itself. The head is displaced and scaled as the driver's since
    `neutral`, in proportion to its size. When the rotation is taken over as it stands (not relative), the head turns on
    the neck from the source's pose to the driver's neutral one.

    Args:
        model: of both faces.
        identity: of the source.
        motion: of f driving frames.
        neutral: of one frame of the same driver.
        relative: what changed since `neutral` is added to the source's own expression and rotation.
        about: see `carry_pose`.
    """
    expression, lids = motion.expression, motion.lids
    if relative:
        expression = identity.expression + motion.expression - neutral.expression
        lids = identity.lids + motion.lids - neutral.lids
    drift = model.identity_offset(motion.shape - neutral.shape)
    return MatchedShape(
        shape=identity.neutral + drift + model.expression_offset(expression) + lids,
        pose=carry_pose(identity.pose, motion.pose, neutral.pose, relative=relative, about=about),
    )


def match_identity(
    model: MorphableModel, identity: MatchedIdentity, motion: MeshMotion, neutral: MeshMotion, *, relative: bool = False
) -> Float[Tensor, "f 478 3"]:
    """Target meshes in the unit of the identity's mesh: `match_shape`, posed."""
    matched = match_shape(model, identity, motion, neutral, relative=relative)
    return matched.pose.apply(matched.shape)
