"""A source's head turned far, as a picture: what the source shows of it, and what its mirror image shows.

After the idea of 300W-LP (Zhu et al., "Face Alignment Across Large Poses", 2016). The full head
(`reenact.portrait.head`) takes its colours from the picture's head, cut out softly, and stands before the completed
ground. Pixels that the source does not show are marked. The result depends only on picture, parsing, mesh and target
mesh.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel
from reenact.ops.fill import fill_hole
from reenact.ops.warp import resize, warp
from reenact.portrait.ground import complete_ground
from reenact.portrait.head import FullHead, fit_head, move_head
from reenact.portrait.head.outline import smoothstep
from reenact.portrait.matte import find_head_matte, tidy_classes
from reenact.portrait.portrait import Portrait
from reenact.types import head_angles_rad

MIRROR_DEG = 15.0
"""Up to this yaw of the source, its mirror image shows nothing new."""
_LIGHT_PX = 8
"""Block size for matching the mirrored head to the source's light."""
_SHOWN = 0.6
"""Share of a pixel's surface that the source must show for the pixel to count as shown."""
_SMOOTH_CELLS = 20
"""Blocks per side of the colours without detail."""
_STILL = 0.05
"""Movement, in half-sides, over which the completed ground replaces the photo behind the head."""
_LEAST = 1e-4
"""Smaller movement, in half-sides, is none: the picture is the photo."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """The head of one photo: built once, moved any number of times."""

    rgb: Float[Tensor, "1 3 s s"]
    """The photo, 0 to 1."""
    colours: Float[Tensor, "1 4 s s"]
    """The head's own colours, continued beyond its outline, and its share of each pixel."""
    ground: Float[Tensor, "1 4 s s"]
    """The photo without its head, and 1 where it was completed."""
    smooth: Float[Tensor, "1 3 s s"]
    """The head's colours without detail, for surface that the photo does not show."""
    shape: FullHead

    @property
    def mesh(self) -> Float[Tensor, "1 478 3"]:
        """The source's mesh, half-sides."""
        return self.shape.mesh

    @property
    def yaw_deg(self) -> float:
        """Yaw of the fitted mesh."""
        return float(head_angles_rad(self.shape.pose.rotation)[0, 1].rad2deg())


class DrawnHead(NamedTuple):
    """f pictures of a moved head."""

    rgb: Float[Tensor, "f 3 s s"]
    """The moved head on its ground, 0 to 1."""
    displacement: Float[Tensor, "f 2 s s"]
    """Pixel -> place in the photo, half-sides."""
    covered: Float[Tensor, "f 1 s s"]
    """1 where the head is."""
    shown: Float[Tensor, "f 1 s s"]
    """1 where the photo shows the pixel's colour; others are invented."""
    parts: Float[Tensor, "f 3 s s"]
    """As `FaceMaps.parts`."""


class PosedHead(NamedTuple):
    """f pictures of a source with a moved head, as input for networks; RGB in [0, 1]."""

    rgb: Float[Tensor, "f 3 s s"]
    """The moved head on its ground; pixels that the source does not show take colours of hair and skin beside them."""
    displacement: Float[Tensor, "f 2 s s"]
    """Target pixel -> source place in half-sides (`reenact.ops.warp`); 0 where `shown` is 0."""
    shown: Float[Tensor, "f 1 s s"]
    """1 where the source shows the pixel, at `displacement`."""
    head: Float[Tensor, "f 1 s s"]
    """1 where the head is."""
    parts: Float[Tensor, "f 3 s s"]
    """One-hot: skin, mouth opening, eye opening; 0 off the face."""
    mirrored: Float[Tensor, "f 3 s s"]
    """The head of the mirrored source, moved likewise and in the source's light: the half that the source hides. Equal
    to `rgb` if there is none."""
    mirrored_shown: Float[Tensor, "f 1 s s"]
    """1 where the mirrored source shows the head."""


def build_head(
    model: MorphableModel,
    rgb: UInt8[np.ndarray, "s s 3"],
    mesh_px: np.ndarray,
    parsing: np.ndarray,
) -> Head:
    """Build the head of a photo.

    Args:
        model: the morphable model.
        rgb: a square picture of one head.
        mesh_px: (478, 3) in its pixels.
        parsing: (i, i) classes of `reenact.perception.parser.PARSER_CLASSES`.
    """
    side = len(rgb)
    photo = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 255
    mesh = torch.from_numpy(np.array(mesh_px, np.float32))[None]
    mesh = mesh * (2 / side) - mesh.new_tensor([1, 1, 0])
    classes = torch.from_numpy(np.array(parsing, np.uint8))[None]
    classes = tidy_classes(classes, mesh)
    matte = find_head_matte(photo, classes, mesh)
    ground = complete_ground(photo, matte, classes, mesh, by_exemplar=False)
    return Head(
        rgb=photo,
        colours=torch.cat([matte.rgb, matte.share], 1),
        smooth=_smooth(matte.rgb, matte.share),
        ground=torch.cat([ground.rgb, ground.hole], 1),
        shape=fit_head(model, mesh, matte.share),
    )


def head_of(portrait: Portrait, side: int) -> Head:
    """The head of a portrait, as `build_head` makes it of a picture of this side."""
    small = portrait.resized(side)
    return Head(
        rgb=small.rgb,
        colours=small.head,
        smooth=_smooth(small.head[:, :3], small.head[:, 3:]),
        ground=torch.cat([small.ground, small.hole], 1),
        shape=portrait.shape,
    )


def pose_head(model: MorphableModel, head: Head, mirrored: Head | None, mesh: Float[Tensor, "f 478 3"]) -> PosedHead:
    """Move the head so that its mesh becomes `mesh`: rigidly by the fitted poses, and the face by the rest.

    Args:
        model: that of `build_head`.
        head: of the source.
        mirrored: of `mirror_turned`.
        mesh: target mesh in half-sides of the source's picture.
    """
    drawn = draw_head(model, head, mesh)
    other_rgb, other_shown = drawn.rgb, torch.zeros_like(drawn.shown)
    if mirrored is not None:
        other = draw_head(model, mirrored, mesh)
        other_shown = other.shown * other.covered
        other_rgb = _match_colours(other.rgb, other_shown, drawn.rgb, drawn.shown * drawn.covered)
    return PosedHead(
        rgb=drawn.rgb,
        displacement=drawn.displacement * drawn.shown,
        shown=drawn.shown,
        head=drawn.covered,
        parts=drawn.parts,
        mirrored=other_rgb,
        mirrored_shown=other_shown,
    )


def draw_head(model: MorphableModel, head: Head, mesh: Float[Tensor, "f 478 3"]) -> DrawnHead:
    """Draw the head with other meshes, half-sides; with its own it is the photo, bit for bit."""
    frames, side = len(mesh), head.rgb.shape[-1]
    flow = move_head(model, head.shape, mesh, side)
    photo, layer = head.rgb.expand(frames, -1, -1, -1), warp(head.colours.expand(frames, -1, -1, -1), flow.displacement)
    bend = flow.bend
    ground = warp(head.ground.expand(frames, -1, -1, -1), bend)
    if flow.neck is not None:
        place, around = flow.neck.split([2, 1], dim=1)
        ground = torch.lerp(ground, warp(head.ground.expand(frames, -1, -1, -1), place), around)
        bend = torch.where(around > 0.5, place, bend)
    move = (mesh - head.mesh)[..., :2].norm(dim=-1).amax(1)[:, None, None, None]
    turned, still = smoothstep(move / _STILL), move < _LEAST
    behind = torch.lerp(photo, ground[:, :3], turned)
    share, seen = torch.maximum(layer[:, 3:], flow.inside), flow.visible.clamp(0, 1)
    colours = warp(head.smooth.expand(frames, -1, -1, -1), flow.displacement)
    colours = torch.lerp(colours, layer[:, :3], seen)
    covered = (share > 0.5).float()
    shown = torch.where(covered > 0, seen > _SHOWN, (ground[:, 3:] < 0.5) & (share < 0.1)) | still
    return DrawnHead(
        rgb=torch.where(still, photo, (behind + share * (colours - behind)).clamp(0, 1)),
        displacement=torch.where(covered > 0, flow.displacement, bend) * ~still,
        covered=covered,
        shown=shown.float(),
        parts=flow.target.parts,
    )


def mirror_turned(model: MorphableModel, head: Head) -> Head | None:
    """`mirror_head` of a head with a yaw beyond `MIRROR_DEG`; None for others, which show both halves."""
    return mirror_head(model, head) if abs(head.yaw_deg) > MIRROR_DEG else None


def mirror_head(model: MorphableModel, head: Head) -> Head:
    """The head of the mirrored photo: for a profile, the hidden side."""
    mesh = head.mesh[:, torch.from_numpy(mesh_mirror())] * head.mesh.new_tensor([-1, 1, 1])
    layers = {name: getattr(head, name).flip(-1) for name in ("rgb", "colours", "ground", "smooth")}
    return Head(**layers, shape=fit_head(model, mesh, layers["colours"][:, 3:]))


def _smooth(rgb: Float[Tensor, "1 3 s s"], share: Float[Tensor, "1 1 s s"]) -> Float[Tensor, "1 3 s s"]:
    """Means over blocks of the head alone, continued beyond it."""
    cells = _SMOOTH_CELLS
    known = (share > 0.9).to(rgb.dtype)
    mean = resize(torch.cat([rgb * known, known], 1), cells)
    colours = fill_hole(mean[:, :3] / mean[:, 3:].clamp(min=1e-3), (mean[:, 3:] < 0.2).to(rgb.dtype))
    return resize(colours, rgb.shape[-1])


def _match_colours(
    mirrored: Float[Tensor, "f 3 s s"], mirrored_shown: Tensor, own: Float[Tensor, "f 3 s s"], shown: Tensor
) -> Float[Tensor, "f 3 s s"]:
    """The mirrored head in the source's light: gains from where both show the face, extended to the rest."""
    small = mirrored.shape[-1] // _LIGHT_PX
    both = mirrored_shown * shown
    share = resize(both, small)
    light, wanted = (resize(picture * both, small) / share.clamp(min=1e-3) for picture in (mirrored, own))
    gain = ((wanted + 0.05) / (light + 0.05)).clamp(0.4, 2.5).log()
    gain = fill_hole(gain, (share < 0.3).float())
    soft = functional.avg_pool2d(functional.pad(gain, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (mirrored * resize(soft.exp(), mirrored.shape[-1])).clamp(0, 1)
