"""Key frames: what is between them, their file and their table."""

import json
from typing import Any

import pytest

from reenact.errors import ConfigError
from reenact.pipeline.controls.keyframes import Between, KeyFrame, KeyFrames
from reenact.pipeline.controls.settings import FaceEdit

SMILE = FaceEdit(action_units={"12": 4.0})
TURN = FaceEdit(yaw_deg=20.0)


def keys(*eases: str) -> KeyFrames:
    edits = (FaceEdit(), SMILE, TURN)
    return KeyFrames(
        frames=tuple(
            KeyFrame(time_s=float(time_s), edit=edit, ease=ease)
            for time_s, (edit, ease) in enumerate(zip(edits, eases, strict=True), 1)
        )
    )


def test_faces_between_key_frames_are_eased() -> None:
    eased = keys("smooth", "linear", "smooth")
    assert eased.at(0.0) == Between(first=FaceEdit(), second=FaceEdit(), share=0.0)
    assert eased.at(1.25) == Between(first=FaceEdit(), second=SMILE, share=0.25)
    assert eased.at(2.0).first == SMILE and eased.at(2.0).share == 0
    assert eased.at(2.25).second == TURN and eased.at(2.25).share == pytest.approx(0.1464, abs=1e-4)
    assert eased.at(3.0) == eased.at(99.0) == Between(first=TURN, second=TURN, share=0.0)
    assert eased.seconds == 3.0
    held = keys("smooth", "hold", "smooth")
    assert held.at(1.99).share == 0 and held.at(2.0).first == SMILE


def test_the_order_of_the_file_does_not_matter() -> None:
    frames = keys("smooth", "linear", "hold").frames
    assert KeyFrames(frames=frames[::-1]).frames == frames


def test_files_and_tables_give_the_same_key_frames() -> None:
    written = keys("smooth", "linear", "hold")
    assert KeyFrames.from_json(written.to_json()) == written
    assert written.to_rows() == [["1", "", "smooth"], ["2", "12=4", "linear"], ["3", "yaw=20", "hold"]]
    assert KeyFrames.from_rows([*written.to_rows(), ["", "", ""], [None, None, None]]) == written
    assert KeyFrames.from_rows([["0,5 s".replace(" ", ""), "AU45L=5, pitch=-3"]]).frames[0] == KeyFrame(
        time_s=0.5, edit=FaceEdit(action_units={"45L": 5.0}, pitch_deg=-3.0)
    )
    absolute = KeyFrames.from_rows([[0, "12=5", ""], [1, "", ""]], "absolute")
    assert json.loads(absolute.to_json())["mode"] == "absolute"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "There are 0 key frames; give 1 to 1000"),
        ([["1", ""], ["1.0", ""]], "Two key frames have the time 1 s"),
        ([["soon", ""]], "Key frame in row 1: the time is 'soon'; give seconds, such as 0.8"),
        ([["nan", ""]], "row 1: A key frame has the time nan; it takes seconds from 0 to 60"),
        ([["0", ""], ["-1", ""]], "row 2: A key frame has the time -1.0"),
        ([["0", "smile"]], "row 1: 'smile' is no value; write 12=3.5, 45L=5 or yaw=10"),
        ([["0", "3=1"]], "row 1: There is no Action Unit '3'"),
        ([["0", "yaw=99"]], "row 1: The yaw is set to 99"),
        ([["0", "12=3", "bouncy"]], "row 1: A key frame has the ease 'bouncy'; choose smooth, linear, hold"),
        ([["0", "12=inf"]], "row 1: AU12 is set to inf"),
    ],
)
def test_rows_that_cannot_be_read_are_named(rows: list[list[str]], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        KeyFrames.from_rows(rows)


HEAD = {"format_version": 1, "kind": "reenact-keyframes"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"frames": []}, "There are 0 key frames"),
        ({"frames": [{}] * 5000}, "has the time None|There are 1001"),
        ({"frames": {"0": {}}}, '"frames" has to be a list'),
        ({}, '"frames" has to be a list'),
        ({"frames": [7]}, "a key frame is 7; it has to be an object"),
        ({"frames": [{"time_s": "0"}]}, "has the time '0'"),
        ({"frames": [{"time_s": True}]}, "has the time True"),
        ({"frames": [{"time_s": 0, "au": {}}]}, "unknown names au in a key frame"),
        ({"frames": [{"time_s": 0, "action_units": {"12": "x"}}]}, '"12" is "x"'),
        ({"frames": [{"time_s": 0, "action_units": {"12": 9}}]}, "AU12 is set to 9"),
        ({"frames": [{"time_s": 0, "ease": ["smooth"]}]}, "has the ease"),
        ({"mode": "both", "frames": [{"time_s": 0}]}, '"mode" has to be'),
        ({"frames": [{"time_s": 0}], "fps": 25}, "unknown names fps"),
        ({"kind": "reenact-edit"}, "not a file of key frames"),
        ({"format_version": 2}, "format_version 2, this program reads up to 1"),
    ],
)
def test_hostile_files_are_refused_with_their_name(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as error:
        KeyFrames.from_json(json.dumps(HEAD | fields), name="keys.json")
    assert str(error.value).startswith("keys.json: ") and "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=r"keys\.json: this is not JSON"):
        KeyFrames.from_json("{", name="keys.json")
