"""What is particular to the recipes of detector, identity encoder, parser and tracker."""

import dataclasses
import pathlib

import numpy as np
import pytest
import torch
from torch import nn

from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.perception.detector import cell_points
from tests.synthetic import face_set
from tests.unit.train.recipes.tiny_tasks import IDENTITY
from train.augment.mirror import mirror_of_mesh
from train.augment.scenes import Scene
from train.data.faces import FaceData
from train.recipes.perception import detector, identity, morphable, parser
from train.run.options import RecipeOptions


def test_what_the_data_does_not_hold_is_not_measured(faces: FaceData):
    """One person in one clip, no stills: figures of what is missing are left out."""
    fields = {field.name: getattr(faces, field.name)[:3] for field in dataclasses.fields(faces)}
    clips = FaceData(**fields)
    figures = identity.validate_identity(np.asarray(clips.embedding), clips)
    assert figures["cosine_to_teacher"] == pytest.approx(1)
    assert figures["different_pairs"] == 0
    assert "roc_auc" not in figures
    assert "cosine_to_teacher_stills" not in figures
    assert np.isfinite(list(figures.values())).all()


def test_each_certain_face_is_answered_for_and_each_answer_lies_in_it():
    points, strides = (value.numpy() for value in cell_points(320, 320))
    boxes = np.array([[20, 20, 32, 34], [100, 60, 160, 130], [10, 150, 170, 310]], np.float32)
    scene = Scene(rgb=np.zeros((320, 320, 3), np.uint8), boxes=boxes, certain=np.ones(3, bool))
    label, target = detector.assign_cells(scene, points, strides, 0.75)
    for box in boxes:
        answering = (label == 1) & (target == box).all(1)
        assert answering.any()
        inside = (points[answering] > box[:2] - 8) & (points[answering] < box[2:] + 8)
        assert inside.all()
    hidden = Scene(rgb=scene.rgb, boxes=boxes, certain=np.zeros(3, bool))
    label, _ = detector.assign_cells(hidden, points, strides, 0.75)
    assert not (label == 1).any()
    assert (label == -1).any()


def test_giou_loss_is_zero_for_the_same_box_and_grows_with_distance():
    box = torch.tensor([[0.0, 0, 10, 10]])
    assert detector.compute_giou_loss(box, box).item() == pytest.approx(0, abs=1e-6)
    near, far = (detector.compute_giou_loss(box + shift, box).item() for shift in (3, 30))
    assert 0 < near < far < 2


def test_focal_loss_fades_what_is_right():
    logit, target = torch.tensor([5.0, -5.0]), torch.tensor([1.0, 1.0])
    right, wrong = detector.compute_focal_loss(logit, target, 0.3, 2.0).tolist()
    assert wrong > 1000 * right


def test_verification_figures_of_known_scores():
    good, bad = np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.2, 0.3])
    assert identity.roc_auc(good, bad) == 1
    assert identity.roc_auc(bad, good) == 0
    assert identity.roc_auc(good, good) == pytest.approx(0.5)
    assert identity.equal_error_rate(good, bad) == 0
    assert identity.equal_error_rate(np.array([0.1, 0.9]), np.array([0.1, 0.9])) == pytest.approx(0.5, abs=0.26)


def test_with_a_teacher_at_hand_blends_are_labelled_by_it(faces: FaceData):
    seen: list[np.ndarray] = []

    def teacher(crops: np.ndarray) -> np.ndarray:
        seen.append(crops)
        flat = crops.reshape(len(crops), -1)[:, :256].astype(np.float32) + 1
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    task = identity.IdentityTask(faces, faces, IDENTITY, identity.IdentityTaskConfig(), teacher)
    batch = task.sample_batch(np.random.default_rng(0), 8, torch.device("cpu"))
    assert seen[0].shape == (8, 112, 112, 3)
    assert torch.allclose(batch["embedding"], torch.from_numpy(teacher(seen[0])))
    assert (batch["person"] < 0).any()
    assert (batch["person"] >= 0).any()


def test_blend_lies_between_its_faces():
    dark, bright = np.full((112, 112, 3), 20, np.uint8), np.full((112, 112, 3), 200, np.uint8)
    for seed in range(10):
        mixed = identity.blend(dark, bright, np.random.default_rng(seed))
        assert mixed.min() >= 19
        assert mixed.max() <= 200


def test_stretching_keeps_the_centre_and_by_nothing_changes_nothing():
    centre = np.array([56.0, 56.0])
    matrix = identity.stretched(centre, np.array([0.1, -0.1]), 0.7)
    assert np.allclose(matrix @ [56, 56, 1], [56, 56, 1])
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert np.allclose(identity.stretched(centre, np.zeros(2), 0.3), np.eye(3))


def test_dice_loss_is_small_when_right_and_ignores_the_unlabelled():
    label = torch.randint(0, 5, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    right = nn.functional.one_hot(label, 5).permute(0, 3, 1, 2) * 20.0
    assert parser.compute_dice_loss(right, label).item() < 0.01
    hidden = label.clone()
    hidden[:, :4] = parser.IGNORED
    wrong_above = right.clone()
    wrong_above[:, :, :4] = right[:, :, :4].roll(1, dims=1)
    assert parser.compute_dice_loss(wrong_above, hidden).item() < 0.01
    assert parser.compute_dice_loss(wrong_above, label).item() > 0.2


def test_warped_label_marks_what_lies_outside():
    label = np.ones((128, 128), np.uint8)
    half = np.diag([0.25, 0.25, 1.0])
    warped = parser.warp_label(label, half, 64)
    assert (warped[:31, :31] == 1).all()
    assert (warped[33:] == parser.IGNORED).all()


def test_a_morphable_model_is_learned_in_closed_form(model: MorphableModel, tmp_path: pathlib.Path):
    """From faces of the embedded model: few bases explain them, and the learned model is symmetric."""
    data = face_set(model, np.random.default_rng(0), clips=3, frames=20, stills=12)
    assert morphable.build(data, data, RecipeOptions(out=tmp_path)) is None
    learned = load_morphable(tmp_path / "export")
    figures = morphable.measure(learned, data)
    assert figures["residual_percent"] < 1 < figures["mean_shape_percent"]
    mirrored = learned.mean[torch.from_numpy(mirror_of_mesh(data))] * torch.tensor([-1, 1, 1])
    assert (mirrored - learned.mean).abs().max() < 0.02
    assert set(learned.triangle_part.unique().tolist()) == {0, 1, 2}
