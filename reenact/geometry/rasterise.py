"""A z-buffer rasteriser in plain PyTorch: batched, and the same result to the bit on every device.

Vertices are snapped to 1/256 px and all tests run in 64-bit integers, so that no rounding mode matters. The candidate
pixels of all triangles of a batch form one ragged list: work grows with covered area, not with triangles x pixels.
`rasterise_slowly` is the readable reference that tests compare with.
"""

import dataclasses

import torch
from jaxtyping import Float, Int
from torch import Tensor

SUBPIXELS = 256
_DEPTH_SHIFT = 1 << 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raster:
    """What each pixel sees."""

    triangle: Int[Tensor, "b h w"]
    """Index of the nearest triangle that covers the pixel's centre, -1 where none does."""
    weights: Float[Tensor, "b h w 3"]
    """Barycentric weights of the triangle's corners; zeros where no triangle is."""

    @property
    def covered(self) -> Tensor:
        """(b, h, w) bool."""
        return self.triangle >= 0

    def interpolate(
        self, attributes: Float[Tensor, "b n c"], triangles: Int[Tensor, "m 3"]
    ) -> Float[Tensor, "b c h w"]:
        """Vertex attributes at each pixel; zeros where no triangle is."""
        batch, height, width = self.triangle.shape
        pixel = torch.nonzero(self.covered.flatten())[:, 0]  # most pixels show no triangle
        frame = pixel.div(height * width, rounding_mode="floor")
        corners = triangles[self.triangle.flatten()[pixel]] + frame[:, None] * attributes.shape[1]
        weights, rows = self.weights.flatten(0, 2)[pixel], attributes.flatten(0, 1)
        first, second, third = (rows[corners[:, k]] * weights[:, k, None] for k in range(3))
        mixed = attributes.new_zeros(batch * height * width, attributes.shape[-1])
        mixed[pixel] = first + second + third
        return mixed.unflatten(0, (batch, height, width)).permute(0, 3, 1, 2).contiguous()


def rasterise(vertices_px: Float[Tensor, "b n 3"], triangles: Int[Tensor, "m 3"], height: int, width: int) -> Raster:
    """Nearest front-facing triangle at every pixel centre.

    Args:
        vertices_px: x right, y down, smaller z nearer. Triangles face the viewer when their corners run clockwise on
            screen; others are culled.
        triangles: corner indices.
        height: rows of the picture.
        width: columns of the picture.
    """
    batch, count = vertices_px.shape[0], triangles.shape[0]
    fixed = torch.round(vertices_px.double() * SUBPIXELS).long()
    corners = fixed[:, triangles]  # b m 3 3
    x, y, z = corners.unbind(-1)
    double_area = _cross(x[..., 1] - x[..., 0], y[..., 1] - y[..., 0], x[..., 2] - x[..., 0], y[..., 2] - y[..., 0])
    half = SUBPIXELS // 2
    x_low = _ceil_div(x.amin(-1) - half, SUBPIXELS).clamp(0, width)
    x_high = ((x.amax(-1) - half).div(SUBPIXELS, rounding_mode="floor") + 1).clamp(0, width)
    y_low = _ceil_div(y.amin(-1) - half, SUBPIXELS).clamp(0, height)
    y_high = ((y.amax(-1) - half).div(SUBPIXELS, rounding_mode="floor") + 1).clamp(0, height)
    columns, rows = (x_high - x_low).clamp(min=0), (y_high - y_low).clamp(min=0)
    candidates = torch.where(double_area > 0, columns * rows, 0).flatten()

    owner = torch.repeat_interleave(torch.arange(batch * count, device=fixed.device), candidates)
    start = torch.cumsum(candidates, 0) - candidates
    offset = torch.arange(owner.shape[0], device=fixed.device) - start[owner]
    columns_of_owner = columns.flatten()[owner]
    pixel_y = offset.div(columns_of_owner, rounding_mode="floor")
    pixel_x = offset - pixel_y * columns_of_owner + x_low.flatten()[owner]
    pixel_y = pixel_y + y_low.flatten()[owner]
    px, py = pixel_x * SUBPIXELS + half, pixel_y * SUBPIXELS + half
    cx, cy = x.flatten(0, 1)[owner], y.flatten(0, 1)[owner]
    edges = torch.stack(
        [
            _cross(cx[:, k] - cx[:, j], cy[:, k] - cy[:, j], px - cx[:, j], py - cy[:, j])
            for j, k in ((1, 2), (2, 0), (0, 1))
        ],
        dim=1,
    )
    inside = (edges >= 0).all(1)
    owner, edges = owner[inside], edges[inside]
    where = (owner.div(count, rounding_mode="floor") * height + pixel_y[inside]) * width + pixel_x[inside]
    area = double_area.flatten()[owner]
    depth = (edges * z.flatten(0, 1)[owner]).sum(1).div(area, rounding_mode="floor")
    triangle = owner % count
    key = (depth + _DEPTH_SHIFT) * count + triangle  # nearest first, then lowest index
    empty = torch.iinfo(torch.int64).max
    nearest = torch.full((batch * height * width,), empty, device=fixed.device, dtype=torch.int64)
    nearest.scatter_reduce_(0, where, key, reduce="amin")
    won = nearest[where] == key
    weights = torch.zeros(batch * height * width, 3, device=fixed.device, dtype=vertices_px.dtype)
    weights[where[won]] = (edges[won].double() / area[won, None].double()).to(vertices_px.dtype)
    index = torch.where(nearest == empty, -1, nearest % count)
    return Raster(triangle=index.reshape(batch, height, width), weights=weights.reshape(batch, height, width, 3))


def rasterise_slowly(
    vertices_px: Float[Tensor, "b n 3"], triangles: Int[Tensor, "m 3"], height: int, width: int
) -> Raster:
    """The definition, in loops: for tests."""
    batch = vertices_px.shape[0]
    index = torch.full((batch, height, width), -1, dtype=torch.int64)
    weights = torch.zeros(batch, height, width, 3, dtype=vertices_px.dtype)
    for b in range(batch):
        fixed = torch.round(vertices_px[b].double() * SUBPIXELS).long().tolist()
        for row in range(height):
            for column in range(width):
                px, py, best = column * SUBPIXELS + SUBPIXELS // 2, row * SUBPIXELS + SUBPIXELS // 2, None
                for t, (i, j, k) in enumerate(triangles.tolist()):
                    a, b_, c = fixed[i], fixed[j], fixed[k]
                    area = (b_[0] - a[0]) * (c[1] - a[1]) - (b_[1] - a[1]) * (c[0] - a[0])
                    edge = [
                        (q[0] - p[0]) * (py - p[1]) - (q[1] - p[1]) * (px - p[0]) for p, q in ((b_, c), (c, a), (a, b_))
                    ]
                    if area <= 0 or min(edge) < 0:
                        continue
                    depth = (edge[0] * a[2] + edge[1] * b_[2] + edge[2] * c[2]) // area
                    if best is None or depth < best:
                        best = depth
                        index[b, row, column] = t
                        weights[b, row, column] = torch.tensor([e / area for e in edge], dtype=vertices_px.dtype)
    return Raster(triangle=index, weights=weights)


def _cross(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    return ax * by - ay * bx


def _ceil_div(a: Tensor, b: int) -> Tensor:
    return -((-a).div(b, rounding_mode="floor"))


def vertex_facing(vertices_px: Float[Tensor, "b n 3"], triangles: Int[Tensor, "m 3"]) -> Float[Tensor, "b n"]:
    """Cosine between each vertex's normal (area-weighted mean of its triangles') and the direction to the viewer."""
    a, b, c = vertices_px[:, triangles].unbind(2)
    normals = torch.linalg.cross(b - a, c - a)
    summed = torch.zeros_like(vertices_px)
    for corner in range(3):
        summed = summed.index_add(1, triangles[:, corner], normals)
    return torch.nn.functional.normalize(summed, dim=-1)[..., 2]


def vertex_visibility(
    vertices_px: Float[Tensor, "b n 3"],
    triangles: Int[Tensor, "m 3"],
    raster: Raster,
    tolerance_px: float,
) -> Float[Tensor, "b n"]:
    """1 where a vertex is the nearest surface at its place (within `tolerance_px` of depth), else 0.

    Outside the raster's picture nothing hides a vertex.
    """
    height, width = raster.triangle.shape[1:]
    depth = raster.interpolate(vertices_px[..., 2:], triangles)[:, 0]
    column = vertices_px[..., 0].floor().long()
    row = vertices_px[..., 1].floor().long()
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    seen = torch.gather(depth.flatten(1), 1, place)
    covered = torch.gather(raster.covered.flatten(1), 1, place)
    hidden = within & covered & (vertices_px[..., 2] > seen + tolerance_px)
    return (~hidden).to(vertices_px.dtype)
