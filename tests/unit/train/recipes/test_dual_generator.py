"""Batches, losses and validation of the dual generator's recipes."""

import dataclasses
import types
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.morphable import MorphableModel
from reenact.systems.dual_generator.config import PRESETS
from reenact.systems.dual_generator.networks import standardise
from tests.synthetic import paint, random_clip
from tests.unit.train.recipes.tiny_tasks import DUAL_GENERATOR, SIDE, face_task, shape_task, turned_task
from train.data.faces import FaceData
from train.recipes.dual_generator.face import LOOPS as FACE_LOOPS
from train.recipes.dual_generator.face import FaceTaskConfig, landmark_map
from train.recipes.dual_generator.shape import LOOPS as SHAPE_LOOPS
from train.recipes.dual_generator.shape import ShapeTask, ShapeTaskConfig
from train.recipes.dual_generator.shape_validation import matched_landmarks, validation_pairs

CPU = torch.device("cpu")


def train_on(task: Any, batch: dict[str, Any], steps: int, rate: float = 2e-3) -> list[float]:
    """Losses of the generator on one batch, its critic (if any) trained too."""
    optimizer = torch.optim.Adam(task.networks.parameters(), lr=rate)
    critics = [] if task.critic is None else list(task.critic.parameters())
    found = []
    for _ in range(steps):
        outputs = task.networks(*task.inputs(batch))
        for parameter in critics:
            parameter.requires_grad_(False)
        loss = torch.stack(list(task.compute_losses(outputs, batch, task.critic).values())).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
        for parameter in critics:
            parameter.requires_grad_(True)
        if task.critic is not None:
            losses = task.compute_critic_losses(outputs, batch, task.critic)
            torch.stack(list(losses.values())).sum().backward()
            torch.optim.Adam(critics, lr=1e-4).step()
            task.critic.zero_grad()
    return found


def test_matched_landmarks_of_oneself_are_one_s_own(model: MorphableModel) -> None:
    mesh, _ = random_clip(model, np.random.default_rng(0), 2, 256)
    own = matched_landmarks(model, mesh[:1], mesh[:1])
    torch.testing.assert_close(own, standardise(landmarks68_of(mesh[:1]))[0], atol=2e-3, rtol=0)


def test_a_perfect_generator_has_no_error(faces: FaceData) -> None:
    class Perfect(nn.Module):
        def __init__(self, task: ShapeTask) -> None:
            super().__init__()
            self.wanted = {
                pair.reference.sum().item(): pair.target for pair in validation_pairs(task.val, task.morphable)[:2]
            }

        def forward(self, reference: torch.Tensor, code: torch.Tensor) -> Any:
            return types.SimpleNamespace(landmarks=self.wanted.get(reference.sum().item(), reference))

    task = shape_task(faces)
    figures = task.validate(types.SimpleNamespace(shape=Perfect(task)), CPU)  # type: ignore[arg-type]
    assert figures["ace_px"] == pytest.approx(0, abs=1e-4)
    assert figures["ace_large_px"] == pytest.approx(0, abs=1e-4)
    assert figures["ace_copy_px"] > 1
    assert figures["nearer_source"] == 0  # it hands back the driver's landmarks


def test_the_variant_learns_too(faces: FaceData) -> None:
    torch.manual_seed(0)
    task = face_task(faces, DUAL_GENERATOR, cross_share=0.5)
    found = train_on(task, task.sample_batch(np.random.default_rng(0), 2, CPU), steps=4)
    assert found[-1] < found[0]


def test_the_paper_presets_take_a_step(faces: FaceData) -> None:
    """The paper's weights of losses and structure at a fraction of its widths, one step each."""
    narrow = dataclasses.replace(
        PRESETS["paper"], width=8, max_width=16, style=16, style_px=64, style_width=4, style_max_width=8
    )
    for task, size in ((face_task(faces, narrow), 2), (shape_task(faces, PRESETS["paper"]), 4)):
        assert np.isfinite(train_on(task, task.sample_batch(np.random.default_rng(0), size, CPU), 1, rate=1e-5)).all()
    weights = FaceTaskConfig()
    assert (weights.attribute, weights.identity, weights.style, weights.landmarks) == (10, 10, 1, 1)
    shape = ShapeTaskConfig()
    assert (shape.localization, shape.subject, shape.local_shape, shape.action) == (0.5, 1, 10, 1)
    for loops, rate in ((SHAPE_LOOPS, 1e-5), (FACE_LOOPS, 1e-4)):
        loop = loops["paper"]
        assert (loop.batch_size, loop.learning_rate, loop.final_rate, loop.betas) == (4, rate, 1.0, (0.01, 0.99))


def test_losses_that_are_left_out_are_absent(faces: FaceData) -> None:
    task = face_task(faces, identity=0.0, style=0.0, landmarks=0.0, shape_critic=False, r1=0.0)
    batch = task.sample_batch(np.random.default_rng(0), 2, CPU)
    outputs = task.networks(*task.inputs(batch))
    assert outputs.drawn_style is None
    assert task.compute_losses(outputs, batch, task.critic).keys() == {"attribute", "adversarial"}
    assert task.compute_critic_losses(outputs, batch, task.critic).keys() == {"critic"}
    shape = shape_task(faces, localization=0.0, action=0.0, local_shape=0.0)
    batch = shape.sample_batch(np.random.default_rng(0), 4, CPU)
    losses = shape.compute_losses(shape.networks(*shape.inputs(batch)), batch, shape.critic)
    assert losses.keys() == {"adversarial", "subject"}


def test_cross_pairs_stand_where_the_source_stands(faces: FaceData) -> None:
    task = face_task(faces, cross_share=1.0)
    batch = task.sample_batch(np.random.default_rng(1), 16, CPU)
    cross = batch["known"] == 0
    assert cross.any()
    middle = batch["landmarks"].mean(1)
    own = landmarks68_of(batch["source_mesh"]).mean(1)
    assert (middle - own)[cross][:, :2].abs().max() < 0.5  # the head turns on its neck
    kept = ~cross
    torch.testing.assert_close(batch["landmarks"][kept], landmarks68_of(batch["target_mesh"])[kept])


def test_figures_say_what_geometry_alone_reaches(faces: FaceData) -> None:
    task = turned_task(faces)
    figures = task.validate(task.networks, CPU)
    assert {"psnr", "psnr_moved", "akd_px", "akd_px_real", "csim", "csim_moved"} <= figures.keys()
    picture = task.draw_samples(task.networks, CPU)
    assert picture is not None
    assert picture.shape == (SIDE, 6 * SIDE, 3)
    face = face_task(faces)
    assert {"ssim", "ssim_copy", "csim", "csim_real", "akd_px"} <= face.validate(face.networks, CPU).keys()
    assert face.draw_samples(face.networks, CPU).shape == (2 * SIDE, 4 * SIDE, 3)  # type: ignore[union-attr]


def test_paint_is_seen_by_the_map(faces: FaceData, model: MorphableModel) -> None:
    """The landmark map has its lines on the painted face."""
    mesh = torch.from_numpy(faces.mesh_px[:1] / 128 - [1, 1, 0]).float()
    lines = landmark_map(landmarks68_of(mesh), SIDE)[0, 0] > 0.5
    ground = paint(model, (mesh + 1000) * 32, SIDE)
    face = (paint(model, (mesh + torch.tensor([1.0, 1, 0])) * 32, SIDE) != ground).any(1)[0]
    assert lines.sum() > 60
    assert face[lines].float().mean() > 0.8  # the jaw lies on its edge
