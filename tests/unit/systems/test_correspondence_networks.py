"""The correspondence system's config and networks."""

import pytest
import torch

from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, DrawnFace, mix
from reenact.systems.layers import GatedModulation, ResidualBlock

SMALL = CorrespondenceConfig(widths=(8, 12, 16), match_width=8)


def shaken(config: CorrespondenceConfig = SMALL) -> CorrespondenceNetworks:
    """Untrained, but with nothing left at zero."""
    torch.manual_seed(1)
    networks = CorrespondenceNetworks(config)
    for value in networks.parameters():
        value.data += 0.05 * torch.randn_like(value)
    return networks.eval().requires_grad_(False)


def inputs(frames: int, side: int) -> tuple[torch.Tensor, ...]:
    """rgb, source maps, target maps, mesh displacement, visible."""
    half = side // 2
    rgb, maps = torch.rand(frames, 3, side, side), torch.rand(frames, 6, half, half)
    return rgb, maps, maps.flip(-1), 0.1 * torch.randn(frames, 2, half, half), torch.rand(frames, 1, half, half).round()


def draw(networks: CorrespondenceNetworks, *given: torch.Tensor) -> DrawnFace:
    rgb, source_maps, *rest = given
    return networks(networks.encode_source(rgb, source_maps), rgb, *rest)


def test_untrained_networks_start_from_the_mesh_flow() -> None:
    """The levels' flow heads are zero at first: only the soft correspondence moves the flow, within its reach."""
    networks = CorrespondenceNetworks(SMALL).eval()
    given = inputs(1, 128)
    drawn = draw(networks, *given)
    assert (drawn.displacement - given[3]).abs().max() < 2 * networks.log_reach.exp()


def test_equal_keys_and_queries_find_nothing_new() -> None:
    """A flat correlation leaves the prior as it is, up to the border too."""
    networks = shaken()
    flat = torch.full((1, 64, 8), 8**-0.5)
    assert networks.match(flat, flat, 0.2 * torch.randn(1, 2, 64, 64), 8).abs().max() < 1e-5


def test_the_correspondence_follows_a_clear_match() -> None:
    """Keys that are the queries moved by one cell draw the flow towards that cell."""
    networks = shaken()
    networks.log_temperature.fill_(3.0)
    networks.log_reach.fill_(-1.0)
    features = torch.nn.functional.normalize(torch.randn(1, 8, 8, 32), dim=-1)
    keys = features.roll(1, dims=2)  # what the target has at column x lies in the source at x + 1
    moved = networks.match(features.flatten(1, 2), keys.flatten(1, 2), torch.zeros(1, 2, 64, 64), 8)
    middle = moved[0, :, 2:6, 2:6]
    assert middle[0].mean().item() == pytest.approx(0.25, abs=0.08)
    assert middle[1].abs().mean() < 0.08


@pytest.mark.parametrize("native", [64, 100, 300])
def test_the_head_is_the_warped_source_and_generated_colour(native: int) -> None:
    warped, generated = torch.rand(1, 3, native, native), torch.zeros(1, 1, 64, 64)
    generated[:, :, 40:] = 1
    colour = torch.full((1, 3, 64, 64), 0.25)
    result = mix(DrawnFace(torch.zeros(1, 2, 32, 32), generated, colour, matched=torch.zeros(1, 2, 4, 4)), warped)
    seam = native // 32
    kept, drawn = slice(0, native * 40 // 64 - seam), slice(native * 40 // 64 + seam, None)
    torch.testing.assert_close(result[:, :, kept], warped[:, :, kept], atol=1e-4, rtol=0)
    assert (result[:, :, drawn] - 0.25).abs().max() < 1e-5


def test_a_closed_gate_keeps_the_targets_features() -> None:
    block = GatedModulation(4, 6, kernel=3)
    torch.nn.init.constant_(block.gate.bias, -50.0)
    h = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(block(h, torch.randn(1, 6, 8, 8), torch.zeros(1, 1, 8, 8)), h)


def test_residual_blocks_begin_as_the_identity() -> None:
    x = torch.randn(2, 5, 6, 6)
    assert torch.equal(ResidualBlock(5)(x), x)


def test_every_weight_learns() -> None:
    networks = shaken().train().requires_grad_(True)
    drawn = draw(networks, *inputs(2, 64))
    sum(value.square().mean() for value in drawn).backward()
    silent = [name for name, value in networks.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []
