"""From sliders to edits and back."""

import itertools
import json
import math
import pathlib

import gradio as gr
import hypothesis
import pytest
import torch
from hypothesis import strategies

from reenact.errors import ConfigError
from reenact.facs import ACTION_UNITS, SIDED_UNITS
from reenact.pipeline.controls.presets import PRESETS
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.rules import is_same, resolve
from reenact.pipeline.controls.settings import LARGEST, FaceEdit
from reenact.space.widgets import settings
from reenact.space.widgets.settings import applied, edit_of, named_edit, values_of
from reenact.space.widgets.sliders import CONTROLS, VIEWS, is_visible


@pytest.fixture
def reading() -> FaceReading:
    """A face whose sides differ, tilted beyond the slider."""
    units = 4.9 * torch.rand(17, 2, generator=torch.Generator().manual_seed(3))
    return FaceReading(action_units=units, yaw_deg=12.345, pitch_deg=-0.02, roll_deg=60.0)


def test_every_unit_and_angle_has_its_slider() -> None:
    units = {str(unit) for unit in ACTION_UNITS} | {f"{unit}{side}" for unit in SIDED_UNITS for side in "LR"}
    assert set(CONTROLS) == units | set(LARGEST)
    assert all(abs(angle) <= CONTROLS[name].highest for view in VIEWS.values() for name, angle in view.items())
    assert len({control.label for control in CONTROLS.values()}) == len(CONTROLS)
    assert CONTROLS["12"].label == "AU12 Smile (lip corner puller)"
    assert CONTROLS["12L"].label == "AU12 Smile, left"


def test_sliders_show_the_source(reading: FaceReading) -> None:
    values = values_of(reading)
    assert (values["yaw"], values["roll"]) == (12, 45)
    assert math.copysign(1, values["pitch"]) == 1  # no "-0"
    in_range = [name for name in CONTROLS if name != "roll"]
    assert all(abs(values[name] - reading.of(name)) <= CONTROLS[name].step / 2 + 1e-6 for name in in_range)


def test_untouched_sliders_change_nothing(reading: FaceReading) -> None:
    own = values_of(reading)
    for apart, relative in itertools.product((False, True), repeat=2):
        edit = edit_of(own, own, apart=apart, relative=relative)
        assert edit.is_empty
        assert is_same(resolve(edit, reading), reading)
    assert edit_of(own | {"12": math.nan}, own, apart=False).is_empty  # the number was deleted


@hypothesis.given(
    name=strategies.sampled_from(sorted(CONTROLS)),
    share=strategies.floats(0, 1),
    apart=strategies.booleans(),
    relative=strategies.booleans(),
)
def test_only_a_moved_slider_is_in_the_edit(name: str, share: float, apart: bool, relative: bool) -> None:
    reading = FaceReading(action_units=torch.full((17, 2), 1.23), yaw_deg=0.2, pitch_deg=0.0, roll_deg=-0.3)
    control, own = CONTROLS[name], values_of(reading)
    value = control.rounded(control.lowest + share * (control.highest - control.lowest))
    edit = edit_of(own | {name: value}, own, apart=apart, relative=relative)
    named = dict(edit.action_units) | edit.values
    moved = is_visible(control, apart=apart) and value != own[name]
    expected = {name: pytest.approx(value - own[name] * relative)} if moved else {}
    assert named == expected
    assert edit.mode == ("relative" if relative else "absolute")


def test_sides_keep_what_the_face_does(reading: FaceReading) -> None:
    own = values_of(reading)
    sides = settings.with_sides_apart(own | {"12": 5.0}, own)
    assert (sides["12L"], sides["12R"]) == (5.0, 5.0)
    assert (sides["45L"], sides["45R"]) == (own["45L"], own["45R"])  # untouched: the sides differ as before
    assert edit_of(sides, own, apart=True).action_units == {"12L": 5.0, "12R": 5.0}
    wholes = settings.with_sides_together(own | {"45L": 5.0, "45R": 1.0}, own)
    assert (wholes["45"], wholes["12"]) == (3.0, own["12"])
    assert settings.with_sides_apart(own | {"12": math.nan}, own) == own


@pytest.mark.parametrize("name", PRESETS)
def test_preset_on_the_sliders_is_the_preset(name: str) -> None:
    units = (4.9 * torch.rand(17, 1, generator=torch.Generator().manual_seed(3))).expand(17, 2)
    reading = FaceReading(action_units=units.contiguous(), yaw_deg=12.345, pitch_deg=-6.51, roll_deg=-0.02)
    values, apart = applied(PRESETS[name], reading)
    again = resolve(edit_of(values, values_of(reading), apart=False), reading)
    sides_apart = resolve(edit_of(values, values_of(reading), apart=apart), reading)
    assert torch.equal(sides_apart.action_units, again.action_units)
    expected = resolve(PRESETS[name], reading)
    assert (again.action_units - expected.action_units).abs().max() <= 0.05 + 1e-5
    assert abs(again.pitch_deg - expected.pitch_deg) <= 0.5
    assert apart == (name == "wink")


def test_absolute_edit_is_shown_as_it_is(reading: FaceReading) -> None:
    edit = FaceEdit(mode="absolute", action_units={"12": 1.0, "AU12L": 4.0, "4": 0.33}, roll_deg=-45.0)
    values, apart = applied(edit, reading)
    assert apart
    assert (values["12L"], values["12R"], values["12"], values["4"], values["roll"]) == (4.0, 1.0, 2.5, 0.3, -45.0)
    untouched = values_of(reading)
    assert all(values[name] == untouched[name] for name in ("1", "45", "45L", "yaw"))


def test_settings_by_name_and_from_a_file() -> None:
    by_name = named_edit({"12": 3.5, "45L": 5, "yaw": 20}, mode="relative")
    assert by_name == FaceEdit(action_units={"12": 3.5, "45L": 5.0}, yaw_deg=20.0)
    saved = FaceEdit(action_units={"1": 2.0}, mode="absolute")
    assert named_edit(json.loads(saved.to_json()), mode="relative") == saved
    assert named_edit({}, mode="absolute").is_empty
    assert named_edit(None, mode="absolute").is_empty


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([1], "have to be an object"),
        ({"3": 1}, "no Action Unit '3'"),
        ({"12": "much"}, "12 is set to 'much'"),
        ({"12": 6}, "AU12 is set to 6"),
        ({"25L": 1}, "AU25 has no left and right"),
        ({"yaw": 100}, "yaw is set to 100"),
        ({"roll": -46}, "roll is set to -46"),
        ({"kind": "reenact-edit", "format_version": 9}, "format_version 9"),
    ],
)
def test_wrong_settings_are_refused(sent: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        named_edit(sent, mode="absolute")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "^The settings: this is not JSON"),
        (b"\xff\xfe", "^The settings: this is not JSON"),
        (b'{"kind": "reenact-edit", "format_version": 99}', "^The settings: format_version 99"),
        (b" " * 200_000, "too large"),
    ],
    ids=["cut", "binary", "newer", "large"],
)
def test_wrong_settings_files_are_refused(tmp_path: pathlib.Path, content: bytes, said: str) -> None:
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises((ConfigError, gr.Error), match=said) as caught:
        settings.read_settings(str(tmp_path / "s.json"))
    assert str(tmp_path) not in str(caught.value)
