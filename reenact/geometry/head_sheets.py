"""The two sheets of a head in a photo: depth of its pixels, and colours of its back (see `head.py`)."""

from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve
from torch import Tensor

from reenact.geometry.morphable import MorphableModel
from reenact.geometry.rasterise import rasterise
from reenact.ops.fill import fill_smoothly

BACKGROUND, FACE, HAIR, CLOTHES, SKIN = range(5)
"""Classes of a parsing, in the order of the face parser and of labelled sets."""

CELL_PX = 2
"""Side of a cell: the set's parsing has one class per 2 x 2 pixels."""

_FRONT_BULGE, _BACK_BULGE = 0.7, 1.0
"""Depth of a round outline's centre over its radius, for hair next to the face and for the back of the head."""
_PIECE_CELLS = 20
"""A piece of hair needs this many cells above the mouth, else it is clothes."""
_CLOSING = 3
"""Bays in the head's outline up to twice this many cells wide are filled."""
_LOOSE_CELLS = 12
"""Separate pieces of hair up to this many cells from the head belong to it."""
_RIM_PX = 4.0
"""Width of the band along the outline whose colours mix with the background."""
_LEAST_HAIR_PX = 400
"""With fewer pixels of hair or neck, its colour is not measured."""
_STRAND_PX = 8.0
"""Distance over which the texture of hair fades into its mean colour."""
_FOREHEAD, _BETWEEN_EYES, _CHIN, _MOUTH = 10, 168, 152, 13
_JAW_ANGLES, _CHEEKS = (132, 361), (50, 280, 205, 425)
_COLLAR = 0.05
"""A neck with this much less red than the cheeks is a collar."""
_SHADE = 0.22
"""Darkening of a drawn neck directly under the jaw."""
_NECK_WIDTH = 0.7
"""Width of the neck over the width of the jaw."""

Cells = Bool[np.ndarray, "r c"]
"""One flag per cell."""
Corners = Float[np.ndarray, "r1 c1"]
"""One number per corner of cells, one more each way."""


def mesh_depth_px(model: MorphableModel, mesh_px: Float[Tensor, "478 3"], cells: int) -> tuple[Corners, np.ndarray]:
    """z of the mesh at the corners of cells, and where there is mesh (bool)."""
    shrunk = torch.cat([mesh_px[:, :2] / CELL_PX + 0.5, mesh_px[:, 2:] / CELL_PX], dim=1)
    raster = rasterise(shrunk[None], model.triangles, cells + 1, cells + 1)
    depth = raster.interpolate(mesh_px[None, :, 2:], model.triangles)[0, 0]
    return depth.numpy().astype(np.float64), raster.covered[0].numpy()


def head_cells(parsing: np.ndarray, face: np.ndarray, jaw_row: int, mouth_row: int) -> tuple[Cells, Cells]:
    """The cells of the front sheet, and all cells of the head.

    The head is one connected piece of face and hair, with everything that the mesh covers. The sheet excludes cells
    next to the mesh below the jaw's angles, where the parsing is unsure between jaw and neck, and hair that is not
    connected to the head: dark clothes.
    """
    rows = np.arange(len(parsing))[:, None]
    mesh = face[:-1, :-1] & face[1:, :-1] & face[:-1, 1:] & face[1:, 1:]
    hair = np.asarray(ndimage.binary_opening(np.equal(parsing, HAIR)), bool)
    pieces, count = _pieces(hair)
    above = np.asarray(ndimage.sum_labels(rows < mouth_row, pieces, np.arange(count + 1)) if count else np.zeros(1))
    hair = hair & (above[pieces] > _PIECE_CELLS)
    either = np.asarray(ndimage.binary_opening(np.equal(parsing, FACE) | hair), bool) | mesh
    pieces, _ = _pieces(either)
    own = np.bincount(pieces[mesh], minlength=1)
    if own[1:].any():
        either = pieces == 1 + int(np.argmax(own[1:]))
    padded = np.pad(either, _CLOSING, mode="edge")  # bays between hair and ear
    closed = np.asarray(ndimage.binary_closing(padded, iterations=_CLOSING), bool)[
        _CLOSING:-_CLOSING, _CLOSING:-_CLOSING
    ]
    whole = np.asarray(ndimage.binary_fill_holes(closed | either), bool)
    return whole & ((rows < jaw_row) | mesh | hair), whole


def _pieces(cells: Cells) -> tuple[Int[np.ndarray, "r c"], int]:
    """Number of each cell's connected piece, from 1, and the number of pieces."""
    found: Any = ndimage.label(cells)
    return found


def back_cells(head: Cells, parsing: np.ndarray, mouth_row: int) -> Cells:
    """Cells with a back: all above the mouth; below it, those between long hair on both sides."""
    rows, columns = np.arange(len(head))[:, None], np.arange(head.shape[1])[None]
    hair = head & np.equal(parsing, HAIR)
    first = np.where(hair, columns, head.shape[1]).min(1, keepdims=True)
    last = np.where(hair, columns, -1).max(1, keepdims=True)
    at_mouth = np.flatnonzero((head & ~hair)[min(mouth_row, len(head) - 1)])
    if len(at_mouth):
        long = (first < at_mouth[0]) & (last > at_mouth[-1])
    else:
        long = np.zeros_like(first, dtype=bool)
    below = (rows >= mouth_row) & np.logical_and.accumulate(long | (rows < mouth_row), axis=0)
    return (head & (rows < mouth_row)) | (below & (columns >= first) & (columns <= last))


def front_depth_px(
    head: Cells,
    parsing: np.ndarray,
    mesh_z_px: Corners,
    face: np.ndarray,
    outline_z_px: float,
    jaw_row: int,
    mouth_row: int,
) -> Corners:
    """z of the front sheet at the corners of cells: the mesh inside the face, a curve from there to the outline.

    The squared height over the outline's plane solves a Poisson equation, so that the sheet is
    vertical at the outline, like a ball. Jaw and chin end in the neck, without an outline: there the sheet ends freely.
    """
    rows = np.arange(len(head) + 1)[:, None]
    throat = _touching(np.isin(parsing, (SKIN, CLOTHES))) & ~_touching(head & np.equal(parsing, HAIR))
    jaw = face & (rows >= jaw_row)  # it is its own outline
    outline = _touching(~head) & ~(throat & (rows >= mouth_row)) & ~jaw
    height = np.clip(outline_z_px - mesh_z_px, 0, None) ** 2
    squared = _solve_poisson(_touching(head), face | outline, np.where(face, height, 0.0), _FRONT_BULGE)
    return np.where(face, mesh_z_px, outline_z_px - np.sqrt(np.clip(squared, 0, None)))


def back_depth_px(behind: Cells, outline_z_px: float) -> Corners:
    """z of the back sheet at the corners of cells: a dome behind the outline's plane."""
    inside = _touching(behind)
    squared = _solve_poisson(inside, _touching(~behind), np.zeros(inside.shape), _BACK_BULGE)
    return outline_z_px + np.sqrt(np.clip(squared, 0, None))


def sheet(cells: Cells, depth_px: Corners, *, facing: bool) -> tuple[Tensor, Tensor]:
    """Vertices (n, 3) in pixels and triangles (m, 3) that face the viewer, or away from him."""
    rows, columns = np.nonzero(_touching(cells))
    index = np.full(depth_px.shape, -1)
    index[rows, columns] = np.arange(len(rows))
    vertices = np.stack([columns * CELL_PX, rows * CELL_PX, depth_px[rows, columns]], 1)
    r, c = np.nonzero(cells)
    a, b, d, e = index[r, c], index[r, c + 1], index[r + 1, c], index[r + 1, c + 1]
    triangles = np.concatenate([np.stack([a, b, d], 1), np.stack([b, e, d], 1)])
    if not facing:
        triangles = triangles[:, ::-1]
    return torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(np.ascontiguousarray(triangles))


def surely_head(parsing: np.ndarray, face: np.ndarray) -> Cells:
    """Cells that show the head: those of the mesh, of face and hair, and what these enclose."""
    mesh = face[:-1, :-1] & face[1:, :-1] & face[:-1, 1:] & face[1:, 1:]
    return np.asarray(ndimage.binary_fill_holes(np.isin(parsing, (FACE, HAIR)) | mesh), bool)


def hole_pixels(whole: Cells, parsing: np.ndarray) -> np.ndarray:
    """(s, s) bool: the head and the hair around it, with a rim of mixed colours; the ground is painted anew there."""
    gone = whole | (ndimage.binary_dilation(whole, iterations=_LOOSE_CELLS) & np.equal(parsing, HAIR))
    return np.asarray(ndimage.binary_dilation(_enlarged(gone), iterations=int(_RIM_PX)), bool)


def inner_pixels(head: Cells) -> np.ndarray:
    """(s, s) bool: the head without the band of `_RIM_PX` along its outline; the picture's border is no outline."""
    large = _enlarged(head)
    padded = np.pad(large.astype(np.uint8), int(_RIM_PX) + 1, mode="edge")
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[int(_RIM_PX) + 1 :, int(_RIM_PX) + 1 :]
    return distance[: len(large), : len(large)] > _RIM_PX


def front_colours(rgb: np.ndarray, parsing: np.ndarray, head: Cells, inner: np.ndarray) -> np.ndarray:
    """The picture with the colours of hair and of skin each carried over the outline, where they mix with the ground's.

    Outside the head each place takes after the nearest place of it.
    """
    nearest: Any = ndimage.distance_transform_edt(~head, return_distances=False, return_indices=True)
    row, column = nearest
    hair = _enlarged(np.equal(parsing, HAIR)[row, column])
    from_hair, from_skin = (
        fill_smoothly(rgb, ~(inner & part)) if (inner & part).any() else rgb for part in (hair, ~hair)
    )
    share = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), 1.0)[..., None]
    filled = from_hair * share + from_skin * (1 - share)
    known = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 1.0)[..., None] * inner[..., None]
    return (rgb * known + filled * (1 - known)).astype(np.uint8)


def back_colours(rgb: np.ndarray, parsing: np.ndarray, inner: np.ndarray, mesh_px: np.ndarray) -> np.ndarray:
    """Colours of the back of the head: hair carried over face and outline; of the bald, skin from the forehead."""
    known = inner & _enlarged(np.equal(parsing, HAIR))
    if known.sum() < _LEAST_HAIR_PX:
        brow_row = 0.6 * mesh_px[_FOREHEAD, 1] + 0.4 * mesh_px[_BETWEEN_EYES, 1]
        known = inner & (np.arange(len(inner))[:, None] < brow_row)
    if known.sum() < _LEAST_HAIR_PX:
        known = inner
    smooth = fill_smoothly(rgb, ~known).astype(np.float32)
    nearest: Any = ndimage.distance_transform_edt(~known, return_indices=True)
    distance, (row, column) = nearest
    rows, columns = np.indices(known.shape)
    row, column = (np.clip(2 * near - own, 0, len(known) - 1) for near, own in ((row, rows), (column, columns)))
    detail = np.where(known[row, column][..., None], rgb[row, column], smooth)
    near = np.exp(-distance / _STRAND_PX)[..., None].astype(np.float32)
    return (near * detail + (1 - near) * smooth).astype(np.uint8)


def add_neck(
    ground: np.ndarray, rgb: np.ndarray, parsing: np.ndarray, mesh_px: np.ndarray, hole: np.ndarray
) -> np.ndarray:
    """The ground with the neck drawn on, upwards to the ears, inside `hole`: a turned jaw uncovers it.

    It stands in the middle of the jaw. Its colours are those of the neck below, column by column, or, where collar or
    hair hide it, that of the cheeks; towards the jaw it lies in the shade.
    """
    chin, mouth = mesh_px[_CHIN], mesh_px[_MOUTH]
    left, right = np.sort(mesh_px[list(_JAW_ANGLES), 0])
    rows, columns = np.indices(hole.shape) + 0.5
    skin = _enlarged(np.equal(parsing, SKIN)) & (rows > chin[1]) & (rows < 2 * chin[1] - mouth[1])
    skin &= (columns > left) & (columns < right)
    middle, half = (left + right) / 2, _NECK_WIDTH / 2 * (right - left)
    places = np.clip(mesh_px[list(_CHEEKS), :2], 0, len(rgb) - 1).astype(int)
    colour = np.median(rgb[places[:, 1], places[:, 0]], axis=0) * 0.8
    if skin.sum() > _LEAST_HAIR_PX and _redness(np.median(rgb[skin], axis=0)) > _redness(colour) - _COLLAR:
        colour = _column_colours(rgb, skin)
    top, height = mesh_px[list(_JAW_ANGLES), 1].mean(), chin[1] - mouth[1] + 1e-3
    flare = 1 + 0.25 * np.clip((rows - chin[1]) / height, 0, 1)  # towards the shoulders
    across = np.abs(columns - middle) / (half * flare)
    shade = np.clip((chin[1] + height / 2 - rows) / height, 0, 1)  # under the jaw
    light = (1 - 0.3 * np.clip(across, 0, 1) ** 2) * (1 - _SHADE * shade)
    share = np.clip((1 - across) * half / 6 + 0.5, 0, 1) * np.clip((rows - top) / height * 4, 0, 1)
    share = (share * cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.5))[..., None]
    return (ground * (1 - share) + colour * light[..., None] * share).astype(np.uint8)


def _redness(colour: np.ndarray) -> float:
    """Share of red in a colour: skin of any tone has more than grey."""
    return float(colour[0] / max(colour.sum(), 1.0))


def _column_colours(rgb: np.ndarray, skin: np.ndarray) -> Float[np.ndarray, "1 w 3"]:
    """Mean colour of the skin in every column, smooth, continued to the sides and towards the mean of all."""
    weight = skin.sum(0).astype(np.float32)
    total = (rgb * skin[..., None]).sum(0, dtype=np.float32)
    spread = skin.shape[1] / 24
    total, weight = (cv2.GaussianBlur(value[None], (0, 0), spread) for value in (total, weight))
    mean = rgb[skin].mean(0)
    return (total + mean) / (weight[..., None] + 1)


def _enlarged(cells: np.ndarray) -> np.ndarray:
    """One flag per pixel from one per cell."""
    return cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)


def _touching(cells: Cells) -> np.ndarray:
    """Corners of any of the cells (bool)."""
    corners = np.zeros((len(cells) + 1, cells.shape[1] + 1), bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            corners[rows, columns] |= cells
    return corners


def _solve_poisson(inside: np.ndarray, fixed: np.ndarray, value: np.ndarray, bulge: float) -> Corners:
    """u with laplacian -4 bulge^2 (per square pixel) on `inside`, `value` where `fixed`, free at other borders.

    With u = 0 on a circle, the square root of u is `bulge` times the height of a half ball.
    """
    unknown = inside & ~fixed
    index = np.full(inside.shape, -1)
    index[unknown] = np.arange(unknown.sum())
    count = int(unknown.sum())
    result = np.where(inside & fixed, value, 0.0)
    if count == 0:
        return result
    right = np.full(count, 4 * bulge**2 * CELL_PX**2)
    diagonal = np.zeros(count)
    entries: list[tuple[np.ndarray, np.ndarray]] = []
    for axis in (0, 1):
        for step in (1, -1):
            there = [np.roll(a, step, axis) for a in (inside, unknown, index, result)]
            edge = [slice(None), slice(None)]
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            there[0][tuple(edge)] = False
            neighbour = unknown & there[0]
            diagonal[index[neighbour]] += 1
            coupled = neighbour & there[1]
            entries.append((index[coupled], there[2][coupled]))
            known = neighbour & ~there[1]
            np.add.at(right, index[known], there[3][known])
    rows, columns = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.coo_matrix((-np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsc()
    result[unknown] = spsolve(matrix + sparse.diags(diagonal + 1e-6, format="csc"), right)
    return result
