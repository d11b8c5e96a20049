"""Composition of a frame from the layers of a portrait, without a network.

    frame = ground with its bent neck, then the moved head by its matte

Pixels that the head neither covers nor uncovers, and pixels that do not move, are the source's, bit for bit.
"""

import dataclasses
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reenact.ops.grow import grow, shrink
from reenact.ops.warp import identity_grid, resize, warp
from reenact.portrait.head import HeadFlow
from reenact.portrait.portrait import Portrait
from reenact.portrait.stillness import widen

_NEAR = 0.012
"""Width by which the redrawn part exceeds the moving pixels, share of the side."""
_CELL = 128
"""Cells per side by one of which the new head's halo is wider."""
_BESIDE = 0.03
"""Width beside the body over which its motion fades, share of the side."""
_NECK = 0.2
"""Distance from the head over which a body that stays ceases to follow it, share of the side."""
_BORDER = 0.08
"""Distance from the border over which the body's motion sets in, share of the side."""
_RIM = 0.012
"""Width of the head's rim, whose colours mix with what is behind it and reflect it, share of the side."""
_TEAR = 0.05
"""Difference of neighbouring displacements, half-sides, that no surface makes."""
_STEP = 0.02
"""Difference of the displacements on both sides of the face's rim, half-sides, from which they are drawn apart."""
_CHIN = 199
"""Point of the mesh."""
_SHADE, _HUE = 0.75, 0.04
"""Brightness of a neck over that of the chin, and difference of hues from which it begins to be cloth;"""
_SAME_HUE, _DARKEST = 0.1, 0.8
"""that of chin and throat from which the throat is cloth, as it is if it is less red, and least brightness of a throat
over that of such a neck."""
_SEEN = 1 / 512
"""A smaller share of the head changes no 8-bit value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
    """Result crops, in the place and at the size of the source crop."""

    rgb: Float[Tensor, "f 3 s s"]
    """RGB in [0, 1]; s is the side of the source `FaceImage`."""
    changed: Float[Tensor, "f 1 s s"]
    """0 where the source's pixel is unchanged, 1 where it was redrawn; paste-back fades along it."""


class HeadLayer(NamedTuple):
    """The head in f frames, at the portrait's side."""

    rgb: Float[Tensor, "f 3 n n"]
    matte: Float[Tensor, "f 1 n n"]
    """Share of the head in each pixel."""


def warp_head(portrait: Portrait, displacement: Float[Tensor, "f 2 i i"], flow: HeadFlow) -> HeadLayer:
    """The portrait's head, moved.

    A turned face hides what lies behind its rim. Both sides of that rim are drawn, and mixed along a smooth line: a
    displacement between theirs would show places that have nothing to do with either.

    Args:
        portrait: of the source.
        displacement: target pixel -> source place in half-sides, at any side, continued beyond the head's outline.
        flow: of the head. The matte of the source knows nothing of surface that the source hides.
    """
    side = displacement.shape[-1]
    front = resize(flow.front, side).round()
    on_face, around = (_extend(displacement, each) for each in (front, 1 - front))
    near = grow(front, 1) * grow(1 - front, 1)
    torn = ((on_face - around).abs().amax(1, keepdim=True) > _STEP) * near
    if not bool(torn.any()):
        return _warp_layer(portrait, displacement, flow.inside)
    torn = functional.avg_pool2d(grow(torn, 2), 3, 1, 1)
    on_face, around = (torch.lerp(displacement, each, torn) for each in (on_face, around))
    behind = _warp_layer(portrait, around, flow.inside * (1 - resize(front, flow.inside.shape[-1])))
    share = smooth_outline(front, behind.rgb.shape[-1])
    matte = share + (1 - share) * behind.matte
    # elsewhere both sides are the same pixels
    frames, y, x = torch.nonzero(resize(torn, share.shape[-1])[:, 0], as_tuple=True)
    place = resize(on_face, share.shape[-1]) + identity_grid(*share.shape[-2:], like=share)
    at = place[frames, :, y, x][None, None]
    face = functional.grid_sample(portrait.head[:, :3], at, "bicubic", "border", align_corners=False)[0, :, 0].T
    part = (share / matte.clamp(min=1e-3))[frames, :, y, x]
    behind.rgb[frames, :, y, x] = torch.lerp(behind.rgb[frames, :, y, x], face.clamp(0, 1), part)
    return HeadLayer(rgb=behind.rgb, matte=matte)


def smooth_outline(mask: Float[Tensor, "f 1 s s"], side: int) -> Float[Tensor, "f 1 n n"]:
    """A mask at another side, without the steps of a coarse map."""
    soft = functional.avg_pool2d(mask, 5, 1, 2, count_include_pad=False)
    soft = resize(functional.avg_pool2d(soft, 3, 1, 1, count_include_pad=False), side)
    return ((soft - 0.5) * 5 + 0.5).clamp(0, 1)


def _extend(displacement: Float[Tensor, "f 2 i i"], known: Float[Tensor, "f 1 i i"]) -> Float[Tensor, "f 2 i i"]:
    """The displacement, just beyond where it is known taken from there."""
    mean = functional.avg_pool2d(torch.cat([displacement * known, known], 1), 5, 1, 2)
    return torch.where((known == 0) & (mean[:, 2:] > 0), mean[:, :2] / mean[:, 2:].clamp(min=1e-3), displacement)


def _warp_layer(
    portrait: Portrait, displacement: Float[Tensor, "f 2 i i"], inside: Float[Tensor, "f 1 j j"]
) -> HeadLayer:
    layer = portrait.head.expand(len(displacement), -1, -1, -1)
    moved = warp(layer, resize(displacement, layer.shape[-1]), "bicubic").clamp(0, 1)
    matte = torch.maximum(moved[:, 3:], resize(inside, layer.shape[-1]))
    return _mend_tears(HeadLayer(rgb=moved[:, :3], matte=matte), displacement)


def _mend_tears(head: HeadLayer, displacement: Float[Tensor, "f 2 i i"]) -> HeadLayer:
    """The head with a smooth outline where its displacement jumps, which shows the steps of a coarse map.

    It jumps where a turned face hides what lies behind its rim.
    """
    side, coarse = head.rgb.shape[-1], displacement.shape[-1]
    steps = [(displacement.diff(dim=dim).abs().amax(1, keepdim=True) > _TEAR).to(head.rgb.dtype) for dim in (2, 3)]
    torn = torch.maximum(functional.pad(steps[0], (0, 0, 0, 1)), functional.pad(steps[1], (0, 1)))
    if side == coarse or not bool(torn.any()):
        return head
    where = functional.avg_pool2d(grow(torn, 2), 3, 1, 1)
    small = resize(torch.cat([head.rgb * head.matte, head.matte], 1), coarse)
    mean = resize(functional.avg_pool2d(small, 3, 1, 1, count_include_pad=False), side)
    rgb, share = mean[:, :3] / mean[:, 3:].clamp(min=1e-3), ((mean[:, 3:] - 0.5) * 4 + 0.5).clamp(0, 1)
    inner = shrink(small[:, 3:], 1)
    at_rim, where = resize(where * (1 - inner), side), resize(where, side)
    return HeadLayer(rgb=torch.lerp(head.rgb, rgb, at_rim), matte=torch.lerp(head.matte, share, where))


def carry_body(portrait: Portrait, displacement: Float[Tensor, "f 2 i i"], flow: HeadFlow) -> Float[Tensor, "f 2 i i"]:
    """The ground's motion: neck, hair and cloth below the head follow it, with what is near them.

    Args:
        portrait: of the source.
        displacement: of the head, continued beyond its outline.
        flow: of the head; far turns take its bend.
    """
    body = resize(portrait.body, displacement.shape[-1]).expand(len(displacement), -1, -1, -1)
    near = widen(torch.maximum(body, warp(body, displacement)), _BESIDE)
    if portrait.body_stays:
        near = near * _near_head(portrait, displacement)
    return torch.lerp(displacement * near * border_fade(displacement), flow.bend, flow.turned)


def _near_head(portrait: Portrait, displacement: Float[Tensor, "f 2 i i"]) -> Float[Tensor, "f 1 i i"]:
    """1 on the old and on the new head, falling to 0 across the neck."""
    side = displacement.shape[-1]
    small = resize(displacement, max(side // 4, 1))  # the fade is wide
    head = resize(portrait.head[:, 3:], small.shape[-1]).expand(len(small), -1, -1, -1)
    return resize(widen(torch.maximum(head, warp(head, small)), _NECK / 2), side)


def border_fade(like: Float[Tensor, "f c s s"]) -> Float[Tensor, "1 1 s s"]:
    """0 at left, right and lower border of a crop, which has to join the picture around it; 1 farther inside."""
    side = like.shape[-1]
    place = (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) / side
    across = (torch.minimum(place, 1 - place) / _BORDER).clamp(max=1)
    return (across * ((1 - place) / _BORDER).clamp(max=1)[:, None])[None, None]


def _show_unseen(portrait: Portrait, head: HeadLayer, flow: HeadFlow) -> HeadLayer:
    """The head with the unfolded one's colours where the source hides the surface, instead of a system's guess.

    Also where a turn stretches the rim of the source's head, whose colours mix with others.
    """
    at, unseen = flow.unseen, portrait.unseen
    if at is None or unseen is None:
        return head
    in_rim = flow.stretched * flow.covered
    if in_rim.any():
        side = at.shape[-1]
        rim = widen(1 - resize(portrait.head[:, 3:], side), _RIM)
        in_rim = in_rim * warp(rim.expand(len(at), -1, -1, -1), flow.displacement)
    where, share = resize(at[:, :2], head.rgb.shape[-1]), _soften(torch.maximum(at[:, 2:], in_rim), flow.covered)
    colours = warp(unseen.rgb.expand(len(at), -1, -1, -1), where, "bicubic").clamp(0, 1)
    return head._replace(rgb=torch.lerp(head.rgb, colours, resize(share, head.rgb.shape[-1])))


def _end_at_jaw(head: HeadLayer, flow: HeadFlow, body: Float[Tensor, "f 1 n n"]) -> HeadLayer:
    """The head without the rim of the source's chin where, before the neck, it ends with surface that was hidden."""
    assert flow.unseen is not None
    side = head.matte.shape[-1]
    beyond = 1 - smooth_outline(flow.covered, side)
    return head._replace(matte=head.matte * (1 - beyond * body * resize(flow.unseen[:, 2:], side)))


def _soften(share: Float[Tensor, "f 1 s s"], covered: Float[Tensor, "f 1 s s"]) -> Float[Tensor, "f 1 s s"]:
    """A share of the head without hard edges on it; along its outline it stays as it is."""
    reach = max(round(_RIM * share.shape[-1]), 1)
    mean, known = (functional.avg_pool2d(each, 2 * reach + 1, 1, reach) for each in (share * covered, covered))
    return torch.where(covered > 0, mean / known.clamp(min=1e-6), share)


def compose(
    portrait: Portrait,
    head: HeadLayer,
    moving: Float[Tensor, "f 1 i i"],
    far: Float[Tensor, "f 1 j j"],
    bend: Float[Tensor, "f 2 k k"] | None = None,
    flow: HeadFlow | None = None,
) -> Rendered:
    """Lay the head over the ground.

    Where the head leaves a place, the ground is the completed one. In the rim of the old head, which mixes hair and
    background, it is the source's own until the head has moved away: small movements need no guess.

    Args:
        portrait: of the source.
        head: drawn by a system.
        moving: share of the frame against the source's own pixels, at any side: 0 where head and neck stand still
            (`reenact.portrait.stillness`).
        far: `far_pixels` of the head's displacement, at any side.
        bend: target pixel -> source place of the ground, in half-sides: the neck follows the head; 0 away from it.
            None: the ground stands still.
        flow: of the head. It tells where surface shows that the source hides, and sides and nape of the neck.
    """
    if flow is not None:
        head = _show_unseen(portrait, head, flow)
    if portrait.is_grey:  # networks add a tint
        head = head._replace(rgb=head.rgb.mean(1, keepdim=True).expand_as(head.rgb))
    side, count = portrait.rgb.shape[-1], len(head.rgb)
    share, far = (resize(each, side) for each in (widen(moving, _NEAR), far))
    source, ground = (each.expand(count, -1, -1, -1) for each in (portrait.rgb, portrait.ground))
    redrawn, own = (head.matte > _SEEN) | (portrait.hole > 0), source
    if bend is not None:
        bend = resize(bend, side)
        bent = (bend != 0).any(1, keepdim=True)
        moved = warp(torch.cat([ground, source], 1), bend).chunk(2, dim=1)
        ground, own = (torch.where(bent, new, old) for new, old in zip(moved, (ground, source), strict=True))
        redrawn = redrawn | bent
    if flow is not None and flow.unseen is not None:
        body = portrait.body.expand(count, -1, -1, -1)
        head = _end_at_jaw(head, flow, body if bend is None else warp(body, bend))
    left = portrait.left.expand(count, -1, -1, -1)
    if bend is not None:
        left = warp(left, bend)
    left = torch.maximum(left * (1 - head.matte), portrait.halo * (1 - _around(head.matte)))
    ground = torch.lerp(own, ground, torch.maximum(far, left))
    if flow is not None and flow.neck is not None:
        place, neck = resize(flow.neck, side).split([2, 1], dim=1)
        shown = (portrait.body * (1 - portrait.hole)).expand(count, -1, -1, -1)
        # cloth that the source shows lies over the neck
        shown, reach = shown if bend is None else warp(shown, bend), max(round(_RIM * side), 1)
        neck = neck * (1 - functional.avg_pool2d(shown, 2 * reach + 1, 1, reach, count_include_pad=False))
        ground = torch.lerp(ground, _bare(portrait, warp(portrait.ground.expand(count, -1, -1, -1), place)), neck)
        redrawn, share = redrawn | (neck > 0), torch.maximum(share, (neck > 0).to(share.dtype))
    frame, share = torch.lerp(ground, head.rgb, head.matte), share * redrawn
    return Rendered(rgb=torch.where(share > 0, torch.lerp(source, frame, share), source), changed=share)


def _bare(portrait: Portrait, neck: Float[Tensor, "f 3 n n"]) -> Float[Tensor, "f 3 n n"]:
    """Colours of a neck, those of a collar before it replaced by the throat's skin, or the chin's if cloth hides it."""
    at = portrait.shape.mesh[:, [_CHIN], :2].clamp(-1, 1)
    skin = functional.grid_sample(portrait.head[:, :3], at[:, None], align_corners=False) * _SHADE
    places = portrait.shape.throat_place.clamp(-1, 1).reshape(1, 1, -1, 2)
    throat = functional.grid_sample(portrait.ground, places, align_corners=False).median(3, keepdim=True).values
    darker = skin.mean(1, keepdim=True) / throat.mean(1, keepdim=True).clamp(min=0.05)
    throat = (throat * (_DARKEST * darker).clamp(min=1)).clamp(max=1)
    is_skin = (_unlike(skin, throat) < _SAME_HUE) & (_hue(throat)[:, :1] > _hue(skin)[:, :1] - _HUE)
    skin = torch.where(is_skin, throat, skin)
    return torch.lerp(neck, skin.expand_as(neck), (_unlike(skin, neck) / _HUE - 1).clamp(0, 1))


def _hue(rgb: Float[Tensor, "f 3 h w"]) -> Float[Tensor, "f 3 h w"]:
    """Shares of red, green and blue."""
    return rgb / rgb.sum(1, keepdim=True).clamp(min=0.05)


def _unlike(first: Float[Tensor, "1 3 1 1"], second: Float[Tensor, "f 3 h w"]) -> Float[Tensor, "f 1 h w"]:
    """Largest difference of the shares of red, green and blue."""
    return (_hue(first) - _hue(second)).abs().amax(1, keepdim=True)


def _around(matte: Float[Tensor, "f 1 n n"]) -> Float[Tensor, "f 1 n n"]:
    """1 on the head and beside it."""
    cells = functional.adaptive_max_pool2d(matte, min(_CELL, matte.shape[-1]))
    return resize(grow(cells, 1), matte.shape[-1])
