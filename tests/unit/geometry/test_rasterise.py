"""The rasteriser against its slow reference, and what it promises."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from reenact.geometry.rasterise import Raster, rasterise, rasterise_slowly, vertex_facing, vertex_visibility
from tests.synthetic import rotation_of

# quarters of a pixel: corners and edges fall on pixel centres and on each other all the time
PLACES = st.integers(-16, 56).map(lambda value: value / 4)
DEPTHS = st.integers(-8, 8).map(lambda value: value / 2)


@st.composite
def meshes(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures of up to 7 vertices and 6 triangles: overlapping, crossing, degenerate, partly or wholly outside."""
    count = draw(st.integers(3, 7))
    vertex = st.tuples(PLACES, PLACES, DEPTHS)
    pictures = draw(st.lists(st.lists(vertex, min_size=count, max_size=count), min_size=2, max_size=2))
    corner = st.integers(0, count - 1)
    triangles = draw(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=6))
    return torch.tensor(pictures), torch.tensor(triangles)


def assert_same(first: Raster, second: Raster) -> None:
    assert torch.equal(first.triangle, second.triangle)
    assert torch.equal(first.weights, second.weights)


@given(meshes())
def test_fast_and_slow_agree_to_the_bit(mesh: tuple[torch.Tensor, torch.Tensor]) -> None:
    vertices, triangles = mesh
    assert_same(rasterise(vertices, triangles, 7, 9), rasterise_slowly(vertices, triangles, 7, 9))


@given(st.integers(0, 1000))
def test_fast_and_slow_agree_on_places_between_the_subpixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = torch.from_numpy(rng.uniform(-3, 11, (1, 9, 3)).astype(np.float32))
    triangles = torch.from_numpy(rng.integers(0, 9, (5, 3)))
    assert_same(rasterise(vertices, triangles, 8, 8), rasterise_slowly(vertices, triangles, 8, 8))


SQUARE = torch.tensor([[[1.0, 1, 0], [7, 1, 0], [7, 7, 0], [1, 7, 0]]])
CLOCKWISE = torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_a_square_covers_its_pixels_once_and_back_faces_are_culled() -> None:
    covered = rasterise(SQUARE, CLOCKWISE, 8, 8).covered
    assert covered.sum() == 36
    assert covered[0, 1:7, 1:7].all()
    assert not rasterise(SQUARE, CLOCKWISE.flip(1), 8, 8).covered.any()


def test_the_nearer_triangle_wins_whatever_the_order() -> None:
    near = SQUARE - torch.tensor([0.0, 0.0, 2.0])
    vertices = torch.cat([SQUARE, near], dim=1)
    triangles = torch.cat([CLOCKWISE, CLOCKWISE + 4])
    assert set(rasterise(vertices, triangles, 8, 8).triangle.unique().tolist()) == {-1, 2, 3}
    assert set(rasterise(vertices, triangles.flip(0), 8, 8).triangle.unique().tolist()) == {-1, 0, 1}


def test_nothing_to_draw_is_no_error() -> None:
    outside = rasterise(SQUARE + 100, CLOCKWISE, 8, 8)
    flat = rasterise(SQUARE * torch.tensor([1.0, 0, 1]), CLOCKWISE, 8, 8)
    for raster in (outside, flat):
        assert not raster.covered.any()
        assert raster.weights.abs().sum() == 0
        assert raster.interpolate(SQUARE, CLOCKWISE).abs().sum() == 0


def test_interpolation_reproduces_linear_functions() -> None:
    vertices = SQUARE + torch.tensor([0.25, -0.5, 0])
    linear = vertices[..., :1] * 2 - vertices[..., 1:2] * 0.5 + 3
    raster = rasterise(vertices, CLOCKWISE, 8, 8)
    drawn = raster.interpolate(linear, CLOCKWISE)[0, 0]
    y, x = (torch.arange(8) + 0.5)[:, None], (torch.arange(8) + 0.5)[None]
    covered = raster.covered[0]
    torch.testing.assert_close(drawn[covered], (2 * x - 0.5 * y + 3)[covered])
    assert (drawn[~covered] == 0).all()


def test_weights_are_shares() -> None:
    raster = rasterise(SQUARE, CLOCKWISE, 8, 8)
    assert (raster.weights >= 0).all()
    torch.testing.assert_close(raster.weights.sum(-1), raster.covered.float())


def ball(rows: int = 16, columns: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit sphere (y up, z to the viewer) without its poles; triangles face outwards."""
    polar = torch.linspace(0.15, math.pi - 0.15, rows)[:, None]
    around = (torch.arange(columns) * (2 * math.pi / columns))[None]
    points = torch.stack(
        torch.broadcast_tensors(polar.sin() * around.sin(), polar.cos(), polar.sin() * around.cos()), dim=-1
    ).flatten(0, 1)
    triangles = []
    for r in range(rows - 1):
        for c in range(columns):
            a, b = r * columns + c, r * columns + (c + 1) % columns
            triangles += [[a, b, a + columns], [b, b + columns, a + columns]]
    return points, torch.tensor(triangles)


@pytest.mark.parametrize(("pitch", "yaw"), [(0, 0), (20, 60), (-35, 110)])
def test_of_an_egg_the_near_half_is_seen(pitch: float, yaw: float) -> None:
    """On a convex body a vertex is seen just where its normal points to the viewer."""
    points, triangles = ball()
    turn, stretch = rotation_of(pitch, yaw), torch.tensor([0.8, 1.0, 0.7])
    vertices = (points * stretch) @ turn.T * torch.tensor([24.0, -24.0, -24.0]) + torch.tensor([32.0, 32.0, 0.0])
    facing = ((points / stretch) @ turn.T)[:, 2] / (points / stretch).norm(dim=1)
    raster = rasterise(vertices[None], triangles, 64, 64)
    seen = vertex_visibility(vertices[None], triangles, raster, tolerance_px=1.5)[0]
    clear = facing.abs() > 0.3  # not along the outline
    assert torch.equal(seen[clear] > 0.5, facing[clear] > 0)
    assert 0.3 < seen.mean() < 0.7
    found = vertex_facing(vertices[None], triangles)[0]
    inner = slice(32, -32)  # the rows at the open poles have normals of one side alone
    assert (found - facing)[inner].abs().max() < 0.1


def test_outside_the_picture_nothing_hides_a_vertex() -> None:
    points, triangles = ball()
    vertices = (points * torch.tensor([24.0, -24.0, -24.0]) + torch.tensor([-200.0, 0, 0]))[None]
    raster = rasterise(vertices, triangles, 16, 16)
    assert (vertex_visibility(vertices, triangles, raster, tolerance_px=1.0) == 1).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU: the rasteriser is compared on the CPU alone")
def test_the_gpu_draws_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    vertices = torch.from_numpy(rng.uniform(-8, 72, (3, 200, 3)).astype(np.float32))
    triangles = torch.from_numpy(rng.integers(0, 200, (300, 3)))
    on_gpu = rasterise(vertices.cuda(), triangles.cuda(), 64, 64)
    on_cpu = rasterise(vertices, triangles, 64, 64)
    assert torch.equal(on_gpu.triangle.cpu(), on_cpu.triangle)
    assert torch.equal(on_gpu.weights.cpu(), on_cpu.weights)
