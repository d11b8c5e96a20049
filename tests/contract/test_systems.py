"""What every reenactment system promises."""

import importlib
import pathlib
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reenact.errors import ConfigError, ShapeError
from reenact.facs import ACTION_UNITS
from reenact.hub import load
from reenact.portrait.networks import Painter, PainterConfig
from reenact.portrait.painters import DrivingFaces, Painters
from reenact.systems.base import PoseControls, Rendered
from reenact.systems.catalog import CATALOG
from reenact.types import CropSpec, FaceImage
from tests.contract.systems import SIDE, SYSTEMS_UNDER_TEST, AnyReenactor, Clip, build, network_of, painted
from train.run.export import write_model


@pytest.fixture(scope="module", params=CATALOG)
def system(request: pytest.FixtureRequest) -> AnyReenactor:
    return build(request.param)


@pytest.fixture(scope="module")
def source() -> Clip:
    """One frame, larger than the networks see it."""
    return painted(20, 1, 96)


@pytest.fixture(scope="module")
def driving() -> Clip:
    """Another face, three frames of another size."""
    return painted(21, 3, 80)


@pytest.fixture(scope="module")
def identity(system: AnyReenactor, source: Clip) -> Any:
    """What the system keeps of the source."""
    return system.encode_identity(*source)


def reenact(
    system: AnyReenactor, identity: Any, driving: Clip, mode: str = "absolute", frames: slice = slice(None)
) -> Rendered:
    """The other three verbs in a row; the first driving frame is the neutral one."""
    motion = system.read_motion(*driving)
    neutral = system.select(motion, slice(0, 1))
    driven = system.retarget(identity, system.select(motion, frames), neutral, mode)
    return system.render(identity, driven)


def assert_same(first: Rendered, second: Rendered, tolerance: float = 2e-3) -> None:
    torch.testing.assert_close(first.rgb, second.rgb, atol=tolerance, rtol=0)
    torch.testing.assert_close(first.changed, second.changed, atol=tolerance, rtol=0)


def test_every_system_is_under_test() -> None:
    assert set(SYSTEMS_UNDER_TEST) == set(CATALOG)


def test_its_id_is_its_row_in_the_catalog(system: AnyReenactor) -> None:
    assert CATALOG[system.system].load_class() is type(system)
    assert CATALOG[system.system].can_pose == system.can_pose
    assert system.crop.network_px == SIDE
    assert not system.training


def test_painters_change_only_mouths_and_eyes_that_move(
    system: AnyReenactor, identity: Any, source: Clip, driving: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without motion `draw` gives the source bit for bit; with it, what differs from `render` counts as changed."""
    mouth, eye = (Painter(PainterConfig(part=part, widths=(4, 8))).eval() for part in ("mouth", "eye"))
    monkeypatch.setattr(system, "paint", Painters(mouth=mouth, eye=eye).paint)
    motion = system.read_motion(*driving)
    neutral = system.select(motion, slice(0, 1))
    with torch.inference_mode():
        still = system.draw(identity, system.retarget(identity, neutral, neutral, "relative"))
        driven = system.retarget(identity, motion, neutral, "absolute")
        drawn = system.draw(identity, driven, DrivingFaces(rgb=driving[0].rgb, mesh_px=driving[1].mesh_px))
        different = (drawn.rgb != system.render(identity, driven).rgb).any(1, keepdim=True)
    assert torch.equal(still.rgb, source[0].rgb)
    assert not still.changed.any()
    assert different.any()
    assert not (different & (drawn.changed == 0)).any()


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_pictures_have_the_sources_size_and_range(
    system: AnyReenactor, identity: Any, driving: Clip, mode: str
) -> None:
    rendered = reenact(system, identity, driving, mode)
    assert rendered.rgb.shape == (3, 3, 96, 96)
    assert rendered.changed.shape == (3, 1, 96, 96)
    assert not rendered.rgb.requires_grad
    for value in (rendered.rgb, rendered.changed):
        assert value.dtype == torch.float32
        assert value.min() >= -1e-6
        assert value.max() <= 1 + 1e-6
    assert rendered.rgb.std() > 0.01


def test_it_draws_from_a_plain_crop(system: AnyReenactor, source: Clip, driving: Clip) -> None:
    plain = FaceImage(rgb=source[0].rgb, crop_from_frame=source[0].crop_from_frame)
    rendered = reenact(system, system.encode_identity(plain, source[1]), driving)
    assert torch.isfinite(rendered.rgb).all() and rendered.rgb.std() > 0.01


def test_the_same_input_gives_the_same_picture(system: AnyReenactor, source: Clip, driving: Clip) -> None:
    first, second = (reenact(system, system.encode_identity(*source), driving) for _ in range(2))
    assert torch.equal(first.rgb, second.rgb)
    assert torch.equal(first.changed, second.changed)


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_a_batch_is_its_frames_one_by_one(system: AnyReenactor, identity: Any, driving: Clip, mode: str) -> None:
    together = reenact(system, identity, driving, mode)
    for i in range(3):
        one = slice(i, i + 1)
        alone = reenact(system, identity, driving, mode, one)
        assert_same(alone, Rendered(rgb=together.rgb[one], changed=together.changed[one]))


def test_motion_is_drawn_and_unchanged_pixels_are_the_sources(
    system: AnyReenactor, identity: Any, source: Clip, driving: Clip
) -> None:
    rendered = reenact(system, identity, driving)
    assert (rendered.rgb[0] - rendered.rgb[1]).abs().max() > 0.02
    unchanged = (rendered.changed == 0).expand_as(rendered.rgb)
    assert torch.equal(rendered.rgb[unchanged], source[0].rgb.expand_as(rendered.rgb)[unchanged])


@pytest.mark.parametrize("side", [64, 150, 300])
def test_driven_by_itself_a_source_of_any_size_stays_bit_for_bit(
    system: AnyReenactor, driving: Clip, side: int
) -> None:
    source = painted(20, 1, side)
    identity = system.encode_identity(*source)
    for mode in ("absolute", "relative"):
        rendered = reenact(system, identity, source, mode)
        assert torch.equal(rendered.rgb, source[0].rgb)
        assert rendered.changed.max() == 0
    assert reenact(system, identity, driving, frames=slice(0, 1)).rgb.shape == (1, 3, side, side)


def test_relative_motion_of_a_driver_at_rest_is_the_same_whoever_drives(
    system: AnyReenactor, identity: Any, source: Clip, driving: Clip
) -> None:
    own = reenact(system, identity, source, "relative").rgb
    for driver in (driving, painted(22, 1, 128)):
        at_rest = reenact(system, identity, driver, "relative", slice(0, 1)).rgb
        torch.testing.assert_close(at_rest, own, atol=5e-3, rtol=0)


def test_a_neutral_frame_is_found_and_can_be_selected(system: AnyReenactor, identity: Any, driving: Clip) -> None:
    motion = system.read_motion(*driving)
    neutral = system.find_neutral(motion)
    assert neutral in range(3)
    frame = slice(neutral, neutral + 1)
    selected = system.select(motion, frame)
    assert system.find_neutral(selected) == 0
    image = FaceImage(rgb=driving[0].rgb[frame], crop_from_frame=driving[0].crop_from_frame[frame])
    read_alone = system.read_motion(image, driving[1][frame])
    assert_same(*(system.render(identity, system.retarget(identity, m, m, "absolute")) for m in (selected, read_alone)))


def test_own_controls_give_the_source_bit_for_bit_and_others_another_face(
    system: AnyReenactor, identity: Any, source: Clip
) -> None:
    if not system.can_pose:
        controls = PoseControls(action_units=torch.zeros(1, 17, 2), angles_rad=torch.zeros(1, 3))
        for refused in (lambda: system.read_controls(identity), lambda: system.pose(identity, controls)):
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
    for frame, changed in zip(rendered.rgb[1:], rendered.changed[1:], strict=True):
        assert (frame - source[0].rgb).abs().max() > 0.05
        assert 0.03 < (changed == 0).float().mean() < 0.97, "an edit of the face leaves the background as it is"
    too_strong, full = (
        system.pose(identity, PoseControls(action_units=torch.full_like(units, value), angles_rad=angles))
        for value in (3.0, 1.0)
    )
    assert_same(system.render(identity, too_strong), system.render(identity, full), tolerance=0)


def test_gaze_place_and_lips_are_controls_of_their_own(system: AnyReenactor, identity: Any) -> None:
    if not system.can_pose:
        pytest.skip("this system takes its motion from a driver")
    own = system.read_controls(identity)
    assert own.gaze_rad is not None
    place = torch.zeros(4, 3)
    place[1] = torch.tensor([0.05, -0.02, 0.1])
    controls = PoseControls(
        action_units=own.action_units.repeat(4, 1, 1),
        angles_rad=own.angles_rad.repeat(4, 1),
        gaze_rad=own.gaze_rad + torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.3, 0.1], [0.0, 0.0]]),
        place=place,
        pucker=torch.tensor([0.0, 0.0, 0.0, 1.0]),
    )
    still, placed, looking, pursed = system.target_mesh(identity, system.pose(identity, controls))
    torch.testing.assert_close(still, identity.mesh[0], atol=1e-5, rtol=0)
    moved = placed - still
    assert 0.05 < moved[:, 0].mean() < 0.15 and moved[:, 1].mean() < 0, "half-sides"
    span = [(mesh[33] - mesh[263])[:2].norm() for mesh in (still, placed)]
    torch.testing.assert_close(span[1] / span[0], torch.tensor(1.1), atol=1e-2, rtol=0)
    turned = (looking - still).norm(dim=-1)
    assert turned[468] > 0.001 and turned[:468].max() < 1e-4, "the irises alone"
    mouth = [(mesh[61] - mesh[291])[:2].norm() for mesh in (still, pursed)]
    assert mouth[1] < 0.9 * mouth[0] and (pursed - still)[33].norm() < 0.01


def test_two_sources_at_once_are_refused(system: AnyReenactor, driving: Clip) -> None:
    with pytest.raises(ShapeError, match="one source frame"):
        system.encode_identity(*driving)


@pytest.mark.parametrize("name", CATALOG)
def test_saved_and_loaded_it_draws_the_same(name: str, source: Clip, driving: Clip, tmp_path: pathlib.Path) -> None:
    made = build(name, prepared=False)
    write_model(made.networks, tmp_path, {"model": name, "network": network_of(name)}, {"steps": 0})
    loaded = load(tmp_path)
    assert type(loaded) is type(made)
    assert not any(value.requires_grad for value in loaded.parameters())
    made.prepare()
    assert_same(*(reenact(system, system.encode_identity(*source), driving) for system in (loaded, made)))
    # a loaded system fills in what a plain crop lacks
    plain = FaceImage(rgb=source[0].rgb, crop_from_frame=source[0].crop_from_frame)
    made.fill_needs = loaded.fill_needs
    assert_same(*(reenact(system, system.encode_identity(plain, source[1]), driving) for system in (loaded, made)))


@pytest.mark.parametrize("name", CATALOG)
def test_wrong_configs_are_refused_in_words(name: str) -> None:
    system = CATALOG[name].load_class()
    unknown = r"does not fit \w+ \(unknown: heads\)"
    for change, text in (
        ({"heads": 4}, unknown),
        ({"crop": {"heads": 4}}, "crop of The network configuration " + unknown),
        *SYSTEMS_UNDER_TEST[name].refused,
    ):
        with pytest.raises(ConfigError, match=text):
            system.from_config(network_of(name) | change)


@pytest.mark.parametrize("name", CATALOG)
def test_the_presets_share_their_crop_and_tiny_fits_a_cpu(name: str) -> None:
    presets = importlib.import_module(f"reenact.systems.{name}.config").PRESETS
    assert {"tiny", "paper"} <= set(presets) and {config.crop for config in presets.values()} == {CropSpec()}
    system = CATALOG[name].load_class()(presets["tiny"]).eval().requires_grad_(False)
    assert sum(value.numel() for value in system.networks.parameters()) <= 4e6
    source = painted(20, 1, 256)
    identity, motion = system.encode_identity(*source), system.read_motion(*painted(21, 1, 256))
    with FlopCounterMode(display=False) as counter:
        system.render(identity, system.retarget(identity, motion, motion, "absolute"))
    assert counter.get_total_flops() / 2 <= 2.5e9
