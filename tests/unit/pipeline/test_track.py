import io
import json
import pathlib
from collections.abc import Callable, Sequence

import pytest
import torch

from reenact.errors import NoFaceFoundError
from reenact.media import write_image
from reenact.pipeline.engine import Engine
from reenact.pipeline.track import describe_face, write_tracks
from tests.unit.pipeline.conftest import make_face, make_frame

Clip = Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]


def test_a_face_in_plain_numbers() -> None:
    geometry = make_face(100, 80, 40)
    geometry.action_units[0, 3] = 0.5
    geometry.rotation[0] = torch.tensor([[0.5, 0, 0.75**0.5], [0, 1, 0], [-(0.75**0.5), 0, 0.5]])
    seen = describe_face(geometry)
    assert seen["box_px"] == pytest.approx([80, 60, 120, 100])
    assert len(seen["landmarks_px"]) == 68
    assert [seen[f"{angle}_deg"] for angle in ("pitch", "yaw", "roll")] == pytest.approx([0, 60, 0], abs=0.01)
    assert seen["action_units"][3] == 2.5
    assert len(seen["action_units"]) == 17


def test_a_clip_frame_by_frame(engine: Engine, clip: Clip) -> None:
    file = io.StringIO()
    count, warnings = write_tracks(clip([(160, 120, 80), None, (160, 120, 80)]), file, tracker=engine.tracker)
    tracks = json.loads(file.getvalue())
    assert count == len(tracks["frames"]) == 3
    assert (tracks["width"], tracks["height"], tracks["fps"]) == (320, 240, 25)
    assert tracks["action_units"][0] == "AU1"
    assert [frame["face"] is None for frame in tracks["frames"]] == [False, True, False]
    assert [frame["time_s"] for frame in tracks["frames"]] == [0, 0.04, 0.08]
    assert "no face in 1 of 3 frames (1)" in warnings[-1]


def test_a_picture_is_one_frame(engine: Engine, tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "a.png", make_frame((160, 120, 80)))
    file = io.StringIO()
    assert write_tracks(tmp_path / "a.png", file, tracker=engine.tracker)[0] == 1
    tracks = json.loads(file.getvalue())
    assert tracks["fps"] is None
    assert tracks["frames"][0]["face"]["box_px"] == pytest.approx([120, 80, 200, 160])


def test_no_face_at_all_is_an_error(engine: Engine, clip: Clip, tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "a.png", make_frame(None))
    with pytest.raises(NoFaceFoundError, match=r"a\.png: No face"):
        write_tracks(tmp_path / "a.png", io.StringIO(), tracker=engine.tracker)
    with pytest.raises(NoFaceFoundError, match="any of the 2 frames"):
        write_tracks(clip([None, None]), io.StringIO(), tracker=engine.tracker)
