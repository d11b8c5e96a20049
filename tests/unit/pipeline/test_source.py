from collections.abc import Callable

import pytest

from reenact.errors import NoFaceFoundError
from reenact.pipeline import Engine, SourceCache
from reenact.pipeline.source import prepare_source
from reenact.types import Frame


def test_a_source_is_encoded_once(engine: Engine, picture: Callable[..., Frame]) -> None:
    first = engine.sources.get(picture((160, 120, 80)), system=engine.system, tracker=engine.tracker)
    again = engine.sources.get(picture((160, 120, 80)), system=engine.system, tracker=engine.tracker)
    assert again is first
    assert engine.system.encoded == 1


def test_another_picture_face_or_size_is_another_source(engine: Engine, picture: Callable[..., Frame]) -> None:
    frame = picture((160, 120, 80))
    given = {"system": engine.system, "tracker": engine.tracker}
    sources = [
        engine.sources.get(frame, **given),
        engine.sources.get(frame, face=1, **given),
        engine.sources.get(frame, largest_px=100, **given),
        engine.sources.get(picture((150, 120, 80)), **given),
    ]
    assert len({id(source) for source in sources}) == 4
    assert sources[2].crop_px == 100


def test_the_oldest_source_is_forgotten(engine: Engine, picture: Callable[..., Frame]) -> None:
    cache = SourceCache(capacity=2)
    for x in (100, 120, 100, 140, 120):  # 100 was used again, so 140 pushes 120 out
        cache.get(picture((x, 120, 80)), system=engine.system, tracker=engine.tracker)
    assert engine.system.encoded == 4


def test_messages_name_the_picture(engine: Engine, picture: Callable[..., Frame]) -> None:
    source = prepare_source(picture((160, 120, 80)), system=engine.system, tracker=engine.tracker, name="me.png")
    assert source.warnings == ("me.png: 2 faces found; the largest was taken (--face).",)
    with pytest.raises(NoFaceFoundError, match=r"^me\.png: No face found"):
        prepare_source(picture(None), system=engine.system, tracker=engine.tracker, name="me.png")
