import inspect
import pathlib
import weakref
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reenact.errors import ConfigError, NoFaceFoundError, OutputError, StoppedError
from reenact.media import VideoReader, VideoWriter
from reenact.media.frame import Frame
from reenact.pipeline.engine import Engine
from reenact.pipeline.image import reenact_image
from reenact.pipeline.options import DrivingOptions
from reenact.pipeline.paste import PasteBack
from reenact.pipeline.results import VideoResult
from reenact.pipeline.video import reenact_video
from reenact.provenance.origin import Origin
from tests.unit.pipeline.conftest import make_frame

Clip = Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]
STILL = (160, 120, 60)


def greys(path: pathlib.Path) -> list[int]:
    """Grey level of the redrawn face in each frame; 0 where it is the source's own pixels."""
    with VideoReader(path) as reader:
        middles = [frame[115:125, 155:165].reshape(-1, 3).astype(float) for frame in reader]
    return [round(middle.mean()) if np.ptp(middle) < 12 else 0 for middle in middles]


def run(engine: Engine, driving: pathlib.Path, **options: object) -> VideoResult:
    return reenact_video(make_frame(STILL), driving, driving.with_name("out.mp4"), system=engine, **options)


def test_every_frame_is_drawn_relative_to_the_reference(engine: Engine, clip: Clip) -> None:
    xs = [160, 160, 160, 170, 154]
    driving = clip([(x, 120, 80) for x in xs])
    result = run(engine, driving, smoothing=False, neutral_frame=0)
    assert (result.width, result.height, result.fps, result.frame_count) == (320, 240, Fraction(25), 5)
    assert greys(result.path) == pytest.approx([128, 128, 128, 138, 122], abs=4)
    assert result.missing == ()


def test_batches_are_full_and_the_order_is_kept(engine: Engine, clip: Clip) -> None:
    driving = clip([(140 + 2 * i, 120, 80) for i in range(19)])
    result = run(engine, driving, smoothing=False, neutral_frame=0)
    assert engine.system.batches == [8, 8, 3]
    assert greys(result.path) == pytest.approx([128 + 2 * i for i in range(19)], abs=4)


def test_hold_repeats_the_last_result_and_begins_with_the_source(engine: Engine, clip: Clip) -> None:
    driving = clip([None, (160, 120, 80), (190, 120, 80), None, None, (160, 120, 80)])
    result = run(engine, driving, smoothing=False, neutral_frame=1)
    shown = greys(result.path)
    with VideoReader(result.path) as reader:
        first = next(iter(reader))
    assert np.abs(first.astype(int) - make_frame(STILL)).mean() < 6
    assert shown[1:] == pytest.approx([128, 158, 158, 158, 128], abs=4)
    assert result.missing == (0, 3, 4)
    assert "no face in 3 frames (0, 3 to 4); the last result was held" in result.warnings[-1]


def test_skip_leaves_frames_out(engine: Engine, clip: Clip) -> None:
    driving = clip([None, (160, 120, 80), None, (190, 120, 80)])
    result = run(engine, driving, smoothing=False, neutral_frame=1, on_missing_face="skip")
    assert result.frame_count == 2
    assert greys(result.path) == pytest.approx([128, 158], abs=4)


def test_stop_names_the_frame_and_leaves_nothing(engine: Engine, clip: Clip) -> None:
    driving = clip([(160, 120, 80), (160, 120, 80), None])
    with pytest.raises(NoFaceFoundError, match=r"^Frame 2 of .*driving\.mp4: No face"):
        run(engine, driving, on_missing_face="stop")
    assert [path.name for path in driving.parent.iterdir()] == ["driving.mp4"]


def test_rate_size_and_format_by_wish(engine: Engine, clip: Clip) -> None:
    driving = clip([(150, 120, 80)] * 5 + [(190, 120, 80)] * 5)
    fast = inspect.unwrap(reenact_video)(
        make_frame(STILL), driving, driving.with_name("a.gif"), system=engine, fps=Fraction(100), longest_px=160
    )
    assert (fast.width, fast.height, fast.fps) == (160, 120, 50)
    assert fast.warnings[-1].endswith("GIF holds at most 50 frames a second; of 100, 50 were written.")
    result = reenact_video(make_frame(STILL), driving, driving.with_name("a.webm"), system=engine, quality=50)
    with VideoReader(result.path) as reader:
        assert (reader.info.fps, reader.info.frame_count, reader.info.width) == (25, 10, 320)


def test_a_long_clip_without_a_face_is_refused_before_drawing(engine: Engine, clip: Clip) -> None:
    told: list[tuple[int, int, str]] = []
    with pytest.raises(NoFaceFoundError, match=r"any of 50 frames, from beginning to end, of .*; give another"):
        run(engine, clip([None] * 120), progress=lambda *state: told.append(state))
    assert engine.tracker.tracked <= 1 + 50
    assert {stage for *_, stage in told} <= {"preparing", "tracking"}


def test_a_face_that_comes_late_is_found(engine: Engine, clip: Clip) -> None:
    result = run(engine, clip([None] * 100 + [(160, 120, 80)] * 20))
    assert result.missing == tuple(range(100))


@pytest.mark.parametrize("policy", ["hold", "skip"])
def test_no_face_in_the_whole_clip_is_an_error(policy: str, engine: Engine, clip: Clip) -> None:
    driving = clip([None] * 3)
    with pytest.raises(NoFaceFoundError, match=r"No face in any of the 3 frames of .*driving\.mp4"):
        run(engine, driving, on_missing_face=policy)
    assert [path.name for path in driving.parent.iterdir()] == ["driving.mp4"]


def test_the_driver_is_not_replaced(engine: Engine, clip: Clip) -> None:
    driving = clip([(160, 120, 80)] * 2)
    before = driving.read_bytes()
    with pytest.raises(OutputError, match="the output is the driver, which would be lost"):
        reenact_video(make_frame((100, 120, 80)), driving, driving, system=engine, overwrite=True)
    assert driving.read_bytes() == before


def test_stopping_leaves_nothing(engine: Engine, clip: Clip) -> None:
    driving = clip([(160, 120, 80)] * 30)
    done: list[int] = []
    with pytest.raises(StoppedError):
        run(engine, driving, progress=lambda i, *_: done.append(i), should_stop=lambda: any(done))
    assert done[-1] == 8
    assert [path.name for path in driving.parent.iterdir()] == ["driving.mp4"]


def test_progress_ends_with_all_frames(engine: Engine, clip: Clip) -> None:
    told: list[tuple[int, int, str]] = []
    run(engine, clip([(160, 120, 80)] * 20), progress=lambda *state: told.append(state))
    assert [state for state in told if state[2] == "frames"] == [
        (8, 20, "frames"),
        (16, 20, "frames"),
        (20, 20, "frames"),
    ]


def test_without_strength_the_clip_is_the_source_without_marks(engine: Engine, clip: Clip) -> None:
    driving, marked = clip([(160, 120, 80), (190, 120, 80)]), Origin(watermark=True, label="AI")
    result = run(engine, driving, options=DrivingOptions(strength=0.0), origin=marked)
    plain = driving.with_name("plain.mp4")
    with VideoWriter(plain, width=320, height=240, fps=Fraction(25)) as writer:
        for _ in range(2):
            writer.write(make_frame(STILL))
    with VideoReader(result.path) as drawn, VideoReader(plain) as wanted:
        assert all(np.array_equal(*pair) for pair in zip(drawn, wanted, strict=True))
    assert engine.system.batches == [] and result.system is None


def test_side_by_side_and_crop_only(engine: Engine, clip: Clip) -> None:
    result = run(engine, clip([(160, 120, 80)] * 3), side_by_side=True, paste_back=False)
    assert (result.width, result.height) == (341 + 256 + 256, 256)
    with VideoReader(result.path) as reader:
        assert next(iter(reader)).shape == (256, 854, 3)  # H.264 has even sizes


def test_without_a_reference_ahead_the_first_face_is_it(
    engine: Engine, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reenact.pipeline.neutral.ReferenceFinder.find", lambda *_: None)
    result = run(engine, clip([None, (180, 120, 80), (190, 120, 80)]), smoothing=False)
    assert engine.system.neutrals == pytest.approx([180], abs=2)
    assert greys(result.path)[1:] == pytest.approx([128, 138], abs=6)


def test_the_head_does_not_jump_at_a_cut(engine: Engine, tmp_path: pathlib.Path) -> None:
    """The driver moves by 10 px within each shot; the shots show it 120 px apart and before other backgrounds."""
    driving = tmp_path / "driving.mp4"
    with VideoWriter(driving, width=320, height=240, fps=Fraction(25)) as writer:
        for index in range(12):
            x = (100 if index < 6 else 220) + 10 * (index % 6 == 5)
            writer.write(make_frame((x, 120, 80), seed=index // 6))
    result = run(engine, driving, smoothing=False)
    assert greys(result.path) == pytest.approx([128] * 5 + [138] + [128] * 5 + [138], abs=4)
    first, *_, last = engine.system.neutrals
    assert last - first == pytest.approx(120, abs=4)
    assert result.warnings[-1].endswith("driving.mp4: 1 cut (0.2 s); the motion is measured anew after each.")


@pytest.mark.parametrize("side_by_side", [False, True])
def test_few_whole_pictures_are_held_at_a_time(
    engine: Engine, clip: Clip, monkeypatch: pytest.MonkeyPatch, side_by_side: bool
) -> None:
    """Crops are rendered in batches of 8, but pasted into the whole picture one by one."""
    paste, held, most = PasteBack.__call__, 0, 0

    def counted(self: PasteBack, *crop: np.ndarray) -> Frame:
        nonlocal held, most
        result = paste(self, *crop)
        held += 1
        most = max(most, held)
        weakref.finalize(result, forget)
        return result

    def forget() -> None:
        nonlocal held
        held -= 1

    monkeypatch.setattr(PasteBack, "__call__", counted)
    run(engine, clip([(160, 120, 80)] * 20), side_by_side=side_by_side)
    assert engine.system.batches == [8, 8, 4]
    assert most <= 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "relativ"}, "mode is 'relativ'; choose 'absolute' or 'relative'"),
        ({"on_missing_face": "stopp"}, "on_missing_face is 'stopp'; choose 'hold' or 'skip' or 'stop'"),
    ],
)
def test_unknown_choices_are_refused(engine: Engine, clip: Clip, options: dict[str, Any], text: str) -> None:
    """Unwrapped: in tests a type checker stands before the function."""
    driving = clip([(160, 120, 80)])
    with pytest.raises(ConfigError, match=text):
        inspect.unwrap(reenact_video)(
            make_frame(STILL), driving, driving.with_name("out.mp4"), system=engine, **options
        )
    if "mode" in options:
        with pytest.raises(ConfigError, match=text):
            inspect.unwrap(reenact_image)(make_frame(STILL), make_frame(STILL), system=engine, **options)
    assert engine.system.encoded == 0


def test_bad_settings_are_refused_before_any_work(engine: Engine, clip: Clip) -> None:
    driving = clip([(160, 120, 80)])
    with pytest.raises(OutputError, match="the output is the driver, which would be lost"):
        reenact_video(make_frame(STILL), driving, driving, system=engine)
    with pytest.raises(ConfigError, match="numbered from 0"):
        run(engine, driving, neutral_frame=-1)
    assert engine.system.encoded == 0
