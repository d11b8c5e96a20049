"""The head's soft matte and its own colours, from a coarse map of classes.

    parsing (128 px) -> head's cells -> band of unknown share -> matting Laplacian (256 px) -> guided filter -> share
                                                                        rgb, share -> colours of the head alone

The share solves the matting Laplacian of Levin et al. ("A Closed-Form Solution to Natural Image Matting", 2008,
equation 12) on a band around the outline only: a few thousand unknowns. It is enlarged by a guided filter (He et al.,
2010), and the colours are those of Forte ("Approximate Fast Foreground Colour Estimation", 2021). PyMatting has these
methods too, but compiles them with numba when they are first used.
"""

from typing import NamedTuple, cast

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

from reenact.geometry.landmarks import FACE_OVAL
from reenact.geometry.morphable import load_morphable
from reenact.ops.fill import fill_hole
from reenact.ops.warp import resize

BACKGROUND, FACE, HAIR, CLOTHES, SKIN = range(5)
"""Classes of the parser's map (`reenact.perception.parser.PARSER_CLASSES`)."""

_FOREHEAD, _CHIN, _NOSE, _CHEEKS = 10, 152, 1, (234, 454)
_SOLVED_PX = 256
"""Side at which the share is solved."""
_LONG_HAIR = (-0.45, -0.2)
"""Heights (of `head_axes`) between which hair changes from the body's to the head's: it lies on shoulders and chest."""
_EARS = (0.25, 0.15)
"""Height from which skin belongs to the head, and its distance to the face's oval in face heights."""
_HATS = (0.5, 0.9)
"""Height from which clothes belong to the head (hats, hair taken for cloth), and half their width in face heights."""
_BESIDE = (0.25, 0.45)
"""Distance from the face, in face heights, up to which skin belongs to the head: its ears, and those of a profile."""
_PROFILE = 1.3
"""Distance of a profile's nose from the middle between the cheeks, in halves of their distance."""
_LOBES = 0.3
"""Height of the lobes: below them a face ends at its oval."""
_TEMPLES = (0.5, 0.8, 0.04)
"""Heights between which background may show in the notch above an ear, and how far it may reach into the face."""
_NOTCH = 2.0
"""Added to the width of the band there, cells."""
_CROWN = 0.75
"""Height from which skin far outside the oval is a bald crown."""
_JAW = 0.2
"""Height below which hair is only what falls from above: dark clothes are sometimes taken for hair."""
_HAIRLINE = 1.3
"""Height above which skin under hair is hair."""
_COLLAR = 0.45
"""Height up to which hair that touches clothes and reaches no higher is a collar."""
_CORE, _OUTLINE_CELLS, _FEWEST = 2.0, 9.0, 12
"""Cells from other classes at which hair is surely hair, and from the background at which its outline is doubted; the
fewest of the former that tell its colours."""
_UNLIKE, _LIKE, _MOST = 0.16, 0.4, 0.12
"""Difference of colours from which hair is unlike all other; share of it that the background's may have; and largest
share of the hair that is none."""
_LARGEST_GAP = 0.01
"""Gaps up to this share of the crop are filled."""
_COLOUR_NOISE = 1e-5
"""Variance that the matting Laplacian adds to the colours of a window."""
_KNOWN, _GUESSED = 100.0, 0.02
"""Weight of the share known outside the band, and of the parser's guess inside it."""
_BLURS = (0.18, 0.012)
"""Sides of the two averages of Forte (2021) over the side of the crop."""
_FILTER_NOISE = 2e-4
"""Variance that the guided filter adds to the colours of a window."""
_FEATHERED_PX, _FEATHER_PX, _FEATHER_NOISE = 160, 9, 2e-5
"""Where the guided filter replaces the matting Laplacian: side of the picture and of the windows, variance."""


class HeadMatte(NamedTuple):
    """The head of one picture, cut out."""

    share: Float[Tensor, "1 1 n n"]
    """Share of the head (face, ears, hair, hat) in each pixel: 1 inside, 0 beyond a narrow soft edge."""
    rgb: Float[Tensor, "1 3 n n"]
    """The head's own colours, without the background's, continued beyond its edge."""


class HeadAxes(NamedTuple):
    """Where the places of a crop lie for a head, in face heights."""

    height: Float[np.ndarray, "s s"]
    """0 at the chin, 1 at the top of the face, along the axis between them."""
    across: Float[np.ndarray, "s s"]
    """Distance to that axis, signed."""
    face: Float[np.ndarray, "s s"]
    """Distance to the oval of the face, positive inside."""


def find_head_matte(
    rgb: Float[Tensor, "1 3 n n"],
    parsing: UInt8[Tensor, "1 j j"],
    mesh: Float[Tensor, "1 478 3"],
    *,
    by_laplacian: bool = True,
) -> HeadMatte:
    """Cut the head out.

    The neck is not part of the head; ears, hair and hats are. Hair that reaches far below the chin lies on the body,
    and its share falls to 0 over a short distance.

    Args:
        rgb: the crop of a source, 0 to 1.
        parsing: classes of `reenact.perception.parser.PARSER_CLASSES`, best at 128 px.
        mesh: of the face, in half-sides of the crop.
        by_laplacian: solve the matting Laplacian; otherwise only the guided filter sees the colours, which takes a
            fraction of the time.
    """
    picture, points, classes = to_picture(rgb), mesh[0, :, :2].double().cpu().numpy(), parsing[0].cpu().numpy()
    side = min(_SOLVED_PX if by_laplacian else _FEATHERED_PX, len(picture))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    guess, weight = _band(head_cells(classes, points), classes, points, side)
    if by_laplacian:
        share = _clean(_enlarge(small, _solve(small, guess, weight), picture))
        colours = _head_colours(picture, share)
    else:
        unsure = cv2.resize((weight < _KNOWN).astype(np.float32), picture.shape[1::-1])
        plain = cv2.resize(guess.astype(np.float32), picture.shape[1::-1])
        share = _clean(plain + unsure * (_filter(small, guess, picture, _FEATHER_PX, _FEATHER_NOISE) - plain))
        colours = _head_colours(small, cv2.resize(share, (side, side), interpolation=cv2.INTER_AREA))
    return _join(rgb, share, colours)


def _clean(share: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    return np.where(share < 0.02, 0, np.where(share > 0.98, 1, share)).astype(np.float32)


def _join(
    rgb: Float[Tensor, "1 3 n n"], share: Float[np.ndarray, "n n"], colours: Float[np.ndarray, "s s 3"]
) -> HeadMatte:
    """The matte with colours of any size, continued beyond its edge."""
    matte, head = from_picture(share[..., None], rgb), from_picture(colours, rgb)
    small = resize(matte, head.shape[-1])
    head = torch.where(small == 1, resize(rgb, head.shape[-1]), head)
    head = resize(fill_hole(head, ((0.7 - small) / 0.4).clamp(0, 1)), rgb.shape[-1])
    return HeadMatte(share=matte, rgb=torch.where(matte == 1, rgb, head))


def tidy_classes(parsing: UInt8[Tensor, "1 j j"], mesh: Float[Tensor, "1 478 3"]) -> UInt8[Tensor, "1 j j"]:
    """The parsing with what stands above the face called hair, hats too, and hair that is none called clothes.

    The latter are pieces beside the jaw that touch clothes: dark collars.
    """
    classes, points = parsing[0].cpu().numpy(), mesh[0, :, :2].double().cpu().numpy()
    axes = head_axes(points, len(classes))
    height = axes.height
    above = np.isin(classes, (CLOTHES, SKIN)) & (height > _HATS[0]) & (np.abs(axes.across) < _HATS[1])
    classes = np.where(above, HAIR, classes)
    under = np.logical_or.accumulate(classes == HAIR, 0) & (classes == FACE)
    classes = np.where(under & (height > _HAIRLINE), HAIR, classes)
    _, pieces = cv2.connectedComponents((classes == HAIR).astype(np.uint8), connectivity=8)
    pieces = np.asarray(pieces, np.int64)
    top = np.full(pieces.max() + 1, -np.inf)
    np.maximum.at(top, pieces.ravel(), height.ravel())
    dressed = np.bincount(
        pieces[cv2.dilate((classes == CLOTHES).astype(np.uint8), np.ones((3, 3))) > 0], minlength=len(top)
    )
    collar = (top < _COLLAR) & (dressed > 0)
    collar[0] = False
    return torch.from_numpy(np.where(collar[pieces], CLOTHES, classes).astype(np.uint8))[None].to(parsing.device)


def drop_background(parsing: UInt8[Tensor, "1 j j"], rgb: Float[Tensor, "1 3 n n"]) -> UInt8[Tensor, "1 j j"]:
    """The parsing without hair along the outline that has the colours of the background next to it, and not of hair.

    Args:
        parsing: of `tidy_classes`.
        rgb: of the crop, 0 to 1.
    """
    classes, cells = parsing[0].cpu().numpy(), parsing.shape[-1]
    hair, behind = ((classes == each).astype(np.uint8) for each in (HAIR, BACKGROUND))
    colours = to_picture(resize(rgb, cells))
    depth = cv2.distanceTransform(1 - behind, cv2.DIST_L2, 5)
    core = (cv2.distanceTransform(hair, cv2.DIST_L2, 5) > _CORE) & (depth > _OUTLINE_CELLS)
    doubtful = (hair > 0) & (depth <= _OUTLINE_CELLS)
    beside = (behind > 0) & (cv2.dilate(doubtful.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    beside &= cv2.erode(behind, np.ones((3, 3), np.uint8)) > 0
    if core.sum() < _FEWEST or not doubtful.any() or not beside.any():
        return parsing
    at, there = (torch.from_numpy(np.argwhere(each)).float() for each in (doubtful, beside))
    own, inner, outer = (torch.from_numpy(colours[each]) for each in (doubtful, core, beside))
    to_hair = torch.cdist(own, inner).kthvalue(min(_FEWEST, len(inner)), 1).values
    far = torch.cdist(at, there) > 2 * _OUTLINE_CELLS
    to_background = torch.cdist(own, outer).masked_fill(far, torch.inf).amin(1)
    wrong = np.zeros_like(hair, np.float32)
    wrong[doubtful] = ((to_hair > _UNLIKE) & (to_background < _LIKE * to_hair)).float().numpy()
    wrong = cv2.blur(wrong, (3, 3)) / cv2.blur(doubtful.astype(np.float32), (3, 3)).clip(1e-3) > 0.5
    wrong &= doubtful
    if wrong.sum() > _MOST * hair.sum():  # one side of the hair in another light
        return parsing
    return torch.from_numpy(np.where(wrong, BACKGROUND, classes))[None].to(parsing.device)


def head_axes(points: Float[np.ndarray, "478 2"], side: int) -> HeadAxes:
    """The axes of a head in a crop of `side` pixels.

    Args:
        points: x and y of the mesh in half-sides.
        side: of the maps.
    """
    chin, up = points[_CHIN], points[_FOREHEAD] - points[_CHIN]
    tall = max(float(np.hypot(*up)), 1e-3)
    up = up / tall
    place = (np.arange(side) + 0.5) * 2 / side - 1
    x, y = place[None] - chin[0], place[:, None] - chin[1]
    oval = face_polygon(points, side)
    inside = cv2.distanceTransform(oval, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - oval, cv2.DIST_L2, 5)
    return HeadAxes((x * up[0] + y * up[1]) / tall, (y * up[0] - x * up[1]) / tall, inside * 2 / side / tall)


def face_polygon(points: Float[np.ndarray, "478 2"], side: int) -> UInt8[np.ndarray, "{side} {side}"]:
    """1 on the face: inside its oval, and on nose and lips that stand out of it in a profile."""
    corners = (((points + 1) * side / 2 - 0.5) * 16).clip(-32 * side, 32 * side).round().astype(np.int32)
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [corners[list(FACE_OVAL)]], 1, shift=4)
    for triangle in load_morphable().triangles.tolist() if _is_profile(points) else ():
        cv2.fillConvexPoly(mask, corners[triangle], 1, shift=4)
    return mask


def _is_profile(points: Float[np.ndarray, "478 2"]) -> bool:
    """Whether the face is seen from the side."""
    nose, first, second = (points[index] for index in (_NOSE, *_CHEEKS))
    half = (second - first) / 2
    return bool(abs((nose - first - half) @ half) > _PROFILE * float(half @ half))


def head_cells(parsing: UInt8[np.ndarray, "j j"], points: Float[np.ndarray, "478 2"]) -> Bool[np.ndarray, "j j"]:
    """Cells of the head: one piece without small gaps, long hair included."""
    axes = head_axes(points, len(parsing))
    ear = (parsing == SKIN) & (axes.height > _EARS[0]) & (axes.face > -_EARS[1])
    hat = np.isin(parsing, (CLOTHES, SKIN)) & (axes.height > _HATS[0]) & (np.abs(axes.across) < _HATS[1])
    oval = face_polygon(points, len(parsing)) > 0
    profile = _is_profile(points)
    lobes = _LOBES - 0.1 * profile
    beside = np.where(axes.height < lobes, -0.05, np.where(axes.height < _CROWN, -_BESIDE[profile], -0.8))
    skin = (parsing == FACE) & (axes.face > beside)
    above = (np.isin(parsing, (FACE, HAIR)) | ear | hat) & (axes.height > _JAW)
    left, right = (float((side * axes.across)[above | oval].max(initial=0)) + 0.06 for side in (-1, 1))
    falls = (axes.height > _JAW) | (axes.across > -left) & (axes.across < right)
    head = (parsing == HAIR) & falls | skin | ear | hat | oval
    head = cv2.morphologyEx(head.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, pieces = cv2.connectedComponents(head, connectivity=4)
    found = np.bincount(pieces[oval & (head > 0)], minlength=1)
    found[0] = 0
    if found.any():
        head = (pieces == found.argmax()).astype(np.uint8)
    _, gaps, stats, _ = cv2.connectedComponentsWithStats(1 - head, connectivity=4)
    gaps = np.asarray(gaps, np.int64)
    small = np.asarray(stats[:, cv2.CC_STAT_AREA]) < _LARGEST_GAP * head.size
    at_edge = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
    small[at_edge] = False
    return (head > 0) | small[gaps] & (head == 0)


def to_picture(rgb: Float[Tensor, "1 c n n"]) -> Float[np.ndarray, "n n c"]:
    """As OpenCV wants it."""
    return np.ascontiguousarray(rgb[0].permute(1, 2, 0).float().cpu().numpy())


def from_picture(picture: Float[np.ndarray, "n n c"], like: Tensor) -> Float[Tensor, "1 c n n"]:
    """Back from `to_picture`."""
    return torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None].to(like).contiguous()


def _band(
    head: Bool[np.ndarray, "j j"], parsing: UInt8[np.ndarray, "j j"], points: Float[np.ndarray, "478 2"], side: int
) -> tuple[Float[np.ndarray, "s s"], Float[np.ndarray, "s s"]]:
    """The guessed share and its weight.

    The band is wide beside hair and above the ears, narrow beside other skin. Against neck and clothes the guess counts
    more than the colours.
    """
    cell = side / len(head)
    large = lambda values: cv2.resize(values.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)  # noqa: E731
    near_hair = cv2.dilate((parsing == HAIR).astype(np.uint8), np.ones((9, 9), np.uint8))
    body = np.isin(parsing, (CLOTHES, SKIN)) & ~head
    near_body = cv2.dilate(body.astype(np.uint8), np.ones((5, 5), np.uint8))
    soft = large(cv2.GaussianBlur(head.astype(np.float32), (0, 0), 1.0))
    solid = soft > 0.5
    axes = head_axes(points, side)
    distance = _signed_distance(solid) / cell
    temples = (axes.height > _TEMPLES[0]) & (axes.height < _TEMPLES[1]) & (axes.face < _TEMPLES[2])
    by_mesh = np.maximum(distance, axes.face * tall_px(points, side) / cell)  # the mesh is finer than the cells
    distance = np.where(temples, distance, by_mesh)
    hair = np.clip(large(near_hair), 0, 1)
    against_body = np.clip(large(near_body), 0, 1)
    outer, inner = 1.2 + 2.3 * hair * (1 - against_body), 1.0 + np.maximum(hair, _NOTCH * temples)
    unknown = (distance > -outer) & (distance < inner)
    guess = np.clip(0.5 + distance / 1.2, 0, 1)
    weight = np.where(unknown, _GUESSED * (0.25 + 40 * against_body), _KNOWN)
    fade = hair_fade(head, points, side)
    return guess * fade, np.where(fade < 1, _KNOWN, weight)


def hair_fade(
    head: Bool[np.ndarray, "j j"], points: Float[np.ndarray, "478 2"], side: int
) -> Float[np.ndarray, "{side} {side}"]:
    """What of the head's cells moves with it: 1, but falling to 0 downwards where hair is long."""
    heights = head_axes(points, len(head)).height[head]
    if not len(heights) or ((heights > _LONG_HAIR[0] - 0.05).mean() > 0.98 and not head[-1].any()):
        return np.ones((side, side))
    fade = np.clip((head_axes(points, side).height - _LONG_HAIR[0]) / (_LONG_HAIR[1] - _LONG_HAIR[0]), 0, 1)
    return fade * fade * (3 - 2 * fade)


def tall_px(points: Float[np.ndarray, "478 2"], side: int) -> float:
    """Height of the face in pixels."""
    return max(float(np.hypot(*(points[_FOREHEAD] - points[_CHIN]))), 1e-3) * side / 2


def _signed_distance(mask: Bool[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    """Pixels to the edge, positive inside; far away where there is no edge."""
    inside, outside = mask.astype(np.uint8), (~mask).astype(np.uint8)
    far = float(len(mask))
    first = cv2.distanceTransform(inside, cv2.DIST_L2, 5) if outside.any() else np.full(mask.shape, far)
    second = cv2.distanceTransform(outside, cv2.DIST_L2, 5) if inside.any() else np.full(mask.shape, far)
    return np.where(mask, first - 0.5, 0.5 - second).astype(np.float32)


def _solve(
    picture: Float[np.ndarray, "s s 3"], guess: Float[np.ndarray, "s s"], weight: Float[np.ndarray, "s s"]
) -> Float[np.ndarray, "s s"]:
    """The share that minimises a' L a + sum(weight (a - guess)^2), with the matting Laplacian L; solved in the band."""
    side = len(picture)
    unknown = weight < _KNOWN
    centres = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    centres[[0, -1]] = centres[:, [0, -1]] = False
    if not unknown.any() or not centres.any():
        return guess
    at = np.flatnonzero(centres)
    offsets = (np.arange(-1, 2)[:, None] * side + np.arange(-1, 2)).ravel()
    window = at[:, None] + offsets
    colours = picture.reshape(-1, 3).astype(np.float64)[window]
    colours -= colours.mean(1, keepdims=True)
    covariance = colours.transpose(0, 2, 1) @ colours / 9 + _COLOUR_NOISE / 9 * np.eye(3)
    affinity = (1 + colours @ np.linalg.inv(covariance) @ colours.transpose(0, 2, 1)) / 9
    values = np.eye(9) - affinity
    names = np.full(side * side, -1)
    touched = np.unique(window)
    names[touched] = np.arange(len(touched))
    rows, columns = np.repeat(names[window], 9, axis=1).ravel(), np.tile(names[window], 9).ravel()
    laplacian = sparse.coo_matrix((values.ravel(), (rows, columns))).tocsr()
    flat_guess, flat_weight = guess.ravel()[touched], weight.ravel()[touched]
    free = unknown.ravel()[touched]
    system = (laplacian[free][:, free] + sparse.diags_array(flat_weight[free])).tocsc()
    right = flat_weight[free] * flat_guess[free] - laplacian[free][:, ~free] @ flat_guess[~free]
    share = guess.ravel().copy()
    solved = cast(np.ndarray, linalg.spsolve(system, right, permc_spec="MMD_AT_PLUS_A"))
    share[touched[free]] = np.clip(solved, 0, 1)
    return share.reshape(side, side)


def _enlarge(
    small: Float[np.ndarray, "s s 3"], share: Float[np.ndarray, "s s"], picture: Float[np.ndarray, "n n 3"]
) -> Float[np.ndarray, "n n"]:
    """The share at the size of `picture`."""
    if len(small) == len(picture):
        return share.astype(np.float32)
    plain = cv2.resize(share.astype(np.float32), picture.shape[1::-1])
    return np.where((plain <= 0.001) | (plain >= 0.999), plain, _filter(small, share, picture, 5))


def _filter(
    small: Float[np.ndarray, "s s 3"],
    share: Float[np.ndarray, "s s"],
    picture: Float[np.ndarray, "n n 3"],
    window_px: int,
    noise: float = _FILTER_NOISE,
) -> Float[np.ndarray, "n n"]:
    """The share, at the size of `picture`, affine in the colours of square windows (He et al., equations 14 to 16)."""
    share = share.astype(np.float32)
    red, green, blue = (np.ascontiguousarray(small[..., channel]) for channel in range(3))
    products = (red * red, red * green, red * blue, green * green, green * blue, blue * blue)
    values = np.stack([red, green, blue, share, *products, red * share, green * share, blue * share], -1)
    means = np.moveaxis(cv2.blur(values, (window_px, window_px)), -1, 0)
    mean, mean_share = means[:3], means[3]
    diagonal = np.array([1, 0, 0, 1, 0, 1], np.float32)[:, None, None] * noise
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    rr, rg, rb, gg, gb, bb = means[4:10] - np.stack([mean[i] * mean[j] for i, j in pairs]) + diagonal
    along = means[10:] - mean * mean_share
    # the inverse of a symmetric 3 x 3 matrix by its adjugate
    inverse = (gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg, rr * bb - rb * rb, rb * rg - rr * gb)
    inverse = (*inverse, rr * gg - rg * rg)
    determinant = rr * inverse[0] + rg * inverse[1] + rb * inverse[2]
    rows = ((0, 1, 2), (1, 3, 4), (2, 4, 5))
    slope = np.stack([sum(inverse[k] * along[c] for c, k in enumerate(row)) for row in rows]) / determinant
    offset = mean_share - (slope * mean).sum(0)
    maps = cv2.blur(np.ascontiguousarray(np.moveaxis(np.concatenate([slope, offset[None]]), 0, -1)), (window_px,) * 2)
    maps = cv2.resize(maps, picture.shape[1::-1])
    return np.clip((maps[..., :3] * picture).sum(-1) + maps[..., 3], 0, 1)


def _head_colours(picture: Float[np.ndarray, "n n 3"], share: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n 3"]:
    """Colours of the head where it shares a pixel with the background (Forte, 2021, section 3: two passes)."""
    alpha, head, ground = share[..., None], picture, picture
    for reach in _BLURS:
        size = (2 * max(1, round(reach * len(picture) / 2)) + 1,) * 2
        blur = lambda values, size=size: cv2.blur(values, size).reshape(*share.shape, -1)  # noqa: E731
        mean_share = blur(share)
        mean_head = blur(head * alpha) / (mean_share + 1e-5)
        mean_ground = blur(ground * (1 - alpha)) / (1 - mean_share + 1e-5)
        head = mean_head + alpha * (picture - alpha * mean_head - (1 - alpha) * mean_ground)
        head, ground = np.clip(head, 0, 1), mean_ground
    return head
