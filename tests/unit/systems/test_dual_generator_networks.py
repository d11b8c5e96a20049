"""The dual generator's config and networks."""

import dataclasses

import pytest
import torch

from reenact.errors import ConfigError
from reenact.portrait.posed import PosedHead
from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig
from reenact.systems.dual_generator.networks import (
    SPREAD,
    AdaIN,
    DrawnPicture,
    DualGeneratorNetworks,
    FaceGenerator,
    LandmarkMLP,
    ShapeGenerator,
    adain,
    mirrored_alone,
    place,
    standardise,
)
from tests.contract.systems import build

SMALL: DualGeneratorConfig = build("dual_generator").config
PAPER_FORM = dataclasses.replace(SMALL, stem=1, source_features=False)


def face_generator(config: DualGeneratorConfig) -> FaceGenerator:
    torch.manual_seed(0)
    net = FaceGenerator(config)
    for value in net.parameters():  # nothing left at zero
        value.data += 0.02 * torch.randn_like(value)
    return net.eval().requires_grad_(False)


def moved_source(frames: int, side: int) -> PosedHead:
    rgb, mirrored, parts = torch.rand(3, frames, 3, side, side)
    shown, head, mirrored_shown = torch.rand(3, frames, 1, side, side).round()
    displacement = 0.1 * torch.randn(frames, 2, side, side)
    return PosedHead(rgb, displacement, shown, head, parts.round(), mirrored, mirrored_shown)


def draw_with_output(value: float, moved: PosedHead) -> DrawnPicture:
    """A generator whose last layer gives the same number everywhere."""
    net = face_generator(SMALL)
    net.exit[2].weight.zero_()
    net.exit[2].bias.fill_(value)
    return net(torch.rand(1, 1, 64, 64), net.encode_style(torch.rand(1, 3, 64, 64)), moved)


def landmarks(frames: int = 2) -> torch.Tensor:
    return torch.randn(frames, 68, 3, generator=torch.Generator().manual_seed(3)) * 40 + 128


def test_standard_landmarks_know_neither_place_nor_size() -> None:
    given = landmarks()
    standard, placement = standardise(given)
    torch.testing.assert_close(standard.mean(1), torch.zeros(2, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(standard.square().sum(-1).mean(1).sqrt(), torch.full((2,), SPREAD))
    torch.testing.assert_close(place(standard, placement), given, atol=1e-4, rtol=1e-5)
    moved, _ = standardise(given * 3 + torch.tensor([5.0, -7.0, 2.0]))
    torch.testing.assert_close(moved, standard, atol=1e-5, rtol=1e-5)


def test_the_landmark_networks_have_five_layers() -> None:
    encoder = LandmarkMLP(204, 16, 8, activate_last=True)
    decoder = LandmarkMLP(8, 16, 204, activate_last=False)
    for network, activations in ((encoder, 5), (decoder, 4)):
        kinds = [type(layer).__name__ for layer in network]
        assert kinds.count("Linear") == 5
        assert kinds.count("LeakyReLU") == activations


def test_action_and_identity_both_reach_the_landmarks() -> None:
    torch.manual_seed(0)
    net = ShapeGenerator(SMALL)
    reference = standardise(landmarks())[0]
    first, second = torch.nn.functional.normalize(torch.randn(2, 2, 256), dim=-1)
    answer = net(reference, first)
    assert answer.landmarks.shape == (2, 68, 3)
    assert answer.action.shape == (2, SMALL.action_code)
    assert not torch.allclose(net(reference, second).landmarks, answer.landmarks, atol=1e-3)
    assert not torch.allclose(net(reference.flip(0), first).landmarks, answer.landmarks, atol=1e-3)


def test_adain_sets_mean_and_deviation_of_every_channel() -> None:
    x = torch.randn(2, 3, 32, 32) * 7 + 4
    scale, shift = torch.tensor([[0.5, 2.0, 1.0], [3.0, 0.1, 1.5]]), torch.tensor([[0.0, -1.0, 5.0], [2.0, 0.3, 0.0]])
    y = adain(x, scale, shift)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(y.std((2, 3), correction=0), scale, atol=1e-3, rtol=1e-3)


def test_a_style_of_zero_bias_leaves_a_plain_instance_norm() -> None:
    layer = AdaIN(3, 5)
    torch.nn.init.zeros_(layer.to_scale_shift.bias)
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(layer(x, torch.zeros(1, 5)), torch.nn.functional.instance_norm(x))


def test_the_paper_form_reads_no_moved_source_and_the_variant_asks_for_it() -> None:
    lines, rgb = torch.rand(1, 1, 64, 64), torch.rand(1, 3, 64, 64)
    paper = face_generator(PAPER_FORM)
    style = paper.encode_style(rgb)
    drawn = paper(lines, style)
    assert drawn.matte is None
    torch.testing.assert_close(drawn.rgb, drawn.colour)
    torch.testing.assert_close(drawn.rgb, paper(lines, style, moved_source(1, 64)).rgb)
    variant = face_generator(SMALL)
    with pytest.raises(ConfigError, match="needs the source moved by geometry"):
        variant(lines, variant.encode_style(rgb))


def test_untrained_shares_are_those_of_geometry() -> None:
    """Where the source shows the target its pixel stays; where only the mirrored source does, that one's comes."""
    moved = moved_source(1, 64)
    drawn = draw_with_output(0, moved)
    assert drawn.matte is not None
    own = moved.shown[:, 0] > 0
    assert drawn.matte[:, 0][own].min() > 0.95
    hidden = (moved.shown == 0) & (moved.mirrored_shown == 1)
    nearer_mirrored = (drawn.rgb - moved.mirrored).abs() < (drawn.rgb - moved.rgb).abs()
    differ = (moved.mirrored - moved.rgb).abs() > 0.4
    assert nearer_mirrored[hidden.expand_as(differ) & differ].all()


def test_the_network_never_draws_over_a_face_that_only_the_mirrored_head_shows() -> None:
    moved = moved_source(1, 64)
    face, left = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    face[:, 0, 8:56, 8:56], left[..., :24] = 1, 1
    moved = moved._replace(shown=left, mirrored_shown=1 - left, parts=face)
    alone = mirrored_alone(moved)[0, 0]
    assert alone[:, :24].max() == 0  # the source shows it
    assert alone[20, 26] < 0.5 < 0.99 < alone[20, 50]  # at the seam the network blends
    drawn = draw_with_output(-1, moved)  # prefers generated colour
    difference = (drawn.rgb - moved.mirrored).abs().amax(1)[0]
    assert difference[16:48, 44:54].max() < 0.05
    only_own = moved._replace(mirrored_shown=torch.zeros_like(left))
    assert mirrored_alone(only_own).max() == 0


def test_paper_preset_counts_the_paper_s_blocks() -> None:
    with torch.device("meta"):
        net = DualGeneratorNetworks(PRESETS["paper"])
    assert len(net.face.down) == 4
    assert len(net.face.middle) + len(net.face.styled_middle) == 4
    assert len(net.face.styled_middle) == 2
    assert len(net.face.up) == 4
    assert len(net.face.style_encoder.blocks) == 6
    assert net.face.pyramid is None
