"""The 68 iBUG landmarks as points of the mesh, and index sets of face parts.

Mesh indices follow the MediaPipe Face Mesh topology. "Right" is the person's right: the left of an unmirrored picture.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

JAW = (162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389)
RIGHT_BROW, LEFT_BROW = (71, 63, 105, 66, 107), (336, 296, 334, 293, 301)
NOSE_BRIDGE, NOSE_BASE = (168, 197, 5, 4), (75, 97, 2, 326, 305)
RIGHT_EYE, LEFT_EYE = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
OUTER_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)

LANDMARKS_68 = JAW + RIGHT_BROW + LEFT_BROW + NOSE_BRIDGE + NOSE_BASE + RIGHT_EYE + LEFT_EYE + OUTER_LIPS + INNER_LIPS
"""Mesh index of each iBUG landmark, in iBUG order."""

RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (263, 362)
"""Outer, then inner corner."""
RIGHT_LIDS, LEFT_LIDS = (159, 145), (386, 374)
"""Middle of the upper lid, then of the lower one."""
NOSE_TIP, CHIN = 1, 152

INNER_LIP_RING = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
RIGHT_EYE_RING = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE_RING = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
RIGHT_IRIS, LEFT_IRIS = (468, 469, 470, 471, 472), (473, 474, 475, 476, 477)
"""Centre, then four points of the rim."""
FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377) + (
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
)

_SPREAD_REACH = 0.12
"""Distance, eye distances, over which a landmark carries neighbouring points of the mesh along."""

EDGES_68 = tuple(
    [(i, i + 1) for i in range(16)]
    + [(i, i + 1) for start, stop in ((17, 21), (22, 26), (27, 30), (31, 35)) for i in range(start, stop)]
    + [
        (start + i, start + (i + 1) % count)
        for start, count in ((36, 6), (42, 6), (48, 12), (60, 8))
        for i in range(count)
    ]
)
"""Pairs of landmarks joined by a line in edge maps."""


def landmarks68_of(mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 68 3"]:
    """The 68 landmarks read off a mesh."""
    return mesh_px[:, list(LANDMARKS_68)]


def eye_distance_px(mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f"]:
    """Distance of the outer eye corners in three dimensions: it does not shrink when the head turns."""
    return (mesh_px[:, LEFT_EYE_OUTER] - mesh_px[:, RIGHT_EYE_OUTER]).norm(dim=-1)


def eye_openings(mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 2"]:
    """Height over width of the right and the left eye, in three dimensions."""
    points = mesh_px.float()
    eyes = ((RIGHT_LIDS, RIGHT_EYE_CORNERS), (LEFT_LIDS, LEFT_EYE_CORNERS))
    height, width = (
        torch.stack([(points[:, a] - points[:, b]).norm(dim=-1) for a, b in pairs], 1)
        for pairs in zip(*eyes, strict=True)
    )
    return height / width


def gaussian_maps(
    landmarks_px: Float[Tensor, "f n d"], height: int, width: int, sigma_px: float = 2.0
) -> Float[Tensor, "f n {height} {width}"]:
    """One map per landmark: exp(-d^2 / 2 sigma^2) of the distance d to it, 1 at the landmark (FACEGAN, section 3.2)."""
    y = torch.arange(height, device=landmarks_px.device) + 0.5
    x = torch.arange(width, device=landmarks_px.device) + 0.5
    along_x = torch.exp(-((x - landmarks_px[..., 0, None]) ** 2) / (2 * sigma_px**2))
    along_y = torch.exp(-((y - landmarks_px[..., 1, None]) ** 2) / (2 * sigma_px**2))
    return along_y[..., :, None] * along_x[..., None, :]


def edge_map(
    landmarks_px: Float[Tensor, "f 68 d"], height: int, width: int, thickness_px: float = 1.0
) -> Float[Tensor, "f 1 {height} {width}"]:
    """Lines of `EDGES_68`: 1 on a line, falling to 0 at `thickness_px` from it; differentiable.

    Only the pixels in a box around each line are looked at, all of them as one ragged list.
    """
    ends, frames = landmarks_px[..., :2], len(landmarks_px)
    first, second = (ends[:, [edge[k] for edge in EDGES_68]].flatten(0, 1) for k in (0, 1))
    owner, x, y = _near_lines(first.detach(), second.detach(), height, width, thickness_px)
    along = (second - first)[owner]
    relative = torch.stack([x, y], dim=-1) + 0.5 - first[owner]
    share = (relative * along).sum(-1) / along.square().sum(-1).clamp(min=1e-8)
    distance = (relative - share.clamp(0, 1)[:, None] * along).norm(dim=-1)
    line = (1 - distance / thickness_px).clamp(min=0)
    frame = owner.div(len(EDGES_68), rounding_mode="floor")
    drawn = line.new_zeros(frames * height * width)
    drawn = drawn.scatter_reduce(0, (frame * height + y) * width + x, line, reduce="amax")
    return drawn.unflatten(0, (frames, 1, height, width))


def _near_lines(
    first: Float[Tensor, "n 2"], second: Float[Tensor, "n 2"], height: int, width: int, reach_px: float
) -> tuple[Int[Tensor, "p"], Int[Tensor, "p"], Int[Tensor, "p"]]:
    """Line, column and row of all pixels in the boxes around lines."""
    size = first.new_tensor([width, height])
    low = (torch.minimum(first, second) - reach_px - 0.5).floor().clamp(min=0).minimum(size).long()
    high = (torch.maximum(first, second) + reach_px + 0.5).ceil().clamp(min=0).minimum(size).long()
    columns, rows = (high - low).clamp(min=0).unbind(-1)
    count = columns * rows
    owner = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    offset = torch.arange(len(owner), device=count.device) - (torch.cumsum(count, 0) - count)[owner]
    row = offset.div(columns[owner], rounding_mode="floor")
    return owner, offset - row * columns[owner] + low[owner, 0], row + low[owner, 1]


def landmark_spread(mesh: Float[Tensor, "478 3"]) -> Float[Tensor, "478 68"]:
    """Weights that carry displacements of the 68 landmarks to the whole mesh (Gaussian kernels, ridge 0.05).

    Args:
        mesh: on which distances are measured, in outer eye-corner distances; its lips apart, or each carries the other.
    """
    at = mesh[list(LANDMARKS_68)]
    to_all, among = (torch.exp(-torch.cdist(points, at).square() / (2 * _SPREAD_REACH**2)) for points in (mesh, at))
    return to_all @ torch.linalg.inv(among + 0.05 * torch.eye(len(at)))
