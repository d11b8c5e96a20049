"""The recipes of detector, identity encoder and parser, on a made-up set."""

import dataclasses
import types

import numpy as np
import pytest
import torch
from torch import nn

from reenact.perception.detector import DetectorConfig, cell_points
from reenact.perception.identity import ALIGNMENT_MESH, ALIGNMENT_PX, IdentityConfig
from reenact.perception.parser import ParserConfig
from train.augment.faceless import fill_smoothly, random_pattern, remove_person
from train.augment.scenes import Scene, SceneComposer, person_weights
from train.data.faces import FaceData
from train.recipes.perception import detector, identity, parser


@pytest.fixture(scope="module")
def faces() -> FaceData:
    """Bright discs on grey: two short clips of one person, and six stills."""
    rng = np.random.default_rng(0)
    count = 14
    y, x = np.mgrid[:256, :256]
    rgb = rng.integers(60, 120, (count, 256, 256, 3)).astype(np.uint8)
    parsing = np.zeros((count, 128, 128), np.uint8)
    mesh = np.zeros((count, 478, 3), np.float32)
    for i in range(count):
        centre = rng.uniform(110, 146, 2)
        disc = np.hypot(x - centre[0], y - centre[1]) < 60
        rgb[i][disc] = rng.integers(150, 256, 3)
        parsing[i] = disc[::2, ::2]
        angle = rng.uniform(0, 2 * np.pi, 478)
        radius = 60 * np.sqrt(rng.uniform(0, 1, 478))[:, None]
        mesh[i, :, :2] = centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        for group, place in zip(ALIGNMENT_MESH, ALIGNMENT_PX, strict=True):
            mesh[i, list(group), :2] = centre + (place - 56)
    embedding = rng.normal(size=(count, 256)).astype(np.float32)
    return FaceData(
        rgb=rgb,
        mesh_px=mesh,
        blendshapes=np.zeros((count, 52), np.float32),
        rotation=np.repeat(np.eye(3, dtype=np.float32)[None], count, axis=0),
        embedding=embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
        parsing=parsing,
        has_parsing=np.ones(count, bool),
        person=np.array([0] * 8 + list(range(1, 7))),
        clip=np.array([0] * 4 + [1] * 4 + [-1] * 6),
        names=tuple(str(i) for i in range(count)),
    )


def tasks(faces: FaceData) -> dict[str, object]:
    return {
        "detector": detector.DetectorTask(
            faces,
            faces,
            DetectorConfig(stem=(4, 8), widths=(8, 16, 16), blocks=(1, 1, 1), neck=8),
            detector.DetectorTaskConfig(side=128, val_scenes=2),
        ),
        "identity": identity.IdentityTask(
            faces, faces, IdentityConfig(widths=(4, 8, 8, 8), blocks=(1, 1, 1)), identity.IdentityTaskConfig()
        ),
        "parser": parser.ParserTask(
            faces, faces, ParserConfig(widths=(4, 8, 8, 8), decoder=(8, 8, 8)), parser.ParserTaskConfig()
        ),
    }


def same(first: object, second: object) -> bool:
    """Equal tensors, or equal names."""
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def total_loss(task, batch) -> torch.Tensor:
    losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, None)
    return torch.stack(list(losses.values())).sum()


@pytest.mark.parametrize("name", ["detector", "identity", "parser"])
def test_a_few_steps_lower_the_loss(faces: FaceData, name: str):
    torch.manual_seed(0)
    task = tasks(faces)[name]
    networks: nn.Module = task.networks
    optimizer = torch.optim.AdamW(networks.parameters(), lr=3e-3)
    batch = task.sample_batch(np.random.default_rng(0), 4, torch.device("cpu"))
    losses = []
    for _ in range(6):
        loss = total_loss(task, batch)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["detector", "identity", "parser"])
def test_a_batch_is_a_function_of_the_generator(faces: FaceData, name: str):
    task = tasks(faces)[name]
    first, second = (task.sample_batch(np.random.default_rng(5), 2, torch.device("cpu")) for _ in range(2))
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert same(value, second[key]), key


def clips_of(faces: FaceData) -> FaceData:
    """The first two clips of the set, without its stills."""
    rows = {field.name: getattr(faces, field.name)[:8] for field in dataclasses.fields(faces)}
    return FaceData(**rows)


@pytest.mark.parametrize("name", ["detector", "identity", "parser"])
def test_other_data_takes_the_place_of_the_first(faces: FaceData, name: str):
    """Batches after `use_data` are those of a task that began with that data; sets without stills are enough."""
    task, clips = tasks(faces)[name], clips_of(faces)
    before = task.sample_batch(np.random.default_rng(5), 2, torch.device("cpu"))
    task.use_data(clips)
    after = task.sample_batch(np.random.default_rng(5), 2, torch.device("cpu"))
    fresh = tasks(clips)[name].sample_batch(np.random.default_rng(5), 2, torch.device("cpu"))
    for key, value in fresh.items():
        assert same(value, after[key]), key
    assert any(not same(before[key], after[key]) for key in after)


def test_what_the_data_does_not_hold_is_not_measured(faces: FaceData):
    """One person in two clips, no stills: no figure is made of nothing."""
    clips = clips_of(faces)
    figures = identity.validate_identity(np.asarray(clips.embedding), clips)
    assert figures["cosine_to_teacher"] == pytest.approx(1)
    assert figures["different_pairs"] == 0
    assert "roc_auc" not in figures
    assert "cosine_to_teacher_stills" not in figures
    assert np.isfinite(list(figures.values())).all()


def test_scene_boxes_lie_where_the_faces_are(faces: FaceData):
    """Discs are brighter than all else here: the middle of a certain box is bright."""
    composer = SceneComposer(faces, side=160, backgrounds=[np.zeros((64, 64, 3), np.uint8)], min_face_px=20)
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(20):
        scene = composer._pasted(rng, faces=2)
        for box in scene.boxes[scene.certain]:
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            if 0 <= x < 160 and 0 <= y < 160:
                seen += 1
                assert (np.ptp(box[[0, 2]]), np.ptp(box[[1, 3]])) > (0, 0)
                patch = scene.rgb[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
                assert patch.max() > 90
    assert seen > 10


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


def test_removing_a_person_leaves_no_disc(faces: FaceData):
    gone = remove_person(faces.rgb[0], faces.parsing[0], faces.mesh_px[0], keep_clothes=False)
    assert gone.shape == (256, 256, 3)
    assert gone.max() < 130
    untouched = np.abs(gone[:, :20].astype(int) - faces.rgb[0][:, :20]).max()
    assert untouched <= 1


def test_filling_keeps_what_is_known_and_a_plain_picture_plain():
    plain = np.full((64, 64, 3), 90, np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 10:50] = True
    damaged = plain.copy()
    damaged[hole] = 255
    assert np.abs(fill_smoothly(damaged, hole).astype(int) - 90).max() <= 1


def test_patterns_differ_and_fill_the_picture():
    patterns = [random_pattern(48, np.random.default_rng(i)) for i in range(20)]
    assert all(pattern.shape == (48, 48, 3) and pattern.dtype == np.uint8 for pattern in patterns)
    assert len({pattern.tobytes() for pattern in patterns}) == 20


def test_clips_and_stills_share_the_draw(faces: FaceData):
    weights = person_weights(faces)
    assert weights.sum() == pytest.approx(1)
    assert weights[faces.is_still].sum() == pytest.approx(0.7)


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

    task = identity.IdentityTask(
        faces, faces, IdentityConfig(widths=(4, 8, 8, 8), blocks=(1, 1, 1)), identity.IdentityTaskConfig(), teacher
    )
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


@pytest.mark.parametrize("name", ["detector", "identity", "parser"])
def test_validation_reports_finite_figures_and_export_writes_a_pair(faces: FaceData, name: str, tmp_path):
    task = tasks(faces)[name]
    task.networks.eval()
    with torch.no_grad():
        if name != "detector":  # the detector's takes hundreds of pictures
            figures = task.validate(task.networks, torch.device("cpu"))
            assert all(np.isfinite(value) for value in figures.values())
        else:
            composed = detector.recall_on_scenes(detector.Detector(task.networks), task.val_composer, 2)
            assert 0 <= composed["scenes_recall_40_up"] <= 1
    task.export(task.networks, tmp_path, {"steps": 1})
    assert (tmp_path / "config.json").is_file()
    assert (tmp_path / "model.safetensors").is_file()


def test_build_gives_the_shipped_sizes(faces: FaceData):
    for recipe in (identity, parser):
        task, loop = recipe.build(faces, faces, types.SimpleNamespace(init=None, teacher=None, resident=False))
        assert loop.steps > 500
        assert isinstance(task.networks, nn.Module)
