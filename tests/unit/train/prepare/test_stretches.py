"""Frames of one person, split into stretches that fit a fixed crop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.prepare.following import Sighting
from train.prepare.stretches import Crop, Stretch, StretchBuilder, crop_side, needed_box, place_crop

SIZE = (1280, 720)


def sighting(x: float, y: float, size: float = 100, *, outside: float = 0.0) -> Sighting:
    """A face whose mesh fills a square of `size` around (x, y)."""
    mesh = np.zeros((478, 3), np.float32)
    mesh[:, 0], mesh[:, 1] = x, y
    mesh[0, :2] -= size / 2
    mesh[1, :2] += size / 2
    return Sighting(person=3, mesh_px=mesh, score=1.0, share_outside=outside)


def stretches(path: list[Sighting], *, max_frames: int = 250) -> list[Stretch]:
    builder = StretchBuilder(SIZE, crop_scale=1.95, max_frames=max_frames)
    found = [builder.add(slot + 10, one) for slot, one in enumerate(path)] + [builder.close()]
    return [one for one in found if one is not None]


def test_a_head_that_stays_is_one_stretch() -> None:
    (one,) = stretches([sighting(600 + 10 * np.sin(i), 300) for i in range(40)])
    assert (one.person, one.first_slot, len(one), one.end_slot) == (3, 10, 40, 50)
    assert one.crop.side == 195
    assert one.face_px == pytest.approx(100)
    assert one.outside == 0
    assert abs(one.crop.x0 + one.crop.side / 2 - 600) <= 1
    assert one.crop.y0 + one.crop.side / 2 == pytest.approx(300 - 0.03 * 195, abs=1)


def test_a_moving_head_starts_a_new_stretch_when_it_leaves_the_crop() -> None:
    path = [sighting(200 + 8 * i, 300) for i in range(60)]
    found = stretches(path)
    assert len(found) > 3
    assert sum(len(one) for one in found) == 60
    assert [one.first_slot for one in found[1:]] == [one.end_slot for one in found[:-1]]
    assert min(len(one) for one in found[:-1]) >= 9  # 75 px of free way
    for one in found:
        low, high = one.meshes_px[..., :2].min((0, 1)), one.meshes_px[..., :2].max((0, 1))
        assert (low >= [one.crop.x0, one.crop.y0]).all()
        assert (high <= [one.crop.x0 + one.crop.side, one.crop.y0 + one.crop.side]).all()


def test_a_zoom_a_cut_face_and_the_length_end_a_stretch() -> None:
    zoom = stretches([sighting(600, 300, 100)] * 5 + [sighting(600, 300, 180)] * 5)
    assert [len(one) for one in zoom] == [5, 5]
    border = stretches([sighting(600, 300)] * 5 + [sighting(600, 300, outside=0.3)] * 4 + [sighting(600, 300)] * 3)
    assert [(len(one), one.fault) for one in border] == [(5, ""), (4, "outside"), (3, "")]
    assert [len(one) for one in stretches([sighting(600, 300)] * 45, max_frames=20)] == [20, 20, 5]


def test_crops_stay_inside_the_picture_where_they_can() -> None:
    needed, size = needed_box(sighting(70, 80).mesh_px)
    crop = place_crop(needed, np.array([70, 80]), size, SIZE, 1.95)
    assert (crop.x0, crop.y0, crop.side) == (0, 0, 195)
    assert crop.share_outside(SIZE) == 0
    small = (224, 224)
    assert crop_side(120, small, 1.95) == 224
    assert crop_side(200, small, 1.95) == pytest.approx(320)
    edge = place_crop(*needed_box(sighting(10, 300).mesh_px)[:1], np.array([10, 300]), 100, SIZE, 1.95)
    assert edge.x0 < 0  # the ears come before the border
    assert 0 < edge.share_outside(SIZE) < 0.35


def test_share_outside_is_the_area() -> None:
    assert Crop(x0=-50, y0=0, side=100).share_outside(SIZE) == pytest.approx(0.5)
    assert Crop(x0=1230, y0=670, side=100).share_outside(SIZE) == pytest.approx(0.75)
    assert Crop(x0=-200, y0=0, side=100).share_outside(SIZE) == 1


@given(st.integers(0, 10**6), st.integers(2, 60))
def test_random_movements_stay_in_their_crops(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 12, (frames, 2)).cumsum(0) + [640, 360]
    sizes = 100 * np.exp(rng.normal(0, 0.05, frames).cumsum())
    found = stretches([sighting(x, y, size) for (x, y), size in zip(steps, sizes, strict=True)])
    assert sum(len(one) for one in found) == frames
    for one in found:
        for mesh in one.meshes_px:
            needed, _ = needed_box(mesh)
            assert (needed[:2] >= np.array([one.crop.x0, one.crop.y0]) - 1).all()
            assert (needed[2:] <= np.array([one.crop.x0, one.crop.y0]) + one.crop.side + 1).all()
