"""The matte of the whole person."""

import pathlib
from collections.abc import Callable

import numpy as np
import torch

from reenact.media import read_image
from reenact.perception.person import person_matte, solid

PORTRAIT = pathlib.Path(__file__).resolve().parents[3] / "examples" / "portraits" / "astronaut.jpg"
FACE = (128, 10, 220)
"""Square around her face."""


def test_body_of_a_real_portrait_is_solid(embedded: Callable[[str], pathlib.Path]) -> None:
    embedded("perception/parser")
    from reenact.hub.loading import face_parser

    matte = person_matte(read_image(PORTRAIT).rgb, FACE, face_parser(torch.device("cpu")))
    assert matte[60:200, 200:250].min() > 0.99  # face
    assert matte[260:500, 90:300].min() > 0.99  # suit with badges and straps
    assert matte[400:480, 330:430].min() > 0.99  # the shining helmet in her arm
    assert matte[:150, 320:].max() < 0.01


def test_only_holes_and_doubts_inside_the_person_are_filled() -> None:
    matte = np.zeros((120, 120), np.float32)
    matte[20:, 30:90] = 1
    matte[60:70, 50:60] = 0.1  # a hole
    matte[100:, 50:60] = 0.1  # one at the lower border
    matte[80:90, 40:80] = 0.6  # doubt
    matte[20:, 30:32] = matte[20:, 88:90] = 0.5  # the rim
    filled = solid(matte, side=48)
    assert filled[30:, 40:80].min() == 1
    assert np.array_equal(filled[:, :32], matte[:, :32])
    assert np.array_equal(filled[:20], matte[:20])
    assert (filled >= matte).all()
