"""From sliders to edits and back."""

import json
import math

import hypothesis
import pytest
import torch
from hypothesis import strategies

from reenact.errors import ConfigError
from reenact.pipeline.controls import PRESETS, FaceEdit, FaceReading
from reenact.pipeline.controls.rules import is_same, resolve
from reenact.pipeline.controls.settings import ANGLES, SIDED_UNITS
from reenact.space.editor_units import CONTROLS, GROUPS, PRESET_NAMES, shown
from reenact.space.editor_values import applied, edit_of, named_edit, put_together, taken_apart, values_of
from reenact.types import ACTION_UNITS


@pytest.fixture
def reading() -> FaceReading:
    """A lopsided face."""
    units = 4.9 * torch.rand(17, 2, generator=torch.Generator().manual_seed(3))
    return FaceReading(action_units=units, yaw_deg=12.345, pitch_deg=-6.51, roll_deg=-0.02)


def test_every_unit_and_angle_has_its_slider() -> None:
    whole = [name for name, control in CONTROLS.items() if not control.is_side]
    assert sorted(whole) == sorted([str(unit) for unit in ACTION_UNITS] + list(ANGLES))
    assert {int(name) for name, control in CONTROLS.items() if control.sided} == set(SIDED_UNITS)
    assert {name for name, control in CONTROLS.items() if control.is_side} == {
        f"{unit}{side}" for unit in SIDED_UNITS for side in "LR"
    }
    assert list(GROUPS) == ["Brows", "Eyes", "Nose", "Mouth", "Head"]
    assert CONTROLS["12"].label == "AU12 Smile (lip corner puller)"


def test_labels_are_unlike_each_other() -> None:
    assert len({control.label for control in CONTROLS.values()}) == len(CONTROLS)


def test_every_preset_has_a_button() -> None:
    assert set(PRESET_NAMES) == set(PRESETS)


def test_sliders_show_the_source(reading: FaceReading) -> None:
    values = values_of(reading)
    assert values["yaw"] == 12
    assert math.copysign(1, values["roll"]) == 1  # no "-0"
    assert all(abs(values[name] - reading.of(name)) <= CONTROLS[name].step / 2 + 1e-6 for name in CONTROLS)


@pytest.mark.parametrize("apart", [False, True])
def test_untouched_sliders_ask_for_nothing(reading: FaceReading, apart: bool) -> None:
    own = values_of(reading)
    edit = edit_of(own, own, apart=apart)
    assert edit.is_empty
    assert is_same(resolve(edit, reading), reading)


@hypothesis.given(
    name=strategies.sampled_from(sorted(CONTROLS)), share=strategies.floats(0, 1), apart=strategies.booleans()
)
def test_moved_slider_alone_is_named(name: str, share: float, apart: bool) -> None:
    reading = FaceReading(action_units=torch.full((17, 2), 1.23), yaw_deg=3.2, pitch_deg=1.0, roll_deg=-4.7)
    control, own = CONTROLS[name], values_of(reading)
    value = control.rounded(control.lowest + share * (control.highest - control.lowest))
    edit = edit_of(own | {name: value}, own, apart=apart)
    named = dict(edit.action_units) | {angle: getattr(edit, f"{angle}_deg") for angle in ANGLES}
    expected = {name: value} if shown(apart)[name] and value != own[name] else {}
    assert {key: each for key, each in named.items() if each is not None} == expected


def test_deleted_number_asks_for_nothing(reading: FaceReading) -> None:
    own = values_of(reading)
    assert edit_of(own | {"12": math.nan}, own, apart=False).is_empty
    assert put_together(own | {"12L": math.nan, "12R": 5.0}, own)["12"] == pytest.approx((own["12L"] + 5) / 2, abs=0.06)
    assert taken_apart(own | {"12": math.nan}, own) == own


def test_taking_apart_keeps_what_the_face_does(reading: FaceReading) -> None:
    own = values_of(reading)
    sides = taken_apart(own | {"12": 5.0}, own)
    assert (sides["12L"], sides["12R"]) == (5.0, 5.0)
    assert (sides["45L"], sides["45R"]) == (own["45L"], own["45R"])  # untouched: lopsided as it was
    assert edit_of(sides, own, apart=True).action_units == {"12L": 5.0, "12R": 5.0}


def test_putting_together_takes_the_mean(reading: FaceReading) -> None:
    own = values_of(reading)
    wholes = put_together(own | {"45L": 5.0, "45R": 1.0}, own)
    assert wholes["45"] == 3.0
    assert wholes["12"] == own["12"]


@pytest.mark.parametrize("name", PRESETS)
def test_preset_on_the_sliders_is_the_preset(name: str) -> None:
    units = (4.9 * torch.rand(17, 1, generator=torch.Generator().manual_seed(3))).expand(17, 2)
    reading = FaceReading(action_units=units.contiguous(), yaw_deg=12.345, pitch_deg=-6.51, roll_deg=-0.02)
    values, apart = applied(PRESETS[name], reading)
    again = resolve(edit_of(values, values_of(reading), apart=apart), reading)
    wanted = resolve(PRESETS[name], reading)
    assert (again.action_units - wanted.action_units).abs().max() <= 0.05 + 1e-5
    assert abs(again.pitch_deg - wanted.pitch_deg) <= 0.5
    assert apart == (name == "wink")


def test_absolute_edit_is_shown_as_it_is(reading: FaceReading) -> None:
    edit = FaceEdit(mode="absolute", action_units={"12": 1.0, "AU12L": 4.0, "4": 0.33}, roll_deg=-45.0)
    values, apart = applied(edit, reading)
    assert apart
    assert (values["12L"], values["12R"], values["12"], values["4"], values["roll"]) == (4.0, 1.0, 2.5, 0.3, -45.0)
    untouched = values_of(reading)
    assert all(values[name] == untouched[name] for name in ("1", "45", "45L", "yaw"))


def test_settings_by_name_and_as_saved() -> None:
    assert named_edit({"12": 3.5, "45L": 5, "yaw": 20}, mode="relative") == FaceEdit(
        action_units={"12": 3.5, "45L": 5.0}, yaw_deg=20.0
    )
    saved = FaceEdit(action_units={"1": 2.0}, mode="absolute")
    assert named_edit(json.loads(saved.to_json()), mode="relative") == saved
    assert named_edit({}, mode="absolute").is_empty


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([1], "have to be an object"),
        ({"3": 1}, "no Action Unit '3'"),
        ({"12": "much"}, "12 is set to 'much'"),
        ({"12": 6}, "AU12 is set to 6"),
        ({"yaw": 100}, "yaw is set to 100"),
    ],
)
def test_settings_that_are_none_are_refused(settings: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        named_edit(settings, mode="absolute")
