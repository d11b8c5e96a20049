"""Adversarial, perceptual and pixel losses, which several recipes share."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import CheckpointError
from train.losses.adversarial import (
    HINGE,
    LOG,
    MultiScaleDiscriminator,
    feature_matching_loss,
    logits_of,
)
from train.losses.perceptual import IdentityFeatures, Vgg19Features, perceptual_loss
from train.losses.reconstruction import (
    coarse_warp_l1,
    gradient_l1,
    half_size_l1,
    multi_scale_l1,
    smoothness,
    warp_l1,
    with_rim,
)


def test_adversarial_losses_of_known_logits():
    two, minus_two, none = ([torch.full((1, 1, 2, 2), value)] for value in (2.0, -2.0, 0.0))
    assert HINGE.discriminator(two, minus_two).item() == 0
    assert HINGE.discriminator(none, none).item() == 2
    assert HINGE.generator(two).item() == -2
    assert LOG.discriminator(none, none).item() == pytest.approx(2 * np.log(2))
    assert LOG.generator(two).item() == pytest.approx(np.log1p(np.exp(-2)))


@pytest.mark.parametrize("norm", ["instance", "spectral"])
def test_each_scale_judges_half_the_side(norm: Any):
    critic = MultiScaleDiscriminator(3, width=4, norm=norm)
    scales = critic(torch.rand(2, 3, 64, 64))
    assert [logits.shape[-1] for logits in logits_of(scales)] == [8, 4, 2]
    assert feature_matching_loss(scales, scales).item() == 0
    assert feature_matching_loss(scales, critic(torch.rand(2, 3, 64, 64))).item() > 0


@pytest.mark.parametrize("game", [HINGE, LOG])
def test_a_game_gives_named_losses_and_trains_its_critic_on_both_pictures(game: Any):
    critic = MultiScaleDiscriminator(3, scales=1, width=4, norm="spectral")
    real, fake = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64, requires_grad=True)
    losses = game.teach(critic, fake, real, adversarial=2.0, matching=3.0)
    assert losses.keys() == {"adversarial", "matching"}
    assert losses["adversarial"].item() == pytest.approx(
        2 * game.generator(logits_of(critic.eval()(fake))).item(), rel=0.1
    )
    assert game.teach(critic, fake, real, adversarial=2.0, matching=0.0).keys() == {"adversarial"}
    game.train_critic(critic, fake, real)["critic"].backward()
    assert fake.grad is None
    logits = [torch.cat([torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), -3.0)])]
    assert game.judge(logits)["critic"].item() == game.discriminator([logits[0][:1]], [logits[0][1:]]).item()


def test_the_perceptual_loss_is_0_for_the_picture_itself_and_gives_it_a_gradient(tmp_path: pathlib.Path):
    features = IdentityFeatures()
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    assert perceptual_loss(features, picture, picture).item() == 0
    perceptual_loss(features, picture, torch.zeros(1, 3, 64, 64)).backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=r"lacks features.0.bias; give torchvision's vgg19"):
        Vgg19Features(tmp_path / "vgg.pth")


def test_pixel_losses_of_known_pictures():
    flat, still, everywhere = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 2, 32, 32), torch.ones(1, 1, 32, 32)
    assert multi_scale_l1(flat).item() == pytest.approx(0.5)
    assert gradient_l1(flat).abs().max() == 0
    edge = flat.clone()
    edge[..., 32:] = 1
    assert gradient_l1(edge).sum().item() == pytest.approx(0.5 * 3 * 63)
    assert half_size_l1(flat, edge, everywhere).item() == pytest.approx(0.25)
    assert half_size_l1(flat, edge, 0 * everywhere).item() == 0
    for loss in (warp_l1(edge, edge, still, everywhere), coarse_warp_l1(edge, edge, still)):
        assert loss.item() == pytest.approx(0, abs=1e-6)
    assert warp_l1(edge, edge, still + 0.5, everywhere).item() > 0.05
    assert smoothness(still + 1).item() == 0
    ramp = torch.linspace(0, 1, 32).expand(1, 2, 32, 32)
    finer = torch.linspace(0, 1, 64).expand(1, 2, 64, 64)
    assert smoothness(ramp).item() == pytest.approx(smoothness(finer).item(), rel=0.05), "the same at every side"


def test_openings_get_a_rim():
    openings = torch.zeros(1, 2, 64, 64)
    openings[0, 0, 20, 20] = openings[0, 1, 40, 40] = 1
    near = with_rim(openings)
    assert near.shape == (1, 1, 64, 64)
    assert near.sum() == 18
    assert near[0, 0, 19, 21] == near[0, 0, 41, 39] == 1
