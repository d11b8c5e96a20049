"""Labels of crops and their format in a set."""

from typing import Any

import numpy as np
import torch

from tests.synthetic import rotation_of
from tests.unit.train.prepare.conftest import moved, portrait
from train.prepare.labels import (
    YAW_BINS_DEG,
    clip_arrays,
    pose_of,
    still_arrays,
    turned_counts,
    yaw_deg,
    yaw_histogram,
)


def crops(count: int) -> list[np.ndarray]:
    """The portrait's face, 110 px of 256, moving to the right."""
    return [np.ascontiguousarray(moved(portrait(), 2 * i)[:256, 97:353]) for i in range(count)]


def geometry_of(rotations: list[Any]) -> Any:
    from reenact.types import FaceGeometry

    count = len(rotations)
    return FaceGeometry(
        mesh_px=torch.arange(count * 478 * 3).reshape(count, 478, 3) / 37.0,
        blendshapes=torch.linspace(0, 1, count * 52).reshape(count, 52),
        rotation=torch.stack(rotations),
        action_units=torch.full((count, 17), 0.5),
        score=torch.full((count,), 0.8),
    )


def test_a_clip_has_the_arrays_of_the_data_format() -> None:
    geometry = geometry_of([rotation_of(0, yaw, 0) for yaw in (0, 10, 20)])
    embedding = np.eye(256, dtype=np.float32)[:3]
    arrays = clip_arrays(geometry, embedding, np.zeros((2, 128, 128), np.uint8))
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        "mesh_d16": ((3, 478, 3), "int16"),
        "blendshapes": ((3, 52), "uint8"),
        "pose": ((3, 4, 4), "float16"),
        "parsing": ((2, 128, 128), "uint8"),
        "embedding": ((3, 256), "float16"),
        "action_units": ((3, 17), "uint8"),
        "score": ((3,), "uint8"),
    }
    mesh = np.cumsum(arrays["mesh_d16"], axis=0, dtype=np.int32) / 16
    np.testing.assert_allclose(mesh, geometry.mesh_px.numpy(), atol=1 / 32 + 1e-6)
    assert set(arrays["action_units"].ravel().tolist()) == {128}  # intensity 2.5 of 5
    assert arrays["score"].tolist() == [204, 204, 204]
    still = still_arrays(geometry_of([rotation_of(0, 0, 0)]), embedding[:1], np.zeros((1, 128, 128), np.uint8))
    assert (still["mesh_16"].shape, still["mesh_16"].dtype) == ((478, 3), np.int16)
    assert (still["pose"].shape, still["score"].shape) == ((4, 4), ())


def test_poses_turn_back_into_angles() -> None:
    rotations = [rotation_of(10, -35, 5), rotation_of(-20, 60, 0)]
    pose = pose_of(geometry_of(rotations)).astype(np.float32)
    columns = pose[:, :3, :3] / np.linalg.norm(pose[:, :3, :3], axis=-2, keepdims=True)
    np.testing.assert_allclose(columns, torch.stack(rotations).numpy(), atol=1e-3)
    np.testing.assert_allclose(np.degrees(np.arctan2(columns[:, 0, 2], columns[:, 2, 2])), [-35, 60], atol=0.1)
    np.testing.assert_allclose(np.degrees(np.arcsin(-columns[:, 1, 2])), [10, -20], atol=0.1)
    np.testing.assert_allclose(yaw_deg(geometry_of(rotations)), [-35, 60], atol=0.1)


def test_turned_heads_are_counted() -> None:
    yaw = np.array([0.0, 4, -6, 29, 31, -59, 61, 120])
    assert turned_counts(yaw) == [4, 2, 2]
    counts = yaw_histogram(yaw)
    assert sum(counts) == len(yaw)
    assert len(counts) == len(YAW_BINS_DEG) - 1 == 19
    assert counts[9] == 2
    assert counts[-1] == 1


def test_meshes_follow_the_face(labeller: Any) -> None:
    pictures = crops(4)
    start = labeller.tracker.track(pictures[0]).mesh_px.numpy()
    labelled = labeller.measure(pictures, np.repeat(start, 4, 0))
    assert labelled.rgb.shape == (4, 256, 256, 3)
    assert (labelled.geometry.score > 0.5).all()
    way = labelled.geometry.mesh_px[:, :, 0].mean(1).numpy()
    np.testing.assert_allclose(way - way[0], [0, 2, 4, 6], atol=1.0)
    np.testing.assert_allclose(np.linalg.norm(labelled.embedding, axis=1), 1, atol=1e-4)
    assert (labelled.embedding @ labelled.embedding[0] > 0.9).all()


def test_noise_has_a_low_score(labeller: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    start = labeller.tracker.track(crops(1)[0]).mesh_px.numpy()
    assert float(labeller.measure([noise], start).geometry.score[0]) < 0.5


def test_parsing_covers_face_hair_and_background(labeller: Any) -> None:
    classes = labeller.parse(crops(2))
    assert classes.shape == (2, 128, 128)
    assert classes.dtype == np.uint8
    assert classes[0, 64, 64] == 1
    assert set(np.unique(classes[0])) >= {0, 1, 2, 3}
    assert classes[0, 2, 2] == 0


def test_another_teacher_labels_each_crop(labeller: Any) -> None:
    class Teacher:
        def follow(self, frame: np.ndarray, previous: Any, *, careful: bool = False) -> Any:
            assert frame.shape == (256, 256, 3)
            return previous.moved_by(torch.tensor([[1.0, 0, 5], [0, 1, 0], [0, 0, 1]]))

    start = labeller.tracker.track(crops(1)[0]).mesh_px.numpy()
    labeller.teacher = Teacher()
    try:
        moved_mesh = labeller.measure(crops(2), np.repeat(start, 2, 0)).geometry.mesh_px.numpy()
    finally:
        labeller.teacher = None
    np.testing.assert_allclose(moved_mesh[..., 0], np.repeat(start[..., 0], 2, 0) + 5, atol=1e-3)
