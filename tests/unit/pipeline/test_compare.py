import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reenact.errors import NoFaceFoundError, OutputError
from reenact.media import VideoReader, read_image, write_image
from reenact.pipeline.compare.run import compare
from reenact.pipeline.compare.sheet import Sheet
from reenact.pipeline.engine import Engine
from tests.unit.pipeline.conftest import MarkTracker, ShiftSystem, make_face, make_frame

SOURCE = make_frame((160, 120, 60))


class TurningTracker(MarkTracker):  # pyright: ignore[reportUntypedBaseClass]
    """Reads a head that looks 0.1 rad to its left in sources and drivers, and straight ahead in results (grey)."""

    def _face(self, frame: np.ndarray) -> Any:
        face = super()._face(frame)
        if face is not None and np.ptp(frame) > 9:
            yaw = np.float32([[np.cos(0.1), 0, np.sin(0.1)], [0, 1, 0], [-np.sin(0.1), 0, np.cos(0.1)]])  # pyright: ignore[reportArgumentType]
            face.rotation.copy_(make_face(1, 1, 20).rotation.new_tensor(yaw))
        return face


@pytest.fixture
def engines(engine: Engine) -> list[Engine]:
    made = []
    for name in ("correspondence", "facegan"):
        system = ShiftSystem()
        system.system = name  # type: ignore[misc]
        made.append(Engine(system=system, tracker=TurningTracker(), device=engine.device))
    return made


def test_systems_stand_side_by_side_with_their_figures(engines: list[Engine], tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "driving.png", make_frame((180, 120, 60)))
    out = tmp_path / "out.png"
    result = compare(SOURCE, tmp_path / "driving.png", out, systems=[*engines, engines[0]])  # named twice, drawn once
    picture = read_image(out).rgb
    assert (result.width, result.height) == picture.shape[1::-1] == (768, 572)
    assert [each.system.encoded for each in engines] == [1, 1]  # type: ignore[attr-defined]
    for left, top in ((512, 0), (0, 286)):  # driver, source, then both results in grey
        assert np.abs(picture[top : top + 256, left : left + 256].astype(int) - 128).max() <= 1
    figures = json.loads(result.to_json())["systems"]
    assert [each["system"] for each in figures] == ["correspondence", "facegan"]
    assert [each["pose_error_deg"] for each in figures] == pytest.approx([5.73, 5.73], abs=0.01)
    assert all(each["identity"] < 0.9 and each["seconds_per_frame"] > 0 and each["use"] for each in figures)
    assert len(result.warnings) == 2  # of source and driver, each once


def test_a_clip_keeps_its_frames_and_holds_the_last_result(
    engines: list[Engine], clip: Callable[..., pathlib.Path], tmp_path: pathlib.Path
) -> None:
    driving = clip([(160, 120, 80)] * 5 + [None] + [(190, 120, 80)] * 4)
    result = compare(SOURCE, driving, tmp_path / "out.mp4", systems=engines)
    with VideoReader(tmp_path / "out.mp4") as reader:
        frames = [np.asarray(frame) for frame in reader]
        assert (reader.info.width, reader.info.height) == (result.width, result.height)
    assert len(frames) == result.frame_count == 10
    greys = [round(frame[100:200, 600:700].mean()) for frame in frames]
    assert greys == pytest.approx([128] * 6 + [158] * 4, abs=4)
    assert "no face in 1 frame (5); the last result was held" in " ".join(result.warnings)
    assert all(each.lost == 0 for each in result.figures)


def test_refusals_leave_no_file(engines: list[Engine], clip: Callable[..., pathlib.Path]) -> None:
    driving = clip([None])
    with pytest.raises(OutputError, match=r"use one of \.mp4"):
        compare(SOURCE, driving, driving.with_name("out.png"), systems=engines)
    with pytest.raises(NoFaceFoundError, match="No face in any"):
        compare(SOURCE, driving, driving.with_name("out.mp4"), systems=engines)
    assert [path.name for path in driving.parent.iterdir()] == ["driving.mp4"]


def test_nothing_is_shown_beyond_the_border_of_the_source(engines: list[Engine], tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "driving.png", SOURCE)
    compare(make_frame((160, 30, 60)), tmp_path / "driving.png", tmp_path / "out.png", systems=engines[:1])
    cells = np.split(read_image(tmp_path / "out.png").rgb[:256], 3, axis=1)
    beyond = [(np.abs(cell.astype(int) - 250) <= 2).all((1, 2)) for cell in cells[1:]]
    assert 20 < beyond[0].sum() < 128 and (beyond[0] == beyond[1]).all()


def test_cells_have_the_shape_of_the_pictures() -> None:
    sheet = Sheet(["a", "b", "c", "d"], (1000, 500))
    assert sheet.size == (3 * 512, 2 * (256 + 30))
    tall = np.zeros((90, 30, 3), np.uint8)
    shown = sheet([tall] * 4)[:256, :512]
    dark = (shown < 9).all(-1)
    assert dark.any(0).sum() == 85
    assert dark.any(1).all()  # pyright: ignore[reportArgumentType]
