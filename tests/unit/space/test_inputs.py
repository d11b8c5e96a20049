"""Inputs that several tabs have."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from reenact.media import read_image
from reenact.space.widgets import answers
from reenact.space.widgets.inputs import make_person


def test_each_click_makes_another_person_whose_picture_says_what_it_is(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "get_upload_folder", lambda: str(tmp_path))
    first, second = make_person(), make_person()
    people = [read_image(path).rgb.astype(float) for path in (first, second)]
    assert people[0].shape == (512, 512, 3)
    assert np.abs(people[0] - people[1]).mean() > 5
    with Image.open(first) as image:
        assert "Synthetic" in image.info["Description"]
    assert answers.is_result(first)
