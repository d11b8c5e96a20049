"""Crops cut on the device against the same crops cut by OpenCV."""

import dataclasses
import pathlib

import cv2
import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel
from tests.synthetic import face_set
from train.augment.crops import warp_crop
from train.data.faces import FaceData
from train.data.resident import ResidentFaces, crop_meshes, gaussian_blur, refuse_resident, shrink_blur_px
from train.pairs.frames import PairConfig
from train.recipes.task import PairTask
from train.run.options import RecipeOptions

PLAIN = np.tile(np.arange(256, dtype=np.uint8)[:, None], (4, 1, 3))
"""Tables that keep the colours of four pictures."""


def pictures(count: int) -> np.ndarray:
    """(count, 256, 256, 3) uint8 with edges, ramps and texture."""
    rng = np.random.default_rng(0)
    rgb = np.zeros((count, 256, 256, 3), np.uint8)
    for picture in rgb:
        picture[:] = np.linspace(0, 255, 256)[:, None, None] * rng.random(3)
        for _ in range(20):
            centre = tuple(int(v) for v in rng.integers(0, 256, 2))
            cv2.circle(picture, centre, int(rng.integers(3, 60)), rng.integers(0, 256, 3).tolist(), -1)
        picture[:, :] = cv2.add(picture, rng.integers(0, 20, picture.shape, dtype=np.uint8))
    return rgb


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> FaceData:
    return dataclasses.replace(face_set(model, np.random.default_rng(1), clips=0, stills=4), rgb=pictures(4))


def similarities(count: int, side: int) -> np.ndarray:
    """(count, 3, 3) crop_from_frame with turns, scales and shifts."""
    rng = np.random.default_rng(2)
    turn, zoom = rng.normal(0, 0.2, count), np.exp(rng.normal(0, 0.15, count)) * side / 256
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    matrices = np.zeros((count, 3, 3))
    matrices[:, :2, :2] = np.stack([np.stack([c, -s], 1), np.stack([s, c], 1)], 1)
    matrices[:, :2, 2] = side / 2 + rng.normal(0, 0.06, (count, 2)) * side - matrices[:, :2, :2] @ [128, 128]
    matrices[:, 2, 2] = 1
    return matrices


@pytest.mark.parametrize("side", [64, 128, 256])
def test_crops_agree_with_opencv(faces: FaceData, side: int) -> None:
    rows, matrices = np.array([3, 0, 0, 2, 1, 3]), similarities(6, side)
    rng = np.random.default_rng(3)
    luts = rng.integers(0, 4, (6, 256, 3)).cumsum(1).clip(0, 255).astype(np.uint8)
    flips = np.array([True, False, True, False, False, True])
    ours = ResidentFaces(faces, torch.device("cpu")).crops(rows, matrices, side, luts, flips)
    assert ours.shape == (6, 3, side, side)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    for i, row in enumerate(rows):
        rgb = faces.rgb[row]
        if shrink_blur_px(side):
            rgb = cv2.GaussianBlur(rgb, (0, 0), shrink_blur_px(side))
        crop = cv2.LUT(warp_crop(rgb, matrices[i], side, cv2.BORDER_REFLECT_101), luts[i][None])
        crop = crop[:, ::-1] if flips[i] else crop
        difference = np.abs(ours[i].permute(1, 2, 0).numpy() - crop / 255.0)
        assert difference.mean() < 2 / 255
        assert np.quantile(difference, 0.99) < 8 / 255


def test_the_identity_returns_the_pictures(faces: FaceData) -> None:
    resident, same = ResidentFaces(faces, torch.device("cpu")), np.tile(np.eye(3), (4, 1, 1))
    crops = resident.crops(np.arange(4), same, 256, PLAIN, np.zeros(4, bool))
    np.testing.assert_allclose(crops.permute(0, 2, 3, 1).numpy() * 255, faces.rgb, atol=0.02)


@pytest.mark.parametrize("sigma_px", [0.4, 0.71, 1.0, 2.5])
def test_the_blur_is_opencvs(faces: FaceData, sigma_px: float) -> None:
    expected = cv2.GaussianBlur(faces.rgb[0], (0, 0), sigma_px)
    ours = gaussian_blur(torch.from_numpy(faces.rgb[:1]).permute(0, 3, 1, 2).float(), sigma_px)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - expected).max() < 1.5


def test_meshes_follow_their_crops(faces: FaceData) -> None:
    """A dot painted at a mesh point is found where the moved mesh says."""
    side, matrices = 128, similarities(4, 128)
    flips, mirror = np.array([False, True, False, True]), np.arange(478)[::-1].copy()
    mesh = np.full((4, 478, 3), 128.0, np.float32)
    mesh[:, 5] = [[90, 120, 8], [100, 90, 4], [150, 140, -6], [170, 120, 2]]
    mesh[:, 472] = mesh[:, 5]
    rgb = np.zeros_like(faces.rgb)
    for picture, (x, y, _) in zip(rgb, mesh[:, 5].astype(int), strict=True):
        picture[y - 3 : y + 3, x - 3 : x + 3] = 255
    moved = crop_meshes(mesh, matrices, side, flips, mirror)
    resident = ResidentFaces(dataclasses.replace(faces, rgb=rgb), torch.device("cpu"))
    crops = resident.crops(np.arange(4), matrices, side, PLAIN, flips)
    for i in range(4):
        y, x = (float((np.argwhere(crops[i, 0].numpy() > 0.5) + 0.5).mean(0)[k]) for k in (0, 1))
        np.testing.assert_allclose((moved[i, 5, :2] + 1) * side / 2, [x, y], atol=0.6)
    zoom = np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])
    np.testing.assert_allclose(moved[:, 5, 2] * side / 2, mesh[:, 5, 2] * zoom, atol=1e-4)


@pytest.mark.parametrize("resident", [False, True])
def test_other_data_takes_the_place_of_the_first(model: MorphableModel, resident: bool) -> None:
    """Pairs after a change of data are those of a task that began with that data, on the device too."""
    first, second = (face_set(model, np.random.default_rng(seed), clips=2, frames=2, stills=0) for seed in (5, 6))

    def pairs_of(task: PairTask) -> dict[str, torch.Tensor]:
        return task.sampler.cut(task.sampler.draw(np.random.default_rng(7), 4), torch.device("cpu"))

    config = PairConfig(side=64, resident=resident)
    task = PairTask(first, first, config, parsing=False)
    before = pairs_of(task)
    task.use_data(second)
    after, fresh = pairs_of(task), pairs_of(PairTask(second, second, config, parsing=False))
    assert not torch.equal(before["source"], after["source"])
    for name, expected in fresh.items():
        torch.testing.assert_close(after[name], expected, rtol=0, atol=0)


def test_recipes_that_cannot_refuse_by_name() -> None:
    refuse_resident(RecipeOptions(out=pathlib.Path()), "tracker")
    with pytest.raises(ConfigError, match=r"recipe tracker cuts .* cannot use --resident; leave the option out"):
        refuse_resident(RecipeOptions(out=pathlib.Path(), resident=True), "tracker")


def test_too_little_memory_is_said(faces: FaceData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100_000, 10**9))
    with pytest.raises(ConfigError, match=r"needs 0\.0 GB on cuda:0 for 4 pictures, .* use --stream"):
        ResidentFaces(faces, torch.device("cuda", 0))
