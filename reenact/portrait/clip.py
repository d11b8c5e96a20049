"""Portraits of the frames of a clip, in a fraction of the time that a photo's takes.

first frame of a shot ── as a photo's ─────────────▶ ground, shape of the head
other frames ─────────── matte by the guided filter ─▶ head
ground of the frame before ─▶ ground   (what the head uncovers is seen, and kept)
shape of the first frame ───▶ shape    (its own pose and face, the same skull and hair)
its unseen surface ─────────▶ unseen   (the same colours)
"""

import dataclasses

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reenact.geometry.landmarks import FACE_OVAL
from reenact.geometry.morphable import MorphableModel
from reenact.portrait.ground import FollowedGround, complete_ground, follow_ground
from reenact.portrait.head import FullHead, fit_head, follow_head
from reenact.portrait.matte import HeadMatte, find_head_matte, from_picture, tidy_classes, to_picture
from reenact.portrait.portrait import Portrait
from reenact.portrait.sides import load_side_painter
from reenact.portrait.unseen import Unseen, follow_unseen, paint_unseen

_SAME_OUTLINE = 0.008
"""Distance in half-sides by which the face's oval may move in the crop before the matte is made anew."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Frame:
    shape: FullHead
    ground: FollowedGround
    crop_from_frame: np.ndarray
    unseen: Unseen
    matte: HeadMatte
    matte_mesh: Float[Tensor, "1 478 3"]
    """The mesh for which the matte was made."""


class ClipPortraits:
    """Takes the crops of one face apart, frame by frame."""

    def __init__(self, model: MorphableModel) -> None:
        """Start a clip.

        Args:
            model: of the meshes.
        """
        self._model = model
        self._before: _Frame | None = None

    def start_shot(self) -> None:
        """The next frame shows another scene."""
        self._before = None

    def next(
        self,
        rgb: Float[Tensor, "1 3 n n"],
        parsing: UInt8[Tensor, "1 j j"],
        mesh: Float[Tensor, "1 478 3"],
        crop_from_frame: Float[Tensor, "1 3 3"],
    ) -> Portrait:
        """The portrait of the next frame.

        Args:
            rgb: the crop.
            parsing: classes of `reenact.perception.parser.PARSER_CLASSES`.
            mesh: of the face, in half-sides.
            crop_from_frame: of the crop; frames lie in the same place.
        """
        parsing, model, before = tidy_classes(parsing, mesh), self._model, self._before
        here = crop_from_frame[0].double().cpu().numpy()
        matte, matte_mesh = self._matte(rgb, parsing, mesh)
        if before is None:
            first = complete_ground(rgb, matte, parsing, mesh)
            ground = FollowedGround(rgb=first.rgb, hole=first.hole, seen=1 - first.hole, body=first.body)
            shape = fit_head(model, mesh, matte.share)
            layer, painter = torch.cat([matte.rgb, matte.share], 1), load_side_painter(rgb.device)
            unseen = paint_unseen(model, shape, layer, parsing, painter)
        else:
            known = torch.cat([before.ground.rgb, before.ground.seen], 1)
            known = _carry(known, here @ np.linalg.inv(before.crop_from_frame), rgb.shape[-1])
            hole = before.ground.hole if matte_mesh is before.matte_mesh else None
            ground = follow_ground(rgb, matte, parsing, mesh, known, hole)
            shape = follow_head(model, before.shape, mesh, matte.share)
            unseen = follow_unseen(model, shape, before.unseen)
        head = torch.cat([matte.rgb, matte.share], 1)
        self._before = _Frame(
            shape=shape, ground=ground, unseen=unseen, crop_from_frame=here, matte=matte, matte_mesh=matte_mesh
        )
        return Portrait(
            rgb=rgb, ground=ground.rgb, hole=ground.hole, body=ground.body, head=head, shape=shape, unseen=unseen
        )

    def _matte(self, rgb: Tensor, parsing: Tensor, mesh: Tensor) -> tuple[HeadMatte, Tensor]:
        """The head's matte, and the mesh for which it was made: the crop follows the head, whose outline may stay."""
        before = self._before
        if before is not None and before.matte.share.shape[-1] == rgb.shape[-1]:
            moved = (mesh - before.matte_mesh)[:, list(FACE_OVAL), :2].norm(dim=-1).amax()
            if float(moved) < _SAME_OUTLINE:
                share, colours = before.matte
                return HeadMatte(share=share, rgb=torch.where(share == 1, rgb, colours)), before.matte_mesh
        return find_head_matte(rgb, parsing, mesh, by_laplacian=before is None), mesh


def _carry(
    layer: Float[Tensor, "1 c m m"], here_from_there: np.ndarray, side: int
) -> Float[Tensor, "1 c {side} {side}"]:
    """A layer in the crop of another frame; what that one did not show repeats its border."""
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])  # OpenCV's pixel centres lie at whole numbers
    affine, how = (half @ here_from_there @ np.linalg.inv(half))[:2], cv2.INTER_LINEAR
    if np.allclose(affine[:, :2], np.eye(2), atol=1e-6):
        affine, how = affine.round(), cv2.INTER_NEAREST
    carried = cv2.warpAffine(to_picture(layer), affine, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return from_picture(carried, layer)
