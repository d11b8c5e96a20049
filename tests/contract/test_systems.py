"""What every reenactment system promises, whatever it does inside."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError, ShapeError
from reenact.facs import ACTION_UNITS
from reenact.geometry.morphable import load_morphable
from reenact.hub import load
from reenact.systems.base import PoseControls, Reenactor, Rendered
from reenact.systems.catalog import CATALOG
from reenact.types import FaceGeometry, FaceImage
from tests.contract.systems import SYSTEMS_UNDER_TEST
from tests.synthetic import face_set, painted_clip
from train.run.export import as_loaded, write_model

AnyReenactor = Reenactor[Any, Any, Any]
Clip = tuple[FaceImage, FaceGeometry]


def build(name: str) -> AnyReenactor:
    """Random weights and statistics, rounded as a file holds them."""
    torch.manual_seed(0)
    system = CATALOG[name].load_class().from_config(SYSTEMS_UNDER_TEST[name].network)
    with torch.no_grad():
        for key, value in system.networks.state_dict().items():
            if value.is_floating_point():
                value += 0.05 * torch.rand_like(value) if "running" in key else 0.05 * torch.randn_like(value)
    as_loaded(system.networks)
    return system


@pytest.fixture(scope="module", params=CATALOG)
def system(request: pytest.FixtureRequest) -> AnyReenactor:
    made = build(request.param)
    made.prepare()
    return made


@pytest.fixture(scope="module")
def source() -> Clip:
    """One frame, larger than the networks see it."""
    return painted_clip(load_morphable(), np.random.default_rng(20), 1, 96)


@pytest.fixture(scope="module")
def driving() -> Clip:
    """Another face, three frames of another size."""
    return painted_clip(load_morphable(), np.random.default_rng(21), 3, 80)


def reenact(
    system: AnyReenactor, source: Clip, driving: Clip, mode: str = "absolute", frames: slice = slice(None)
) -> Rendered:
    """The four verbs in a row; the first driving frame is the neutral one."""
    identity = system.encode_identity(*source)
    motion = system.read_motion(*driving)
    neutral = system.select(motion, slice(0, 1))
    driven = system.retarget(identity, system.select(motion, frames), neutral, mode)
    return system.render(identity, driven)


def test_every_system_is_under_test() -> None:
    assert set(SYSTEMS_UNDER_TEST) == set(CATALOG)


def test_it_says_who_it_is_and_how_to_cut(system: AnyReenactor) -> None:
    assert CATALOG[system.system].load_class() is type(system)
    assert system.crop.network_px == 64
    assert not system.training


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_pictures_have_the_sources_size_and_range(system: AnyReenactor, source: Clip, driving: Clip, mode: str) -> None:
    rendered = reenact(system, source, driving, mode)
    assert rendered.rgb.shape == (3, 3, 96, 96)
    assert rendered.changed.shape == (3, 1, 96, 96)
    assert not rendered.rgb.requires_grad
    for value in (rendered.rgb, rendered.changed):
        assert value.dtype == torch.float32
        assert value.min() >= -1e-6
        assert value.max() <= 1 + 1e-6
    assert rendered.rgb.std() > 0.01


@pytest.mark.parametrize("side", [64, 150, 300])
def test_any_source_size_is_kept(system: AnyReenactor, driving: Clip, side: int) -> None:
    source = painted_clip(load_morphable(), np.random.default_rng(20), 1, side)
    assert reenact(system, source, driving, frames=slice(0, 1)).rgb.shape == (1, 3, side, side)


def test_the_same_input_gives_the_same_picture(system: AnyReenactor, source: Clip, driving: Clip) -> None:
    first, second = (reenact(system, source, driving) for _ in range(2))
    assert torch.equal(first.rgb, second.rgb)
    assert torch.equal(first.changed, second.changed)


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_a_batch_is_its_frames_one_by_one(system: AnyReenactor, source: Clip, driving: Clip, mode: str) -> None:
    together = reenact(system, source, driving, mode)
    for i in range(3):
        alone = reenact(system, source, driving, mode, slice(i, i + 1))
        torch.testing.assert_close(alone.rgb, together.rgb[i : i + 1], atol=2e-3, rtol=0)
        torch.testing.assert_close(alone.changed, together.changed[i : i + 1], atol=2e-3, rtol=0)


def test_motion_is_drawn(system: AnyReenactor, source: Clip, driving: Clip) -> None:
    """Different driving frames give different pictures."""
    rgb = reenact(system, source, driving).rgb
    assert (rgb[0] - rgb[1]).abs().max() > 0.02


def test_relative_motion_of_a_driver_at_rest_is_the_same_whoever_drives(
    system: AnyReenactor, source: Clip, driving: Clip
) -> None:
    other = painted_clip(load_morphable(), np.random.default_rng(22), 1, 128)
    own = reenact(system, source, source, "relative").rgb
    for driver in (driving, other):
        at_rest = reenact(system, source, driver, "relative", slice(0, 1)).rgb
        torch.testing.assert_close(at_rest, own, atol=5e-3, rtol=0)


def test_a_neutral_frame_is_found_and_can_be_selected(system: AnyReenactor, source: Clip, driving: Clip) -> None:
    motion = system.read_motion(*driving)
    neutral = system.find_neutral(motion)
    assert neutral in range(3)
    identity = system.encode_identity(*source)
    one = system.select(motion, slice(neutral, neutral + 1))
    assert system.find_neutral(one) == 0
    by_select = system.render(identity, system.retarget(identity, one, one, "absolute"))
    picked = (driving[0].rgb[neutral : neutral + 1], driving[0].crop_from_frame[neutral : neutral + 1])
    read_alone = system.read_motion(
        FaceImage(rgb=picked[0], crop_from_frame=picked[1]), driving[1][slice(neutral, neutral + 1)]
    )
    alone = system.render(identity, system.retarget(identity, read_alone, read_alone, "absolute"))
    torch.testing.assert_close(by_select.rgb, alone.rgb, atol=2e-3, rtol=0)


def test_own_controls_give_the_source_bit_for_bit_and_others_another_face(system: AnyReenactor, source: Clip) -> None:
    identity = system.encode_identity(*source)
    own = PoseControls(action_units=torch.zeros(1, 17, 2), angles_rad=torch.zeros(1, 3))
    if not system.can_pose:
        for refused in (lambda: system.read_controls(identity), lambda: system.pose(identity, own)):
            with pytest.raises(ConfigError, match="takes its motion from a driver"):
                refused()
        return
    own = system.read_controls(identity)
    still = system.render(identity, system.pose(identity, own))
    assert torch.equal(still.rgb, source[0].rgb) and still.changed.max() == 0
    units, angles = own.action_units.repeat(3, 1, 1), own.angles_rad.repeat(3, 1)
    units[1, ACTION_UNITS.index(26)], angles[2, 1] = 1 - units[1, ACTION_UNITS.index(26)], angles[2, 1] + 0.4
    rendered = system.render(identity, system.pose(identity, PoseControls(action_units=units, angles_rad=angles)))
    torch.testing.assert_close(rendered.rgb[:1], source[0].rgb, atol=2e-3, rtol=0)
    for frame in rendered.rgb[1:]:
        assert (frame - source[0].rgb).abs().max() > 0.05


def test_two_sources_at_once_are_refused_in_words(system: AnyReenactor, driving: Clip) -> None:
    with pytest.raises(ShapeError, match="one source frame"):
        system.encode_identity(*driving)


@pytest.mark.parametrize("name", CATALOG)
def test_saved_and_loaded_it_draws_the_same(name: str, source: Clip, driving: Clip, tmp_path: pathlib.Path) -> None:
    made = build(name)
    config = {"model": name, "network": SYSTEMS_UNDER_TEST[name].network}
    write_model(made.networks, tmp_path, config, {"steps": 0})
    loaded = load(tmp_path)
    assert type(loaded) is type(made)
    assert not any(value.requires_grad for value in loaded.parameters())
    made.prepare()
    made.fill_needs = loaded.fill_needs  # `load` makes it complete: a plain crop is enough
    before, after = reenact(made, source, driving), reenact(loaded, source, driving)
    torch.testing.assert_close(after.rgb, before.rgb, atol=2e-3, rtol=0)
    torch.testing.assert_close(after.changed, before.changed, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", CATALOG)
def test_a_config_of_another_kind_is_refused_in_words(name: str) -> None:
    with pytest.raises(ConfigError, match="does not fit"):
        CATALOG[name].load_class().from_config(SYSTEMS_UNDER_TEST[name].wrong_network)


@pytest.mark.parametrize("name", CATALOG)
def test_one_step_lowers_the_loss(name: str) -> None:
    data = face_set(load_morphable(), np.random.default_rng(0))
    torch.manual_seed(0)
    task = SYSTEMS_UNDER_TEST[name].task(data)
    optimizer = torch.optim.AdamW(task.networks.parameters(), lr=1e-3)
    batch = task.sample_batch(np.random.default_rng(0), 3, torch.device("cpu"))
    totals = []
    for _ in range(2):
        losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, task.critic)
        assert all(bool(torch.isfinite(value)) for value in losses.values()), losses
        total = torch.stack(list(losses.values())).sum()
        totals.append(total.item())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert totals[1] < totals[0]
