"""The dual generator's losses and recipes, on made-up faces."""

import dataclasses
import pathlib
import types
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reenact.errors import CheckpointError, ConfigError
from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.hub.checkpoint import read_checkpoint
from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig
from reenact.systems.dual_generator.networks import DualGeneratorNetworks, standardise
from reenact.types import CropSpec
from tests.synthetic import face_set, paint, random_clip
from train.data.faces import FaceData
from train.losses.dual_generator import (
    NO_SUBJECT,
    REGIONS,
    FaceCritic,
    ShapeCritic,
    attribute_loss,
    gradient_penalty,
    identity_loss,
    localization_loss,
    style_loss,
    subject_class_loss,
    visible_local_shape_loss,
)
from train.pairs.frames import PairConfig, PairSampler
from train.pairs.shapes import ShapePairConfig, ShapePairs, mirror_of_landmarks, turned_landmarks
from train.readers import FaceReaders, cut
from train.recipes.dual_generator import face_cross as dual_generator_face_cross
from train.recipes.dual_generator import shape as dual_generator_shape
from train.recipes.dual_generator.face import FaceTask, FaceTaskConfig
from train.recipes.dual_generator.parts import export_part, network_of, start_parts
from train.recipes.dual_generator.shape import ShapeTask, ShapeTaskConfig
from train.recipes.dual_generator.shape_validation import matched_landmarks

SIDE = 64
CPU = torch.device("cpu")
SMALL = DualGeneratorConfig(
    crop=CropSpec(network_px=SIDE),
    landmark_width=32,
    action_code=8,
    decoder_width=32,
    stem=2,
    width=8,
    max_width=16,
    style=12,
    style_px=64,
    style_width=4,
    style_max_width=8,
)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> FaceData:
    """Two clips of three frames, two stills."""
    return face_set(model, np.random.default_rng(3), clips=2, frames=3, stills=2)


def shape_task(faces: FaceData, network: DualGeneratorConfig = SMALL, **change: Any) -> ShapeTask:
    config = ShapeTaskConfig(pairs=ShapePairConfig(pool=24), **change)
    return ShapeTask(faces, faces, network, config)


def face_task(faces: FaceData, network: DualGeneratorConfig = SMALL, **change: Any) -> FaceTask:
    return FaceTask(PairSampler(faces, PairConfig(side=SIDE)), faces, network, FaceTaskConfig(side=SIDE, **change))


def zeros() -> torch.Tensor:
    return torch.zeros(1, 68, 3)


def test_the_regions_share_out_all_landmarks() -> None:
    assert sorted(i for region in REGIONS.values() for i in region.landmarks) == list(range(68))
    assert [region.margin for region in REGIONS.values()] == [0.05, 0.05, 0.1, 0.05, 0.2]


def test_the_shape_loss_is_zero_beyond_the_margins_and_the_margins_at_a_tie() -> None:
    seen, other_person = torch.ones(1, 68), torch.zeros(1)
    far = torch.full((1, 68, 3), 0.01)  # 3 x 0.01 a landmark: the contour is 0.51 away, its margin 0.2
    assert visible_local_shape_loss(zeros(), seen, zeros(), far, other_person).item() == 0
    tie = visible_local_shape_loss(zeros(), seen, zeros(), zeros(), other_person)
    assert tie.item() == pytest.approx(0.05 + 0.05 + 0.1 + 0.05 + 0.2)
    near = torch.zeros(1, 68, 3)
    near[:, :17, 0] = 0.01  # the contour alone is off, by 0.17
    short = visible_local_shape_loss(zeros(), seen, zeros(), near, other_person)
    assert short.item() == pytest.approx(0.25 + 0.2 - 0.17, abs=1e-6)


def test_only_visible_landmarks_count() -> None:
    visible, wrong = torch.ones(1, 68), torch.zeros(1, 68, 3)
    wrong[:, 36:42] = 0.5
    for same in (torch.zeros(1), torch.ones(1)):
        assert visible_local_shape_loss(zeros(), visible, wrong, zeros(), same).item() > 1
    visible[:, 36:42] = 0
    assert visible_local_shape_loss(zeros(), visible, wrong, zeros(), torch.ones(1)).item() == 0
    visible[:, 17:22] = 0  # a region without any says nothing, not even its margin
    left = visible_local_shape_loss(zeros(), visible, wrong, zeros(), torch.zeros(1)).item()
    assert left == pytest.approx(0.05 + 0.1 + 0.05 + 0.2)


def test_one_person_has_nothing_to_flee_from() -> None:
    off = torch.full((1, 68, 3), 0.01)
    loss = visible_local_shape_loss(zeros(), torch.ones(1, 68), off, off, torch.ones(1))
    assert loss.item() == pytest.approx(68 * 3 * 0.01, rel=1e-5)


def test_norms_of_landmarks_are_sums() -> None:
    assert localization_loss(torch.ones(2, 68, 3), torch.zeros(2, 68, 3)).tolist() == [204, 204]


def test_unknown_subjects_are_left_out() -> None:
    logits = torch.tensor([[20.0, 0.0], [0.0, 0.0]])
    assert subject_class_loss(logits, torch.tensor([0, NO_SUBJECT])).item() == pytest.approx(0, abs=1e-6)
    assert subject_class_loss(logits, torch.tensor([0, 1])).item() == pytest.approx(np.log(2) / 2, rel=1e-4)
    assert subject_class_loss(logits, torch.tensor([NO_SUBJECT, NO_SUBJECT])).item() == 0


def test_pictures_without_a_target_do_not_count() -> None:
    picture, wanted = torch.zeros(2, 3, 4, 4), torch.stack([torch.full((3, 4, 4), 0.5), torch.ones(3, 4, 4)])
    assert attribute_loss(picture, wanted, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.5)
    assert attribute_loss(picture, wanted, torch.zeros(2)).item() == 0


def test_losses_of_the_same_are_zero() -> None:
    unit = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    assert identity_loss(unit, unit).item() == pytest.approx(0, abs=1e-6)
    assert identity_loss(unit, -unit).item() == pytest.approx(2, abs=1e-6)
    assert style_loss(unit, unit).item() == 0


def test_the_gradient_penalty_of_a_plane_is_half_its_squared_slope() -> None:
    x = torch.randn(4, 5, requires_grad=True)
    slope = torch.tensor([3.0, 0, 0, 4.0, 0])
    assert gradient_penalty((x @ slope)[:, None], x).item() == pytest.approx(12.5)


def test_mirrored_landmarks_are_those_of_the_mirrored_face(model: MorphableModel) -> None:
    mirror = mirror_of_landmarks(model)
    assert np.array_equal(mirror[mirror], np.arange(68))
    assert (mirror[8], mirror[0], mirror[36], mirror[48]) == (8, 16, 45, 54)


def test_a_head_turned_away_hides_its_far_side(model: MorphableModel, faces: FaceData) -> None:
    turn = np.radians(np.array([80.0, -80.0]) - faces.yaw_deg[:2])
    landmarks, visible = turned_landmarks(model, faces.mesh_px[:2], turn)
    assert landmarks.shape == (2, 68, 3)
    right_eye, left_eye = visible[:, 36:42].mean(1), visible[:, 42:48].mean(1)
    assert right_eye[0] > left_eye[0]
    assert left_eye[1] > right_eye[1]


def test_pairs_are_one_person_or_two(faces: FaceData, model: MorphableModel) -> None:
    pairs = ShapePairs(faces, model, ShapePairConfig(pool=24, cross_share=0.5))
    batch = pairs.sample(np.random.default_rng(0), 64, CPU)
    again = pairs.sample(np.random.default_rng(0), 64, CPU)
    assert all(torch.equal(value, again[name]) for name, value in batch.items())
    same = batch["same"] > 0
    assert 0.3 < same.float().mean() < 0.7
    known = batch["reference_subject"] != NO_SUBJECT
    assert torch.equal(batch["source_subject"][same & known], batch["reference_subject"][same & known])
    assert (batch["source_subject"][~same] != batch["reference_subject"][~same]).all()
    assert (
        ShapePairs(faces, model, ShapePairConfig(pool=24, cross_share=0))
        .sample(np.random.default_rng(0), 16, CPU)["same"]
        .all()
    )


def test_matched_landmarks_of_oneself_are_one_s_own(model: MorphableModel) -> None:
    mesh, _ = random_clip(model, np.random.default_rng(0), 2, 256)
    own = matched_landmarks(model, mesh[:1], mesh[:1])
    torch.testing.assert_close(own, standardise(landmarks68_of(mesh[:1]))[0], atol=2e-3, rtol=0)


def test_a_perfect_generator_has_no_error(faces: FaceData) -> None:
    class Perfect(nn.Module):
        def __init__(self, task: ShapeTask) -> None:
            super().__init__()
            self.wanted = {pair.reference.sum().item(): pair.target for pair in task.validation_pairs()[:2]}

        def forward(self, reference: torch.Tensor, code: torch.Tensor) -> Any:
            return types.SimpleNamespace(landmarks=self.wanted.get(reference.sum().item(), reference))

    task = shape_task(faces)
    figures = task.validate(types.SimpleNamespace(net=Perfect(task)), CPU)  # type: ignore[arg-type]
    assert figures["ace_px"] == pytest.approx(0, abs=1e-4)
    assert figures["ace_large_px"] == pytest.approx(0, abs=1e-4)
    assert figures["ace_copy_px"] > 1
    assert figures["nearer_source"] == 0  # it hands back the driver's landmarks


def steps(task: Any, count: int, size: int, rate: float) -> list[float]:
    """Losses of the generator on one batch, its critic trained along."""
    optimizer = torch.optim.Adam(task.networks.parameters(), lr=rate)
    critic_optimizer = torch.optim.Adam(task.critic.parameters(), lr=1e-4)
    batch, found = task.sample_batch(np.random.default_rng(0), size, CPU), []
    batch.pop("names", None)
    for _ in range(count):
        outputs = task.networks(*task.inputs(batch))
        task.critic.requires_grad_(False)
        loss = torch.stack(list(task.compute_losses(outputs, batch, task.critic).values())).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        task.critic.requires_grad_(True)
        torch.stack(list(task.compute_critic_losses(outputs, batch, task.critic).values())).sum().backward()
        critic_optimizer.step()
        critic_optimizer.zero_grad()
        found.append(loss.item())
    return found


def test_steps_lower_the_loss_of_the_shape_generator(faces: FaceData) -> None:
    torch.manual_seed(0)
    found = steps(shape_task(faces), 12, 16, 1e-3)
    assert np.isfinite(found).all()
    assert found[-1] < found[0]


@pytest.mark.parametrize("variant", [True, False], ids=["variant", "paper form"])
def test_steps_lower_the_loss_of_the_face_generator(faces: FaceData, variant: bool) -> None:
    torch.manual_seed(0)
    network = dataclasses.replace(SMALL, source_features=variant)
    found = steps(face_task(faces, network, cross_share=0.5), 4, 2, 2e-3)
    assert np.isfinite(found).all()
    assert found[-1] < found[0]


def test_the_paper_presets_take_a_step(faces: FaceData) -> None:
    """The paper's weights of losses and structure at a fraction of its widths, batch 2, one step each."""
    narrow = dataclasses.replace(
        PRESETS["paper"], width=8, max_width=16, style=16, style_px=64, style_width=4, style_max_width=8
    )
    assert np.isfinite(steps(face_task(faces, narrow), 1, 2, 1e-4)).all()
    assert np.isfinite(steps(shape_task(faces, PRESETS["paper"]), 1, 4, 1e-5)).all()


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


def test_readers_give_gradients_and_find_what_the_tracker_finds(faces: FaceData, model: MorphableModel) -> None:
    readers, mesh = FaceReaders(), torch.from_numpy(faces.mesh_px[:2] / 128 - [1, 1, 0]).float()
    picture = torch.from_numpy(faces.rgb[:2]).permute(0, 3, 1, 2).float().div(255).requires_grad_(True)
    tracker, identity = readers.crops_of(mesh, 256)
    found, who = readers.landmarks(picture, tracker), readers.embed(picture, identity)
    assert found.shape == (2, 68, 3)
    torch.testing.assert_close(who.norm(dim=1), torch.ones(2))
    (found.sum() + who.sum()).backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


def test_a_crop_of_the_whole_picture_is_the_picture() -> None:
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(cut(picture, torch.eye(3)[None], 16), picture, atol=1e-5, rtol=1e-5)
    left = cut(picture, torch.tensor([[[1.0, 0, -4], [0, 1, 0], [0, 0, 1]]]), 8)  # starts 4 px from the left
    torch.testing.assert_close(left, picture[..., :8, 4:12], atol=1e-5, rtol=1e-5)


def test_parts_join_in_one_checkpoint(tmp_path: pathlib.Path) -> None:
    first, second = DualGeneratorNetworks(SMALL), DualGeneratorNetworks(SMALL)
    export_part(first, frozenset(), "shape", first.shape, tmp_path / "shape", {})
    assert {name.split(".")[0] for name in read_checkpoint(tmp_path / "shape").weights} == {"shape"}
    others = start_parts(second, tmp_path / "shape")
    assert others == {"shape"}
    export_part(second, others, "face", second.face, tmp_path / "both", {})
    both = read_checkpoint(tmp_path / "both", model="dual_generator")
    assert both.config["training"]["parts"] == ["shape", "face"]
    assert {name.split(".")[0] for name in both.weights} == {"shape", "face"}
    assert torch.equal(both.weights["shape.encoder.0.weight"], first.shape.encoder[0].weight.half())
    assert start_parts(DualGeneratorNetworks(SMALL), None) == frozenset()
    with pytest.raises(CheckpointError):
        start_parts(DualGeneratorNetworks(PRESETS["tiny"]), tmp_path / "both")


def arguments(**change: Any) -> types.SimpleNamespace:
    given = {"preset": None, "side": SIDE, "init": None, "resident": False, "stream": False}
    return types.SimpleNamespace(**given | change)


def test_recipes_build_with_the_paper_s_settings(faces: FaceData) -> None:
    _, loop = dual_generator_shape.build(faces, faces, arguments(preset="paper"))
    assert (loop.batch_size, loop.learning_rate, loop.betas) == (4, 1e-5, (0.01, 0.99))
    with pytest.raises(ConfigError, match="no preset 'huge'"):
        network_of(arguments(preset="huge"))
    with pytest.raises(ConfigError, match="train dual_generator_face first"):
        dual_generator_face_cross.build(faces, faces, arguments())
    weights = {field.name: field.default for field in dataclasses.fields(FaceTaskConfig)}
    assert [weights[name] for name in ("attribute", "identity", "style", "landmarks")] == [10, 10, 1, 1]
    shape = ShapeTaskConfig()
    assert (shape.localization, shape.subject, shape.local_shape, shape.action) == (0.5, 1, 10, 1)


def test_the_shape_recipe_takes_no_stream(faces: FaceData) -> None:
    with pytest.raises(ConfigError, match="leave --stream out"):
        shape_task(faces).use_data(faces)


def test_the_face_recipe_takes_other_data(faces: FaceData, model: MorphableModel) -> None:
    task = face_task(faces)
    other = face_set(model, np.random.default_rng(5), clips=1, frames=2, stills=1)
    task.use_data(other)
    assert len(task.sampler.data) == 3
    assert task.sample_batch(np.random.default_rng(0), 2, CPU)["source"].shape == (2, 3, SIDE, SIDE)


def test_the_face_recipe_measures_and_draws(faces: FaceData) -> None:
    task = face_task(faces)
    figures = task.validate(task.networks, CPU)
    assert {"ssim", "ssim_copy", "csim", "csim_real", "akd_px"} <= figures.keys()
    picture = task.draw_samples(task.networks, CPU)
    assert picture is not None
    assert picture.shape == (2 * SIDE, 4 * SIDE, 3)
    shape = shape_task(faces)
    assert shape.draw_samples(shape.networks, CPU).dtype == np.uint8  # type: ignore[union-attr]


def test_critics_have_the_paper_s_outputs() -> None:
    real, classes = ShapeCritic(SMALL, 7)(torch.randn(3, 68, 3))
    assert (real.shape, classes.shape) == ((3, 1), (3, 7))
    face, shape = FaceCritic(SMALL, SIDE)((torch.rand(2, 3, SIDE, SIDE), torch.rand(2, 1, SIDE, SIDE)))
    assert (face.shape, shape.shape) == ((2, 1), (2, 1))  # type: ignore[union-attr]
    assert FaceCritic(SMALL, SIDE, shape=False)((torch.rand(2, 3, SIDE, SIDE), None))[1] is None


def test_paint_is_seen_by_the_map(faces: FaceData, model: MorphableModel) -> None:
    """The landmark map has its lines on the painted face."""
    task = face_task(faces)
    mesh = torch.from_numpy(faces.mesh_px[:1] / 128 - [1, 1, 0]).float()
    lines = task.draw(landmarks68_of(mesh))[0, 0] > 0.5
    ground = paint(model, (mesh + 1000) * 32, SIDE)
    face = (paint(model, (mesh + torch.tensor([1.0, 1, 0])) * 32, SIDE) != ground).any(1)[0]
    assert lines.sum() > 60
    assert face[lines].float().mean() > 0.8  # the jaw lies on its edge
