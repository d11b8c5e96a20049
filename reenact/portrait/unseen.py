"""Colours for the surface of a head that its source hides: ears and cheeks of the other side, and hair behind them.

The head is unfolded into one picture (`reenact.portrait.head.unfolded`). What the source shows there is its own; what
it hides is taken from the other side of the head, where that is shown; the rest is smooth skin, and hair with the
strands of what is shown, reflected outwards. Made once per source, so it does not flicker.
"""

import dataclasses
import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from reenact.geometry.landmarks import FACE_OVAL
from reenact.geometry.morphable import MorphableModel
from reenact.geometry.rasterise import rasterise, vertex_facing
from reenact.ops.fill import fill_hole
from reenact.ops.grow import grow, largest_of_squares, shrink
from reenact.ops.warp import identity_grid, resize
from reenact.portrait.exemplar import blur, fill_layers
from reenact.portrait.head import FullHead, Unfolded, unfold
from reenact.portrait.head.outline import MIDDLE, View, outline_of, read_outline
from reenact.portrait.head.template import EAR, SKULL
from reenact.portrait.head.unfolded import Sources
from reenact.portrait.matte import BACKGROUND, CLOTHES, HAIR
from reenact.portrait.networks import Painter
from reenact.portrait.sides import paint_sides

_SIZE = (192, 384)
"""Least and greatest side of the unfolded picture; between them it is three quarters of the source's."""
_SOLID = 0.9
"""Share of the head from which a pixel's colour is its own."""
_LIGHT_PX = 32
"""Side of the picture in which the light of both sides of the head is compared."""
_RIM = 0.012
"""Width of the skin's rim, whose colours mix with the background's and reflect it, share of the side."""
_COLLAR = 7
"""Cells of the parsing around clothes, whose colours skin reflects."""
_EVEN = 0.1
"""Distance from the rim over which completed colours take the mean hue, share of the side."""
_LIGHT = (0.8, 0.3)
"""Exponents by which skin and hair there keep the light of the rim."""
_WAYS, _STEPS, _AROUND = 360, 160, 6
"""Directions and distances in which the strip of hair is measured, and directions over which it is evened out."""
_LEAST_STRIP = 0.08
"""Narrower strips of hair, half-sides, are not reflected."""
_COMMON, _EVERY = 0.85, 7
"""Share of the detail of hair, read at every so many values, that is no stronger than what is repeated."""
_STRAND = 0.03
"""Largest size of a strand of hair over the side of the unfolded picture."""
_GRAIN = 0.03
"""Largest detail of hidden skin: a mark or a frame of glasses would be seen again and again."""
_PORES, _SQUARE, _PLAINER = 0.006, (0.1, 0.06), 0.7
"""Largest size of a detail of skin, sides of the squares in which it is looked for, share of the side, and its strength
over theirs."""
_ISLAND = 0.02
"""Smaller pieces of hair, or of skin in hair, are none where the source hides them: share of the unfolded picture."""
_SHARD = 0.004
"""Smaller pieces of what the source shows count as hidden."""
_SMOOTH, _BORDER = 0.03, 0.015
"""Smoothness of the hairline and its width, share of the side."""
_GAIN = (0.6, 1.6)
"""Least and greatest brightness of one side over the other's."""
_EAR_RIM = 0.01
"""Softness of the rim of the ear's light, share of the side."""
_SHADE = (0.36, 0.47, 0.5)
"""By how much red, green and blue of hidden skin are darker where it faces down, under the jaw."""
_NEAR = 0.3
"""Distance, eye distances, within which light hardly changes over a head."""
_BESIDE = 0.15
"""Distance from the face, eye distances, at which the source shows what lies beside it."""
_CHEEK = 0.3
"""Distance from the rim of the face over which hair beside it leaves the cheek free."""
_HIDDEN_EAR = 0.05
"""Share of an ear that the source shows, below which the ear is hidden."""
_NEXT, _FRAMED = 0.12, 0.85
"""Distance from the face, eye distances, at which hair is next to it, and the share of an ear's height from which hair
there lies in front of the ear."""
_JAW = -0.4
"""Height down to which it does."""
_SIDEBURN = (-0.78, 0.5)
"""Depth from which there is hair beside the middle of an ear, and how much farther forward it begins per height."""
_SOME, _RING = 0.2, 0.35
"""Least share of the sides of a head above the ears that has hair if there is some, and if the top is bald."""
_COVERED = 0.4
"""Share of an ear under hair from which all of it counts as covered."""
_STRONGEST, _LOOKED_AT = 0.98, 20_000
"""Quantile of the source's colour strength that hidden surface may have, and the number of pixels it is found from."""
_CROWN, _HAIRY = 1.0, 0.3
"""Height in head coordinates of the top of the head, and the least share of it that has hair unless it is bald."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unseen:
    """The unfolded head of a source."""

    rgb: Float[Tensor, "1 3 m m"]
    """Colours of the whole head."""
    points: Unfolded
    """Where the head's points lie in it."""
    ears: Bool[Tensor, "n"]
    """Vertices at ears that no hair covers."""
    skin: Bool[Tensor, "k"]
    """Points with skin, not hair, at the rim of the face and beside it."""


class Completed(NamedTuple):
    """An unfolded head, made up without a network."""

    picture: Float[Tensor, "1 5 m m"]
    """RGB, 1 where it was made up, and 1 where there is hair."""
    points: Unfolded
    ears: Bool[Tensor, "n"]
    """As in `Unseen`, like the next."""
    skin: Bool[Tensor, "k"]


def paint_unseen(
    model: MorphableModel,
    head: FullHead,
    layer: Float[Tensor, "1 4 n n"],
    parsing: UInt8[Tensor, "1 j j"],
    painter: Painter | None = None,
) -> Unseen:
    """Unfold the head of a source and complete it.

    Args:
        model: of the mesh.
        head: in depth.
        layer: `Portrait.head`.
        parsing: of the source, as for `build_portrait`.
        painter: of sides (`reenact.portrait.sides`); None: sides are made up like the rest.
    """
    picture, points, ears, skin = complete_unseen(model, head, layer, parsing)
    rgb = picture[:, :3] if painter is None else paint_sides(painter, head, points, picture, layer)
    return Unseen(rgb=_limit_colour(rgb, layer).clamp(0, 1), points=points, ears=ears, skin=skin)


def complete_unseen(
    model: MorphableModel, head: FullHead, layer: Float[Tensor, "1 4 n n"], parsing: UInt8[Tensor, "1 j j"]
) -> Completed:
    """Unfold the head of a source and make up what it hides; arguments as for `paint_unseen`."""
    hair = (parsing[:, None] == HAIR).to(layer.dtype)
    hangs, next_to = _find_hair_beside(head, hair)
    bare = _share_of_ears(head, hangs) <= _COVERED
    framed = ~bare & (_share_of_ears(head, next_to) > _FRAMED)
    template, count = head.template, len(head.shape)
    ears = bare & (template.ear_places.abs().amax(1) < 1)
    skin = _find_skin(head, hair)
    points, sources = unfold(model, head, ears, skin)
    side = min(max(round(0.75 * layer.shape[-1]), _SIZE[0]), _SIZE[1])
    depth = -(head.shape - head.shape.new_tensor(MIDDLE)).norm(dim=1, keepdim=True)
    raster = rasterise(torch.cat([(points.place[:count] + 1) * (side / 2), depth], 1)[None], template.shell, side, side)
    gain = _light(layer, torch.cat([head.shape, head.pose.invert(head.mesh)[0]]), sources)
    beside = ((parsing[:, None] == BACKGROUND) | (parsing[:, None] == CLOTHES)).to(layer.dtype)
    values = torch.cat([*(each if each.ndim > 1 else each[:, None] for each in sources), gain], 1)[:count]
    grows = _where_hair_grows(head, hair, fill_hole(hair, beside), sources.clear[:count], hangs, bare, framed)
    values = torch.cat([values, grows[:, None], torch.where(bare[:, None], template.ear_places, 1.0)], 1)
    unfolded = raster.interpolate(values[None], template.shell)
    own_at, clear, other_at, better, gain, grows, ear_at = unfolded.split([2, 1, 2, 1, 1, 1, 2], 1)
    rim = max(round(_RIM * layer.shape[-1]), 1)
    strands, inner = resize(hair, layer.shape[-1]), shrink(layer[:, 3:], rim)
    near_hair = resize(grow(hair, 1), layer.shape[-1]) > 0.5
    inner = inner * ((strands > 0.5) | ~near_hair)  # skin takes no shade from hair
    reflects = grow((parsing[:, None] == CLOTHES).to(layer.dtype), _COLLAR // 2)
    beside = torch.maximum(grow(beside, 1), reflects)
    inner = inner * (1 - resize(beside, layer.shape[-1]))
    read = torch.cat([layer[:, :3], inner, strands], 1)
    own, other = (
        functional.grid_sample(read, at.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
        for at in (own_at, other_at)
    )
    clear, better = (share * (picture[:, 3:4] > _SOLID) for share, picture in ((clear, own), (better, other)))
    better = better * ((grows.abs() < 0.5) | ((grows > 0) == (other[:, 4:] > 0.5)))  # hair may hang on one side only
    mixed = torch.lerp(own, torch.cat([other[:, :3] * gain, other[:, 3:]], 1), better)
    hole = 1 - _largest((torch.maximum(clear, better) >= 0.5).to(layer.dtype), _SHARD)
    shown = (fill_hole(mixed[:, 4:], hole) > 0.5).to(layer.dtype)
    known = torch.where(grows.abs() > 0.5, (grows > 0.5).to(layer.dtype), shown)
    guessed = (blur(torch.where(hole > 0, known, shown), _SMOOTH * side) > 0.5).to(layer.dtype)
    hair = torch.where(hole > 0, guessed, shown)
    hair = torch.where(hole > 0, _without_islands(hair), hair)
    rgb = _complete(mixed[:, :3].clamp(0, 1), hole, hair, _mean(layer[:, :3], strands * (layer[:, 3:] > _SOLID)))
    border = blur(hair, _BORDER * side)
    border = 1 - (2 * border - 1).abs()
    rgb = torch.lerp(rgb, blur(rgb, _BORDER * side), hole * border)
    ear_light = template.ear_light[None, None]
    light = functional.grid_sample(ear_light, ear_at.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    light = torch.where(raster.covered[:, None], light, 1.0)
    share = blur(hole * (1 - hair), _EAR_RIM * side)
    rgb = rgb * (1 + share * (light - 1))
    below = raster.interpolate(_facing_down(head)[None, :, None], template.shell)
    below = blur(fill_hole(below, 1 - raster.covered[:, None].to(below.dtype)).clamp(min=0), _SMOOTH * side)
    below = below * (2 * blur(hole, _SMOOTH * side) - 1).clamp(min=0) * (1 - hair)
    rgb = rgb * (1 - rgb.new_tensor(_SHADE)[:, None, None] * below)
    return Completed(torch.cat([rgb.clamp(0, 1), hole, hair], 1), points, ears, skin)


def _limit_colour(rgb: Float[Tensor, "1 3 m m"], layer: Float[Tensor, "1 4 n n"]) -> Float[Tensor, "1 3 m m"]:
    """Colours no stronger than the source's own: a black and white photo stays one."""
    strength = lambda picture: picture.amax(1, keepdim=True) - picture.amin(1, keepdim=True)  # noqa: E731
    own = strength(layer[:, :3])[layer[:, 3:] > _SOLID]
    if not len(own):
        return rgb
    most = own[:: max(len(own) // _LOOKED_AT, 1)].quantile(_STRONGEST)
    grey = rgb.mean(1, keepdim=True)
    return grey + (rgb - grey) * (most / strength(rgb).clamp(min=1e-3)).clamp(max=1)


def _facing_down(head: FullHead) -> Float[Tensor, "n"]:
    """Cosine of the vertices' normals and the direction from the crown to the throat; 0 at ears."""
    x, y, z = head.shape.unbind(1)
    down = vertex_facing(torch.stack([x, -z, y], 1)[None], head.template.triangles)[0]
    return torch.where(head.template.part == EAR, 0.0, down)


def follow_unseen(model: MorphableModel, head: FullHead, before: Unseen) -> Unseen:
    """The same colours for another frame of a shot, which hides other points.

    Args:
        model: of the mesh.
        head: in this frame.
        before: of an earlier frame.
    """
    points, _ = unfold(model, head, before.ears, before.skin)
    return dataclasses.replace(before, points=before.points._replace(hidden=points.hidden))


def _complete(
    rgb: Float[Tensor, "1 3 m m"],
    hole: Float[Tensor, "1 1 m m"],
    hair: Float[Tensor, "1 1 m m"],
    hair_rgb: Float[Tensor, "1 3 1 1"],
) -> Float[Tensor, "1 3 m m"]:
    """The hole filled smoothly, and hair with the strands that the source shows, or else in its mean colour."""
    size, own = rgb.shape[-1], (1 - hole) * hair
    near = (2 * blur((1 - hole).expand(-1, 3, -1, -1), _EVEN * size)).clamp(max=1)
    smooth, skin = fill_layers(rgb, hole > 0, hair), (1 - hole) * (1 - hair)
    means = [_mean(rgb, skin), _mean(rgb, own)]
    if not bool(own.any()):
        means[1], smooth = hair_rgb, torch.lerp(smooth, hair_rgb.expand_as(smooth), hair)
    mean = torch.lerp(means[0], means[1], hair)
    light = smooth.mean(1, keepdim=True) / mean.mean(1, keepdim=True).clamp(min=1e-3)
    # the rim mixes with what is behind it and reflects clothes: farther from it the mean hue counts
    tone = torch.lerp(mean * light ** (_LIGHT[0] + (_LIGHT[1] - _LIGHT[0]) * hair), smooth, near)
    detail = (1 - hair) * _grain(_detail(rgb, skin, _PORES), skin).clamp(-_GRAIN, _GRAIN)
    if bool(own.any()):
        strands = _detail(rgb, own, _STRAND)
        most = strands.abs()[own.expand_as(rgb) > 0][::_EVERY].quantile(_COMMON)  # frames of glasses would be a chain
        detail = detail + hair * _reflect(strands.clamp(-most, most), own)
    return torch.where(hole > 0, (tone + detail).clamp(0, 1), rgb)


def _mean(rgb: Float[Tensor, "1 3 h w"], share: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 3 1 1"]:
    return (rgb * share).sum((2, 3), keepdim=True) / share.sum().clamp(min=1)


def _without_islands(mask: Float[Tensor, "1 1 m m"]) -> Float[Tensor, "1 1 m m"]:
    """The mask without small pieces and small holes."""
    return 1 - _largest(1 - _largest(mask, _ISLAND), _ISLAND)


def _largest(mask: Float[Tensor, "1 1 m m"], least: float) -> Float[Tensor, "1 1 m m"]:
    """The mask without pieces that are smaller than a share of the picture."""
    cells = mask[0, 0].to(torch.uint8).cpu().numpy()
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=4)
    large = np.asarray(stats[:, cv2.CC_STAT_AREA]) >= least * cells.size
    large[0] = False
    return torch.from_numpy(large[np.asarray(pieces, np.int64)]).to(mask)[None, None]


def _detail(rgb: Float[Tensor, "1 3 m m"], known: Float[Tensor, "1 1 m m"], size: float) -> Float[Tensor, "1 3 m m"]:
    """What known pixels differ from the mean around them by, within `size` of the side."""
    around = blur(torch.cat([rgb * known, known.expand(-1, 3, -1, -1)], 1), size * rgb.shape[-1]).split(3, 1)
    return (rgb - around[0] / around[1].clamp(min=1e-3)) * known


def _grain(values: Float[Tensor, "1 3 m m"], known: Float[Tensor, "1 1 m m"]) -> Float[Tensor, "1 3 m m"]:
    """Noise as strong as the detail of the plainest known square, a cheek's or the forehead's; 0 if there is none."""
    side = known.shape[-1]
    noise = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0)).to(values)
    noise = _detail(noise.expand(-1, 3, -1, -1), torch.ones_like(known), _PORES)
    for size in (round(share * side) for share in _SQUARE):
        inside = -largest_of_squares(-known, size)
        if bool((inside > 0).any()):
            energy = functional.avg_pool2d(values.square(), size, 1)
            plainest = int(torch.where(inside > 0, energy.mean(1, keepdim=True), math.inf).argmin())
            strength = energy.flatten(2)[..., plainest].sqrt()[..., None, None]
            return noise * (_PLAINER * strength / noise.std())
    return torch.zeros_like(values)


def _reflect(values: Float[Tensor, "1 3 m m"], known: Float[Tensor, "1 1 m m"]) -> Float[Tensor, "1 3 m m"]:
    """Values of a strip around the middle, reflected at its outer and inner edge, farther out again and again.

    Directions whose strip is too narrow take those of the next ones, reflected as well.
    """
    size = known.shape[-1]
    x, y = identity_grid(size, size, like=known)
    angle, radius = torch.atan2(y, x) / math.tau * _WAYS, torch.sqrt(x * x + y * y)
    ways, steps = (torch.arange(count, device=known.device) for count in (_WAYS, _STEPS))
    rays, steps = _ray(ways), (steps + 0.5) / _STEPS
    at = rays[:, None] * steps[:, None]
    inside = functional.grid_sample(known, at[None], align_corners=False)[0, 0] > 0.5  # (ways, steps)
    outer = torch.where(inside, steps, 0.0).amax(1)
    gap = ~inside & (steps < outer[:, None])
    inner = torch.where(gap, steps, 0.0).amax(1)
    wide = outer - inner > _LEAST_STRIP
    if not bool(wide.any()):
        return torch.zeros_like(values)
    down = _WAYS // 4
    ends = wide.roll(-down).nonzero()[[0, -1], 0] + down
    first, last = int(ends[0]), int(ends[1])
    # from the first to the last such direction, over the crown; others are reflected at the nearer of both
    run, rest = (angle - down) % _WAYS + down, _WAYS - (last - first)
    run = torch.where(run < first - rest / 2, run + _WAYS, run)
    turned = first + _fold(run - first, float(max(last - first, 1)))
    near = turned.round().long() % _WAYS
    outer, inner = (_steady(each, wide)[near] for each in (outer, inner))
    folded = outer - _fold(radius - outer, (outer - inner).clamp(min=_LEAST_STRIP))
    return functional.grid_sample(values, (_ray(turned) * folded[..., None])[None], align_corners=False)


def _ray(way: Tensor) -> Tensor:
    """Unit vectors of directions, counted in `_WAYS` parts of a turn."""
    angle = way * (math.tau / _WAYS)
    return torch.stack([torch.cos(angle), torch.sin(angle)], -1)


def _fold(x: Tensor, length: Tensor | float) -> Tensor:
    """x reflected into 0 to length."""
    return length - ((x % (2 * length)) - length).abs()


def _steady(values: Float[Tensor, "w"], known: Bool[Tensor, "w"]) -> Float[Tensor, "w"]:
    """Means over neighbouring known directions."""
    kernel = torch.ones(1, 1, 2 * _AROUND + 1, device=values.device)
    pair = torch.stack([values * known, known.to(values.dtype)])[:, None]
    total = functional.conv1d(functional.pad(pair, (_AROUND, _AROUND), mode="circular"), kernel)[:, 0]
    return torch.where(known, total[0] / total[1].clamp(min=1e-6), values)


def _light(layer: Tensor, points: Float[Tensor, "m 3"], sources: Sources) -> Float[Tensor, "m 1"]:
    """Light of one side over that of the other, from the points of which the source shows both, spread to all."""
    solid = (layer[:, 3:] > _SOLID).to(layer.dtype)
    mean = resize(torch.cat([layer[:, :3] * solid, solid], 1), _LIGHT_PX)
    own, other = (
        functional.grid_sample(mean, at[None, None], align_corners=False)[0, :, 0].T
        for at in (sources.own, sources.counterpart)
    )
    colours = [each[:, :3] / each[:, 3:].clamp(min=1e-3) + 0.05 for each in (own, other)]
    change = (colours[0] / colours[1]).mean(1, keepdim=True).clamp(*_GAIN).log()
    known = sources.clear * (1 - sources.better) * (own[:, 3] > 0.5) * (other[:, 3] > 0.5)
    weight = known / (torch.cdist(points, points).square() + _NEAR**2).square()
    return ((weight @ change) / (weight.sum(1, keepdim=True) + 1e-3)).exp()


def _find_hair_beside(head: FullHead, hair: Float[Tensor, "1 1 j j"]) -> tuple[Bool[Tensor, "n"], Bool[Tensor, "n"]]:
    """Whether the source shows hair at the vertices, beside the face for those that the face hides; and next to it."""
    view = View.of(head.pose)
    direction, distance = view.to_polar(head.posed()[..., :2].mT)
    face = read_outline(outline_of(view, head.mesh[..., :2].mT), direction)
    around = [view.to_picture(direction, each).mT for each in (torch.maximum(distance, face + _BESIDE), face + _NEXT)]
    beside, next_to = functional.grid_sample(hair, torch.cat(around)[None], align_corners=False)[0, 0] > 0.5
    return beside, next_to


def _find_skin(head: FullHead, hair: Float[Tensor, "1 1 j j"]) -> Bool[Tensor, "m"]:
    """`Unseen.skin`. Inside the face a steep nose or lid is the source's own however it is seen."""
    places = torch.cat([head.posed()[0, :, :2], head.mesh[0, :, :2]])
    bare = functional.grid_sample(hair, places[None, None], align_corners=False)[0, 0, 0] < 0.5
    points = head.pose.invert(head.mesh)[0]
    at_rim = torch.cdist(points, points[list(FACE_OVAL)]).amin(1) < _CHEEK
    return bare & torch.cat([torch.ones_like(bare[: len(head.shape)]), at_rim])


def _share_of_ears(head: FullHead, found: Bool[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Of the ear on each vertex's side, the share that is found; a hidden ear is as the other one."""
    ear, right = head.template.part == EAR, head.template.vertices[:, 0] > 0
    shares, shown = ([each[ear & side].float().mean() for side in (right, ~right)] for each in (found, head.visible))
    if float(min(shown)) < _HIDDEN_EAR:
        shares = [shares[int(shown[0] < shown[1])]] * 2
    return torch.where(right, *shares)


def _where_hair_grows(
    head: FullHead,
    hair: Float[Tensor, "1 1 j j"],
    nearest: Float[Tensor, "1 1 j j"],
    clear: Float[Tensor, "n"],
    hangs: Bool[Tensor, "n"],
    bare: Bool[Tensor, "n"],
    framed: Bool[Tensor, "n"],
) -> Float[Tensor, "n"]:
    """1 for points under hair, as far as the rest of the head tells; -1 for jaw and throat; 0 for others.

    If the top of the head has hair, the skull behind the ears and above their lobes has it, too, and above the ears
    what the source shows beside hair (`nearest`: `hair`, continued beyond the head), on either side of the head; if
    that is some, it reaches down to the middle of the ears. A bald head with hair on its sides has a ring of it. Below
    the ears hair lies over what the source hides if it hangs beside the face there (`hangs`: of `_find_hair_beside`).
    It leaves the cheek free unless it is next to it along the ear (`framed`).
    """
    template = head.template
    part, height, depth = template.part, head.shape[:, 1], head.shape[:, 2]
    is_hair, by_hair = (
        functional.grid_sample(each, head.place[None, None], align_corners=False)[0, 0, 0] > 0.5
        for each in (hair, nearest)
    )
    by_hair = by_hair | by_hair[template.opposite]
    ear, skull = part == EAR, part == SKULL
    top = skull & (height > _CROWN) & (clear > 0.5)
    above, behind = height > height[ear].quantile(0.3), depth < depth[ear].quantile(0.7)
    nape = depth < depth[ear].amin()
    cheek = torch.cdist(head.shape, head.pose.invert(head.mesh)[0, list(FACE_OVAL)]).amin(1) < _CHEEK
    grows = hangs & torch.where(cheek, framed & (clear < 0.5) & (height > _JAW), skull & ~above)
    sides = skull & (height > height[ear].amax()) & (height < _CROWN) & (depth < depth[ear].amax())
    share, rise = float(by_hair[sides].float().mean()), height - height[ear].quantile(0.6)
    beside = (~ear | template.before_ear) & (rise > 0) & (depth < _SIDEBURN[0] + _SIDEBURN[1] * rise)
    if bool(top.any()) and float(is_hair[top].float().mean()) > _HAIRY:
        grows = grows | (skull & above & (behind | by_hair | (height > _CROWN))) | (beside & (share > _SOME))
    elif share > _RING:
        grows = grows | ((beside | skull & above & behind) & (height < _CROWN))
    grows = grows | (ear & (~bare | above & is_hair))
    return grows.to(height.dtype) - (~above & ~nape & ~is_hair & ~hangs).to(height.dtype)
