"""Pairs of pictures: meshes, parsing and Action Units follow the crop."""

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import MorphableModel, align
from reenact.geometry.rasterise import rasterise
from train.data.faces import FaceData
from train.pairs.frames import PairConfig, PairSampler, head_classes, validation_pairs

SIDE, CHEEK = 64, 50
CPU = torch.device("cpu")


def sampler_of(faces: FaceData, *, parsing: bool = True, **change: Any) -> PairSampler:
    return PairSampler(faces, PairConfig(**{"side": SIDE} | change), parsing=parsing)


def pair_of(sampler: PairSampler, source: int, target: int, seed: int) -> dict[str, torch.Tensor]:
    """A batch of the pair of these rows."""
    draws = sampler.draw(np.random.default_rng(seed), 1)
    return sampler.cut(dataclasses.replace(draws, rows=np.array([[source, target]])), CPU)


def dots(faces: FaceData) -> FaceData:
    """A soft dot on black in the place of each picture's cheek."""
    place = np.arange(256) + 0.5
    near = [np.exp(-((place[None] - x) ** 2 + (place[:, None] - y) ** 2) / 18) for x, y in faces.mesh_px[:, CHEEK, :2]]
    rgb = np.repeat((np.stack(near) * 255).round().astype(np.uint8)[..., None], 3, axis=-1)
    return dataclasses.replace(faces, rgb=rgb)


def depth_of(mesh: np.ndarray | torch.Tensor) -> float:
    """Spread of the mesh in z over that in x and y, which a similarity keeps."""
    return float(mesh[:, 2].std() / (mesh[:, 0].var() + mesh[:, 1].var()) ** 0.5)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("side", [64, 256])
def test_picture_and_mesh_stay_together(faces: FaceData, side: int, resident: bool):
    """A dot painted at a mesh point is found at that point of the pair's meshes, in mirrored pairs too."""
    sampler, seen, mirror = sampler_of(dots(faces), parsing=False, side=side, resident=resident), set(), mesh_mirror()
    place = torch.arange(side) + 0.5
    for seed in range(6):
        pair = pair_of(sampler, 0, 1, seed)
        for name in ("source", "target"):
            light = pair[name][0].sum(0)
            centre = torch.stack([(light.sum(0) * place).sum(), (light.sum(1) * place).sum()]) / light.sum()
            distance = ((pair[f"{name}_mesh"][0, :, :2] + 1) * side / 2 - centre).norm(dim=1)
            index = min(CHEEK, int(mirror[CHEEK]), key=lambda i: float(distance[i]))
            assert distance[index] < 0.15
            seen.add(index)
        assert depth_of(pair["source_mesh"][0]) == pytest.approx(depth_of(faces.mesh_px[0]), rel=5e-3)
    assert seen == {CHEEK, mirror[CHEEK]}, "both sides were drawn"


def test_meshes_and_units_of_mirrored_pairs_are_those_of_a_face(faces: FaceData, model: MorphableModel):
    """The person's left eye stays at the mesh's left eye; the units of the two sides change places."""
    sampler = sampler_of(faces)
    pairs = [pair_of(sampler, 0, 3, seed) for seed in range(8)]
    for pair in pairs:
        for mesh in (pair["source_mesh"], pair["target_mesh"]):
            assert mesh[0, LEFT_EYE_OUTER, 0] > mesh[0, RIGHT_EYE_OUTER, 0]
            shape = align(mesh, model.mean[None], model.rigid_weight).invert(mesh)
            assert (shape - model.mean).abs().max() < 0.5
    units = {tuple(pair["source_units"][0, 7].tolist()) for pair in pairs}
    assert len(units) == 2
    assert {tuple(reversed(each)) for each in units} == units


def test_speckles_are_no_part_of_the_head():
    parsing = np.zeros((128, 128), np.uint8)
    parsing[40:90, 40:90], parsing[20:40, 40:90], parsing[110:113, 10:13] = 1, 2, 2
    parsing[90:100, 50:80], parsing[100:, :] = 4, np.where(parsing[100:] == 0, 3, parsing[100:])
    head = head_classes(parsing)
    assert set(np.unique(head)) == {0, 1, 2}
    assert head[111, 11] == 0 and head[60, 60] == 1 and head[30, 60] == 2 and head[95, 60] == 0
    assert head_classes(np.zeros((128, 128), np.uint8)).max() == 0


def test_picture_mesh_and_segments_of_a_pair_lie_upon_each_other(faces: FaceData, model: MorphableModel):
    sampler = sampler_of(faces, light=0.0)
    batch = sampler.sample(np.random.default_rng(1), 6, CPU)
    for name in ("source", "target"):
        pixels = (batch[f"{name}_mesh"] + torch.tensor([1.0, 1.0, 0.0])) * (SIDE / 2)
        covered = rasterise(pixels, model.triangles, SIDE, SIDE).covered
        assert (covered == (batch[f"{name}_classes"] > 0)).float().mean() > 0.97
    assert len(batch["names"]) == 6 and " > " in batch["names"][0]
    again = sampler.sample(np.random.default_rng(1), 6, CPU)
    assert torch.equal(batch["target"], again["target"])


@pytest.mark.parametrize("side", [64, 128, 256])
def test_crops_cut_on_the_device_are_those_of_opencv(faces: FaceData, side: int):
    texture = np.random.default_rng(0).integers(0, 20, faces.rgb.shape, np.uint8)
    faces = dataclasses.replace(faces, rgb=cv2.add(faces.rgb, texture))
    draws = sampler_of(faces, side=side, turn_deg=11, zoom=0.15, shift=0.06).draw(np.random.default_rng(2), 6)
    first, second = (sampler_of(faces, side=side, resident=resident).cut(draws, CPU) for resident in (False, True))
    difference = (first["source"] - second["source"]).abs()
    assert difference.mean() < 2 / 255
    assert difference.quantile(0.99) < 8 / 255
    assert second["source"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first["source_classes"], second["source_classes"])


def test_data_without_parsing_is_refused_where_it_is_needed(faces: FaceData):
    bare = dataclasses.replace(faces, has_parsing=np.zeros(len(faces), bool))
    with pytest.raises(ConfigError, match="no parsing"):
        sampler_of(bare)
    batch = sampler_of(bare, parsing=False).sample(np.random.default_rng(0), 4, CPU)
    assert "source_classes" not in batch
    assert batch["source"].shape == (4, 3, SIDE, SIDE)


def test_stills_are_paired_with_themselves_and_frames_with_frames_of_their_clip(faces: FaceData):
    rows = sampler_of(faces, still_share=0.3).draw(np.random.default_rng(0), 400).rows
    still = np.isin(rows[:, 0], np.flatnonzero(faces.is_still))
    assert 0.2 < still.mean() < 0.4
    assert (rows[still, 0] == rows[still, 1]).all()
    assert (faces.clip[rows[~still, 0]] == faces.clip[rows[~still, 1]]).all()
    assert (faces.clip[rows[~still, 0]] >= 0).all()


def test_expressive_pairs_show_units_strongly(faces: FaceData):
    sampler = sampler_of(faces, expressive_share=1.0, still_share=0.0)
    strong = set(np.concatenate(sampler.expressive).tolist())
    rows = sampler.draw(np.random.default_rng(0), 50).rows
    assert all(strong & set(pair) for pair in rows.tolist())


def test_validation_takes_every_clip_and_changes_nothing(faces: FaceData):
    batches = validation_pairs(faces, 256, 2, CPU)
    assert len(batches) == 2
    first = torch.from_numpy(faces.rgb[0]).permute(2, 0, 1) / 255
    torch.testing.assert_close(batches[0]["source"], first.expand(2, -1, -1, -1), atol=1e-6, rtol=0)
    assert batches[0]["target_row"].tolist() == [1, 2]
