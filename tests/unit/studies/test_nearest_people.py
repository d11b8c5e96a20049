"""A generator that gives a training picture back is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from reenact.geometry.morphable import load_morphable
from studies import nearest_people
from tests.synthetic import face_set
from train.data.aligned import align_faces


@pytest.mark.parametrize(("row", "code"), [(2, 1), (None, 0)])
def test_a_training_picture_is_recognised_and_noise_is_not(
    row: int | None, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = face_set(load_morphable(), np.random.default_rng(3))
    aligned = torch.from_numpy(align_faces(faces, load_morphable(), 128, 5).rgb).permute(0, 3, 1, 2) / 255

    class Generator:
        def draw_person(self, seed: int, truncation: float) -> Any:
            noise = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(seed))
            return noise if row is None or seed != 4 else aligned[row : row + 1]

    monkeypatch.setattr(nearest_people, "load", lambda *_, **__: Generator())
    monkeypatch.setattr(nearest_people, "load_faces", lambda *_: faces)
    assert nearest_people.main(["--data", "x", "--samples", "6", "--checkpoint", "any"]) == code
    said = capsys.readouterr().out
    assert "6 random people, truncation 0.4, and 9 training pictures" in said
    assert ("REFUSED: 1 of them" in said) == bool(code)
    assert ("the largest: seed 4 and" in said) == bool(code)
