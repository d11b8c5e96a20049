"""FACEGAN's losses, made-up movements, pairs and recipes, on made-up faces."""

import dataclasses
import pathlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import CheckpointError, ConfigError
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import load_morphable
from reenact.geometry.rasterise import rasterise
from reenact.geometry.unit_movements import UNIT_POINTS, UnitMovements, blink_openness, mirror_68, whole_face
from reenact.geometry.unit_table import UNIT_TABLE
from reenact.hub.checkpoint import read_checkpoint
from reenact.systems.facegan.config import PRESETS, FaceganConfig
from reenact.types import ACTION_UNITS, CropSpec
from studies.unit_fit import movements_of, regress_portraits
from tests.synthetic import face_set
from train.data.faces import FaceData, load_faces
from train.losses.adversarial import (
    MultiScaleDiscriminator,
    feature_matching_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    log_discriminator_loss,
    log_generator_loss,
    logits_of,
    lsgan_discriminator_loss,
    lsgan_generator_loss,
)
from train.losses.facegan import (
    connectivity_loss,
    landmark_loss,
    mask_size,
    mask_smoothness,
    movement_penalty,
    reconstruction_loss,
    segment_loss,
)
from train.losses.perceptual import IdentityFeatures, Vgg19Features, perceptual_loss
from train.pairs.frames import PairConfig, PairSampler, head_classes, validation_pairs
from train.pairs.landmarks import LandmarkTable, PairShares, project
from train.recipes.facegan import background as facegan_background
from train.recipes.facegan import end_to_end as facegan
from train.recipes.facegan import landmarks as facegan_landmarks
from train.recipes.facegan import reenactor as facegan_reenactor
from train.recipes.facegan.modules import fill_modules, preset_config, read_modules, write_modules

SIDE = 64
SMALL = FaceganConfig(
    crop=CropSpec(network_px=SIDE), transformer_width=32, widths=(8, 12, 16), mixer_widths=(8, 12, 16)
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def faces() -> FaceData:
    """Two clips of three frames, two stills; the parsing is the mesh, its upper third hair."""
    model = load_morphable()
    data = face_set(model, np.random.default_rng(3), clips=2, frames=3, stills=2)
    covered = rasterise(torch.from_numpy(data.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    middle = data.mesh_px[:, 168, 1] / 2
    above = np.arange(128)[None, :, None] < middle[:, None, None] - 10
    parsing = np.where(covered, np.where(above, 2, 1), 0).astype(np.uint8)
    return dataclasses.replace(data, parsing=parsing)


def sampler_of(faces: FaceData, **change: Any) -> PairSampler:
    return PairSampler(faces, PairConfig(side=SIDE, **change))


def landmark_task(faces: FaceData, network: FaceganConfig = SMALL) -> facegan_landmarks.LandmarkTask:
    return facegan_landmarks.LandmarkTask(faces, faces, network, facegan_landmarks.LandmarkTaskConfig())


def reenactor_task(faces: FaceData, network: FaceganConfig = SMALL, **change: Any) -> Any:
    config = facegan_reenactor.ReenactorTaskConfig(side=SIDE, critic_width=4, **change)
    return facegan_reenactor.FaceReenactorTask(sampler_of(faces), faces, network, config)


def background_task(faces: FaceData, network: FaceganConfig = SMALL, **change: Any) -> Any:
    config = facegan_background.BackgroundTaskConfig(side=SIDE, critic_width=4, **change)
    return facegan_background.BackgroundTask(sampler_of(faces, still_share=0.4), faces, network, config)


def whole_task(faces: FaceData, network: FaceganConfig = SMALL, **change: Any) -> Any:
    config = facegan.EndToEndTaskConfig(critic_width=4, **change)
    return facegan.EndToEndTask(sampler_of(faces), faces, network, config, SIDE)


TASKS: dict[str, Callable[..., Any]] = {
    "landmarks": landmark_task,
    "reenactor": reenactor_task,
    "background": background_task,
    "whole": whole_task,
}


def total(task: Any, batch: Any, critic: Any = None) -> torch.Tensor:
    losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, critic)
    return torch.stack(list(losses.values())).sum()


# losses


def test_a_face_moved_as_a_whole_keeps_its_connections():
    landmarks = torch.randn(2, 68, 2)
    moved = landmarks + torch.tensor([0.5, -1.0])
    assert connectivity_loss(moved, landmarks).item() == pytest.approx(0, abs=1e-6)
    assert landmark_loss(moved, landmarks).item() == pytest.approx(0.75)
    assert connectivity_loss(2 * landmarks, landmarks).item() > 0.1


def test_the_movement_penalty_is_the_root_mean_square():
    assert movement_penalty(torch.full((3, 68, 2), -0.2)).item() == pytest.approx(0.2)
    assert movement_penalty(torch.zeros(3, 68, 2)).item() == pytest.approx(0, abs=1e-5)


def test_mask_losses_count_steps_and_size():
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 2:] = 1
    assert mask_size(mask).item() == pytest.approx(0.5**0.5)
    assert mask_smoothness(mask).item() == pytest.approx(1 / 3), "one of three columns of differences is 1"
    assert mask_smoothness(torch.ones(1, 1, 4, 4)).item() == 0


def test_pixel_and_segment_losses_of_known_pictures():
    picture, weight = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    weight[..., :2] = 2
    wanted = picture.clone()
    wanted[..., 2:] = 1
    assert reconstruction_loss(picture, wanted).item() == pytest.approx(0.5)
    assert reconstruction_loss(picture, wanted, weight).item() == 0
    classes = torch.randint(0, 3, (1, 4, 4))
    sure = 100 * torch.nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2).float()
    assert segment_loss(sure, classes).item() == pytest.approx(0, abs=1e-6)
    assert segment_loss(0 * sure, classes).item() == pytest.approx(np.log(3))


def test_adversarial_losses_of_known_logits():
    two, minus_two, none = ([torch.full((1, 1, 2, 2), value)] for value in (2.0, -2.0, 0.0))
    assert hinge_discriminator_loss(two, minus_two).item() == 0
    assert hinge_discriminator_loss(none, none).item() == 2
    assert hinge_generator_loss(two).item() == -2
    one = [torch.ones(1, 1, 2, 2)]
    assert lsgan_discriminator_loss(one, none).item() == 0
    assert lsgan_generator_loss(none).item() == pytest.approx(0.5)
    assert log_discriminator_loss(none, none).item() == pytest.approx(2 * np.log(2))
    assert log_generator_loss(two).item() == pytest.approx(np.log1p(np.exp(-2)))


@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
def test_each_scale_judges_half_the_side(norm: Any):
    critic = MultiScaleDiscriminator(3, width=4, norm=norm)
    scales = critic(torch.rand(2, 3, 64, 64))
    assert [logits.shape[-1] for logits in logits_of(scales)] == [8, 4, 2]
    assert feature_matching_loss(scales, scales).item() == 0
    assert feature_matching_loss(scales, critic(torch.rand(2, 3, 64, 64))).item() > 0


def test_the_perceptual_loss_is_0_for_the_picture_itself_and_gives_it_a_gradient(tmp_path: pathlib.Path):
    features = IdentityFeatures()
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    assert perceptual_loss(features, picture, picture).item() == 0
    perceptual_loss(features, picture, torch.zeros(1, 3, 64, 64)).backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=r"lacks features.0.bias; give torchvision's vgg19"):
        Vgg19Features(tmp_path / "vgg.pth")


# made-up movements


@pytest.fixture(scope="module")
def movements() -> UnitMovements:
    return UnitMovements(load_morphable())


@pytest.fixture(scope="module")
def neutral() -> torch.Tensor:
    return load_morphable().mean[list(LANDMARKS_68)][None]


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_a_unit_moves_its_own_points_only(movements: UnitMovements, neutral: torch.Tensor, unit: int):
    own, wanted = torch.zeros(2, 1, 17, 2)
    wanted[:, ACTION_UNITS.index(unit)] = 1
    moved = (movements.move(neutral, own, wanted) - neutral).norm(dim=-1)[0]
    others = [i for i in range(68) if i not in UNIT_POINTS[unit]]
    assert moved[others].max() == 0
    assert moved.max() > 0.005, "eye distances"


def test_a_blink_closes_any_eye_and_a_wink_one_of_them(movements: UnitMovements, neutral: torch.Tensor):
    own, wanted = torch.zeros(2, 1, 17, 2)
    wanted[:, ACTION_UNITS.index(45), 0] = 1
    moved = movements.move(neutral, own, wanted)
    gap, before = ((shape[:, 44] - shape[:, 46]).norm(dim=-1).item() for shape in (moved, neutral))
    assert gap < 0.05 * before, "the person's left eye"
    torch.testing.assert_close(moved[:, 36:42], neutral[:, 36:42], atol=2e-3, rtol=0)
    torch.testing.assert_close(movements.move(moved, wanted, wanted), moved)
    assert (blink_openness(torch.linspace(0, 1, 11)[None]).diff() < 0).all()


def test_movements_grow_with_intensity_and_come_early(movements: UnitMovements):
    share = movements.share(torch.linspace(0, 1, 11)[:, None, None].expand(-1, 17, 2))
    assert (share.diff(dim=0) > 0).all()
    torch.testing.assert_close(share[[0, -1]], torch.tensor([0.0, 1.0])[:, None, None].expand(-1, 17, 2))
    assert share[5, ACTION_UNITS.index(10), 0] == pytest.approx(0.6)
    assert share[5, ACTION_UNITS.index(45), 0] == pytest.approx(0.5)


def test_the_right_half_moves_as_the_left_one_does(movements: UnitMovements, neutral: torch.Tensor):
    whole = movements.basis.sum(1)
    swap = mirror_68(mesh_mirror())
    torch.testing.assert_close(whole[:, swap] * torch.tensor([-1, 1, 1]), whole)
    assert (neutral[0, swap, 0] * neutral[0, :, 0] <= 1e-4).all(), "the other side, or the middle"


def test_the_upper_lip_rises_and_lets_the_lower_one_be(movements: UnitMovements):
    lip = movements.basis[ACTION_UNITS.index(10)].sum(0)
    assert lip[[50, 51, 52, 61, 62, 63], 1].min() > 0.05
    assert lip[[57, 66], 1].abs().max() < 0.03


@pytest.mark.slow
def test_the_table_of_movements_is_what_the_portraits_say(data_root: pathlib.Path):
    data = load_faces(data_root, "train", pathlib.Path("runs/cache"))
    found = movements_of(regress_portraits(data, load_morphable()))
    torch.testing.assert_close(whole_face(found), whole_face(UNIT_TABLE), atol=0.002, rtol=0)


def test_a_smile_on_one_side_leaves_the_other(movements: UnitMovements, neutral: torch.Tensor):
    own, wanted = torch.zeros(2, 1, 17, 2)
    wanted[:, ACTION_UNITS.index(12), 0] = 1
    moved = (movements.move(neutral, own, wanted) - neutral).norm(dim=-1)[0]
    assert neutral[0, 54, 0] > 0, "the person's left corner of the mouth"
    assert moved[54] > 10 * moved[48]


def test_the_table_holds_every_face_twice_and_projects_it_back(faces: FaceData):
    table = LandmarkTable(faces, load_morphable())
    assert len(table.landmarks) == 2 * len(faces)
    torch.testing.assert_close(project(table.shape, table.angles), table.landmarks, atol=1e-4, rtol=0)
    torch.testing.assert_close(table.angles[: len(faces), 1], -table.angles[len(faces) :, 1])
    source, target = table.sample(np.random.default_rng(0), 20, PairShares())
    assert source.landmarks.shape == target.landmarks.shape == (20, 68, 2)
    assert float(target.units.min()) >= 0 and float(target.units.max()) <= 1


# pairs


def test_speckles_are_no_part_of_the_head():
    parsing = np.zeros((128, 128), np.uint8)
    parsing[40:90, 40:90], parsing[20:40, 40:90], parsing[110:113, 10:13] = 1, 2, 2
    parsing[90:100, 50:80], parsing[100:, :] = 4, np.where(parsing[100:] == 0, 3, parsing[100:])
    head = head_classes(parsing)
    assert set(np.unique(head)) == {0, 1, 2}
    assert head[111, 11] == 0 and head[60, 60] == 1 and head[30, 60] == 2 and head[95, 60] == 0
    assert head_classes(np.zeros((128, 128), np.uint8)).max() == 0


def test_picture_mesh_and_segments_of_a_pair_lie_upon_each_other(faces: FaceData):
    sampler = sampler_of(faces, light=0.0)
    batch = sampler.sample(np.random.default_rng(1), 6, CPU)
    model = load_morphable()
    for name in ("source", "target"):
        pixels = (batch[f"{name}_mesh"] + torch.tensor([1.0, 1.0, 0.0])) * (SIDE / 2)
        covered = rasterise(pixels, model.triangles, SIDE, SIDE).covered
        assert (covered == (batch[f"{name}_classes"] > 0)).float().mean() > 0.97
    assert len(batch["names"]) == 6 and " > " in batch["names"][0]
    again = sampler.sample(np.random.default_rng(1), 6, CPU)
    assert torch.equal(batch["target"], again["target"])


def test_crops_cut_on_the_device_are_those_of_opencv(faces: FaceData):
    draws = sampler_of(faces).draw(np.random.default_rng(2), 4)
    first, second = (sampler_of(faces, resident=resident).cut(draws, CPU) for resident in (False, True))
    assert (first["source"] - second["source"]).abs().mean() < 2 / 255
    assert torch.equal(first["source_classes"], second["source_classes"])


def test_data_without_parsing_is_refused(faces: FaceData):
    bare = dataclasses.replace(faces, has_parsing=np.zeros(len(faces), bool))
    with pytest.raises(ConfigError, match="no parsing"):
        sampler_of(bare)


# recipes


@pytest.mark.parametrize("name", TASKS)
def test_a_few_steps_lower_the_loss(faces: FaceData, name: str):
    torch.manual_seed(0)
    task = TASKS[name](faces)
    task.networks.train()
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=2e-3)
    batch = task.sample_batch(np.random.default_rng(0), 3 if name != "landmarks" else 64, CPU)
    losses = []
    for _ in range(5):
        loss = total(task, batch)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["reenactor", "background", "whole"])
def test_a_critic_judges_and_teaches(faces: FaceData, name: str):
    torch.manual_seed(0)
    task = TASKS[name](faces, adversarial=1.0)
    batch = task.sample_batch(np.random.default_rng(0), 2, CPU)
    outputs = task.networks(*task.inputs(batch))
    assert task.compute_losses(outputs, batch, task.critic)["adversarial"].item() > 0
    loss = task.compute_critic_losses(outputs, batch, task.critic)["critic"]
    loss.backward()
    assert any(parameter.grad is not None for parameter in task.critic.parameters())
    assert all(parameter.grad is None for parameter in task.networks.parameters())


@pytest.mark.parametrize("name", TASKS)
def test_validation_and_samples_on_made_up_people(faces: FaceData, name: str):
    task = TASKS[name](faces)
    networks = task.networks.eval()
    with torch.no_grad():
        figures, picture = task.validate(networks, CPU), task.draw_samples(networks, CPU)
    assert figures and all(np.isfinite(value) for value in figures.values())
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    if name == "landmarks":
        assert figures["clip_error"] == pytest.approx(figures["clip_error_copy"]), "untrained, it copies"


@pytest.mark.parametrize("name", TASKS)
def test_other_data_takes_the_place_of_the_first(faces: FaceData, name: str):
    task = TASKS[name](faces)
    other = dataclasses.replace(faces, names=tuple(f"other {i}" for i in range(len(faces))))
    task.use_data(other)
    batch = task.sample_batch(np.random.default_rng(0), 4, CPU)
    assert all(row.startswith("other") for row in batch.get("names", ()))


def test_people_without_clips_are_measured_as_far_as_they_go(faces: FaceData):
    stills = dataclasses.replace(faces, clip=np.full(len(faces), -1), person=np.arange(len(faces)))
    task = facegan_landmarks.LandmarkTask(faces, stills, SMALL, facegan_landmarks.LandmarkTaskConfig())
    assert "clip_error" not in task.validate(task.networks, CPU)
    assert (
        facegan_reenactor.FaceReenactorTask(
            sampler_of(stills), stills, SMALL, facegan_reenactor.ReenactorTaskConfig(side=SIDE)
        ).draw_samples(task.networks, CPU)
        is None
    )
    with pytest.raises(ConfigError, match="learns from clips"):
        landmark_task(stills)


def test_the_background_far_from_the_head_is_copied(faces: FaceData):
    task = background_task(faces)
    with torch.no_grad():
        assert task.validate(task.networks.eval(), CPU)["background_change_255"] < 3


@pytest.mark.slow
def test_the_paper_preset_makes_a_step(faces: FaceData):
    torch.manual_seed(0)
    network = dataclasses.replace(PRESETS["paper"], crop=CropSpec(network_px=32))
    task = reenactor_task(faces, network)
    task.config, task.sampler = dataclasses.replace(task.config, side=32), PairSampler(faces, PairConfig(side=32))
    batch = task.sample_batch(np.random.default_rng(0), 1, CPU)
    before = total(task, batch)
    before.backward()
    torch.optim.SGD(task.networks.parameters(), lr=1e-3).step()
    assert total(task, batch) < before


def test_modules_travel_from_run_to_run(faces: FaceData, tmp_path: pathlib.Path):
    first, second = landmark_task(faces), reenactor_task(faces)
    first.export(first.networks, tmp_path / "first", {})
    assert read_checkpoint(tmp_path / "first").config["training"]["modules"] == ["transformer"]
    second.others = fill_modules(second.networks, read_modules(tmp_path / "first"), tmp_path / "first")
    second.export(second.networks, tmp_path / "second", {})
    found = read_modules(tmp_path / "second")
    assert list(found) == ["reenactor", "transformer"] or set(found) == {"reenactor", "transformer"}
    kept, shipped = found["transformer"]["enter.weight"], first.networks.transformer.enter.weight
    torch.testing.assert_close(kept.float(), shipped.half().float())
    both = read_modules(pathlib.Path(f"{tmp_path / 'first'}:{tmp_path / 'second'}"))
    assert set(both) == {"reenactor", "transformer"}
    alone = read_modules(pathlib.Path(f"{tmp_path / 'second'}@reenactor"))
    assert set(alone) == {"reenactor"}
    with pytest.raises(CheckpointError, match="first holds no mixer, only transformer"):
        read_modules(pathlib.Path(f"{tmp_path / 'first'}@mixer"))


def test_end_to_end_wants_all_three_modules(faces: FaceData, tmp_path: pathlib.Path):
    task = landmark_task(faces)
    task.export(task.networks, tmp_path, {})
    arguments = types.SimpleNamespace(preset=None, side=SIDE, init=tmp_path)
    with pytest.raises(ConfigError, match=r"lacks reenactor \(recipe facegan_reenactor\), mixer"):
        facegan.build(faces, faces, arguments)
    with pytest.raises(ConfigError, match="presets tiny, paper, not 'huge'"):
        preset_config("huge")


def test_every_module_arrives_in_the_whole(faces: FaceData, tmp_path: pathlib.Path):
    torch.manual_seed(1)
    task = whole_task(faces)
    write_modules(task.networks.facegan, {}, SMALL, tmp_path, {})
    other = whole_task(faces)
    assert fill_modules(other.networks.facegan, read_modules(tmp_path), tmp_path) == {}
    for name, value in task.networks.facegan.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(other.networks.facegan.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_validation_takes_every_clip(faces: FaceData):
    assert len(validation_pairs(faces, SIDE, 2, CPU)) == 2
