"""The visible label."""

import numpy as np
import pytest

from reenact.provenance.label import add_label

LONG = "This clip was made by a program and shows nobody who is real"


@pytest.mark.parametrize(("height", "width"), [(128, 128), (96, 160), (720, 1280)])
def test_a_long_label_has_letters_that_can_be_read(height: int, width: int) -> None:
    """In one line, those of 60 characters would be three pixels high on 128."""
    picture = np.full((height, width, 3), 100, np.uint8)
    labelled, _ = add_label(picture, LONG)
    changed = (labelled != picture).any(2)
    rows, columns = changed.any(1), changed.any(0)
    assert rows[-1] and columns[-1], "in the corner"
    bright = (labelled.max(2) > 150).any(1)
    starts = np.flatnonzero(np.diff(np.concatenate([[False], bright]).astype(int)) == 1)
    ends = np.flatnonzero(np.diff(np.concatenate([bright, [False]]).astype(int)) == -1)
    lines = [end - start + 1 for start, end in zip(starts, ends, strict=True)]
    assert max(lines) >= min(6, height / 16), lines
    assert not changed[: height // 4].any(), "the face stays free"


def test_a_label_that_fits_has_one_line() -> None:
    picture = np.full((256, 256, 3), 100, np.uint8)
    labelled, _ = add_label(picture, "AI-generated")
    assert (labelled != picture).any((1, 2)).sum() < 2.5 * 256 / 28
