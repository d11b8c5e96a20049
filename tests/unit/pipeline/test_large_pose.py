"""Far turns, found in pictures and anywhere in clips."""

import dataclasses
import math
import pathlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import StoppedError, UnsupportedInputError
from reenact.media import Trim
from reenact.media.frame import Frame
from reenact.pipeline.engine import Engine
from reenact.pipeline.large_pose import far_turn_in_clip, far_turn_in_picture
from reenact.types import FaceGeometry
from tests.unit.pipeline.conftest import make_frame

Faces = list[tuple[int, int, int] | None]
FRONTAL, PROFILE = (160, 120, 100), (232, 120, 100)


@pytest.fixture
def tracker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The face is turned by a degree for each pixel that it stands right of the middle, and looked at so often."""
    read = engine.tracker._face  # type: ignore[attr-defined]
    engine.tracker.looks = 0  # type: ignore[attr-defined]

    def face(frame: Frame) -> FaceGeometry | None:
        engine.tracker.looks += 1  # type: ignore[attr-defined]
        geometry = read(frame)
        if geometry is None:
            return None
        yaw = math.radians(float(geometry.mesh_px[0, :2, 0].mean()) - 160)
        turn = torch.eye(3)[None].clone()
        turn[0, 0, 0] = turn[0, 2, 2] = math.cos(yaw)
        turn[0, 0, 2], turn[0, 2, 0] = math.sin(yaw), -math.sin(yaw)
        return dataclasses.replace(geometry, rotation=turn)

    def follow(frame: Frame, previous: FaceGeometry, *, careful: bool = False) -> FaceGeometry:
        found = face(frame)
        return dataclasses.replace(previous, score=torch.zeros(1)) if found is None else found

    monkeypatch.setattr(engine.tracker, "_face", face)
    monkeypatch.setattr(engine.tracker, "follow", follow)
    return engine.tracker


@pytest.mark.parametrize(("x", "yaw_deg"), [(None, None), (160, None), (204, None), (206, 46), (114, -46), (250, 90)])
def test_picture(tracker: Any, x: int | None, yaw_deg: float | None) -> None:
    frame = make_frame(None if x is None else (x, 120, 100))
    found = far_turn_in_picture(frame, tracker=tracker)
    assert (found is None) == (yaw_deg is None)
    if found is not None:
        assert (found.yaw_deg, found.at_s) == (pytest.approx(yaw_deg, abs=1), None)


def test_short_profile_late_in_a_clip_is_found(tracker: Any, clip: Callable[[Faces], pathlib.Path]) -> None:
    path = clip([FRONTAL] * 60 + [PROFILE] * 10 + [FRONTAL] * 30)
    found = far_turn_in_clip(path, tracker=tracker)
    assert found is not None
    assert found.yaw_deg == pytest.approx(72, abs=3)
    assert found.at_s == pytest.approx(2.5, abs=0.13)
    assert tracker.looks <= 30  # some of the frames, and none after the one


@pytest.mark.parametrize(("begin_s", "end_s", "is_found"), [(0, 2, False), (3, None, False), (2, 3, True)])
def test_only_the_part_that_is_used_counts(
    tracker: Any, clip: Callable[[Faces], pathlib.Path], begin_s: int, end_s: int | None, is_found: bool
) -> None:
    path = clip([FRONTAL] * 60 + [PROFILE] * 10 + [FRONTAL] * 30)
    trim = Trim(begin_s=Fraction(begin_s), end_s=None if end_s is None else Fraction(end_s))
    assert (far_turn_in_clip(path, tracker=tracker, trim=trim) is not None) == is_found
    assert tracker.looks <= 10


def test_frontal_clip_and_frames_without_a_face_have_none(tracker: Any, clip: Callable[[Faces], pathlib.Path]) -> None:
    assert far_turn_in_clip(clip([None] * 10 + [FRONTAL] * 20 + [None] * 5), tracker=tracker) is None


def test_search_can_be_stopped(tracker: Any, clip: Callable[[Faces], pathlib.Path]) -> None:
    with pytest.raises(StoppedError):
        far_turn_in_clip(clip([FRONTAL] * 10), tracker=tracker, should_stop=lambda: True)


def test_file_that_is_no_clip_is_refused(tracker: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.mp4").write_bytes(np.zeros(99, np.uint8).tobytes())
    with pytest.raises(UnsupportedInputError):
        far_turn_in_clip(tmp_path / "a.mp4", tracker=tracker)
