"""The driving face with the chosen part of its motion.

The face is changed before any system reads it, so that all systems obey. What is left out stays at a base: for relative
motion the driver's neutral face, which changes nothing; for absolute motion the source's own expression on the driver's
face, in the source's own pose.
"""

import dataclasses
import functools

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.action_units import BLENDSHAPE_NAMES, read_action_units
from reenact.geometry.eye_sides import lid_offset
from reenact.geometry.morphable import Fit, MorphableModel, Pose
from reenact.pipeline.hidden import part_weights
from reenact.pipeline.options import DrivingOptions
from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Parts:
    """How far mesh points and blendshapes belong to a region, 0 to 1."""

    points: Float[Tensor, "478 1"]
    blendshapes: Float[Tensor, "52"]


def change_driving(
    options: DrivingOptions,
    model: MorphableModel,
    driving: FaceGeometry,
    neutral: FaceGeometry,
    own: FaceGeometry,
    mode: MotionMode,
) -> tuple[FaceGeometry, FaceGeometry]:
    """The driving faces, and their neutral one, with what `options` leave of the motion.

    Args:
        options: which parts, and how much.
        model: of all three.
        driving: f frames.
        neutral: one frame of the same driver, in the same pixels.
        own: the source, one frame, upright in any pixels.
        mode: of the motion.
    """
    if options.changes_nothing:
        return driving, neutral
    now, rest, source = (model.fit(face.mesh_px) for face in (driving, neutral, own))
    shape, at_rest = now.pose.invert(driving.mesh_px), rest.pose.invert(neutral.mesh_px)
    own_offset = _offset(model, source)
    turned, blendshapes = rest.pose.rotation, neutral.blendshapes
    if mode == "absolute":
        at_rest = at_rest - _offset(model, rest) + own_offset
        turned, blendshapes = source.pose.rotation, own.blendshapes
    parts, strength = _chosen(options, model), options.strength
    moved = at_rest + strength * parts.points * (shape - at_rest)
    shown = blendshapes + strength * parts.blendshapes * (driving.blendshapes - blendshapes)
    if options.neutralise:
        moved, shown = moved - own_offset, shown - own.blendshapes
    share = strength if options.moves_pose else 0.0
    pose = Pose(
        rotation=_between(turned, now.pose.rotation, share),
        scale=rest.pose.scale * (now.pose.scale / rest.pose.scale) ** share,
        translation_px=rest.pose.translation_px + share * (now.pose.translation_px - rest.pose.translation_px),
    )
    stays = dataclasses.replace(rest.pose, rotation=_between(turned, rest.pose.rotation, share))
    return _face(driving, moved, pose, shown), _face(neutral, at_rest, stays, blendshapes)


def _face(face: FaceGeometry, shape: Tensor, pose: Pose, blendshapes: Tensor) -> FaceGeometry:
    mesh_px = pose.apply(shape)
    blendshapes = blendshapes.clamp(0, 1)
    units = read_action_units(blendshapes, mesh_px)
    return dataclasses.replace(
        face, mesh_px=mesh_px, blendshapes=blendshapes, rotation=pose.rotation, action_units=units
    )


def _offset(model: MorphableModel, fit: Fit) -> Float[Tensor, "f 478 3"]:
    """The expression of a face, head coordinates."""
    return model.expression_offset(fit.expression) + lid_offset(model, fit)


def _chosen(options: DrivingOptions, model: MorphableModel) -> _Parts:
    regions = _regions(model)
    names: set[str] = {"expression" if name == "all" else name for name in options.regions} - {"pose"}
    points = torch.zeros_like(regions["lips"].points)
    blendshapes = torch.zeros_like(regions["lips"].blendshapes)
    for name in sorted(names):
        points = torch.maximum(points, regions[name].points)
        blendshapes = torch.maximum(blendshapes, regions[name].blendshapes)
    for name in options.keep:
        points = points * (1 - regions[name].points)
        blendshapes = blendshapes * (1 - regions[name].blendshapes)
    return _Parts(points=points, blendshapes=blendshapes)


@functools.lru_cache(maxsize=4)
def _regions(model: MorphableModel) -> dict[str, _Parts]:
    mouth, right, left = part_weights(model)
    named = {
        "expression": (torch.ones_like(mouth), ("",)),
        "eyes": (torch.maximum(right, left), ("eye",)),
        "lips": (mouth, ("mouth", "jaw", "cheekPuff")),
    }
    return {
        name: _Parts(
            points=points[:, None],
            blendshapes=torch.tensor([float(each.startswith(starts)) for each in BLENDSHAPE_NAMES]).to(points),
        )
        for name, (points, starts) in named.items()
    }


def _between(first: Float[Tensor, "#f 3 3"], second: Float[Tensor, "f 3 3"], share: float) -> Float[Tensor, "f 3 3"]:
    """The rotation on the way from one to another, or beyond it: `share` of the angle about the same axis."""
    turn = second @ first.transpose(1, 2)
    angle = torch.acos(((turn.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
    across = torch.stack(
        [turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], 1
    )
    axis = across / across.norm(dim=1, keepdim=True).clamp(min=1e-9)
    x, y, z = (axis * (share * angle)[:, None]).unbind(1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, 1) for row in ([zero, -z, y], [z, zero, -x], [-y, x, zero])]
    return torch.linalg.matrix_exp(torch.stack(rows, 1)) @ first
