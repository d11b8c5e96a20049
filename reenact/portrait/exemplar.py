"""Holes completed by patches of the same picture, coarse to fine.

    24 -> 48 cells   nearest patches <-> votes: a guide      (Wexler et al., "Space-Time Completion of Video", 2007)
          48 cells   offsets that many patches share         (He and Sun, "Statistics of Patch Offsets", 2012)
                     one for each cell, with hidden seams    (Pritch et al., "Shift-Map Image Editing", 2009)
          96 cells   the seams once more
         full size   colours read at the offsets, overlapped at the seams

Nearest patches are found exactly, by one matrix product: the number of cells is fixed, so the cost hardly depends on
the size of the picture. Where the surroundings are plain or out of focus, only grain is copied, on smoothly continued
colours.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.ops.fill import fill_hole
from reenact.ops.grow import grow
from reenact.ops.warp import resize
from reenact.portrait.matte import from_picture, to_picture
from reenact.portrait.patches import PATCH, Cells, find_cells, nearest, patches_of
from reenact.portrait.shift_map import choose_offsets, hide_seams, shared_offsets

LEVELS = (24, 48, 96)
"""Cells per side."""
_VOTES = (6, 3)
"""Rounds of search and vote at the two coarser levels."""
_LARGEST_SHIFT = 0.06
"""Largest difference of mean colours that is evened out."""
_RIM_CELLS = 12
"""Depth from which no larger one is."""
_FITS, _DOUBTED_CELLS = (0.05, 0.15), 7
"""Difference of the copied colours and those at the rim from which a copy is doubted, and from which it is dropped; and
the depth to which it is."""
_FEWEST_PATCHES = 30
"""With fewer known patches the hole is filled smoothly."""
_DETAIL_PX, _DETAIL = 256, (0.012, 0.028)
"""Size at which fine detail is measured, and its mean in pictures without and with texture."""
_BORDER = 0.01
"""Reach over the side of the picture in which the layers may be mistaken."""
_GRAIN = 0.02
"""Largest size of grain over the side of the picture."""


def complete(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], layer: Float[Tensor, "1 1 n n"]
) -> Float[Tensor, "1 3 n n"]:
    """The picture with its hole filled from patches outside of it.

    Args:
        rgb: 0 to 1.
        hole: 1 where it is filled, 0 elsewhere.
        layer: 0 or 1 everywhere, in the hole too: what lies there. Patches match in it, and colours do not mix.

    Returns:
        `rgb` outside of the hole, bit for bit.
    """
    guide, labels, cells = _guess(rgb, hole, layer)
    if len(cells.donors) < _FEWEST_PATCHES or not bool(cells.missing.any()):
        return torch.where(hole > 0, fill_layers(rgb, hole > 0, (layer > 0.5).float()), rgb)
    offsets = choose_offsets(guide, labels, cells, shared_offsets(guide, labels, cells))
    colours, missing = _shrink(rgb, hole, LEVELS[-1])
    labels, cells = (resize(layer, LEVELS[-1]) > 0.5).float(), find_cells(missing)
    offsets, smooth = _enlarge(offsets, LEVELS[-1]), fill_layers(colours, missing, labels)
    guide = torch.where(missing, _copy(smooth, offsets, smooth)[0], colours)
    offsets = hide_seams(guide, labels, cells, offsets)
    copied, shift = _copy(smooth, offsets, smooth)
    lacks = colours - copied
    copied = _apply(rgb, hole, cells, offsets, shift + _join(lacks, labels, cells))
    return _mix_in_smooth(rgb, copied, hole, layer, _doubt(lacks, labels, cells))


def _guess(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], layer: Float[Tensor, "1 1 n n"]
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 1 s s"], Cells]:
    """Completed colours, layers and cells of the middle level."""

    def vote(guide: Tensor | None, side: int, rounds: int) -> tuple[Tensor, Tensor, Cells]:
        colours, missing = _shrink(rgb, hole, side)
        labels, cells = (resize(layer, side) > 0.5).float(), find_cells(missing)
        start = fill_layers(colours, missing, labels) if guide is None else resize(guide, side)
        guide = torch.where(missing, start, colours)
        if len(cells.donors) >= _FEWEST_PATCHES:
            guide = _vote_often(guide, labels, cells, rounds)
        return guide, labels, cells

    return vote(vote(None, LEVELS[0], _VOTES[0])[0], LEVELS[1], _VOTES[1])


def _mix_in_smooth(
    rgb: Float[Tensor, "1 3 n n"],
    copied: Float[Tensor, "1 3 n n"],
    hole: Float[Tensor, "1 1 n n"],
    layer: Float[Tensor, "1 1 n n"],
    doubt: Float[Tensor, "1 1 s s"],
) -> Float[Tensor, "1 3 n n"]:
    """Where the surroundings are plain or out of focus, only the grain is copied, on smoothly continued colours.

    So it is where copies are in doubt.
    """
    missing, side = hole > 0, min(rgb.shape[-1], _DETAIL_PX)
    colours, unknown = _shrink(rgb, hole, side)
    smooth = resize(fill_layers(colours, unknown, (resize(layer, side) > 0.5).float()), rgb.shape[-1])
    strength = resize(_texture(rgb, hole, layer), rgb.shape[-1])
    textured = ((strength - _DETAIL[0]) / (_DETAIL[1] - _DETAIL[0])).clamp(0, 1)
    textured = textured * (1 - resize(doubt, rgb.shape[-1]))
    grain = copied - blur(copied, _GRAIN * rgb.shape[-1])
    grain = torch.minimum(torch.maximum(grain, -strength), strength)  # no edges of patches
    mixed = torch.lerp(smooth + grain, copied, textured).clamp(0, 1)
    return torch.where(missing, mixed, rgb)


def blur(values: Float[Tensor, "1 c n n"], reach_px: float) -> Float[Tensor, "1 c n n"]:
    """Means of squares, twice."""
    size = (2 * max(1, round(reach_px / 2)) + 1,) * 2
    mean = lambda picture: cv2.blur(picture, size, borderType=cv2.BORDER_REPLICATE)  # noqa: E731
    return from_picture(np.atleast_3d(mean(mean(to_picture(values)))), values)


def _texture(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], layer: Float[Tensor, "1 1 n n"]
) -> Float[Tensor, "1 1 s s"]:
    """Mean size of the fine detail of the surroundings, continued into the hole."""
    side = min(rgb.shape[-1], _DETAIL_PX)
    colours, missing = _shrink(rgb, hole, side)
    known = (~missing).float()
    mean = blur(colours * known, 4.0) / blur(known, 4.0).clamp(min=1e-3)
    detail = ((colours - mean).abs() * known).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    energy, empty = _shrink(detail, missing.float(), LEVELS[0])
    labels = (resize(layer, LEVELS[0]) > 0.5).float()
    return blur(fill_layers(energy, empty, labels)[:, :1], 1.0)


def _shrink(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], side: int
) -> tuple[Float[Tensor, "1 3 s s"], Bool[Tensor, "1 1 s s"]]:
    """Means of known pixels; cells that hold any unknown pixel are missing."""
    known = 1 - hole
    share = resize(known, side)
    return resize(rgb * known, side) / share.clamp(min=1e-3), share < 0.995


def fill_layers(
    colours: Float[Tensor, "1 3 s s"], missing: Bool[Tensor, "1 1 s s"], labels: Float[Tensor, "1 1 s s"]
) -> Float[Tensor, "1 3 s s"]:
    """Each layer continued smoothly from its own colours, those next to the other layer left out."""
    reach = round(_BORDER * colours.shape[-1])
    borders = grow(labels, reach) + grow(1 - labels, reach) > 1
    unknown = [missing | borders | (labels != layer) for layer in (0, 1)]
    filled = [None if bool(each.all()) else fill_hole(colours, each.float()) for each in unknown]
    first, second = (one if one is not None else other for one, other in zip(filled, filled[::-1], strict=True))
    if first is None or second is None:
        return torch.where(missing, 0.5, colours)
    return torch.where(missing, torch.where(labels > 0.5, second, first), colours)


def _vote_often(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: Cells, rounds: int
) -> Float[Tensor, "1 3 s s"]:
    """Search and vote in turn."""
    trust = 0.8 ** cells.inwards.flatten()[cells.targets]
    for _ in range(rounds):
        patches = patches_of(torch.cat([guide, labels], 1))
        found, distance = nearest(patches[cells.targets], patches[cells.donors])
        voted = _vote(guide, patches, cells.targets, cells.donors[found], distance, trust)
        guide = torch.where(cells.missing, voted, guide)
    return guide


def _enlarge(offsets: Int[Tensor, "2 s s"], side: int) -> Int[Tensor, "2 t t"]:
    """The offsets of a level with twice as many cells."""
    factor = side // offsets.shape[-1]
    return (offsets * factor).repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def _copy(
    colours: Float[Tensor, "1 3 s s"], offsets: Int[Tensor, "2 s s"], smooth: Float[Tensor, "1 3 s s"]
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 3 s s"]]:
    """Colours at the offsets, and what was added to them: where they are plain, the mean colours of `smooth`."""
    side = colours.shape[-1]
    rows = torch.arange(side, device=colours.device)
    i, j = (rows[:, None] + offsets[0]).clamp(0, side - 1), (rows[None] + offsets[1]).clamp(0, side - 1)
    copied = colours[:, :, i, j]
    mean, wanted = _average(copied), _average(smooth)
    spread = (_average(copied.square()) - mean.square()).clamp(min=0).mean(1, keepdim=True).sqrt()
    limit = (_LARGEST_SHIFT - spread).clamp(min=0)
    shift = torch.minimum(torch.maximum(wanted - mean, -limit), limit)
    return copied + shift, shift


def _join(
    difference: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: Cells
) -> Float[Tensor, "1 3 s s"]:
    """What the copied colours lack at the rim of the hole, continued into it, so that no edge shows there.

    As Farbman et al. ("Coordinates for Instant Image Cloning", 2009), but by push and pull. Large differences, of
    leaves or of the head's last hairs, end near the rim: they would spread as fog.
    """
    unknown = ~(cells.near & ~cells.missing)
    at_rim, small = (
        fill_layers(each, unknown, labels) for each in (difference, difference.clamp(-_LARGEST_SHIFT, _LARGEST_SHIFT))
    )
    return torch.lerp(at_rim, small, (cells.inwards / _RIM_CELLS).clamp(max=1))


def _doubt(
    difference: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: Cells
) -> Float[Tensor, "1 1 s s"]:
    """1 where copies do not fit the rim of the hole, falling to 0 inwards: they would be shards beside the head."""
    size = difference.abs().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    size = fill_layers(size, ~(cells.near & ~cells.missing), labels)[:, :1]
    return ((size - _FITS[0]) / (_FITS[1] - _FITS[0])).clamp(0, 1) * (1 - cells.inwards / _DOUBTED_CELLS).clamp(min=0)


def _average(values: Float[Tensor, "1 c s s"]) -> Float[Tensor, "1 c s s"]:
    return functional.avg_pool2d(functional.pad(values, (PATCH // 2,) * 4, mode="replicate"), PATCH, 1)


def _vote(
    guide: Float[Tensor, "1 3 s s"],
    patches: Float[Tensor, "p d"],
    targets: Int[Tensor, "t"],
    found: Int[Tensor, "t"],
    distance: Float[Tensor, "t"],
    trust: Float[Tensor, "t"],
) -> Float[Tensor, "1 3 s s"]:
    """Means of the patches that overlap a cell; good matches near the rim count most."""
    side, count = guide.shape[-1], PATCH**2
    own, given = (patches[index, : 3 * count].unflatten(1, (3, count)) for index in (targets, found))
    shift = (own.mean(-1, keepdim=True) - given.mean(-1, keepdim=True)).clamp(-0.05, 0.05)
    scale = torch.quantile(distance, 0.5).clamp(min=1e-3)
    weight = trust * torch.exp(-distance / (2 * scale)).clamp(min=1e-4)
    votes = patches.new_zeros(4 * count, side * side)
    votes[: 3 * count, targets] = ((given + shift) * weight[:, None, None]).flatten(1).T
    votes[3 * count :, targets] = weight.expand(count, -1)
    pad = PATCH // 2
    total = functional.fold(votes[None], (side + 2 * pad,) * 2, PATCH)[..., pad:-pad, pad:-pad]
    return total[:, :3] / total[:, 3:].clamp(min=1e-8)


def _apply(
    rgb: Float[Tensor, "1 3 n n"],
    hole: Float[Tensor, "1 1 n n"],
    cells: Cells,
    offsets: Int[Tensor, "2 s s"],
    shift: Float[Tensor, "1 3 s s"],
) -> Float[Tensor, "1 3 n n"]:
    """The pixels of the picture itself at the offsets, overlapped over the distance of two cells."""
    size, side = rgb.shape[-1], offsets.shape[-1]
    flat = (hole[0, 0] > 0).flatten().nonzero()[:, 0]
    y, x = flat.div(size, rounding_mode="floor"), flat % size
    at_y, at_x = ((each + 0.5) * side / size - 0.5 for each in (y, x))
    total, weights = rgb.new_zeros(3, len(flat)), rgb.new_zeros(len(flat))
    near = cells.near.float()
    for row in (0, 1):
        for column in (0, 1):
            cell_y, cell_x = at_y.floor() + row, at_x.floor() + column
            weight = (1 - (at_y - cell_y).abs()) * (1 - (at_x - cell_x).abs())
            i, j = (cell.long().clamp(0, side - 1) for cell in (cell_y, cell_x))
            weight = weight * near[i, j] + 1e-6
            move = (offsets[:, i, j] * (size / side)).round().long()
            from_y, from_x = (y + move[0]).clamp(0, size - 1), (x + move[1]).clamp(0, size - 1)
            total += (rgb[0, :, from_y, from_x] + shift[0, :, i, j]) * weight
            weights += weight
    result = rgb.clone().flatten(2)
    result[0, :, flat] = (total / weights).clamp(0, 1)
    return result.unflatten(2, (size, size))
