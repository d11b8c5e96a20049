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

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.ops.fill import fill_hole
from reenact.ops.warp import resize

LEVELS = (24, 48, 96)
"""Cells per side."""
_PATCH = 7
"""Cells per side of a patch."""
_VOTES = (6, 3)
"""Rounds of search and vote at the two coarser levels."""
_CANDIDATES, _PASSES = 40, 16
"""Offsets that compete at the middle level, and rounds of belief propagation."""
_TRUST, _LEAST_TRUST = 0.85, 0.05
"""Weight of the guide against seams, for each cell farther inwards, and its smallest value."""
_MEAN = 0.3
"""Weight of the mean colour of a patch, against 1 for what differs from it."""
_LARGEST_SHIFT = 0.06
"""Largest difference of mean colours that is evened out."""
_FEWEST_PATCHES = 30
"""With fewer known patches the hole is filled smoothly."""
_DETAIL_PX, _DETAIL = 256, (0.012, 0.028)
"""Size at which fine detail is measured, and its mean in pictures without and with texture."""
_GRAIN = 0.02
"""Largest size of grain over the side of the picture."""
_SEAM = 6.0
"""Weight of seams against patches that do not fit."""
_ANY_SEAM = 0.002
"""Cost of a seam that cannot be seen."""
_SWEEPS = 4
"""Rounds in which cells take over the offsets of their neighbours."""


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
        return torch.where(hole > 0, _fill_layers(rgb, hole > 0, (layer > 0.5).float()), rgb)
    offsets = _choose(guide, labels, cells, _candidates(guide, labels, cells))
    colours, missing = _shrink(rgb, hole, LEVELS[-1])
    labels, cells = (resize(layer, LEVELS[-1]) > 0.5).float(), _find_cells(missing)
    offsets, smooth = _enlarge(offsets, LEVELS[-1]), _fill_layers(colours, missing, labels)
    guide = torch.where(missing, _copy(smooth, offsets, smooth)[0], colours)
    offsets = _cohere(guide, labels, cells, offsets)
    return _mix_in_smooth(rgb, _apply(rgb, hole, cells, offsets, _copy(smooth, offsets, smooth)[1]), hole, layer)


def _guess(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], layer: Float[Tensor, "1 1 n n"]
) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "1 1 s s"], "_Cells"]:
    """Completed colours, layers and cells of the middle level."""

    def vote(guide: Tensor | None, side: int, rounds: int) -> tuple[Tensor, Tensor, _Cells]:
        colours, missing = _shrink(rgb, hole, side)
        labels, cells = (resize(layer, side) > 0.5).float(), _find_cells(missing)
        start = _fill_layers(colours, missing, labels) if guide is None else resize(guide, side)
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
) -> Float[Tensor, "1 3 n n"]:
    """Where the surroundings are plain or out of focus, only the grain is copied, on smoothly continued colours."""
    missing, labels = hole > 0, (layer > 0.5).float()
    smooth = _fill_layers(rgb, missing, labels)
    strength = resize(_texture(rgb, hole, layer), rgb.shape[-1])
    textured = ((strength - _DETAIL[0]) / (_DETAIL[1] - _DETAIL[0])).clamp(0, 1)
    grain = copied - _blur(copied, _GRAIN * rgb.shape[-1])
    grain = torch.minimum(torch.maximum(grain, -strength), strength)  # no edges of patches
    mixed = torch.lerp(smooth + grain, copied, textured).clamp(0, 1)
    return torch.where(missing, mixed, rgb)


def _blur(values: Float[Tensor, "1 c n n"], reach_px: float) -> Float[Tensor, "1 c n n"]:
    """Means of squares, twice."""
    reach = max(1, round(reach_px / 2))
    for _ in range(2):
        values = functional.avg_pool2d(functional.pad(values, (reach,) * 4, mode="replicate"), 2 * reach + 1, 1)
    return values


def _texture(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], layer: Float[Tensor, "1 1 n n"]
) -> Float[Tensor, "1 1 s s"]:
    """Mean size of the fine detail of the surroundings, continued into the hole."""
    side = min(rgb.shape[-1], _DETAIL_PX)
    colours, missing = _shrink(rgb, hole, side)
    known = (~missing).float()
    mean = _blur(colours * known, 4.0) / _blur(known, 4.0).clamp(min=1e-3)
    detail = ((colours - mean).abs() * known).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    energy, empty = _shrink(detail, missing.float(), LEVELS[0])
    labels = (resize(layer, LEVELS[0]) > 0.5).float()
    return _blur(_fill_layers(energy, empty, labels)[:, :1], 1.0)


class _Cells(NamedTuple):
    """Which cells of a level do what; indices of rows of cells, one after the other."""

    missing: Bool[Tensor, "1 1 s s"]
    near: Bool[Tensor, "s s"]
    """Missing cells and two around them."""
    targets: Int[Tensor, "t"]
    """The same as indices."""
    donors: Int[Tensor, "k"]
    """Centres of patches without a missing cell, inside the picture."""
    allowed: Bool[Tensor, "p"]
    """Cells that may be copied: they and the cells around them are known."""
    inwards: Float[Tensor, "s s"]
    """Steps to the nearest known cell, at most 16."""


def _find_cells(missing: Bool[Tensor, "1 1 s s"]) -> _Cells:
    reach = _PATCH // 2
    outside = functional.pad(missing.float(), (reach,) * 4, value=1.0)
    known = functional.max_pool2d(outside, _PATCH, 1) == 0
    near = functional.max_pool2d(missing.float(), 5, 1, 2)[0, 0] > 0
    inwards, left = torch.zeros_like(missing, dtype=torch.float32), missing.float()
    for _ in range(16):
        inwards = inwards + left
        left = 1 - functional.max_pool2d(1 - left, 3, 1, 1)
    targets, donors = (mask.flatten().nonzero()[:, 0] for mask in (near, known))
    allowed = functional.max_pool2d(missing.float(), 3, 1, 1).flatten() == 0
    return _Cells(missing, near, targets, donors, allowed, inwards[0, 0])


def _shrink(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], side: int
) -> tuple[Float[Tensor, "1 3 s s"], Bool[Tensor, "1 1 s s"]]:
    """Means of known pixels; cells that hold any unknown pixel are missing."""
    known = 1 - hole
    share = resize(known, side)
    return resize(rgb * known, side) / share.clamp(min=1e-3), share < 0.995


def _fill_layers(
    colours: Float[Tensor, "1 3 s s"], missing: Bool[Tensor, "1 1 s s"], labels: Float[Tensor, "1 1 s s"]
) -> Float[Tensor, "1 3 s s"]:
    """Each layer continued smoothly from its own colours."""
    filled = [
        fill_hole(colours, (missing | (labels != layer)).float())
        if bool((~missing & (labels == layer)).any())
        else None
        for layer in (0, 1)
    ]
    first, second = (one if one is not None else other for one, other in zip(filled, filled[::-1], strict=True))
    if first is None or second is None:
        return torch.where(missing, 0.5, colours)
    return torch.where(missing, torch.where(labels > 0.5, second, first), colours)


def _vote_often(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: _Cells, rounds: int
) -> Float[Tensor, "1 3 s s"]:
    """Search and vote in turn."""
    trust = 0.8 ** cells.inwards.flatten()[cells.targets]
    for _ in range(rounds):
        patches = _patches(torch.cat([guide, labels], 1))
        found, distance = _nearest(patches[cells.targets], patches[cells.donors])
        voted = _vote(guide, patches, cells.targets, cells.donors[found], distance, trust)
        guide = torch.where(cells.missing, voted, guide)
    return guide


def _candidates(guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: _Cells) -> Int[Tensor, "k 2"]:
    """Offsets (y, x) from the cells of the hole to their nearest patches: those that many share."""
    side = guide.shape[-1]
    patches = _patches(torch.cat([guide, labels], 1))
    place = lambda index: torch.stack([index.div(side, rounding_mode="floor"), index % side], 1)  # noqa: E731
    found = cells.donors[_nearest(patches[cells.targets], patches[cells.donors])[0]]
    offsets = place(found) - place(cells.targets)
    votes = torch.zeros(2 * side - 1, 2 * side - 1, device=guide.device)
    weight = _TRUST ** cells.inwards.flatten()[cells.targets]
    votes.index_put_((offsets[:, 0] + side - 1, offsets[:, 1] + side - 1), weight, accumulate=True)
    near = functional.avg_pool2d(votes[None, None], 3, 1, 1) + 1e-3 * votes
    peaks = torch.where(near == functional.max_pool2d(near, 3, 1, 1), near, 0.0).flatten()
    best = peaks.topk(_CANDIDATES).indices
    width = 2 * side - 1
    return torch.stack([best.div(width, rounding_mode="floor"), best % width], 1) - (side - 1)


def _choose(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: _Cells, candidates: Int[Tensor, "k 2"]
) -> Int[Tensor, "2 s s"]:
    """One of the candidates for each cell, by belief propagation (min-sum) on patch distance and seams.

    The cost of a seam is Pritch et al.'s (2009, equation 3): both sides' colours under one offset against the other.
    """
    side, targets = guide.shape[-1], cells.targets
    values = torch.cat([guide, labels], 1)
    features, colours = _features(_patches(values)), values[0].flatten(1).T.contiguous()
    y, x = targets.div(side, rounding_mode="floor"), targets % side
    to_y, to_x = y[:, None] + candidates[:, 0], x[:, None] + candidates[:, 1]
    inside = (to_y >= 0) & (to_y < side) & (to_x >= 0) & (to_x < side)
    place = to_y.clamp(0, side - 1) * side + to_x.clamp(0, side - 1)
    trust = (_TRUST ** cells.inwards.flatten()[targets]).clamp(min=_LEAST_TRUST)
    distance = torch.stack([(features[targets] - features[column]).square().sum(1) for column in place.T], 1)
    unary = trust[:, None] * distance / _PATCH**2 + 1e3 * ~(inside & cells.allowed[place])
    order = torch.full((side * side,), -1, dtype=torch.long, device=guide.device)
    order[targets] = torch.arange(len(targets), device=guide.device)
    links = []
    for step, some in ((1, x < side - 1), (side, y < side - 1)):
        first = some.nonzero()[:, 0]
        first = first[order[targets[first] + step] >= 0]
        second = order[targets[first] + step]
        # under the first cell's offset, the second one would show the place beside its own
        here = colours[place[first]]
        here_too = colours[(place[second] - step).clamp(0, side * side - 1)]
        there = colours[(place[first] + step).clamp(0, side * side - 1)]
        seams = torch.cdist(here, here_too).square() + torch.cdist(there, colours[place[second]]).square()
        seams = _SEAM * seams / 2 + _ANY_SEAM * (1 - torch.eye(len(candidates), device=guide.device))
        links.append((first, second, seams))
    messages = [(torch.zeros_like(unary[first]), torch.zeros_like(unary[first])) for first, _, _ in links]
    for _ in range(_PASSES):
        belief = unary.clone()
        for (first, second, _), (ahead, back) in zip(links, messages, strict=True):
            belief.index_add_(0, second, ahead).index_add_(0, first, back)
        new = []
        for (first, second, seams), (ahead, back) in zip(links, messages, strict=True):
            sent = ((belief[first] - back)[:, :, None] + seams).amin(1)
            returned = ((belief[second] - ahead)[:, None, :] + seams).amin(2)
            new.append(
                tuple((0.5 * (m - m.amin(1, keepdim=True)) + 0.5 * old) for m, old in ((sent, ahead), (returned, back)))
            )
        messages = new
    belief = unary.clone()
    for (first, second, _), (ahead, back) in zip(links, messages, strict=True):
        belief.index_add_(0, second, ahead).index_add_(0, first, back)
    offsets = torch.zeros(side * side, 2, dtype=torch.long, device=guide.device)
    offsets[targets] = candidates[belief.argmin(1)]
    return offsets.T.unflatten(1, (side, side)).contiguous()


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


def _average(values: Float[Tensor, "1 c s s"]) -> Float[Tensor, "1 c s s"]:
    return functional.avg_pool2d(functional.pad(values, (_PATCH // 2,) * 4, mode="replicate"), _PATCH, 1)


def _cohere(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], where: _Cells, offsets: Int[Tensor, "2 s s"]
) -> Int[Tensor, "2 s s"]:
    """Cells take over a neighbour's offset where that lowers patch distance plus seams; half of the cells at a time."""
    side, cells = guide.shape[-1], where.targets
    values = torch.cat([guide, labels], 1)
    features, colours = _features(_patches(values)), values[0].flatten(1).T.contiguous()
    trust = (_TRUST ** where.inwards.flatten()[cells]).clamp(min=0.02)
    allowed, inside = where.allowed, where.near.flatten()
    field = offsets.flatten(1).T.contiguous()
    y, x = cells.div(side, rounding_mode="floor"), cells % side
    steps = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]], device=guide.device)

    def at(y: Tensor, x: Tensor) -> Tensor:
        return y.clamp(0, side - 1) * side + x.clamp(0, side - 1)

    def cost(chosen: Tensor, some: Tensor) -> Tensor:
        place = at(y[some] + chosen[:, 0], x[some] + chosen[:, 1])
        total = trust[some] * (features[cells[some]] - features[place]).square().sum(1) / _PATCH**2
        total = total + 1e3 * ~allowed[place]
        for step in steps:
            beside = at(y[some] + step[0], x[some] + step[1])
            other = field[beside]
            here = colours[place] - colours[at(y[some] + other[:, 0], x[some] + other[:, 1])]
            far = at(y[some] + step[0] + chosen[:, 0], x[some] + step[1] + chosen[:, 1])
            there = colours[far] - colours[at(y[some] + step[0] + other[:, 0], x[some] + step[1] + other[:, 1])]
            seam = _SEAM * (here.square().sum(1) + there.square().sum(1)) / 2 + _ANY_SEAM * (chosen != other).any(1)
            total = total + seam * inside[beside]
        return total

    halves = [((y + x) % 2 == parity).nonzero()[:, 0] for parity in (0, 1)]
    for sweep in range(_SWEEPS):
        reach = (1, 3, 1, 7, 1, 2)[sweep % 6]
        for some in halves:
            best = cost(field[cells[some]], some)
            for step in steps:
                candidate = field[at(y[some] + reach * step[0], x[some] + reach * step[1])]
                new = cost(candidate, some)
                better = (new < best) & inside[at(y[some] + reach * step[0], x[some] + reach * step[1])]
                field[cells[some[better]]] = candidate[better]
                best = torch.where(better, new, best)
    return field.T.unflatten(1, (side, side)).contiguous()


def _patches(values: Float[Tensor, "1 4 s s"]) -> Float[Tensor, "p d"]:
    """The patch around each cell: colours and layer; the border is repeated."""
    padded = functional.pad(values, (_PATCH // 2,) * 4, mode="replicate")
    return functional.unfold(padded, _PATCH)[0].T


def _features(patches: Float[Tensor, "p d"]) -> Float[Tensor, "p d"]:
    """The patches, their mean colours made less important and their layer more."""
    count = _PATCH**2
    colours, layer = patches[:, : 3 * count].unflatten(1, (3, count)), patches[:, 3 * count :]
    mean = colours.mean(-1, keepdim=True)
    return torch.cat([(colours - (1 - _MEAN**0.5) * mean).flatten(1), 0.5 * layer], 1)


def _nearest(
    targets: Float[Tensor, "t d"], donors: Float[Tensor, "k d"]
) -> tuple[Int[Tensor, "t"], Float[Tensor, "t"]]:
    """The donor with the smallest sum of squared differences, and that sum."""
    ours, theirs = _features(targets), _features(donors)
    scores = torch.addmm(theirs.square().sum(1)[None], ours, theirs.T, alpha=-2)
    best = scores.min(1)
    return best.indices, (best.values + ours.square().sum(1)).clamp(min=0)


def _vote(
    guide: Float[Tensor, "1 3 s s"],
    patches: Float[Tensor, "p d"],
    targets: Int[Tensor, "t"],
    found: Int[Tensor, "t"],
    distance: Float[Tensor, "t"],
    trust: Float[Tensor, "t"],
) -> Float[Tensor, "1 3 s s"]:
    """Means of the patches that overlap a cell; good matches near the rim count most."""
    side, count = guide.shape[-1], _PATCH**2
    own, given = (patches[index, : 3 * count].unflatten(1, (3, count)) for index in (targets, found))
    shift = (own.mean(-1, keepdim=True) - given.mean(-1, keepdim=True)).clamp(-0.05, 0.05)
    scale = torch.quantile(distance, 0.5).clamp(min=1e-3)
    weight = trust * torch.exp(-distance / (2 * scale)).clamp(min=1e-4)
    votes = patches.new_zeros(4 * count, side * side)
    votes[: 3 * count, targets] = ((given + shift) * weight[:, None, None]).flatten(1).T
    votes[3 * count :, targets] = weight.expand(count, -1)
    pad = _PATCH // 2
    total = functional.fold(votes[None], (side + 2 * pad,) * 2, _PATCH)[..., pad:-pad, pad:-pad]
    return total[:, :3] / total[:, 3:].clamp(min=1e-8)


def _apply(
    rgb: Float[Tensor, "1 3 n n"],
    hole: Float[Tensor, "1 1 n n"],
    cells: _Cells,
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
