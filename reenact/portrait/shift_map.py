"""One offset for each cell of a hole, so that seams do not show (Pritch et al., "Shift-Map Image Editing", 2009)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reenact.ops.grow import grow
from reenact.portrait.patches import PATCH, Cells, features_of, nearest, patches_of

_CANDIDATES, _PASSES = 40, 16
"""Offsets that compete, and rounds of belief propagation."""
_TRUST, _LEAST_TRUST = 0.85, 0.05
"""Weight of the guide against seams, for each cell farther inwards, and its smallest value."""
_SEAM = 6.0
"""Weight of seams against patches that do not fit."""
_ANY_SEAM = 0.002
"""Cost of a seam that cannot be seen."""
_OTHER_LAYER = 2.0
"""Cost of a cell from the other layer."""
_SWEEPS = 4
"""Rounds in which cells take over the offsets of their neighbours."""


def shared_offsets(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: Cells
) -> Int[Tensor, "k 2"]:
    """Offsets (y, x) from the cells of the hole to their nearest patches: those that many share."""
    side = guide.shape[-1]
    patches = patches_of(torch.cat([guide, labels], 1))
    place = lambda index: torch.stack([index.div(side, rounding_mode="floor"), index % side], 1)  # noqa: E731
    found = cells.donors[nearest(patches[cells.targets], patches[cells.donors])[0]]
    offsets = place(found) - place(cells.targets)
    votes = torch.zeros(2 * side - 1, 2 * side - 1, device=guide.device)
    weight = _TRUST ** cells.inwards.flatten()[cells.targets]
    votes.index_put_((offsets[:, 0] + side - 1, offsets[:, 1] + side - 1), weight, accumulate=True)
    near = functional.avg_pool2d(votes[None, None], 3, 1, 1) + 1e-3 * votes
    peaks = torch.where(near == grow(near, 1), near, 0.0).flatten()
    best = peaks.topk(_CANDIDATES).indices
    width = 2 * side - 1
    return torch.stack([best.div(width, rounding_mode="floor"), best % width], 1) - (side - 1)


def choose_offsets(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], cells: Cells, candidates: Int[Tensor, "k 2"]
) -> Int[Tensor, "2 s s"]:
    """One of the candidates for each cell, by belief propagation (min-sum) on patch distance and seams.

    The cost of a seam is Pritch et al.'s (2009, equation 3): both sides' colours under one offset against the other.
    """
    side, targets = guide.shape[-1], cells.targets
    values = torch.cat([guide, labels], 1)
    features, colours = features_of(patches_of(values)), values[0].flatten(1).T.contiguous()
    y, x = targets.div(side, rounding_mode="floor"), targets % side
    to_y, to_x = y[:, None] + candidates[:, 0], x[:, None] + candidates[:, 1]
    inside = (to_y >= 0) & (to_y < side) & (to_x >= 0) & (to_x < side)
    place = to_y.clamp(0, side - 1) * side + to_x.clamp(0, side - 1)
    trust = (_TRUST ** cells.inwards.flatten()[targets]).clamp(min=_LEAST_TRUST)
    distance = torch.stack([(features[targets] - features[column]).square().sum(1) for column in place.T], 1)
    unary = trust[:, None] * distance / PATCH**2 + 1e3 * ~(inside & cells.allowed[place])
    own_layer = labels.flatten()
    unary = unary + _OTHER_LAYER * (own_layer[targets][:, None] != own_layer[place])
    belief = _propagate(unary, _find_links(colours, place, targets, side))
    offsets = torch.zeros(side * side, 2, dtype=torch.long, device=guide.device)
    offsets[targets] = candidates[belief.argmin(1)]
    return offsets.T.unflatten(1, (side, side)).contiguous()


def _find_links(
    colours: Float[Tensor, "p c"], place: Int[Tensor, "t k"], targets: Int[Tensor, "t"], side: int
) -> list[tuple[Int[Tensor, "_"], Int[Tensor, "_"], Float[Tensor, "_ k k"]]]:
    """Pairs of neighbours, as rows of `targets`, to the right and below, and what each pair of candidates costs."""
    y, x = targets.div(side, rounding_mode="floor"), targets % side
    order = torch.full((side * side,), -1, dtype=torch.long, device=colours.device)
    order[targets] = torch.arange(len(targets), device=colours.device)
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
        seams = _SEAM * seams / 2 + _ANY_SEAM * (1 - torch.eye(place.shape[1], device=colours.device))
        links.append((first, second, seams))
    return links


def _propagate(
    unary: Float[Tensor, "t k"], links: list[tuple[Int[Tensor, "_"], Int[Tensor, "_"], Float[Tensor, "_ k k"]]]
) -> Float[Tensor, "t k"]:
    """Costs of all candidates after min-sum belief propagation; all messages are sent at once, half of each is new."""
    messages = [(torch.zeros_like(unary[first]), torch.zeros_like(unary[first])) for first, _, _ in links]

    def collect() -> Tensor:
        belief = unary.clone()
        for (first, second, _), (ahead, back) in zip(links, messages, strict=True):
            belief.index_add_(0, second, ahead).index_add_(0, first, back)
        return belief

    for _ in range(_PASSES):
        belief = collect()
        new = []
        for (first, second, seams), (ahead, back) in zip(links, messages, strict=True):
            sent = ((belief[first] - back)[:, :, None] + seams).amin(1)
            returned = ((belief[second] - ahead)[:, None, :] + seams).amin(2)
            new.append(
                tuple((0.5 * (m - m.amin(1, keepdim=True)) + 0.5 * old) for m, old in ((sent, ahead), (returned, back)))
            )
        messages = new
    return collect()


def hide_seams(
    guide: Float[Tensor, "1 3 s s"], labels: Float[Tensor, "1 1 s s"], where: Cells, offsets: Int[Tensor, "2 s s"]
) -> Int[Tensor, "2 s s"]:
    """Cells take over a neighbour's offset where that lowers patch distance plus seams; half of the cells at a time."""
    side, cells = guide.shape[-1], where.targets
    values = torch.cat([guide, labels], 1)
    features, colours = features_of(patches_of(values)), values[0].flatten(1).T.contiguous()
    trust = (_TRUST ** where.inwards.flatten()[cells]).clamp(min=0.02)
    allowed, inside = where.allowed, where.near.flatten()
    field, layer = offsets.flatten(1).T.contiguous(), labels.flatten()
    y, x = cells.div(side, rounding_mode="floor"), cells % side
    steps = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]], device=guide.device)

    def at(y: Tensor, x: Tensor) -> Tensor:
        return y.clamp(0, side - 1) * side + x.clamp(0, side - 1)

    def cost(chosen: Tensor, some: Tensor) -> Tensor:
        place = at(y[some] + chosen[:, 0], x[some] + chosen[:, 1])
        total = trust[some] * (features[cells[some]] - features[place]).square().sum(1) / PATCH**2
        total = total + 1e3 * ~allowed[place]
        total = total + _OTHER_LAYER * (layer[cells[some]] != layer[place])
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
                beside = at(y[some] + reach * step[0], x[some] + reach * step[1])
                other = inside[beside] & (field[beside] != field[cells[some]]).any(1)
                tried = other.nonzero()[:, 0]
                candidate = field[beside[tried]]
                new = cost(candidate, some[tried])
                better = new < best[tried]
                field[cells[some[tried[better]]]] = candidate[better]
                best[tried[better]] = new[better]
    return field.T.unflatten(1, (side, side)).contiguous()
