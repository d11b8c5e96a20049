"""Mirror, turn and crop: labels go where the picture goes."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.geometry.action_units import BLENDSHAPE_NAMES
from reenact.geometry.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from reenact.geometry.morphable import MorphableModel, align, load_morphable
from reenact.perception.tracker import TrackerConfig
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.types import CropSpec
from tests.synthetic import face_set, rotation_of
from train.augment.crops import warp_crop
from train.augment.mirror import MIRROR_BLENDSHAPES, mirror_of_mesh
from train.data.faces import FaceData
from train.recipes.correspondence import CorrespondenceTask, CorrespondenceTaskConfig, matched_targets
from train.recipes.perception.tracker import TrackerTask, TrackerTaskConfig, mesh_in_crop_units

NOSE_TIP, CHEEK = 1, 50


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> FaceData:
    return face_set(model, np.random.default_rng(4), clips=2, frames=3, stills=4)


@pytest.fixture(scope="module")
def means(model: MorphableModel) -> FaceData:
    """Mean faces turned in all directions: what the mesh says of the rotation is exact."""
    angles = [(10, 0, 0), (-5, 20, 4), (0, -25, 0), (0, 0, 12), (15, 15, -10), (-10, -20, 6)]
    rotation = torch.stack([rotation_of(*each) for each in angles])
    mesh = model.mean @ rotation.transpose(1, 2) * torch.tensor([70.0, -70, -70]) + torch.tensor([128.0, 134, 0])
    count = len(angles)
    return FaceData(
        rgb=np.zeros((count, 256, 256, 3), np.uint8),
        mesh_px=mesh.numpy(),
        blendshapes=np.tile(np.linspace(0, 1, 52, dtype=np.float32), (count, 1)),
        rotation=rotation.numpy(),
        embedding=np.ones((count, 256), np.float32) / 16,
        parsing=np.zeros((count, 128, 128), np.uint8),
        has_parsing=np.zeros(count, bool),
        person=np.array([0, 0, 0, 1, 2, 3]),
        clip=np.array([0, 0, 0, -1, -1, -1]),
        names=tuple("abcdef"),
    )


def test_mirroring_twice_changes_nothing(means: FaceData, model: MorphableModel) -> None:
    mirror = mirror_of_mesh(means)
    assert np.array_equal(mirror[mirror], np.arange(478))
    assert mirror[LEFT_EYE_OUTER] == RIGHT_EYE_OUTER
    assert mirror[NOSE_TIP] == NOSE_TIP
    mean = model.mean.numpy()
    assert np.abs(mean[mirror] * [-1, 1, 1] - mean).max() < 0.03


def test_blendshapes_change_sides() -> None:
    assert np.array_equal(MIRROR_BLENDSHAPES[MIRROR_BLENDSHAPES], np.arange(52))
    assert len(set(BLENDSHAPE_NAMES)) == 52
    for left, right in (("eyeBlinkLeft", "eyeBlinkRight"), ("jawLeft", "jawRight"), ("jawOpen", "jawOpen")):
        assert MIRROR_BLENDSHAPES[BLENDSHAPE_NAMES.index(left)] == BLENDSHAPE_NAMES.index(right)


def blob(x: float, y: float, side: int = 256) -> np.ndarray:
    """(side, side, 3) uint8: a soft dot on black; pixel centres at +0.5."""
    place = np.arange(side) + 0.5
    dot = np.exp(-((place[None] - x) ** 2 + (place[:, None] - y) ** 2) / (2 * 3.0**2))
    return np.repeat((dot * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def centre_of(rgb: np.ndarray) -> np.ndarray:
    """(2,) x, y of the dot."""
    light = rgb.astype(float).sum(-1)
    place_y, place_x = np.arange(rgb.shape[0]) + 0.5, np.arange(rgb.shape[1]) + 0.5
    return np.array([(light.sum(0) * place_x).sum(), (light.sum(1) * place_y).sum()]) / light.sum()


def test_a_warped_crop_puts_a_dot_where_the_matrix_says() -> None:
    matrix = np.array([[0.4, -0.2, 30], [0.2, 0.4, -10], [0, 0, 1.0]])
    for x, y in ((100.3, 120.8), (140.0, 90.5)):
        expected = (matrix @ [x, y, 1])[:2]
        assert np.abs(centre_of(warp_crop(blob(x, y), matrix, 96, 0)) - expected).max() < 0.15


@pytest.mark.parametrize("side", [64, 256])
def test_a_pair_keeps_picture_and_mesh_together(means: FaceData, side: int) -> None:
    """A dot painted at a mesh point is found at that point of the pair's meshes, mirrored pairs included."""
    rgb = np.stack([blob(*mesh[CHEEK, :2]) for mesh in means.mesh_px])
    dotted = FaceData(**{**vars_of(means), "rgb": rgb})
    network = CorrespondenceConfig(crop=CropSpec(network_px=64), widths=(4, 4, 4), match_width=4)
    task = CorrespondenceTask(dotted, dotted, network, CorrespondenceTaskConfig(side=side))
    seen = set()
    for seed in range(6):
        pair = pair_of(task, 0, 1, seed)
        for name in ("source", "target"):
            picture = (pair[name][0] * 255).byte().permute(1, 2, 0).numpy()
            mesh = pair[f"{name}_mesh"][0].numpy()
            assert picture.shape == (side, side, 3)
            point = (mesh[:, :2] + 1) * side / 2
            distance = np.linalg.norm(point - centre_of(picture), axis=1)
            index = CHEEK if distance[CHEEK] < distance[task.mirror[CHEEK]] else int(task.mirror[CHEEK])
            assert distance[index] < 0.35
            seen.add(index)
    assert seen == {CHEEK, task.mirror[CHEEK]}, "both sides were drawn"


def pair_of(task: CorrespondenceTask, source: int, target: int, seed: int) -> dict[str, torch.Tensor]:
    """A batch of the pair of these rows."""
    draws = task.draw_pairs(np.random.default_rng(seed), 1)
    return task.cut_pairs(dataclasses.replace(draws, rows=np.array([[source, target]])), torch.device("cpu"))


def vars_of(data: FaceData) -> dict[str, object]:
    return {name: getattr(data, name) for name in FaceData.__dataclass_fields__}


def test_a_pairs_meshes_stay_faces_of_the_same_side(means: FaceData, model: MorphableModel) -> None:
    """Mirrored too, the person's left eye is at the mesh's left eye: the turn flips, the points do not."""
    network = CorrespondenceConfig(crop=CropSpec(network_px=64), widths=(4, 4, 4), match_width=4)
    task = CorrespondenceTask(means, means, network, CorrespondenceTaskConfig(side=64))
    for seed in range(6):
        pair = pair_of(task, 0, 3, seed)
        for mesh in (pair["source_mesh"][0].numpy(), pair["target_mesh"][0].numpy()):
            assert mesh[LEFT_EYE_OUTER, 0] > mesh[RIGHT_EYE_OUTER, 0]
            pose = align(torch.from_numpy(mesh)[None], model.mean[None], model.rigid_weight)
            assert (pose.invert(torch.from_numpy(mesh)[None]) - model.mean).abs().max() < 0.03


def test_a_batch_has_all_that_the_networks_and_losses_ask_for(faces: FaceData) -> None:
    network = CorrespondenceConfig(crop=CropSpec(network_px=64), widths=(4, 4, 4), match_width=4)
    task = CorrespondenceTask(faces, faces, network, CorrespondenceTaskConfig(side=64, same_frame_share=0.5))
    first, second = (task.sample_batch(np.random.default_rng(4), 8, torch.device("cpu")) for _ in range(2))
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    assert first["source"].shape == first["target"].shape == (8, 3, 64, 64)
    assert first["mesh_displacement"].shape == (8, 2, 32, 32)
    assert first["source"].max() <= 1
    same = (first["source"] == first["target"]).flatten(1).all(1)
    assert 0 < same.sum() < 8
    assert first["mesh_displacement"][same].abs().max() < 1e-3, "a picture paired with itself does not move"


def test_matched_targets_of_the_same_person_are_the_driving_meshes(faces: FaceData) -> None:
    """Self-reenactment: the target mesh lies on the driving one to within what the bases leave out."""
    mesh = torch.from_numpy(faces.mesh_px[:3]) / 128 - torch.tensor([1.0, 1.0, 0.0])
    model = load_morphable()
    target = matched_targets(model, mesh[:1].expand(2, -1, -1).contiguous(), mesh[1:])
    error_px = (target - mesh[1:]).norm(dim=-1).mean() * 128
    moved_px = (mesh[:1] - mesh[1:]).norm(dim=-1).mean() * 128
    assert error_px < 1.0
    assert error_px < 0.2 * moved_px


@pytest.fixture(scope="module")
def tracker_task(means: FaceData) -> TrackerTask:
    sizes = TrackerConfig(crop_px=64, widths=(4, 4, 4, 4, 4), blocks=(1, 1, 1, 1), code=8)
    return TrackerTask(means, means, sizes, TrackerTaskConfig(negatives=0.0))


def test_the_trackers_rotation_is_that_of_its_mesh(tracker_task: TrackerTask, model: MorphableModel) -> None:
    """Turned and mirrored together: the pose read off the crop's mesh is the rotation taught with it."""
    flipped = 0
    for seed in range(12):
        sample = tracker_task._sample(tracker_task.train, seed % 6, np.random.default_rng(seed))
        mesh = torch.from_numpy(sample["mesh"])[None]
        pose = align(mesh, model.mean[None], model.rigid_weight)
        torch.testing.assert_close(pose.rotation[0], torch.from_numpy(sample["rotation"]), atol=0.01, rtol=0)
        assert (pose.invert(mesh) - model.mean).abs().max() < 0.03
        assert sample["crop"].shape == (64, 64, 3)
        assert sample["is_face"] == 1
        flipped += int(not np.array_equal(sample["blendshapes"], tracker_task.train.blendshapes[0]))
    assert 0 < flipped < 12


def test_mesh_units_span_the_crop() -> None:
    mesh = np.array([[0.0, 0, 5], [10, 20, -5]])
    matrix = np.array([[0, -2.0, 40], [2, 0, 0], [0, 0, 1]])
    units = mesh_in_crop_units(mesh, matrix, 40)
    np.testing.assert_allclose(units, [[1, -1, 0.5], [-1, 0, -0.5]], atol=1e-6)


def test_the_tracker_starts_from_the_mean_face(tracker_task: TrackerTask) -> None:
    mesh = tracker_task.networks.mean_mesh
    assert mesh.abs().max() < 1.2
    assert mesh[LEFT_EYE_OUTER, 0] > 0.2
    assert mesh[RIGHT_EYE_OUTER, 0] < -0.2
