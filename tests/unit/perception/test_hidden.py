import pathlib
from collections.abc import Callable

import pytest
import skimage.data
import torch

from reenact.hub.loading import load_hidden, load_tracker
from reenact.perception.hidden import HIDDEN, HiddenConfig, HiddenNetwork, hidden_shares, part_crops, skin_tone


def test_the_skins_colour_is_read_past_what_covers_a_part() -> None:
    mesh_px = torch.rand(1, 478, 3, generator=torch.Generator().manual_seed(0)) * 150 + 40
    rgb = torch.full((1, 3, 256, 256), 0.5)
    x, y = mesh_px[0, 4, :2].int().tolist()
    rgb[..., y - 8 : y + 8, x - 8 : x + 8] = 0
    torch.testing.assert_close(skin_tone(rgb, mesh_px), torch.full((1, 3), 0.5))


def test_answers_do_not_depend_on_the_batch() -> None:
    network = HiddenNetwork(HiddenConfig())
    rgb, mesh_px = torch.rand(3, 3, 128, 128), torch.rand(3, 478, 3) * 100
    together = hidden_shares(network, rgb, mesh_px)
    torch.testing.assert_close(together[1:2], hidden_shares(network, rgb[1:2], mesh_px[1:2]), atol=1e-3, rtol=0)
    assert part_crops(rgb, mesh_px).shape == (3, 3, 3, 24, 32)


@pytest.mark.parametrize("covered", [False, True])
def test_embedded_weights_see_a_covered_mouth(embedded: Callable[[str], pathlib.Path], covered: bool) -> None:
    embedded("perception/hidden")
    frame = skimage.data.astronaut()[20:276, 96:352].copy()
    geometry = load_tracker().track(frame)
    if covered:
        low, high = (geometry.mesh_px[0, [61, 291, 13, 14], :2].mean(0) + shift for shift in (-25, 25))
        frame[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = 120
    rgb = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
    shares = hidden_shares(load_hidden(), rgb, geometry.mesh_px)[0]
    assert tuple((shares > HIDDEN).tolist()) == (covered, False, False)
