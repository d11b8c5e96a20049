"""The embedded tracker and identity encoder on pictures with known faces."""

import numpy as np
import torch

from train.data.faces import FaceData
from train.readers import FaceReaders, cut, read_meshes_px


def test_readers_give_gradients_and_find_what_the_tracker_finds(faces: FaceData) -> None:
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


def test_meshes_of_stored_pictures_are_those_of_the_reader(faces: FaceData) -> None:
    readers, corner = FaceReaders(), torch.tensor([1.0, 1.0, 0.0])
    found = read_meshes_px(faces.rgb[:3], faces.mesh_px[:3])
    assert found.shape == (3, 478, 3)
    pictures = torch.from_numpy(faces.rgb[:3]).permute(0, 3, 1, 2).float() / 255
    near = torch.from_numpy(faces.mesh_px[:3]) / 128 - corner
    with torch.no_grad():
        crops, _ = readers.crops_of(near, 256)
        mesh, landmarks = readers.read(pictures, crops).mesh, readers.landmarks(pictures, crops)
        assert readers.akd_px(pictures, crops, landmarks).max() == 0
        torch.testing.assert_close(
            readers.akd_px(pictures, crops, landmarks + torch.tensor([0.03, 0.04, 1.0])), torch.full((3,), 6.4)
        )
    np.testing.assert_allclose(found, (mesh + corner) * 128, atol=1e-3)
    assert np.abs(found[:, :, :2].mean(1) - faces.mesh_px[:3, :, :2].mean(1)).max() < 40, "pixels of the picture"
