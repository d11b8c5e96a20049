"""Losses of generators: prior of w, penalties, and the critic on frozen features."""

import pytest
import torch

from train.augment.differentiable import AdaptiveProbability, Augmentation
from train.losses.latent import gradient_penalty, path_length_loss, sliced_distance
from train.losses.projected import ProjectedCritic, ProjectedFeatures


def test_sliced_distance_is_near_zero_for_one_distribution_and_sees_flat_directions() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 500, 8).unbind(0)
    assert float(sliced_distance(first, second)) < 0.03
    torch.testing.assert_close(sliced_distance(first, first + 0.0), torch.tensor(0.0))
    flat = second * torch.tensor([1.0] * 4 + [0.01] * 4)
    flat = flat * (first.norm() / flat.norm())
    assert float(sliced_distance(first, flat)) > 2 * float(sliced_distance(first, second))

    moved = (second * 3 + 2).requires_grad_()
    optimiser, before = torch.optim.Adam([moved], 0.1), float(sliced_distance(first, moved.detach()))
    for _ in range(60):
        optimiser.zero_grad()
        sliced_distance(first, moved).backward()
        optimiser.step()
    assert float(sliced_distance(first, moved.detach())) < 0.05 * before
    torch.testing.assert_close(moved.detach().mean(0), first.mean(0), atol=0.3, rtol=0)


def test_gradient_penalty_of_a_known_slope() -> None:
    real = torch.rand(3, 3, 4, 4).requires_grad_()
    assert float(gradient_penalty(2 * real.sum(), [real]).detach()) == pytest.approx(2**2 * 48 / 2)


def test_path_length_follows_a_linear_generators_scale() -> None:
    """Pictures 5 w: every direction of w has the same length, so that the mean reaches it and the loss is small."""
    torch.manual_seed(0)
    mean, losses = torch.zeros(()), []
    for _ in range(400):
        w = torch.randn(64, 1, 48).requires_grad_()
        pictures = 5 * w[:, 0].unflatten(1, (3, 4, 4))
        loss, mean = path_length_loss(pictures, w, mean)
        losses.append(float(loss))
    expected = 5 * 48**0.5 / 4  # noise of standard deviation 1 / sqrt(4 * 4) in 48 numbers
    assert float(mean) == pytest.approx(expected, rel=0.05)
    assert losses[-1] < 0.1 * losses[0]


def test_projected_features_are_fixed_and_tell_pictures_apart() -> None:
    features, again = ProjectedFeatures(), ProjectedFeatures()
    torch.manual_seed(0)
    picture = torch.rand(2, 3, 128, 128, requires_grad=True)
    projected, layers = features(picture)
    assert [tuple(x.shape[1:]) for x in projected] == [(48, 32, 32), (48, 16, 16), (48, 8, 8), (48, 4, 4)]
    assert [x.shape[-1] for x in layers] == [64, 64, 32, 16]
    assert all(torch.equal(a, b) for a, b in zip(projected, again(picture)[0], strict=True))
    assert not any(parameter.requires_grad for parameter in features.parameters())
    (slope,) = torch.autograd.grad(sum(x.sum() for x in projected), picture)
    assert slope.abs().amax((1, 2, 3)).min() > 0
    logits = ProjectedCritic(128)(projected)
    assert all(each.shape == (2, 1, 4, 4) for each in logits)


def test_augmentation_of_no_probability_changes_nothing_and_a_pair_stays_a_pair() -> None:
    torch.manual_seed(0)
    picture = torch.rand(4, 3, 16, 16)
    none = Augmentation.draw(4, torch.tensor(0.0), picture)
    torch.testing.assert_close(none.apply(picture), picture, atol=1e-5, rtol=0)
    often = Augmentation.draw(4, torch.tensor(1.0), picture)
    assert (often.apply(picture) - picture).abs().amax((1, 2, 3)).min() > 0.02
    assert torch.equal(often.apply(picture), often.apply(picture))


def test_the_probability_rises_while_the_critic_is_sure() -> None:
    probability = AdaptiveProbability(start=0.1, step=0.05)
    for _ in range(4):
        probability.follow([torch.full((2, 1), 3.0)])
    assert float(probability.value) == pytest.approx(0.3)
    for _ in range(20):
        probability.follow([torch.tensor([[1.0], [-1.0]])])
    assert float(probability.value) == 0
