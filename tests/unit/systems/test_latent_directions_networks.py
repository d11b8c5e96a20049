"""Equations of StyleGAN2 against slow twins; E_w, A and E_F; the aligned crop."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from reenact.errors import ConfigError, ShapeError
from reenact.geometry.morphable import Pose, load_morphable
from reenact.geometry.placement import rotation_of_angles
from reenact.systems.latent_directions.aligned import (
    invert_similarity,
    move_mesh,
    parameter_names,
    read_state,
    sample_picture,
)
from reenact.systems.latent_directions.config import PRESETS, LatentDirectionsConfig
from reenact.systems.latent_directions.generator import (
    Generator,
    MappingNetwork,
    ModulatedConv,
    upsample,
    upsample_and_blur,
)
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks

TOY = LatentDirectionsConfig(
    widths=(8, 8, 6, 4),
    latent=16,
    mapping_layers=2,
    encoder_widths=(4, 6, 8),
    encoder_hidden=12,
    directed_layers=4,
    expressions=5,
    feature_widths=(4, 6),
    refined_side=8,
)
FIR = torch.tensor([1.0, 3, 3, 1])[:, None] * torch.tensor([1.0, 3, 3, 1]) / 16


def explicit_weights(conv: ModulatedConv, w: torch.Tensor) -> torch.Tensor:
    """Equations 1 to 3 as they stand: weights of each sample, (f, o, i, k, k)."""
    scaled = conv.weight * conv.scale * conv.style(w)[:, None, :, None, None]
    if not conv.demodulated:
        return scaled
    return scaled / (scaled.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()


@pytest.mark.parametrize("demodulated", [True, False])
def test_modulation_equals_weights_of_each_sample(demodulated: bool) -> None:
    torch.manual_seed(0)
    conv, x, w = ModulatedConv(5, 7, 16, 3, demodulated=demodulated), torch.randn(3, 5, 6, 6), torch.randn(3, 16)
    weights = explicit_weights(conv, w)
    slow = torch.cat([functional.conv2d(x[i : i + 1], weights[i], padding=1) for i in range(3)])
    torch.testing.assert_close(conv(x, w), slow, atol=1e-5, rtol=1e-4)


def test_upsampling_convolution_is_zeros_between_pixels_then_convolution_then_filter() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 5, 5), torch.randn(4, 3, 3, 3)
    spread = torch.zeros(2, 3, 9, 9)
    spread[:, :, ::2, ::2] = x
    wide = functional.conv2d(functional.pad(spread, (2, 2, 2, 2)), weight.flip(2, 3))
    slow = functional.conv2d(wide, FIR.expand(4, 1, 4, 4), padding=1, groups=4)
    assert slow.shape == (2, 4, 10, 10)
    torch.testing.assert_close(upsample_and_blur(x, weight), slow, atol=1e-4, rtol=1e-4)


def test_colours_are_upsampled_without_a_shift() -> None:
    """A ramp stays a ramp: pixel centres at +0.5 on both sides."""
    ramp = (torch.arange(8) + 0.5).expand(1, 1, 8, 8) / 8
    fine = upsample(ramp)[0, 0, 6, 4:-4]
    torch.testing.assert_close(fine, ((torch.arange(16) + 0.5) / 16)[4:-4], atol=1e-5, rtol=0)


def test_the_generator_reads_a_row_for_each_layer() -> None:
    torch.manual_seed(0)
    generator = Generator(TOY.widths, TOY.latent)
    w = torch.randn(2, generator.layers, TOY.latent)
    assert generator(w).shape == (2, 3, 32, 32)
    for row in range(generator.layers):
        other = w.clone()
        other[:, row] += 1
        assert not torch.equal(generator(other), generator(w)), row
    noise = generator.make_noise(2, w)
    assert torch.equal(generator(w, noise), generator(w)), "noise has no strength at the start"
    torch.nn.init.ones_(generator.convs[0].noise_strength)
    assert not torch.equal(generator(w, noise), generator(w))
    with pytest.raises(ShapeError, match="has 8 layers, w has 3 rows"):
        generator(w[:, :3])


def test_w_does_not_depend_on_the_length_of_z() -> None:
    torch.manual_seed(0)
    mapping, z = MappingNetwork(16, 3, 0.01, rows=8), torch.randn(4, 16)
    torch.testing.assert_close(mapping(3 * z), mapping(z), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(mapping(z)[0], mapping(z)[1], atol=1e-3)


def test_directions_are_linear_and_leave_the_fine_layers_alone() -> None:
    torch.manual_seed(0)
    directions = LatentDirectionsNetworks(TOY).directions
    torch.nn.init.normal_(directions.matrix)
    first, second = torch.randn(2, 3, len(parameter_names(TOY.expressions))).unbind(0)
    first, second = first.clamp(-1, 1), second.clamp(-1, 1)
    torch.testing.assert_close(directions(first + 2 * second), directions(first) + 2 * directions(second))
    shift = directions(first)
    assert shift.shape == (3, TOY.layers, TOY.latent)
    assert shift[:, : TOY.directed_layers].abs().min() > 0 and not shift[:, TOY.directed_layers :].any()


def test_refinement_starts_as_no_change_and_truncation_leads_to_the_mean() -> None:
    torch.manual_seed(0)
    networks = LatentDirectionsNetworks(TOY).eval()
    picture = torch.rand(2, 3, 32, 32)
    w, base = networks.encoder(picture)
    assert torch.equal(w, base[:, None].expand_as(w)), "offsets start at 0"
    seen = torch.ones(2, 1, 32, 32)
    seen[:, :, :16] = 0
    drawn = networks.refine(w, picture, seen)
    assert torch.equal(drawn.rgb, networks.generator(w))
    assert drawn.share[:, :, :12].min() > 0.7 and drawn.share[:, :, 20:].max() < 0.3, "hidden places are drawn"
    torch.nn.init.normal_(networks.feature_encoder.to_shift.weight)
    assert not torch.equal(networks.refine(w, picture, seen).rgb, networks.generator(w))
    published = LatentDirectionsNetworks(dataclasses.replace(TOY, own_pixels=False)).eval()
    assert published.refine(w, picture, seen).share.eq(1).all()
    z = torch.randn(2, TOY.latent)
    assert torch.equal(networks.sample_w(z, 0.0), torch.zeros(2, TOY.layers, TOY.latent))
    torch.testing.assert_close(networks.sample_w(z)[:, 0], networks.mapping(z))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"encoder_widths": (4, 6)}, "from 32 to 4 pixels it takes 3"),
        ({"directed_layers": 9}, "the generator has 8 layers"),
        ({"refined_side": 12}, "refined_side is 12"),
        ({"latent": 0}, "must be 1 or more"),
    ],
)
def test_wrong_sizes_are_refused(change: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        LatentDirectionsConfig(**{**vars(TOY), **change})


def test_the_tiny_preset_is_small() -> None:
    networks = LatentDirectionsNetworks(PRESETS["tiny"])
    assert sum(value.numel() for value in networks.state_dict().values()) * 2 <= 4.5e6, "bytes in half precision"
    assert PRESETS["paper"].side == 256 and PRESETS["paper"].layers == 14


def test_place_size_and_roll_do_not_change_the_state() -> None:
    model = load_morphable()
    angles = torch.tensor([[0.1, 0.4, 0.0], [-0.2, -0.6, 0.3]])
    pose = Pose(rotation=rotation_of_angles(angles), scale=torch.full((2,), 0.5), translation_px=torch.zeros(2, 3))
    expression = torch.zeros(2, 48)
    expression[:, 0] = 1.5
    mesh = model.assemble(torch.zeros(2, 60), expression, pose)
    state = read_state(model, mesh, 48)
    names = parameter_names(48)
    assert state.values.shape == (2, len(names))
    torch.testing.assert_close(state.values[0, names.index("yaw")], torch.tensor(0.4 / 0.35), atol=0.05, rtol=0)
    assert state.values[:, names.index("roll")].abs().max() < 0.3

    turn = math.radians(35)
    matrix = 1.7 * torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    moved = move_mesh(mesh, torch.cat([matrix, torch.tensor([[0.3], [-0.2]])], 1).expand(2, -1, -1))
    again = read_state(model, moved, 48)
    torch.testing.assert_close(again.values, state.values, atol=2e-3, rtol=0)
    for one, points in ((state, mesh), (again, moved)):
        torch.testing.assert_close(
            move_mesh(points, one.aligned_from_mesh), move_mesh(mesh, state.aligned_from_mesh), atol=2e-3, rtol=0
        )
    upright = read_state(model, move_mesh(mesh, state.aligned_from_mesh), 48)
    torch.testing.assert_close(upright.aligned_from_mesh, torch.eye(3)[:2].expand(2, -1, -1), atol=2e-3, rtol=0)


def test_a_crop_is_cut_where_its_mesh_lies() -> None:
    """A bright spot at a mesh point is found at that point's place in the aligned crop."""
    matrix = torch.tensor([[[1.5, -0.3, 0.1], [0.3, 1.5, -0.2]]])
    picture = torch.zeros(1, 1, 64, 64)
    picture[0, 0, 36:40, 24:28] = 1
    place = torch.tensor([[[26 / 32 - 1, 38 / 32 - 1, 0.0]]])
    crop = sample_picture(picture, invert_similarity(matrix), 64)[0, 0]
    y, x = torch.nonzero(crop > 0.5).float().mean(0) + 0.5
    found = torch.stack([x, y]) / 32 - 1
    torch.testing.assert_close(found, move_mesh(place, matrix)[0, 0, :2], atol=0.02, rtol=0)
