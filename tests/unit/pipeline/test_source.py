import dataclasses
import gc
import math
import weakref

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError, NoFaceFoundError
from reenact.perception.tracking import TrackReport
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.source import SourceCache, bytes_of, prepare_source, turn_quarters, upright_quarters
from reenact.types import head_angles_rad
from tests.contract.systems import build
from tests.unit.pipeline.conftest import MarkTracker, make_face, make_frame


def test_a_source_is_encoded_once(engine: Engine) -> None:
    first = engine.sources.get(make_frame((160, 120, 80)), system=engine.system, tracker=engine.tracker)
    again = engine.sources.get(make_frame((160, 120, 80)), system=engine.system, tracker=engine.tracker)
    assert again is first
    assert engine.system.encoded == 1


def test_another_picture_face_or_size_is_another_source(engine: Engine) -> None:
    frame = make_frame((160, 120, 80))
    given = {"system": engine.system, "tracker": engine.tracker}
    sources = [
        engine.sources.get(frame, **given),
        engine.sources.get(frame, face=1, **given),
        engine.sources.get(frame, largest_px=100, **given),
        engine.sources.get(make_frame((150, 120, 80)), **given),
    ]
    assert len({id(source) for source in sources}) == 4
    assert sources[2].crop_px == 100


@pytest.mark.parametrize(("width", "encoded"), [(320, 4), (640, 5)])
def test_the_cache_is_bounded_by_its_memory(engine: Engine, width: int, encoded: int) -> None:
    """Two small pictures fit; of larger ones only the last is kept."""
    given = {"system": engine.system, "tracker": engine.tracker}
    cache = SourceCache(2 * bytes_of(prepare_source(make_frame((100, 120, 80)), **given)))
    engine.system.encoded = 0
    for x in (100, 120, 100, 140, 120):  # 100 is used again, so that 140 replaces 120
        cache.get(make_frame((x, 120, 80), width=width), **given)
    cache.get(make_frame((120, 120, 80), width=width), **given)
    assert engine.system.encoded == encoded


def test_bytes_of_a_source_count_every_array_once(engine: Engine) -> None:
    source = prepare_source(make_frame((160, 120, 80)), system=engine.system, tracker=engine.tracker)
    assert source.identity.rgb is source.image.rgb
    mesh = 4 * 478 * 3
    geometry = mesh + 4 * (52 + 9 + 17 + 1)
    layers = bytes_of(source.identity.portrait)
    rotations = 2 * 9 * 4  # of the crop, and of the face in it
    assert bytes_of(source) == 320 * 240 * 3 + source.image.rgb.nbytes + rotations + geometry + mesh + layers


def test_a_source_never_answers_for_another_tracker_with_the_same_id(engine: Engine) -> None:
    """Trackers come and go; memory, and so ids, are used again."""
    frame, cache = make_frame((100, 120, 80)), SourceCache()
    tracker = MarkTracker()
    cache.get(frame, system=engine.system, tracker=tracker)
    alive = weakref.ref(tracker)
    del tracker
    gc.collect()
    assert alive() is not None


def test_a_tuned_generator_counts(engine: Engine) -> None:
    network = torch.nn.BatchNorm1d(100)
    assert bytes_of([network, {"again": network.weight}]) == 4 * 4 * 100 + 8  # float32, and a count of batches


def test_messages_name_the_picture(engine: Engine) -> None:
    source = prepare_source(make_frame((160, 120, 80)), system=engine.system, tracker=engine.tracker, name="me.png")
    assert source.warnings == ("me.png: 2 faces found; the largest was taken.",)
    with pytest.raises(NoFaceFoundError, match=r"^me\.png: No face found"):
        prepare_source(make_frame(None), system=engine.system, tracker=engine.tracker, name="me.png")


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_head_that_lies_is_turned_upright_and_back(quarters: int) -> None:
    frame = make_frame((160, 120, 80))
    turned, geometry = turn_quarters(frame, make_face(160, 120, 80), quarters)
    assert np.array_equal(turned, np.rot90(frame, quarters))
    roll_deg = float(torch.rad2deg(head_angles_rad(geometry.rotation)[0, 2]))
    assert (roll_deg - 90 * quarters) % 360 == pytest.approx(0, abs=1e-3) or roll_deg % 360 == pytest.approx(360)
    assert (upright_quarters(geometry) + quarters) % 4 == 0
    back, same = turn_quarters(turned, geometry, upright_quarters(geometry))
    assert np.array_equal(back, frame)
    torch.testing.assert_close(same.mesh_px, make_face(160, 120, 80).mesh_px, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("roll_deg", "quarters", "level"), [(0, 0, False), (20, 0, False), (35, 0, True), (180, 2, False)]
)
def test_sources_are_turned_upright(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, roll_deg: float, quarters: int, level: bool
) -> None:
    frame = make_frame((160, 120, 80))
    cos, sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    about = torch.tensor([160.0, 120.0])
    turn = torch.eye(3)
    turn[:2, :2] = torch.tensor([[cos, sin], [-sin, cos]])
    turn[:2, 2] = about - turn[:2, :2] @ about
    rolled = engine.tracker.track(frame).moved_by(turn)
    report = TrackReport(geometry=rolled, faces=engine.tracker.find(frame), face=1, warnings=())
    monkeypatch.setattr(engine.tracker, "report", lambda *_, **__: report)
    source = prepare_source(frame, system=engine.system, tracker=engine.tracker)
    assert source.quarters == quarters
    assert (float(source.image.crop_from_frame[0, 1, 0]) != 0) == level
    assert len(source.warnings) == (quarters != 0 or level)
    # the mesh of the crop, which is what the system sees, is that of the upright head
    upright = prepare_source(frame, system=engine.system, tracker=MarkTracker())
    seen, expected = (each.identity.mesh - each.identity.mesh.mean(1, keepdim=True) for each in (source, upright))
    if roll_deg != 20:
        torch.testing.assert_close(seen, expected, atol=2.0, rtol=0)
    assert np.array_equal(source.turned_back(source.frame), frame)


def test_a_source_is_tuned_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned: list[int] = []
    monkeypatch.setattr(type(engine.system), "tune", lambda _, identity, steps, __: tuned.append(steps) or identity)
    picture = make_frame((160, 120, 80))
    engine.open_source(picture)
    assert tuned == []
    tuning = dataclasses.replace(engine, tune_steps=3)
    assert tuning.open_source(picture) is tuning.open_source(picture)
    assert tuned == [3]


@pytest.mark.parametrize(
    ("system", "steps", "said"),
    [
        ("facegan", 5, "'facegan' cannot be tuned to a source; tune latent_directions"),
        ("latent_directions", 1001, "1001 tuning steps were asked for; give a number from 0 to 1000"),
        ("latent_directions", -1, "-1 tuning steps"),
    ],
)
def test_tuning_that_cannot_be_is_refused(system: str, steps: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reenact.pipeline.engine.load", lambda *_, **__: build(system))
    with pytest.raises(ConfigError, match=said):
        load_engine(system, tune_steps=steps, device="cpu")
