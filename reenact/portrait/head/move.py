"""The motion of a full head between its source and other meshes, as flows of pictures."""

import dataclasses
import functools
import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from reenact.geometry.flow import FaceMaps, part_maps, to_pixels
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.geometry.rasterise import rasterise
from reenact.ops.fill import fill_hole
from reenact.ops.grow import grow, shrink
from reenact.ops.warp import identity_grid, resize
from reenact.portrait.head.fit import FullHead
from reenact.portrait.head.outline import DIRECTIONS, View, outline_of, read_outline, smoothstep
from reenact.portrait.head.template import NECK
from reenact.portrait.head.unfolded import Unfolded
from reenact.portrait.stillness import widen

_BAND = 0.12
"""Width, eye distances, of the band inside the outline in which the surface gives way to the source's outline."""
_HANGING = (1.4, 2.5)
"""Distance below the middle of the skull over which hair stops following the head."""
_SIDES = (-2, -1, 0, 1, 2)
"""Directions around the horizontal in which the sides of a head are seen."""
_STRETCH, _STRIP = 1.5, 0.3
"""Width of the strip of hanging hair that is stretched beside a moved jaw, over that movement, and its least width."""
_AWAY = (0.4, 1.4)
"""Distance from the head over which shoulders stop following it."""
_GRID_PX = 32
"""Side of the map on which the neck's motion is spread."""
_NECK_FADE = 0.16
"""Distance from the neck, eye distances, at which its motion has faded to 1/e."""
_STILL = 1e-5
"""Smaller motion of the neck, in half-sides, is none."""
_TURNED_RAD = 0.3
"""Rotation from which on nothing inside the moved head takes the half transparent colours of the source's outline."""
_EAR_TURNED = (0.2, 0.45)
"""Change of the cosine of an ear's side and the viewer's direction over which what the source shows of it gives way."""
_FAR_RAD = (0.35, 0.5)
"""Rotation from which a turn is far, and the range over which that sets in."""
_NECK_RAD = (0.3, 0.12)
"""The same for the neck: half transparent over the background, it is seen as a ghost."""
_HIDDEN = 0.3
"""Share of the surface around a pixel that the source shows, below which it counts as hidden."""
_OUTLINE = 0.025
"""Width of the outline that is left to the matte, share of the side."""
_SMOOTH = (0.054, 0.031)
"""Reach, share of the side, of the two means that smooth a network's displacement beside the face."""
_STRETCHED, _STRETCHED_REACH = (0.1, 0.4), 0.016
"""Area in the source over that in the target of places that are stretched, and the reach around them, share of the
side."""
_TEETH, _RIM_CELLS = 0.016, 16
"""Reach, share of the side, by which what the source hides of a face is wider; and the cells per side of a map of the
face's rim, two of which are beside it."""
_GAP = 0.04
"""Half the width of gaps between head and neck that are closed, share of the side."""
_IN_FRONT = 0.05
"""Hair or ear hides the face where it is nearer by this many eye distances."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadFlow:
    """Where f target pictures take the head and the ground behind it from."""

    displacement: Float[Tensor, "f 2 s s"]
    """Target pixel -> source place of the head, in half-sides (`reenact.ops.warp`). Beyond the head's outline it
    continues at the same distance from the source's outline, so that a matte is warped with its soft rim."""
    visible: Float[Tensor, "f 1 s s"]
    """1 where the source shows this point of the surface; 0 where it is turned away or hidden there."""
    covered: Float[Tensor, "f 1 s s"]
    """1 where the moved head stands."""
    front: Float[Tensor, "f 1 s s"]
    """1 on the face, where no hair or ear is in front of it."""
    bend: Float[Tensor, "f 2 s s"]
    """Target pixel -> source place of the ground: the neck follows the head, the shoulders do not."""
    turned: Float[Tensor, "f 1 1 1"]
    """1 for a head that has turned far, 0 for one that has not."""
    solid: Float[Tensor, "f 1 1 1"]
    """The same for smaller turns."""
    beyond: Float[Tensor, "f 1 s s"]
    """1 on what the upper border of the source's photo cuts off, of a head that has turned."""
    target: FaceMaps
    """Maps of the target meshes."""
    unseen: Float[Tensor, "f 3 s s"] | None = None
    """Only if the head's unfolded picture is given. Target pixel -> place in that picture, in half-sides, and 1 where
    the source hides the surface."""
    neck: Float[Tensor, "f 3 s s"] | None = None
    """Only if a head has turned far: sides and nape of its neck. Target pixel -> source place of their colours in the
    ground, and their share of each pixel."""

    @property
    def face(self) -> Float[Tensor, "f 1 s s"]:
        """1 on the face, falling to 0 inside its outline."""
        face = self.target.parts.amax(1, keepdim=True)
        reach = max(round(_OUTLINE * face.shape[-1]), 1)
        return (2 * functional.avg_pool2d(face, 2 * reach + 1, 1, reach) - 1).clamp(min=0)

    @property
    def rim(self) -> Float[Tensor, "f 1 s s"]:
        """1 along the outline of the face where the source shows both sides of it, 0 elsewhere."""
        reach = max(round(_OUTLINE * self.front.shape[-1]), 1)
        soft, seen = (
            functional.avg_pool2d(each, 2 * reach + 1, 1, reach, count_include_pad=False)
            for each in (self.front, self.visible)
        )
        return (2 - 4 * (soft - 0.5).abs()).clamp(0, 1) * ((seen - 0.8) / 0.2).clamp(0, 1)

    def refine(self, displacement: Float[Tensor, "f 2 n n"]) -> Float[Tensor, "f 2 n n"]:
        """A network's displacement on the face; beside it, its difference from the geometry's is made smooth.

        Networks see a head in few pixels: what they change from one strand of hair to the next is noise. Where the
        rim of the source's head is stretched, a step in the source is a long way in the target, and frays the rim.
        """
        side = displacement.shape[-1]
        known = resize(self.displacement, side)
        change = displacement - known
        smooth = change
        for reach in (max(round(share * side), 1) for share in _SMOOTH):
            smooth = functional.avg_pool2d(smooth, 2 * reach + 1, 1, reach, count_include_pad=False)
        return known + torch.lerp(smooth * (1 - resize(self.stretched, side)), change, resize(self.face, side))

    @functools.cached_property
    def stretched(self) -> Float[Tensor, "f 1 s s"]:
        """1 where few pixels of the source's head cover many of the target, 0 elsewhere."""
        half = self.displacement.shape[-1] / 2
        across = functional.pad(self.displacement.diff(dim=3), (0, 1, 0, 0), mode="replicate") * half
        down = functional.pad(self.displacement.diff(dim=2), (0, 0, 0, 1), mode="replicate") * half
        area = (1 + across[:, :1]) * (1 + down[:, 1:]) - across[:, 1:] * down[:, :1]
        share = ((_STRETCHED[1] - area) / (_STRETCHED[1] - _STRETCHED[0])).clamp(0, 1) * self.covered
        reach = max(round(_STRETCHED_REACH * share.shape[-1]), 1)
        share = grow(share, reach)
        return functional.avg_pool2d(share, 2 * reach + 1, 1, reach, count_include_pad=False)

    @property
    def inside(self) -> Float[Tensor, "f 1 s s"]:
        """1 where the head stands whatever its matte says: on the face, and on surface that the source hides.

        A head that has turned is solid: the gaps of loose hair are the source's outline, and would be holes in it.
        Not along the outline, which is the matte's: there, too, surface is turned away.
        """
        reach = max(round(_OUTLINE * self.covered.shape[-1]), 1)
        inner = shrink(self.covered, reach)
        shown = functional.avg_pool2d(self.visible, 2 * reach + 1, 1, reach, count_include_pad=False)
        solid = torch.maximum((shown < _HIDDEN).to(inner.dtype), self.solid)
        return torch.maximum(torch.maximum(inner * solid, self.beyond), self.target.parts.amax(1, keepdim=True))


def move_head(
    model: MorphableModel,
    head: FullHead,
    target: Float[Tensor, "f 478 3"],
    side: int,
    unfolded: Unfolded | None = None,
) -> HeadFlow:
    """Move a head so that its mesh becomes `target`: rigidly by the fitted poses, and near the face by the rest.

    Args:
        model: that of `fit_head`.
        head: of the source.
        target: target meshes in half-sides of the source's picture.
        side: pixels of the maps.
        unfolded: where the head's points lie in its unfolded picture.
    """
    pose, template = model.fit(target).pose, head.template
    posed = _move_vertices(head, pose, target)
    face = rasterise(to_pixels(target, side), model.triangles, side, side)
    shell = rasterise(to_pixels(posed, side), template.shell, side, side)
    frames = len(target)
    of_mesh = torch.cat(
        [
            model.colours.expand(frames, -1, -1),
            (head.mesh - target)[..., :2],
            head.mesh_visible[..., None].expand(frames, -1, -1),
            target[..., 2:],
        ],
        -1,
    )
    of_shell = torch.cat(
        [_colour_places(head, pose) - posed[..., :2], head.visible[:, None].expand(frames, -1, -1), posed[..., 2:]], -1
    )
    in_face = face.interpolate(of_mesh, model.triangles)
    on_shell = shell.interpolate(of_shell, template.shell)
    nearer = on_shell[:, 3:] < in_face[:, 6:] - _IN_FRONT * pose.scale[:, None, None, None]
    inside = face.covered[:, None] & ~(shell.covered[:, None] & nearer)
    covered = face.covered[:, None] | shell.covered[:, None]
    outside, share = _continue_outline(head, pose, posed, target, covered, side)
    around = torch.lerp(on_shell[:, :2], outside, share)
    unseen = None
    if unfolded is not None:
        hidden = unfolded.hidden * _turned_to_view(head, pose)
        layouts = torch.cat([unfolded.place.expand(frames, -1, -1), hidden[..., None]], 2)
        layouts = layouts.split([len(head.shape), target.shape[1]], 1)
        on_face, on_head = (
            raster.interpolate(torch.cat([layout[..., :2] - at[..., :2], layout[..., 2:]], -1), triangles)
            for raster, layout, at, triangles in (
                (face, layouts[1], target, model.triangles),
                (shell, layouts[0], posed, template.shell),
            )
        )
        unseen = torch.where(inside, on_face, on_head)
        unseen[:, 2:] = _round_off(unseen[:, 2:], inside)
        unseen = _continue_rim(unseen, covered)
    seen = torch.where(inside, in_face[:, 5:6], torch.where(covered, on_shell[:, 2:3], 1.0))
    displacement = torch.where(inside, in_face[:, 3:5], around)
    height = displacement[:, 1:] + identity_grid(side, side, like=displacement)[1:]
    solid = smoothstep(_angle(head, pose) / _TURNED_RAD)[:, None, None, None]
    beyond = functional.avg_pool2d((covered & (height < head.top)).to(target.dtype), 3, 1, 1)
    return HeadFlow(
        displacement=displacement,
        visible=seen,
        unseen=unseen,
        covered=covered.to(target.dtype),
        front=inside.to(target.dtype),
        bend=_bend_neck(head, posed, pose, side),
        neck=_round_neck(head, posed, pose, covered),
        turned=_far(head, pose)[:, None, None, None],
        solid=solid,
        beyond=beyond * solid,
        target=FaceMaps(pncc=in_face[:, :3], parts=part_maps(model, face.triangle)),
    )


def _move_vertices(head: FullHead, pose: Pose, target: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f n 3"]:
    moved = pose.apply(head.moved_shape(pose.invert(target)))
    return torch.lerp(head.posed(), moved, head.template.follow[:, None])


def _colour_places(head: FullHead, pose: Pose) -> Float[Tensor, "f n 2"]:
    """Places in the source of the vertices' colours, the farther from its outline the farther the head has turned."""
    turned = smoothstep(_angle(head, pose) / _TURNED_RAD)
    return torch.lerp(head.place, head.inner_place, turned[:, None, None])


def _turned_to_view(head: FullHead, pose: Pose) -> Float[Tensor, "f m"]:
    """1 for points of a head, then of its mesh, that the source hides and that have turned to the viewer.

    An ear is as in the source unless its side of the head turns to the viewer: nodding shows nothing new of it.
    """
    turned = smoothstep(_angle(head, pose) / _TURNED_RAD)[:, None].expand(-1, len(head.shape))
    right = pose.rotation[:, 2, :1] - head.pose.rotation[:, 2, :1]
    side = right * head.shape[:, 0].sign()
    side = smoothstep((side - _EAR_TURNED[0]) / (_EAR_TURNED[1] - _EAR_TURNED[0]))
    at_ear = head.template.ear_places.abs().amax(1) < 1
    return torch.cat([torch.where(at_ear, side, turned), turned[:, :1].expand(-1, head.mesh.shape[1])], 1)


def _continue_outline(
    head: FullHead, pose: Pose, posed: Tensor, target: Tensor, covered: Bool[Tensor, "f 1 s s"], side: int
) -> tuple[Float[Tensor, "f 2 s s"], Float[Tensor, "f 1 s s"]]:
    """Displacement that keeps the distance from the outline, and the share of each pixel that takes it."""
    view, own, frames, half = View.of(pose), View.of(head.pose), len(target), side // 2
    now = outline_of(view, torch.cat([posed[:, head.template.part != NECK], target], 1)[..., :2].mT)
    grid = identity_grid(half, half, like=target).flatten(1).expand(frames, -1, -1)
    direction, distance = view.to_polar(grid)
    beyond = distance - read_outline(now, direction)
    # beside a head in profile, loose hair of the source would hang in front of the face
    start = read_outline(torch.lerp(head.outline, head.edge, _far(head, pose)[:, None]), direction)
    reach = beyond + _stay(head, now, direction, beyond)
    below = torch.sin(direction * (math.tau / DIRECTIONS)) * distance
    hanging = 1 - smoothstep((below - _HANGING[0]) / (_HANGING[1] - _HANGING[0]))
    hanging = hanging * (1 - smoothstep((beyond - _AWAY[0]) / (_AWAY[1] - _AWAY[0])))
    flow = (own.to_picture(direction, (start + reach).clamp(min=0)) - grid) * hanging[:, None]
    smooth = torch.cat([flow, beyond[:, None]], 1).unflatten(2, (half, half))
    smooth = functional.interpolate(smooth, size=(side, side), mode="bilinear", align_corners=False)
    return smooth[:, :2], torch.where(covered, smoothstep(smooth[:, 2:] / _BAND + 1), 1.0)


def _stay(
    head: FullHead, now: Float[Tensor, "f d"], direction: Float[Tensor, "f n"], beyond: Float[Tensor, "f n"]
) -> Float[Tensor, "f n"]:
    """What is added to the distance from the outline where hair hangs: it follows the sides of the head, not the jaw.

    Next to the jaw it is stretched or hidden.
    """
    change, quarter = now - head.outline, DIRECTIONS // 4
    right, left = (change[:, [at + step for step in _SIDES]].mean(1, keepdim=True) for at in (0, 2 * quarter))
    on_right = (torch.arange(DIRECTIONS, device=now.device) + quarter) % DIRECTIONS < 2 * quarter
    extra = (change - torch.where(on_right, right, left)) * head.hangs
    extra = read_outline(extra, direction)
    width = (_STRETCH * extra.abs()).clamp(min=_STRIP)
    return extra * (1 - torch.exp(-beyond.clamp(min=0) / width))


def _continue_rim(unseen: Float[Tensor, "f 3 s s"], covered: Bool[Tensor, "f 1 s s"]) -> Float[Tensor, "f 3 s s"]:
    """`HeadFlow.unseen` continued beyond the outline, its share falling to 0 across the soft rim."""
    reach = max(round(_OUTLINE * unseen.shape[-1]), 1)
    known = covered.to(unseen.dtype)
    mean, near = (functional.avg_pool2d(each, 2 * reach + 1, 1, reach) for each in (unseen * known, known))
    beyond = mean / near.clamp(min=1e-6)
    beyond[:, 2:] *= (2 * near).clamp(max=1)
    return torch.where(covered, unseen, beyond)


def _round_off(share: Float[Tensor, "f 1 s s"], face: Bool[Tensor, "f 1 s s"]) -> Float[Tensor, "f 1 s s"]:
    """A share of the face, wider beside the face's rim: there it has the teeth of the mesh's triangles."""
    on_face = face.to(share.dtype)
    cells = functional.adaptive_max_pool2d(1 - on_face, min(_RIM_CELLS, share.shape[-1]))
    near = resize(grow(cells, 1), share.shape[-1]) * grow(on_face, 2)
    return torch.maximum(share, widen(share, _TEETH) * near)


def _bend_neck(head: FullHead, posed: Tensor, pose: Pose, side: int) -> Float[Tensor, "f 2 s s"]:
    """The neck's motion, spread to the pixels around it by inverse distance, and fading beside the neck."""
    template = head.template
    on_neck = torch.nonzero((template.part == NECK) & (head.visible > 0))[::2, 0]
    place = posed[:, on_neck, :2]
    move = head.posed()[:, on_neck, :2] - place
    grid = identity_grid(_GRID_PX, _GRID_PX, like=posed).flatten(1).T
    squared = torch.cdist(grid.expand(len(posed), -1, -1), place).square()
    weight = (squared + 1e-3).pow(-2)
    spread = weight @ torch.cat([move, torch.ones_like(move[..., :1])], -1)
    spread = spread[..., :2] / spread[..., 2:]
    fade = torch.exp(-squared.amin(-1) / (_NECK_FADE * pose.scale[:, None]).square())
    spread = spread * ((fade - 0.02) / 0.98).clamp(min=0)[..., None]
    spread = torch.where(spread.abs() < _STILL, 0.0, spread)
    coarse = spread.mT.unflatten(2, (_GRID_PX, _GRID_PX))
    return functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)


def _round_neck(
    head: FullHead, posed: Tensor, pose: Pose, covered: Bool[Tensor, "f 1 s s"]
) -> Float[Tensor, "f 3 s s"] | None:
    """`HeadFlow.neck`: far turns show side and nape of the neck, in the colours of its front.

    Between the neck and the head (`covered`) there is no gap.
    """
    turned = smoothstep((_angle(head, pose) - _NECK_RAD[0]) / _NECK_RAD[1])
    if not bool(turned.any()):
        return None
    column, side = head.template.column, covered.shape[-1]
    raster = rasterise(to_pixels(posed, side), column, side, side)
    neck = raster.covered[:, None].to(posed.dtype)
    flow = fill_hole(raster.interpolate(head.throat_place - posed[..., :2], column), 1 - neck)
    reach = max(round(_GAP * side), 1)
    near = grow(neck, 2 * reach)
    wide = grow(torch.maximum(neck, covered.to(neck.dtype)), reach)
    closed = shrink(wide, reach) * near
    soft = closed
    for _ in range(2):
        soft = functional.avg_pool2d(soft, 7, 1, 3, count_include_pad=False)
    soft = ((soft - 0.5) * 4 + 0.5).clamp(0, 1)
    return torch.cat([flow, soft * turned[:, None, None, None]], 1)


def _far(head: FullHead, pose: Pose) -> Float[Tensor, "f"]:
    """1 for a head that has turned far, 0 for one that has not."""
    return smoothstep((_angle(head, pose) - _FAR_RAD[0]) / _FAR_RAD[1])


def _angle(head: FullHead, pose: Pose) -> Float[Tensor, "f"]:
    """Rotation from the source, radians."""
    turn = torch.einsum("fij,ij->f", pose.rotation, head.pose.rotation[0])  # trace of R_t R_s^T
    return torch.acos(((turn - 1) / 2).clamp(-1, 1))
