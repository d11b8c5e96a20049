"""What stays the source, and where pictures change."""

import pytest
import torch

from reenact.portrait.stillness import moved_share, moving_pixels, widen


@pytest.mark.parametrize(("moved_px", "share"), [(0, 0), (0.005, 0), (0.5, 0.5), (3, 1)])
def test_a_face_fades_in_as_it_begins_to_move(moved_px: float, share: float) -> None:
    source = torch.zeros(1, 478, 3)
    target = source.repeat(2, 1, 1)
    target[0, 5, 0], target[:, 7, 2] = moved_px * 2 / 256, 9.0  # depth does not count
    assert moved_share(source, target, 256).flatten().tolist() == pytest.approx([share, 0], abs=1e-6)


def test_pixels_that_hardly_move_stay_and_the_others_reach_a_little_further() -> None:
    displacement = torch.zeros(1, 2, 32, 32)
    displacement[:, 0, :, :8] = 2 * 2 / 64  # two pixels of a crop of 64
    displacement[:, 0, :, 8:] = 2 * 0.2 / 64
    moving = moving_pixels(displacement, 64)
    assert moving[..., :8].min() == 1 and moving[..., 8:].max() == 0
    wide = widen(moving, 1 / 32)
    assert wide[..., :8].min() == 1 and wide[..., 8].max() > 0 and wide[..., 11:].max() == 0
