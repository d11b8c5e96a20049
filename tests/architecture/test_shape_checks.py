"""Shape annotations are checked under pytest. Without these tests, a lost jaxtyping hook would go unnoticed."""

import jaxtyping
import pytest
import torch

from reenact.types import FaceImage, head_angles_rad


def test_wrong_shape_of_an_argument_raises() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="rotation"):
        head_angles_rad(torch.zeros(5, 2, 3))


def test_wrong_dtype_of_an_argument_raises() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="rotation"):
        head_angles_rad(torch.zeros(5, 3, 3, dtype=torch.int64))


def test_axes_of_a_dataclass_must_agree() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="crop_from_frame"):
        FaceImage(rgb=torch.zeros(2, 3, 8, 8), crop_from_frame=torch.eye(3).expand(5, 3, 3))


def test_correct_shape_passes() -> None:
    assert head_angles_rad(torch.eye(3).expand(5, 3, 3)).shape == (5, 3)
