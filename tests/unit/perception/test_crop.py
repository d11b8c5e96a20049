import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reenact.errors import ConfigError
from reenact.perception.crop import copy_square, cut_face, face_square, placed_square
from reenact.perception.crop_box import CropBox
from reenact.types import CropSpec
from tests.unit.pipeline.conftest import make_face, make_frame

SPEC = CropSpec(face_scale=2.0, shift_up=0.05)


def test_native_crop_is_a_copy_of_the_pixels() -> None:
    frame, geometry = make_frame((160, 130, 80)), make_face(160, 130, 80)
    image, in_crop = cut_face(frame, geometry, SPEC, native=True)
    left, top, side = face_square(geometry, SPEC)
    assert (left, top, side) == (80, 42, 160)
    pixels = (image.rgb[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    assert np.array_equal(pixels, frame[top : top + side, left : left + side])
    torch.testing.assert_close(in_crop.mesh_px[..., 0], geometry.mesh_px[..., 0] - left)


def test_network_crop_has_the_networks_side_and_maps_the_mesh() -> None:
    image, in_crop = cut_face(make_frame(None), make_face(160, 130, 80), SPEC, native=False)
    assert image.rgb.shape == (1, 3, 256, 256)
    # the face's centre lies the shift below the crop's, both on whole pixels
    assert in_crop.mesh_px[0, :2, :2].mean(0).tolist() == pytest.approx([128, 128 + 0.05 * 256], abs=2)
    assert in_crop.mesh_px[0, 1, 0] - in_crop.mesh_px[0, 0, 0] == pytest.approx(128)


def test_outside_the_frame_its_border_is_repeated() -> None:
    frame = make_frame(None)
    square = copy_square(frame, -10, -5, 20)
    assert (square[:5] == square[5]).all()
    assert np.array_equal(square[5:, 10:], frame[:15, :10])


@pytest.mark.parametrize(("smallest", "largest", "side"), [(64, 1536, 160), (256, 1536, 256), (64, 100, 100)])
def test_native_side_keeps_its_limits(smallest: int, largest: int, side: int) -> None:
    limits = {"smallest_px": smallest, "largest_px": largest}
    image, _ = cut_face(make_frame(None), make_face(160, 130, 80), SPEC, native=True, **limits)
    assert image.rgb.shape[-1] == side


@given(x=st.floats(-50, 2000), y=st.floats(-50, 2000), size=st.floats(40, 1500), native=st.booleans())
def test_place_of_a_crop_is_found_again(x: float, y: float, size: float, native: bool) -> None:
    geometry = make_face(x, y, size)
    image, _ = cut_face(np.zeros((8, 8, 3), np.uint8), geometry, SPEC, native=native, largest_px=512)
    assert placed_square(image.crop_from_frame[0], image.rgb.shape[-1]) == face_square(geometry, SPEC)


def test_the_square_is_adjusted_by_the_user() -> None:
    face = make_face(160, 130, 60)
    left, top, side = face_square(face, SPEC)
    box = CropBox(scale=1.5, right=0.1, down=-0.2)
    moved = face_square(face, SPEC, box=box)
    assert moved[2] == pytest.approx(1.5 * side, abs=2)
    centre = np.array([left, top]) + side / 2 + np.array([0.1, -0.2]) * moved[2]
    assert np.array(moved[:2]) + moved[2] / 2 == pytest.approx(centre, abs=2)
    image, in_crop = cut_face(make_frame(None), face, SPEC, native=True, box=box)
    assert image.rgb.shape[-1] == moved[2]
    assert in_crop.mesh_px[0, :, 0] + moved[0] == pytest.approx(face.mesh_px[0, :, 0].numpy(), abs=0.01)
    for bad in ({"scale": 3.0}, {"right": 0.5}, {"down": -1.0}):
        with pytest.raises(ConfigError, match=r"give a (factor|share)"):
            CropBox(**bad)
