"""The ground: the picture without its head, completed behind it.

Background and body are completed from their own patches (`exemplar`); over them, the neck is continued up behind the
chin.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from reenact.ops.fill import fill_hole
from reenact.ops.grow import grow
from reenact.ops.warp import resize
from reenact.portrait.exemplar import complete, fill_layers
from reenact.portrait.matte import (
    BACKGROUND,
    CLOTHES,
    FACE,
    HAIR,
    SKIN,
    HeadAxes,
    HeadMatte,
    from_picture,
    hair_fade,
    head_axes,
    head_cells,
    to_picture,
)

_MARGIN = (0.01, 0.022)
"""Margin of the hole around skin and around hair, over the side of the crop."""
_WIDER = 0.008
"""Added to it where the matte is that of the guided filter, whose edge is narrower."""
_NECK_TOP = 0.3
"""Height (of `head_axes`) to which the neck reaches behind the head."""
_FLARE = (0.12, 0.0, 0.8)
"""Under hair beside the neck (below the second height, up to the third distance) the neck is wider behind the chin."""
_RIM = 0.01
"""Width of the visible neck below the chin whose colours the hidden one takes over, share of the side."""
_THROAT, _BELOW = 0.2, 0.06
"""Half the width of the throat, and the height of what is looked at of it, right below the chin."""
_SHOULDER = (-0.15, 0.35)
"""Height of the shoulders at the neck and their slope, where neither can be seen."""
_RISE = 0.18
"""How much higher than seen the shoulders may be behind the head."""
_REACH = 0.2
"""How far long hair on the shoulders continues upwards behind the head, in face heights."""
_COLLAR = 0.3
"""Hidden gaps between neck and collar up to this width, in face heights, are body."""
_LOOSE = 0.04
"""Distance from the hole at which a ground is compared with that of the frame before, share of the side."""
_CHANGE_PX = 96
"""Side at which the change of a ground from frame to frame is continued into its hole."""
_BODY = (0.1, 0.3)
"""Heights of `head_axes` below which a clip's hidden ground is body, and above which it is background."""
_RISING = 0.1
"""Height up to which clothes right below the head continue behind it as they are, share of the side."""
_STRIPES = np.ones((1, 7), np.uint8)
"""Cells of the parsing: narrower stripes of cloth in the neck are none."""
_SHADE = 0.2
"""How much darker the neck is behind the chin."""


class Ground(NamedTuple):
    """The picture without its head."""

    rgb: Float[Tensor, "1 3 n n"]
    """Equal to the source, bit for bit, where `hole` is 0."""
    hole: Float[Tensor, "1 1 n n"]
    """1 where the picture was completed, 0 elsewhere: the matte with its soft edge and a margin."""
    body: Float[Tensor, "1 1 n n"]
    """Share of the body, neck included: what the picture shows, and its continuation behind the head."""


def complete_ground(
    rgb: Float[Tensor, "1 3 n n"],
    matte: HeadMatte,
    parsing: UInt8[Tensor, "1 j j"],
    mesh: Float[Tensor, "1 478 3"],
    *,
    by_exemplar: bool = True,
) -> Ground:
    """Remove the head.

    Args:
        rgb: the crop of a source, 0 to 1.
        matte: of `find_head_matte`.
        parsing: classes of `reenact.perception.parser.PARSER_CLASSES`, best at 128 px.
        mesh: of the face, in half-sides of the crop.
        by_exemplar: fill the hole with patches; otherwise smoothly, in a fraction of the time.
    """
    classes, points = parsing[0].cpu().numpy(), mesh[0, :, :2].double().cpu().numpy()
    size, cells = rgb.shape[-1], len(classes)
    hole = _find_hole(matte, classes, points)
    covered = (functional.adaptive_max_pool2d(hole, cells)[0, 0] > 0).cpu().numpy()
    axes = head_axes(points, cells)
    below = classes.ravel()[_first_below(covered & np.isin(classes, (FACE, HAIR)), axes)]
    visible, behind, skin = _find_neck(classes, covered, axes, below)
    body = _continue_body(classes, covered, visible, behind & ~skin, axes)
    behind = behind & ~(body & skin & (below == CLOTHES))  # clothes lie over the neck
    behind = behind | covered & (cv2.morphologyEx(behind.astype(np.uint8), cv2.MORPH_CLOSE, _STRIPES) > 0)
    if not (body & (classes == HAIR) & (axes.height < 0)).any():  # beside the neck
        body = _close_collar(body, covered, behind, axes)
    person = ((classes == FACE) | visible) & ~covered  # no donors; bare shoulders are
    removed = torch.maximum(hole, _enlarge(cv2.dilate(person.astype(np.float32), np.ones((3, 3))), size, hole).ceil())
    layer = (_enlarge(body.astype(np.float32), size, hole) > 0.5).float()
    filled = complete(rgb, removed, layer) if by_exemplar else fill_layers(rgb, removed > 0, layer)
    cloth = (below == CLOTHES) & covered & body & ~(behind & skin)
    filled = _raise_cloth(rgb, filled, removed, cloth, axes)
    column = _soften((behind | visible) & skin, size, hole)
    colours = _neck_colours(rgb, hole, visible, axes)
    filled = filled + column * (colours - filled)
    return Ground(
        rgb=torch.where(hole > 0, filled.clamp(0, 1), rgb),
        hole=hole,
        body=_soften(body | (behind & skin), size, hole),
    )


class FollowedGround(NamedTuple):
    """The ground of a frame of a clip."""

    rgb: Float[Tensor, "1 3 n n"]
    """As `Ground.rgb`."""
    hole: Float[Tensor, "1 1 n n"]
    """As `Ground.hole`."""
    seen: Float[Tensor, "1 1 n n"]
    """1 where this frame or an earlier one shows the ground."""
    body: Float[Tensor, "1 1 n n"]
    """As `Ground.body`."""


def follow_ground(
    rgb: Float[Tensor, "1 3 n n"],
    matte: HeadMatte,
    parsing: UInt8[Tensor, "1 j j"],
    mesh: Float[Tensor, "1 478 3"],
    before: Float[Tensor, "1 4 n n"],
    hole: Float[Tensor, "1 1 n n"] | None = None,
) -> FollowedGround:
    """Remove the head from another frame of a shot: earlier frames show, or had completed, what is behind it.

    Where the hole begins, the earlier ground may be lit otherwise or lie elsewhere by now. The difference there is
    continued smoothly into the hole and added. Body that was never seen is continued from this frame alone: a
    completed one would not move with it.

    Args:
        rgb: the crop of this frame.
        matte: of its head.
        parsing: as for `complete_ground`.
        mesh: as for `complete_ground`.
        before: `rgb` and `seen` of the frame before, in this crop.
        hole: of this matte, if it is known.
    """
    points = mesh[0, :, :2].double().cpu().numpy()
    if hole is None:
        hole = _find_hole(matte, parsing[0].cpu().numpy(), points, _WIDER)
    size, before, seen = rgb.shape[-1], before[:, :3], before[:, 3:]
    side = min(size, _CHANGE_PX)
    small = resize(torch.cat([rgb - before, rgb, hole], 1), side)
    unsure = grow((small[:, 6:] > 0).float(), round(_LOOSE * side))  # beside the hole, loose hair moves
    height = from_picture(head_axes(points, side).height[..., None], rgb)
    body = ((_BODY[1] - height) / (_BODY[1] - _BODY[0])).clamp(0, 1)
    filled = resize(torch.cat([fill_hole(small[:, :6] * (1 - unsure), unsure), body], 1), size)
    ground = torch.lerp(before + filled[:, :3], filled[:, 3:6], filled[:, 6:] * (1 - seen))
    shown = _soften(parsing[0].cpu().numpy() != BACKGROUND, size, hole)
    return FollowedGround(
        rgb=torch.where(hole > 0, ground.clamp(0, 1), rgb),
        hole=hole,
        seen=torch.where(hole > 0, seen, 1.0),
        body=torch.where(hole > 0, filled[:, 6:], shown),
    )


def _find_hole(
    matte: HeadMatte, classes: UInt8[np.ndarray, "j j"], points: Float[np.ndarray, "478 2"], wider: float = 0.0
) -> Float[Tensor, "1 1 n n"]:
    """`Ground.hole` of a head; `wider` is added to its margins."""
    hole, size = _grow(matte.share, classes, wider), matte.share.shape[-1]
    kept = hair_fade(head_cells(classes, points), points, min(size, 256)) < 1  # long hair below it stays
    return hole * (1 - _enlarge(kept.astype(np.float32), size, hole)).floor()


def _grow(share: Float[Tensor, "1 1 n n"], classes: UInt8[np.ndarray, "j j"], wider: float) -> Float[Tensor, "1 1 n n"]:
    """The matte with its margin."""
    size = share.shape[-1]
    narrow, wide = (max(1, round((margin + wider) * size)) for margin in _MARGIN)
    head = (share > 0.02).float()
    near_hair = cv2.dilate((classes == HAIR).astype(np.float32), np.ones((7, 7)))
    body = cv2.dilate((classes == SKIN).astype(np.float32), np.ones((3, 3)))
    beside_hair = _enlarge(near_hair * (1 - body), size, share) > 0.5
    grown = [grow(head, reach) for reach in (narrow, wide)]
    return torch.where(beside_hair, grown[1], grown[0])


def _enlarge(cells: Float[np.ndarray, "j j"], size: int, like: Tensor) -> Float[Tensor, "1 1 n n"]:
    return resize(from_picture(cells[..., None], like), size)


def _soften(cells: Bool[np.ndarray, "j j"], size: int, like: Tensor) -> Float[Tensor, "1 1 n n"]:
    """A smooth outline of cells."""
    soft = _enlarge(cv2.GaussianBlur(cells.astype(np.float32), (0, 0), 1.2), size, like)
    return ((soft - 0.5) * 2 + 0.5).clamp(0, 1)


def _find_neck(
    classes: UInt8[np.ndarray, "j j"],
    covered: Bool[np.ndarray, "j j"],
    axes: HeadAxes,
    below: UInt8[np.ndarray, "j j"],
) -> tuple[Bool[np.ndarray, "j j"], Bool[np.ndarray, "j j"], Bool[np.ndarray, "j j"]]:
    """Visible cells of the neck; cells of its column behind the head; which places of it are skin, not cloth."""
    seen = (classes == SKIN) & ~covered & (axes.height < 0.25) & (np.abs(axes.across) < 0.6)
    _, pieces = cv2.connectedComponents(seen.astype(np.uint8), connectivity=4)
    middle = np.bincount(pieces[seen & (np.abs(axes.across) < 0.25)], minlength=1)
    seen = seen & (pieces == middle.argmax())  # not the arms
    left, right = _neck_sides(seen, axes)
    above = axes.across[covered & (below == SKIN) & (axes.height < 0.25) & (np.abs(axes.across) < 0.6)]
    if len(above) > 10:
        left, right = min(left, np.quantile(above, 0.02)), max(right, np.quantile(above, 0.98))
    middle, half = (left + right) / 2, max((right - left) / 2, 0.05)
    hair = axes.across[(classes == HAIR) & (axes.height < _FLARE[1]) & (np.abs(axes.across) < _FLARE[2])] - middle
    left, right = left - _FLARE[0] * (hair < 0).any(), right + _FLARE[0] * (hair > 0).any()
    wide = np.where(axes.across < middle, middle - left, right - middle)
    top = _NECK_TOP - 0.25 * np.abs((axes.across - middle) / wide).clip(0, 1) ** 3
    seen = seen & (np.abs(axes.across - middle) < half + 0.1)
    behind = covered & (axes.height < top) & (axes.across > left) & (axes.across < right)
    # what lies right below the chin tells whether the neck is bare; collars stand beside it
    throat = np.isin(classes, (SKIN, CLOTHES)) & ~covered & (np.abs(axes.across - middle) < _THROAT)
    if not seen.any() or not throat.any():
        return seen, behind, np.zeros_like(seen)
    near = throat & (axes.height > np.where(throat, axes.height, -np.inf).max(0) - _BELOW)
    return seen, behind, np.full_like(seen, (classes[near] == SKIN).mean() > 0.5)


def _neck_sides(seen: Bool[np.ndarray, "j j"], axes: HeadAxes) -> tuple[float, float]:
    """Where the neck's sides lie across the head's axis: those of the highest rows in which it is wide enough."""
    jaw = axes.across[(axes.face > 0) & (axes.height < 0.25)]
    left, right = (float(jaw.min()), float(jaw.max())) if len(jaw) else (-0.4, 0.4)
    sides = []
    for top in np.arange(0.2, -0.4, -0.03):
        row = axes.across[seen & (axes.height <= top) & (axes.height > top - 0.03)]
        if len(row) > 2 and np.ptp(row) > 0.3 and row.min() < 0.1 and row.max() > -0.1:
            sides.append((max(row.min(), left - 0.08), min(row.max(), right + 0.08)))
    if not sides:
        return 0.85 * left, 0.85 * right
    first, second = np.median(sides[:4], 0)
    return float(first), float(second)


def _continue_body(
    classes: UInt8[np.ndarray, "j j"],
    covered: Bool[np.ndarray, "j j"],
    neck: Bool[np.ndarray, "j j"],
    cloth: Bool[np.ndarray, "j j"],
    axes: HeadAxes,
) -> Bool[np.ndarray, "j j"]:
    """Cells of the body. Behind the head, its outline is continued from both shoulders."""
    body = (classes != BACKGROUND) & ~covered
    outline = body[1:] & (classes[:-1] == BACKGROUND) & ~covered[:-1]  # background right above
    outline = np.concatenate([np.zeros_like(outline[:1]), outline]) & (axes.height < 0)
    across, height = axes.across[outline], axes.height[outline]
    hidden = axes.across[covered & (axes.height < 0)]
    middle = float(hidden.mean()) if len(hidden) else 0.0
    lines = [_shoulder((across - middle) * way, height) for way in (-1, 1)]
    left, right = (line or other or (*_SHOULDER, _SHOULDER[0]) for line, other in zip(lines, lines[::-1], strict=True))
    away = axes.across - middle
    sides = [np.minimum(height - slope * np.abs(away), most) for height, slope, most in (left, right)]
    top = np.where(away < 0, *sides)
    hair = _raise((classes == HAIR) & ~covered, round(_REACH / float(np.abs(np.diff(axes.height, axis=0)).max())))
    if hair.any():
        closed = hair | neck | cloth  # between hair and neck there is more hair
        hair = np.logical_or.accumulate(closed, 1) & np.logical_or.accumulate(closed[:, ::-1], 1)[:, ::-1]
    return np.where(covered, (axes.height < top) | cloth | (hair & (axes.height < 0.1)), body | neck)


def _close_collar(
    body: Bool[np.ndarray, "j j"], covered: Bool[np.ndarray, "j j"], behind: Bool[np.ndarray, "j j"], axes: HeadAxes
) -> Bool[np.ndarray, "j j"]:
    """The body with the gaps between neck and collar that the head hides."""
    width = max(1, round(_COLLAR / float(np.abs(np.diff(axes.height, axis=0)).max())))
    closed = cv2.morphologyEx((body | behind).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, width), np.uint8)) > 0
    return body | closed & covered & ~behind


def _first_below(head: Bool[np.ndarray, "j j"], axes: HeadAxes) -> Int[np.ndarray, "j j"]:
    """Index of the first cell below each that is not the head's, along its axis."""
    size, down = len(head), -_up(axes)
    at = np.indices((size, size)).reshape(2, -1).astype(np.float64)
    found, moving = np.arange(size * size), head.ravel().copy()
    for _ in range(size):
        if not moving.any():
            break
        at[:, moving] += down[::-1, None]
        row, column = at.round().astype(int).clip(0, size - 1)
        found = np.where(moving, row * size + column, found)
        moving &= head.ravel()[found] & (at.min(0) >= 0) & (at.max(0) <= size - 1)
    return found.reshape(size, size)


def _up(axes: HeadAxes) -> Float[np.ndarray, "2"]:
    """Direction of the head's axis, x and y."""
    up = np.array([axes.height[0, 1] - axes.height[0, 0], axes.height[1, 0] - axes.height[0, 0]])
    return up / np.hypot(*up)


def _raise_cloth(
    rgb: Float[Tensor, "1 3 n n"],
    filled: Float[Tensor, "1 3 n n"],
    hole: Float[Tensor, "1 1 n n"],
    cloth: Bool[np.ndarray, "j j"],
    axes: HeadAxes,
) -> Float[Tensor, "1 3 n n"]:
    """Collars and clothes rise behind the chin as they are right below it."""
    size = rgb.shape[-1]
    down, missing = -_up(axes), to_picture(hole)[..., 0] > 0
    chosen = missing & (to_picture(_enlarge(cloth.astype(np.float32), size, hole))[..., 0] > 0.5)
    at = np.stack(np.nonzero(chosen)).astype(np.float64)
    steps, moving = np.zeros(at.shape[1]), np.ones(at.shape[1], bool)
    for _ in range(round(2 * _RISING * size)):
        at[:, moving] += down[::-1, None]
        steps += moving
        moving &= missing[tuple(at.round().astype(int).clip(0, size - 1))]
    colours = np.asarray(to_picture(rgb))[tuple(at.round().astype(int).clip(0, size - 1))]
    share = np.where(moving, 0.0, (2 - steps / (_RISING * size)).clip(0, 1))[:, None]
    picture = np.array(to_picture(filled))
    raised = np.zeros((*picture.shape[:2], 4), np.float32)
    raised[chosen] = np.concatenate([colours * ~moving[:, None], ~moving[:, None]], 1)
    around = cv2.blur(raised, (2 * round(_RISING * size / 4) + 1,) * 2)[chosen]
    around = around[:, :3] / around[:, 3:].clip(1e-3)
    colours += (steps / (_RISING * size)).clip(0, 1)[:, None] * (around - colours)  # no stripes
    picture[chosen] += share * (colours - picture[chosen])
    return from_picture(picture, rgb)


def _raise(mask: Bool[np.ndarray, "j j"], cells: int) -> Bool[np.ndarray, "j j"]:
    """The mask continued upwards, ever narrower."""
    row, raised = mask.astype(np.uint8), mask
    for step in range(cells):
        row = np.concatenate([row[1:], np.zeros_like(row[:1])])
        row = cv2.erode(row, np.ones((1, 3), np.uint8)) if step % 2 else row
        raised = raised | (row > 0)
    return raised


def _shoulder(away: Float[np.ndarray, "p"], height: Float[np.ndarray, "p"]) -> tuple[float, float, float] | None:
    """Height at the middle, slope and largest height of the outline on one side, from its part next to the head."""
    ours = away > 0
    if ours.sum() < 4:
        return None
    away, height = away[ours], height[ours]
    near = away < away.min() + 0.3
    slope = _SHOULDER[1]
    if near.sum() > 3 and np.ptp(away[near]) > 0.08:
        slope = float(np.clip(-np.polyfit(away[near], height[near], 1)[0], 0.0, 0.8))
    most = float(np.quantile(height[near], 0.9)) + _RISE
    return float(np.median(height[near] + slope * away[near])), slope, most


def _neck_colours(
    rgb: Float[Tensor, "1 3 n n"], hole: Float[Tensor, "1 1 n n"], visible: Bool[np.ndarray, "j j"], axes: HeadAxes
) -> Float[Tensor, "1 3 n n"]:
    """The skin of the neck continued: darker behind the chin, and without an edge where the hole begins."""
    size = rgb.shape[-1]
    inner = cv2.erode(visible.astype(np.uint8), np.ones((3, 3), np.uint8))
    if inner.sum() < 10:
        lower = (axes.face > 0.05) & (axes.height < 0.3)
        inner, hole = lower.astype(np.uint8), torch.zeros_like(hole)
    known = (_enlarge(inner.astype(np.float32), size, hole) > 0.99).float() * (1 - hole)
    if not bool(known.any()):
        return rgb
    height = _enlarge(axes.height, size, hole)
    depth = ((height + 0.1) / 0.3).clamp(0, 1)
    colours = fill_hole(rgb, 1 - known) * (1 - _SHADE * depth * depth * (3 - 2 * depth))
    rim = grow(hole, max(1, round(_RIM * size))) * (1 - hole)
    rim = rim * (_enlarge(visible.astype(np.float32), size, hole) > 0.5)
    return colours + fill_hole(rgb - colours, 1 - rim)  # nothing to add without a rim
