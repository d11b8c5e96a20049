import math

import cv2
import numpy as np
import pytest
import torch

from reenact.perception.crop import cut_face, placed_square
from reenact.pipeline.paste import PasteBack, fade_to_border, soft_matte
from reenact.types import CropSpec
from tests.unit.pipeline.conftest import make_face, make_frame


def place(left: int, top: int, scale: float = 1.0) -> torch.Tensor:
    return torch.tensor([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])


def test_nothing_changed_gives_the_source_bit_for_bit() -> None:
    frame = make_frame(None)
    noise = np.random.default_rng(1).integers(0, 255, (100, 100, 3), np.uint8)
    result = PasteBack(frame, place(50, 60), 100)(noise, np.zeros((100, 100), np.float32))
    assert np.array_equal(result, frame)


def test_redrawn_middle_is_the_result_and_beside_the_crop_is_the_source() -> None:
    frame = make_frame(None)
    kept = frame.copy()
    red = np.zeros((100, 100, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    result = PasteBack(frame, place(50, 60), 100)(red, np.ones((100, 100), np.float32))
    assert (result[80:140, 70:130] == (255, 0, 0)).all()
    outside = np.ones(frame.shape[:2], bool)
    outside[60:160, 50:150] = False
    assert np.array_equal(result[outside], frame[outside])
    assert np.array_equal(frame, kept)


def test_there_is_no_seam() -> None:
    """From one pixel to the next the result comes in by less than a quarter."""
    grey = np.zeros((240, 320, 3), np.uint8)
    result = PasteBack(grey, place(50, 60), 100)(grey[:100, :100] + 255, np.ones((100, 100), np.float32))
    assert np.abs(np.diff(result[110, :, 0].astype(int))).max() < 64
    assert result[110, 100, 0] == 255


def test_untouched_part_of_a_crop_stays_the_source() -> None:
    frame = make_frame(None)
    changed = np.zeros((100, 100), np.float32)
    changed[40:60, 40:60] = 1
    result = PasteBack(frame, place(50, 60), 100)(np.zeros((100, 100, 3), np.uint8), changed)
    assert (result[100:120, 90:110] == 0).all()
    assert np.array_equal(result[60:90], frame[60:90])


def test_borders_outside_the_picture_do_not_fade() -> None:
    fade = fade_to_border(50, -10, 20, width=100, height=70)
    assert fade[25, 0] == 1  # left of the picture
    assert fade[0, 25] == 0  # inside it
    assert fade[-1, 25] == 1  # ends with it


def test_an_old_head_below_the_upper_border_does_not_show_through() -> None:
    fade = fade_to_border(200, 20, 20, width=300, height=300)
    assert fade[6:100, 100].min() == 1 and fade[0, 100] == 0
    assert fade[100, 6] < 0.5


def test_crop_that_reaches_over_the_picture() -> None:
    frame = make_frame(None)
    result = PasteBack(frame, place(-30, -40), 100)(np.zeros((100, 100, 3), np.uint8), np.ones((100, 100), np.float32))
    assert (result[:50, :60] == 0).all()
    assert np.array_equal(result[60:], frame[60:])


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_resampled_crop_returns_to_its_place(scale: float) -> None:
    frame = make_frame(None)
    size = round(100 * scale)
    result = PasteBack(frame, place(50, 60, scale), size)(
        np.zeros((size, size, 3), np.uint8), np.ones((size, size), np.float32)
    )
    assert (result[80:140, 70:130] == 0).all()
    assert np.array_equal(result[160:], frame[160:])


def test_matte_covers_all_that_was_redrawn_and_ignores_traces() -> None:
    changed = np.full((96, 96), 0.01, np.float32)
    changed[30:50, 30:50] = 0.5
    matte = soft_matte(changed)
    assert (matte[30:50, 30:50] == 1).all()
    assert matte[:20].max() == 0
    assert 0 < matte[40, 27] <= 1


@pytest.mark.parametrize("roll_deg", [-40.0, 35.0])
def test_a_rolled_crop_is_rolled_back(roll_deg: float) -> None:
    """Source pixels where nothing changed, bit for bit; the crop's own pixels, put back, are the source's nearly."""
    frame = cv2.GaussianBlur(make_frame(None), (0, 0), 3)
    image, _ = cut_face(frame, make_face(160, 120, 70), CropSpec(), native=True, roll_rad=math.radians(roll_deg))
    side = image.rgb.shape[-1]
    crop = (image.rgb[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    paste = PasteBack(frame, image.crop_from_frame[0], side)
    assert np.array_equal(paste(255 - crop, np.zeros((side, side), np.float32)), frame)
    changed = np.zeros((side, side), np.float32)
    changed[side // 3 : side // 2, side // 3 : side // 2] = 1
    same, black = paste(crop, changed), paste(np.zeros_like(crop), changed)
    assert np.abs(same.astype(int) - frame).max() <= 6
    inside = torch.linalg.solve(image.crop_from_frame[0], torch.tensor([side * 0.42, side * 0.42, 1.0]))
    x, y = (int(value) for value in inside[:2])
    assert black[y, x].tolist() == [0, 0, 0]
    middle = paste.levelled(changed)
    left, top, _ = placed_square(image.crop_from_frame[0], side)
    assert middle[y - top, x - left] == pytest.approx(1, abs=0.01) and middle.sum() == pytest.approx(
        changed.sum(), rel=0.02
    )
