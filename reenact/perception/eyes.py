"""Each eye read on its own: the tracker learned from people who hardly wink, and reads a wink as two half-closed eyes.

    crop ──▶ left eye, mirrored, over the right one ──▶ TrackerNetwork ──▶ what the left eye does
        └──▶ right eye, mirrored, over the left one ──▶ TrackerNetwork ──▶ what the right eye does

The network reads faces whose eyes do the same well. Where both readings agree, the reading of the face itself is kept.
"""

import dataclasses

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reenact.geometry.action_units import BLENDSHAPE_NAMES, read_action_units
from reenact.geometry.landmarks import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, eye_openings
from reenact.types import FaceGeometry

_PATCH = (0.85, 0.62)
"""Half axes of the ellipse that is copied, in widths of an eye: along the eye and across it."""
_SOFT = 0.25
"""Share of the ellipse in which it fades out."""
_APART = (0.05, 0.10)
"""Difference of the two openings up to which the face's own reading is kept, and from which on it is replaced."""
_SAME = 0.02
"""Difference of an opening up to which a follower leaves it at the first reading: winks of photographs show more."""
_WIDTHS = (0.55, 0.75)
"""Width of the narrower eye over that of the other, below and above the same: an eye seen from the side is no patch."""
_STRETCH = 1.4
"""Factor on how much further the one eye is closed. On 44 eyes of training people, closed ones copied into pictures
with open ones, the readings differ by 0.72 of what the labels do."""
_SHUT = 0.03
"""Opening below which no lid is stretched."""
_REACH = (0.6, 0.9)
"""Distance from an eye's middle, in its widths, up to which the mesh follows its reading, and from which on not."""
_LID_SHAPES = ("eyeBlink", "eyeSquint", "eyeWide")


def show_twice(
    crop: UInt8[np.ndarray, "s s 3"], mesh_px: Float[np.ndarray, "478 d"], *, left: bool
) -> UInt8[np.ndarray, "s s 3"]:
    """A copy of the crop in which both eyes are the person's left one, or the right one.

    Args:
        crop: shows the face.
        mesh_px: the face in it.
        left: which eye.
    """
    corners = (LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS) if left else (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS)
    own, other = (np.asarray(mesh_px, np.float64)[list(at), :2] for at in corners)
    return _copy_eye(crop, own, other)


def may_differ(face: FaceGeometry, left: FaceGeometry) -> bool:
    """Whether the reading of the left eye alone says anything else than that of the face, one row each."""
    face_opening, opening = (eye_openings(each.mesh_px)[0, 1] for each in (face, left))
    return bool((face_opening - opening).abs() > _SAME)


def join_eyes(face: FaceGeometry, left: FaceGeometry, right: FaceGeometry) -> FaceGeometry:
    """The face, with each eye as its own reading says where the two differ.

    Args:
        face: f rows.
        left: of the crop that shows the left eye twice, in the same pixels.
        right: of that with the right eye.
    """
    opened = torch.stack([eye_openings(each.mesh_px)[:, at] for each, at in ((left, 1), (right, 0))], 1)
    apart = (opened[:, 0] - opened[:, 1]).abs().clamp(min=1e-6)
    further = ((opened.amax(1) - _SHUT) / apart).clamp(1, _STRETCH)[:, None]
    share = _ramp(apart, _APART)
    corners = [face.mesh_px[:, list(at), :2] for at in (LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS)]
    widths = torch.stack([(each[:, 0] - each[:, 1]).norm(dim=-1) for each in corners], 1).clamp(min=1e-6)
    share = share * _ramp(widths.amin(1) / widths.amax(1), _WIDTHS)
    mesh, blendshapes = face.mesh_px.clone(), face.blendshapes.clone()
    for side, (name, at, own, other) in enumerate(
        (("Left", LEFT_EYE_CORNERS, left, right), ("Right", RIGHT_EYE_CORNERS, right, left))
    ):
        # both readings show this eye: as it is, and as the other one is
        factor = torch.where(opened[:, side, None] < opened[:, 1 - side, None], further, 1.0)
        points, base = (each.mesh_px - each.mesh_px[:, list(at)].mean(1, keepdim=True) for each in (own, other))
        middle = face.mesh_px[:, list(at)].mean(1, keepdim=True)
        away = (face.mesh_px - middle)[..., :2].norm(dim=-1) / widths[:, side, None]
        near = share[:, None] * (1 - _ramp(away, _REACH))
        mesh += near[..., None] * (base + factor[..., None] * (points - base) + middle - face.mesh_px)
        names = [BLENDSHAPE_NAMES.index(shape + name) for shape in _LID_SHAPES]
        scores = torch.lerp(other.blendshapes[:, names], own.blendshapes[:, names], factor).clamp(0, 1)
        blendshapes[:, names] = torch.lerp(blendshapes[:, names], scores, share[:, None])
    units = read_action_units(blendshapes, mesh)
    return dataclasses.replace(face, mesh_px=mesh, blendshapes=blendshapes, action_units=units)


def _ramp(value: Tensor, limits: tuple[float, float]) -> Tensor:
    return ((value - limits[0]) / (limits[1] - limits[0])).clamp(0, 1)


def _copy_eye(
    crop: UInt8[np.ndarray, "s s 3"], own: Float[np.ndarray, "2 2"], other: Float[np.ndarray, "2 2"]
) -> UInt8[np.ndarray, "s s 3"]:
    """`crop` with the eye between the corners `own` mirrored onto the corners `other` (outer, inner)."""
    side = crop.shape[0]
    (along, across, width), (to_along, to_across, to_width) = _axes(own), _axes(other)
    matrix = np.stack([to_along * to_width, -to_across], 1) @ np.linalg.inv(np.stack([along * width, across], 1))
    centre = other.mean(0)
    shift = centre - matrix @ own.mean(0)
    moved = cv2.warpAffine(crop, np.column_stack([matrix, shift]), (side, side), borderMode=cv2.BORDER_REPLICATE)
    rows, columns = np.mgrid[:side, :side]
    from_centre = np.stack([columns, rows], -1) - centre
    radius = np.hypot(
        *(from_centre @ axis / (to_width * half) for axis, half in zip((to_along, to_across), _PATCH, strict=True))
    )
    share = np.clip((1 - radius) / _SOFT, 0, 1)[..., None]
    return np.rint(crop + share * (moved.astype(np.float32) - crop)).astype(np.uint8)


def _axes(corners: Float[np.ndarray, "2 2"]) -> tuple[np.ndarray, np.ndarray, float]:
    """Unit vectors along and across an eye, and its width."""
    along = corners[1] - corners[0]
    width = max(float(np.linalg.norm(along)), 1e-3)
    along = along / width
    return along, np.array([-along[1], along[0]]), width
