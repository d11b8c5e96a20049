"""Pictures on their side and upside down, through the embedded weights of every system."""

import pathlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import skimage.data

from reenact.pipeline.controls.session import open_edit
from reenact.pipeline.controls.settings import FaceEdit
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.image import reenact_image

PERSON = cv2.resize(skimage.data.astronaut()[:390, 60:385], (210, 252), interpolation=cv2.INTER_AREA)
"""A small picture: fast."""
MIRRORED = np.ascontiguousarray(PERSON[:, ::-1])
"""Another pose and expression."""
TOLERANCE = 1.5
"""Mean difference in grey levels: the tracker sees the turned picture through other resampling."""


@pytest.fixture(params=["correspondence", "facegan", "dual_generator"])
def engine(request: pytest.FixtureRequest, embedded: Callable[[str], pathlib.Path]) -> Engine:
    embedded(request.param)
    return load_engine(request.param)


def turned(picture: np.ndarray, quarters: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(picture, quarters))


def test_an_upside_down_picture_gives_the_upright_ones_result_turned(engine: Engine) -> None:
    check_turned(engine, (2,))


def test_a_lying_picture_gives_the_upright_ones_result_turned() -> None:
    check_turned(load_engine("correspondence"), (1, 3))


def check_turned(engine: Engine, turns: tuple[int, ...]) -> None:
    expected = reenact_image(PERSON, MIRRORED, system=engine).rgb
    assert np.abs(expected.astype(int) - PERSON).mean() > 1.3 * TOLERANCE, "the driver moves the face"
    for quarters in turns:
        result = reenact_image(turned(PERSON, quarters), MIRRORED, system=engine)
        assert np.abs(turned(result.rgb, -quarters).astype(int) - expected).mean() < TOLERANCE
        assert "redrawn as it lies" in result.warnings[0]


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_a_turned_driver_gives_what_the_upright_one_gives(engine: Engine, mode: str) -> None:
    expected = reenact_image(PERSON, MIRRORED, system=engine, mode=mode).rgb
    result = reenact_image(PERSON, turned(MIRRORED, 2), system=engine, mode=mode)
    assert np.abs(result.rgb.astype(int) - expected).mean() < TOLERANCE
    assert "turned before its motion is read" in result.warnings[0]


def test_an_edit_of_a_turned_picture_is_the_upright_ones_turned() -> None:
    edit = FaceEdit(yaw_deg=15.0)
    upright = open_edit(PERSON, system="facegan").render(edit, background="none")
    lying = open_edit(turned(PERSON, 1), system="facegan").render(edit, background="none")
    for ours, theirs in ((lying.rgb, upright.rgb), (lying.alpha, upright.alpha)):
        assert np.abs(turned(ours, -1).astype(int) - theirs).mean() < 2 * TOLERANCE
