"""Aligned pairs, what each recipe of latent directions trains, and what drives whom."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest
import torch

from reenact.geometry.morphable import MorphableModel
from reenact.systems.latent_directions.aligned import parameter_names
from reenact.systems.latent_directions.generator import upsample
from tests.unit.train.recipes.tiny_tasks import FEW, LATENT, TASKS
from train.data.aligned import align_faces
from train.data.faces import FaceData
from train.pairs.aligned import AlignedPairConfig, AlignedPairs, validation_rows
from train.recipes.latent_directions.directions import least_squares
from train.recipes.latent_directions.generator import GeneratorTask, GeneratorTaskConfig
from train.recipes.latent_directions.parts import drive, style_distance
from train.recipes.latent_directions.people import PeopleTask, PeopleTaskConfig, linear_codes
from train.recipes.latent_directions.refine import RefineTask, RefineTaskConfig

CPU = torch.device("cpu")
YAW = parameter_names(5).index("yaw")


@pytest.fixture(scope="module")
def pairs(faces: FaceData, model: MorphableModel) -> AlignedPairs:
    return AlignedPairs(align_faces(faces, model, 32, 5), AlignedPairConfig(same_share=0.4))


def test_faces_lie_in_the_middle_of_aligned_crops_and_a_cache_holds_the_same(
    faces: FaceData, model: MorphableModel, tmp_path: Any
) -> None:
    cut = align_faces(faces, model, 32, 5)
    middle = cut.mesh.astype(np.float32)[..., :2].mean(1)
    assert np.abs(middle).max() < 0.25
    assert np.ptp(cut.mesh.astype(np.float32)[..., 1], axis=1) == pytest.approx(1.4, abs=0.3)
    kept = align_faces(faces, model, 32, 5, tmp_path)
    assert (kept.rgb == cut.rgb).all() and (kept.state == cut.state).all()


def test_a_still_is_paired_with_its_mirror_image_and_a_frame_with_its_clip(pairs: AlignedPairs) -> None:
    batch = pairs.sample(np.random.default_rng(0), 64, CPU)
    same, still = batch["same"].bool(), torch.from_numpy(pairs.faces.is_still)[batch["rows"][:, 0]]
    assert 10 < same.sum() < 50 and 10 < still.sum() < 54
    assert torch.equal(batch["source"][same], batch["target"][same])
    assert not batch["change"][same].any()
    turned = still & ~same
    assert torch.equal(batch["source"][turned], batch["target"][turned].flip(-1))
    assert batch["trust"][turned].eq(0.5).all() and batch["trust"][~turned].eq(1).all()
    yaw = batch["state"][:, YAW]
    torch.testing.assert_close(batch["change"][turned, YAW], 2 * yaw[turned], atol=0.02, rtol=0.02)
    clip = pairs.faces.clip[batch["rows"].numpy()]
    assert (clip[:, 0] == clip[:, 1]).all()


def test_validation_pairs_are_each_clip_driven_by_its_later_frames(faces: FaceData) -> None:
    clips, stills = validation_rows(faces, per_clip=2, stills=9)
    assert clips.tolist() == [[0, 1], [0, 2], [3, 4], [3, 5]]
    assert stills.tolist() == [[6, 6], [7, 7]]


@pytest.mark.parametrize(
    ("recipe", "trained"),
    [
        ("inversion", {"encoder"}),
        ("directions", {"directions"}),
        ("joint", {"encoder", "directions"}),
        ("refine", {"generator", "feature_encoder"}),
        ("people", {"generator", "encoder"}),
        ("generator", {"mapping", "generator", "encoder", "directions"}),
    ],
)
def test_a_recipe_trains_its_parts_alone(faces: FaceData, recipe: str, trained: set[str]) -> None:
    torch.manual_seed(0)
    task = TASKS[f"latent_directions_{recipe}"](faces)
    system = task.shipped(task.networks)
    torch.nn.init.normal_(system.directions.matrix)
    batch = task.sample_batch(np.random.default_rng(1), 4, CPU)
    losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, task.critic)
    torch.stack(list(losses.values())).sum().backward()
    moved = {
        name
        for name, part in system.named_children()
        if any(weight.grad is not None and weight.grad.any() for weight in part.parameters())
    }
    assert moved == trained
    frozen = {name for name, part in system.named_children() if not part.training}
    assert (
        recipe in ("people", "generator")
        or frozen == {"mapping", "generator", "encoder", "directions", "feature_encoder"} - trained
    )


def test_codes_are_normal_the_strongest_first_and_the_same_at_every_call() -> None:
    torch.manual_seed(0)
    rows = torch.rand(400, 12) * torch.linspace(3, 0.1, 12)
    codes, strengths = linear_codes(rows, 8)
    assert torch.equal(codes, linear_codes(rows, 8)[0])
    torch.testing.assert_close(codes.mean(0), torch.zeros(8), atol=0.01, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.ones(8), atol=0.02, rtol=0)
    assert torch.equal(strengths, strengths.sort(descending=True).values)
    assert abs(float(torch.corrcoef(torch.stack([codes[:, 0], rows[:, 0]]))[0, 1])) > 0.9


def test_stages_of_random_people_share_their_codes_and_train_level_after_level(faces: FaceData) -> None:
    torch.manual_seed(0)
    small, whole = (
        PeopleTask(faces, faces, LATENT, PeopleTaskConfig(validation=FEW), side=side) for side in (16, None)
    )
    assert torch.equal(small.codes, whole.codes), "a stage continues the people of the one before"
    assert small.critic is None and whole.critic is not None
    small.start_from(None)
    batch = small.sample_batch(np.random.default_rng(1), 4, CPU)
    outputs = small.networks(*small.inputs(batch))
    assert outputs["pictures"].shape == (4, 3, 16, 16), "pixels are compared, nobody judges random people"
    losses = small.compute_losses(outputs, batch, None)
    assert losses.keys() == {"pixel", "colours"}
    torch.stack(list(losses.values())).sum().backward()
    system: Any = small.networks.system
    assert all(weight.grad is not None for weight in system.mapping.parameters())
    z = torch.randn(2, LATENT.latent)
    coarse, fine = (system.generator(system.sample_w(z), side=side) for side in (16, 32))
    torch.testing.assert_close(fine, upsample(coarse * 2 - 1) * 0.5 + 0.5)  # the next level adds nothing yet


def test_directions_are_fitted_to_people_whose_w_follows_from_p() -> None:
    seeded = torch.Generator().manual_seed(0)
    p, matrix = torch.randn(400, 6, generator=seeded), torch.randn(3, 4, 6, generator=seeded)
    w = torch.einsum("dlp,np->ndl", matrix, p) + 5.0
    torch.testing.assert_close(least_squares(p + 2.0, w), matrix, atol=0.02, rtol=0.02)


def test_directions_are_measured_on_random_people(faces: FaceData) -> None:
    """Without directions nobody moves."""
    task = TASKS["latent_directions_directions"](faces)
    with torch.no_grad():
        task.shipped(task.networks).directions.matrix.zero_()
    figures = task.validate(task.networks, CPU)
    assert figures["pose_deg"] == pytest.approx(figures["pose_deg_unmoved"], rel=0.3)
    assert -1 <= figures["expression"] < 0.3 and figures["identity"] <= 1


def test_inversion_learns_the_w_of_random_people(faces: FaceData) -> None:
    task = TASKS["latent_directions_inversion"](faces)
    batch = task.sample_batch(np.random.default_rng(0), 2, CPU)
    assert len(batch["people"]) == len(batch["people_w"]) == 4
    outputs = task.networks(*task.inputs(batch))
    missed = task.compute_losses(outputs, batch, None)["codes"]
    outputs["w"] = torch.cat([outputs["w"][:2], batch["people_w"]])
    assert missed > task.compute_losses(outputs, batch, None)["codes"] == 0


def test_refinement_keeps_random_people(faces: FaceData) -> None:
    task = TASKS["latent_directions_refine"](faces)
    batch = task.sample_batch(np.random.default_rng(1), 4, CPU)
    losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, None)
    assert len(batch["z"]) == 2 and float(losses["people"].detach()) < 1e-6
    with torch.no_grad():
        task.networks.system.generator.constant.add_(1)
    assert task.compute_losses(task.networks(*task.inputs(batch)), batch, None)["people"] > 1e-3


def test_random_people_move_the_mapping_towards_the_real_ones(faces: FaceData) -> None:
    torch.manual_seed(0)
    task = TASKS["latent_directions_generator"](faces)
    batch = task.sample_batch(np.random.default_rng(1), 4, CPU)
    outputs = task.networks(*task.inputs(batch))
    assert outputs["pictures"].shape == (6, 3, 32, 32), "four moved sources and two random people"
    assert torch.equal(task.networks.last_w[:4], outputs["base"].detach())
    losses = task.compute_losses(outputs, batch, task.critic)
    losses["prior"].backward()
    system = task.networks.system
    assert all(weight.grad is not None for weight in system.mapping.parameters())
    assert all(weight.grad is None for weight in system.encoder.parameters()), "the encoder is free"


def test_a_smaller_side_trains_the_coarse_levels_alone(faces: FaceData) -> None:
    config = GeneratorTaskConfig(validation=FEW)
    network = dataclasses.replace(LATENT, widths=(8, 8, 6, 4, 4), encoder_widths=(4, 6, 8, 8))
    task = GeneratorTask(faces, faces, network, config, side=32)
    batch = task.sample_batch(np.random.default_rng(1), 4, CPU)
    assert batch["source"].shape[-1] == 64 and batch["target"].shape[-1] == 32
    outputs = task.networks(*task.inputs(batch))
    assert outputs["pictures"].shape == (6, 3, 32, 32)
    torch.stack(list(task.compute_losses(outputs, batch, task.critic).values())).sum().backward()
    generator: Any = task.shipped(task.networks).generator
    assert generator.convs[2].conv.weight.grad.any() and generator.convs[3].conv.weight.grad is None
    assert np.isfinite(task.validate(task.networks, CPU)["moved_psnr"])


def test_penalties_of_stylegan2_are_settings(faces: FaceData) -> None:
    torch.manual_seed(0)
    task = TASKS["latent_directions_generator"](faces, path_length=2.0, gradient_penalty=1.0)
    batch = task.sample_batch(np.random.default_rng(1), 4, CPU)
    outputs = task.networks(*task.inputs(batch))
    length = task.compute_losses(outputs, batch, task.critic)["path_length"]
    assert length > 0 and task.critic.mean_length > 0
    length.backward()
    assert task.networks.system.generator.convs[0].conv.weight.grad.any()
    penalty = task.compute_critic_losses(outputs, batch, task.critic)["gradient_penalty"]
    penalty.backward()
    assert penalty > 0 and any(w.grad is not None and w.grad.any() for w in task.critic.parameters())


def test_a_face_driven_by_itself_does_not_change_and_another_gives_its_pose(
    model: MorphableModel, pairs: AlignedPairs
) -> None:
    mesh = torch.from_numpy(pairs.data.mesh.astype(np.float32))
    change, wanted = drive(model, mesh, mesh, 5)
    assert change.abs().max() < 0.05
    torch.testing.assert_close(wanted, mesh, atol=0.02, rtol=0)
    others = mesh.roll(3, 0)
    change, wanted = drive(model, mesh, others, 5)
    angles = torch.from_numpy(np.roll(pairs.data.state, 3, 0) - pairs.data.state)[:, :2]
    torch.testing.assert_close(change[:, :2], angles, atol=0.15, rtol=0.1)
    again, _ = drive(model, wanted, others, 5)
    assert again[:, :2].abs().max() < 0.1


def test_a_picture_that_does_not_move_is_its_own_warp(faces: FaceData) -> None:
    task = TASKS["latent_directions_refine"](faces, pairs=AlignedPairConfig(same_share=1.0))
    batch = task.sample_batch(np.random.default_rng(1), 4, CPU)
    torch.testing.assert_close(batch["warped"], batch["target"], atol=0.02, rtol=0)
    assert batch["seen"].shape == (4, 1, LATENT.side, LATENT.side)


def test_a_pool_of_moved_pairs_is_made_once(
    faces: FaceData, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RefineTaskConfig(validation=FEW, pool=5)
    first = RefineTask(faces, faces, LATENT, config, tmp_path)
    monkeypatch.setattr(RefineTask, "moved", lambda *_: pytest.fail("moved again"))
    batch = RefineTask(faces, faces, LATENT, config, tmp_path).sample_batch(np.random.default_rng(1), 4, CPU)
    monkeypatch.undo()
    again = first.moved(first.pairs, batch)
    for name in ("warped", "seen"):
        torch.testing.assert_close(batch[name], again[name], atol=0.01, rtol=0)


def test_style_does_not_ask_where_things_are() -> None:
    torch.manual_seed(0)
    features = [torch.randn(2, 6, 8, 8)]
    assert float(style_distance(features, [features[0].roll(3, -1)])) < 1e-6
    assert float(style_distance(features, [torch.randn(2, 6, 8, 8) + 1])) > 0.05
