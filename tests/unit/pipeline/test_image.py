import numpy as np
import pytest
import torch

from reenact.errors import Hint, NoFaceFoundError
from reenact.media import Picture
from reenact.pipeline.engine import Engine
from reenact.pipeline.image import placed_like, reenact_image
from tests.unit.pipeline.conftest import make_face, make_frame

SOURCE, DRIVING = make_frame((160, 120, 60)), make_frame((200, 100, 80))


def test_a_single_driving_picture_displaces_nothing(engine: Engine) -> None:
    result = reenact_image(SOURCE, DRIVING, system=engine)
    assert result.rgb.shape == SOURCE.shape
    assert (result.rgb[110:130, 150:170] == 128).all()
    assert np.array_equal(result.rgb[:50], SOURCE[:50])
    assert np.array_equal(result.source, SOURCE)


def test_without_paste_back_the_result_is_the_crop(engine: Engine) -> None:
    result = reenact_image(SOURCE, DRIVING, system=engine, paste_back=False)
    assert result.rgb.shape == result.source.shape == (256, 256, 3)
    assert (result.rgb == 128).all()


def test_side_by_side_is_as_high_as_the_result(engine: Engine) -> None:
    driving = make_frame((200, 100, 80), width=640, height=480)
    result = reenact_image(SOURCE, driving, system=engine, side_by_side=True)
    assert result.rgb.shape == (240, 960, 3)


def test_transparency_of_the_source_is_kept(engine: Engine) -> None:
    alpha = np.full((240, 320), 77, np.uint8)
    source = Picture(rgb=SOURCE, alpha=alpha)
    assert reenact_image(source, DRIVING, system=engine).alpha is alpha
    assert reenact_image(source, DRIVING, system=engine, paste_back=False).alpha is None


def test_warnings_name_picture_and_option(engine: Engine) -> None:
    result = reenact_image(SOURCE, DRIVING, system=engine)
    assert [warning.split(":")[0] for warning in result.warnings] == ["the source picture", "the driving picture"]
    assert [warning.hint for warning in result.warnings] == [Hint.SOURCE_FACE, Hint.DRIVING_FACE]
    assert reenact_image(SOURCE, DRIVING, system=engine, face=1, driving_face=1).warnings == ()


def test_the_picture_without_a_face_is_named(engine: Engine) -> None:
    with pytest.raises(NoFaceFoundError, match="^the driving picture: "):
        reenact_image(SOURCE, make_frame(None), system=engine)


def test_relative_to_a_picture_at_rest(engine: Engine) -> None:
    """Both pictures have the same head: nothing is displaced, whatever their framing."""
    result = reenact_image(
        SOURCE,
        DRIVING,
        system=engine,
        mode="relative",
        neutral=make_frame((80, 90, 40)),
    )
    assert (result.rgb[110:130, 150:170] == 128).all()


def test_placed_like_takes_place_and_size() -> None:
    placed = placed_like(make_face(50, 60, 40), make_face(90, 10, 80))
    torch.testing.assert_close(placed.mesh_px, make_face(90, 10, 80).mesh_px, atol=1e-3, rtol=0)
