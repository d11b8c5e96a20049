"""Settings of the editor: ranges, files, relative and absolute values, contradictions."""

import copy
import dataclasses
import json
import pathlib

import hypothesis
import hypothesis.strategies as st
import pytest
import torch

from reenact import FaceEdit, FaceReading
from reenact.errors import ConfigError
from reenact.facs import ACTION_UNITS, SIDED_UNITS
from reenact.pipeline.controls.presets import PRESETS
from reenact.pipeline.controls.rules import is_same, resolve, transfer
from reenact.pipeline.controls.settings import FIELDS, LARGEST

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
NAMES = [str(unit) for unit in ACTION_UNITS] + [f"{unit}{side}" for unit in SIDED_UNITS for side in "LR"]


def reading(yaw_deg: float = 3.0, **units: float) -> FaceReading:
    """A face that shows these units (`au12`, `au45L`) and no other."""
    values = torch.zeros(17, 2)
    for name, value in units.items():
        number = int(name[2:].rstrip("LR"))
        side = {"L": 0, "R": 1}.get(name[-1], slice(None))
        values[ACTION_UNITS.index(number), side] = value
    return FaceReading(action_units=values, yaw_deg=yaw_deg, pitch_deg=-4.0, roll_deg=1.0)


@st.composite
def edits(draw: st.DrawFn) -> FaceEdit:
    mode = draw(st.sampled_from(["relative", "absolute"]))
    values = st.floats(0 if mode == "absolute" else -5, 5)
    units = draw(st.dictionaries(st.sampled_from(NAMES), values))
    values = {FIELDS[name]: draw(st.none() | st.floats(-most, most)) for name, most in LARGEST.items()}
    return FaceEdit(action_units=units, mode=mode, **values)


@hypothesis.given(edits())
def test_saved_and_loaded_it_is_the_same_edit(edit: FaceEdit) -> None:
    assert FaceEdit.from_json(edit.to_json()) == edit
    assert copy.deepcopy(edit) == edit


@hypothesis.given(edits())
def test_whatever_is_asked_the_face_stays_within_range(edit: FaceEdit) -> None:
    target = resolve(edit, reading(au12=2.0, au45L=5.0, au26=3.0, au25=1.0))
    assert target.action_units.min() >= 0 and target.action_units.max() <= 5
    assert all(abs(target.of(name)) <= largest for name, largest in LARGEST.items())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"action_units": {"3": 1.0}}, "no Action Unit '3'; the units are 1, 2, 4,"),
        ({"action_units": {"smile": 1.0}}, "no Action Unit 'smile'"),
        ({"action_units": {"12": 5.5}, "mode": "absolute"}, "AU12 is set to 5.5; it takes an intensity from 0 to 5"),
        ({"action_units": {"12": -0.1}, "mode": "absolute"}, "from 0 to 5"),
        ({"action_units": {"12": -6.0}}, "AU12 is set to -6.0; it takes a change of intensity from -5 to 5"),
        ({"action_units": {"12": float("nan")}}, "from -5 to 5"),
        ({"action_units": {"26L": 1.0}}, "AU26 has no left and right; units with sides are 2, 12, 14, 15, 45"),
        ({"yaw_deg": 91.0}, "The yaw is set to 91.0 degrees; it takes -90 to 90, the nearest is 90"),
        ({"pitch_deg": -46.0}, "The pitch is set to -46.0 degrees; it takes -45 to 45, the nearest is -45"),
        ({"roll_deg": float("-inf")}, "The roll"),
        ({"gaze_yaw_deg": 31.0}, "The gaze yaw is set to 31.0 degrees; it takes -30 to 30, the nearest is 30"),
        ({"right_percent": -21.0}, "The right is set to -21.0 per cent; it takes -20 to 20"),
        ({"pucker": 6.0}, "The pucker is set to 6.0; it takes -5 to 5"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(settings: dict, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        FaceEdit(**settings)
    assert text in str(error.value)


def test_names_are_written_in_one_way() -> None:
    assert dict(FaceEdit(action_units={"AU12": 1.0, "au45l": 2.0, "06": 3.0}).action_units) == {
        "12": 1.0,
        "45L": 2.0,
        "6": 3.0,
    }


GOOD = json.loads(FaceEdit(action_units={"12": 1.0}).to_json())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "this is not JSON"),
        ("[" * 100_000, "this is not JSON"),
        ("[1]", "this is not a settings file of the editor"),
        (json.dumps(GOOD | {"kind": "reenact-track"}), "this is not a settings file of the editor"),
        (json.dumps(GOOD | {"format_version": 2}), "format_version 2, this program reads up to 1; update the program"),
        (json.dumps(GOOD | {"format_version": "1"}), '"format_version" has to be a number'),
        (json.dumps(GOOD | {"hair": "red"}), "unknown names hair; the names are action_units"),
        (json.dumps(GOOD | {"action_units": [1]}), '"action_units" has to be an object'),
        (json.dumps(GOOD | {"action_units": {"3": 1}}), "no Action Unit '3'"),
        (json.dumps(GOOD | {"action_units": {"12": None}}), '"12" is null; it has to be a number'),
        (json.dumps(GOOD | {"action_units": {"12": "much"}}), '"12" is "much"'),
        (json.dumps(GOOD | {"action_units": {"12": True}}), '"12" is true'),
        (json.dumps(GOOD | {"yaw_deg": "left"}), '"yaw_deg" is "left"; it has to be a number'),
        (json.dumps(GOOD | {"mode": None}), '"mode" has to be "relative" or "absolute"'),
        (json.dumps(GOOD | {"yaw_deg": 1e400}), '"yaw_deg" is Infinity; it has to be a number'),
        (json.dumps(GOOD | {"yaw_deg": 100}), "-90 to 90"),
        (json.dumps(GOOD | {"roll_deg": -91}), "-45 to 45"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        FaceEdit.from_json(text, name="smile.json")
    assert str(error.value).startswith("smile.json: ")
    assert complaint in str(error.value)


def test_files_of_before_may_hold_more_pitch_and_roll() -> None:
    edit = FaceEdit.from_json(json.dumps(GOOD | {"pitch_deg": 90, "roll_deg": -60.5, "yaw_deg": 80}))
    assert edit == FaceEdit(action_units={"12": 1.0}, yaw_deg=80.0, pitch_deg=45.0, roll_deg=-45.0)


def test_unchanged_values_are_those_of_the_system_that_draws() -> None:
    own, other = reading(au12=2.0), reading(au12=2.1, au4=0.2, yaw_deg=3.4)
    moved = transfer(resolve(FaceEdit(action_units={"12": 1.0}, pitch_deg=5.0), own), own, other)
    assert (moved.of("12"), moved.of("4"), moved.yaw_deg) == (3, other.of("4"), 3.4)
    assert moved.pitch_deg == own.pitch_deg + 5
    assert is_same(transfer(own, own, other), other)


def test_relative_values_are_added_and_absolute_ones_replace() -> None:
    own = reading(au12=2.0)
    relative = resolve(FaceEdit(action_units={"12": 1.5}, yaw_deg=20.0), own)
    assert relative.of("12") == pytest.approx(3.5) and relative.yaw_deg == pytest.approx(23)
    absolute = resolve(FaceEdit(action_units={"12": 1.5}, yaw_deg=20.0, mode="absolute"), own)
    assert absolute.of("12") == pytest.approx(1.5) and absolute.yaw_deg == pytest.approx(20)
    assert absolute.pitch_deg == own.pitch_deg and absolute.of("4") == 0
    assert resolve(FaceEdit(action_units={"12": 5.0}, yaw_deg=90.0), own).of("12") == 5
    assert resolve(FaceEdit(yaw_deg=90.0), own).yaw_deg == 90
    lying = dataclasses.replace(own, roll_deg=-100.0)
    assert [resolve(FaceEdit(roll_deg=by), lying).roll_deg for by in (0.0, -20.0, 30.0)] == [-100, -100, -70]


def test_a_side_goes_before_the_whole_unit() -> None:
    target = resolve(FaceEdit(action_units={"45L": 0.0, "45": 4.0}, mode="absolute"), reading())
    assert (target.of("45L"), target.of("45R"), target.of("45")) == (0, 4, 2)


@pytest.mark.parametrize(
    "edit",
    [
        FaceEdit(),
        FaceEdit(action_units={"25": 0.0, "5": 0.0}, roll_deg=0.0),
        FaceEdit(action_units={"12": 2.0, "26": 4.0, "25": 1.0, "5": 4.0, "45": 3.0}, yaw_deg=3.0, mode="absolute"),
        FaceEdit(action_units={"12": 2.004, "45": 2.996}, yaw_deg=3.04, pitch_deg=-4.04, mode="absolute"),
    ],
)
def test_an_edit_that_changes_nothing_changes_nothing_even_beyond_a_limit(edit: FaceEdit) -> None:
    """The source drops its jaw with closed lips and blinks with wide eyes; rounded read-outs count as the same."""
    own = reading(au12=2.0, au26=4.0, au25=1.0, au5=4.0, au45=3.0)
    assert is_same(resolve(edit, own), own)


@pytest.mark.parametrize(
    ("units", "own", "jaw", "lips"),
    [
        ({"25": 0.0, "26": 5.0}, {}, 5, 5),  # both are named: the jaw wins
        ({"26": 3.0}, {}, 3, 3),
        ({"25": 1.0}, {}, 0, 1),
        ({"25": 4.0, "26": 2.0}, {}, 2, 4),
        ({"25": 1.0}, {"au25": 4.0, "au26": 4.0}, 1, 1),  # closed lips raise the jaw
    ],
)
def test_a_dropped_jaw_parts_the_lips(units: dict[str, float], own: dict[str, float], jaw: float, lips: float) -> None:
    target = resolve(FaceEdit(action_units=units, mode="absolute"), reading(**own))
    assert (target.of("26"), target.of("25")) == (jaw, lips)


def test_a_closing_eye_is_not_opened_wide_on_its_side_alone() -> None:
    target = resolve(FaceEdit(action_units={"45L": 5.0, "5": 4.0}, mode="absolute"), reading())
    row = target.action_units[ACTION_UNITS.index(5)]
    assert row.tolist() == [0, 4]
    opened = resolve(FaceEdit(action_units={"5": 5.0}, mode="absolute"), reading(au45=5.0))
    assert (opened.of("5"), opened.of("45")) == (5, 0)


def test_one_edit_over_another_keeps_what_it_does_not_name() -> None:
    below = FaceEdit(action_units={"45L": 5.0, "12": 1.0}, yaw_deg=10.0)
    above = FaceEdit(action_units={"45": 2.0}, pitch_deg=5.0)
    assert above.over(below) == FaceEdit(action_units={"12": 1.0, "45": 2.0}, yaw_deg=10.0, pitch_deg=5.0)
    assert FaceEdit().over(below) is below and below.over(FaceEdit()) is below
    with pytest.raises(ConfigError, match="make both relative or both absolute"):
        FaceEdit(action_units={"12": 1.0}, mode="absolute").over(below)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_change_a_face_and_contradict_nothing(name: str) -> None:
    own = reading(au12=2.0, au4=1.0)
    target = resolve(PRESETS[name], own)
    assert not is_same(target, own)
    if PRESETS[name].mode == "relative":
        for unit, change in PRESETS[name].action_units.items():
            assert target.of(unit) == pytest.approx(min(own.of(unit) + change, 5))


def test_every_preset_is_named_where_users_look() -> None:
    page = (REPOSITORY / "docs" / "editing.md").read_text(encoding="utf-8")
    source = (REPOSITORY / "reenact" / "cli" / "edit.py").read_text(encoding="utf-8")
    for name in PRESETS:
        assert f"`{name}`" in page
    assert ", ".join(PRESETS) in source
