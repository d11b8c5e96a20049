"""Pictures on the device; their crops are compared with OpenCV's in test_frames.py."""

import pathlib

import cv2
import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel
from tests.synthetic import face_set
from train.data.faces import FaceData
from train.data.resident import ResidentFaces, gaussian_blur, refuse_resident
from train.pairs.frames import PairConfig
from train.recipes.task import PairTask
from train.run.options import RecipeOptions


@pytest.mark.parametrize("sigma_px", [0.4, 0.71, 1.0, 2.5])
def test_the_blur_is_opencvs(faces: FaceData, sigma_px: float) -> None:
    expected = cv2.GaussianBlur(faces.rgb[0], (0, 0), sigma_px)
    ours = gaussian_blur(torch.from_numpy(faces.rgb[:1]).permute(0, 3, 1, 2).float(), sigma_px)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - expected).max() < 1.5


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
    with pytest.raises(ConfigError, match=r"needs 0\.0 GB on cuda:0 for 8 pictures, .* use --stream"):
        ResidentFaces(faces, torch.device("cuda", 0))
