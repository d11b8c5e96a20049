"""A clip as the source."""

import pathlib
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError, NoFaceFoundError, StoppedError
from reenact.media import VideoReader, VideoWriter, read_image
from reenact.media.frame import Frame
from reenact.pipeline.animate import Animator
from reenact.pipeline.clips.source import SourceClip
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.video import choose_sound, reenact_video
from tests.unit.pipeline.conftest import make_frame
from tests.unit.pipeline.test_video import greys

Clip = Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]
ACTOR = pathlib.Path(__file__).parents[3] / "examples" / "driving"
STILL = (160, 120, 60)


@pytest.fixture
def source(tmp_path: pathlib.Path) -> Clip:
    """Writes a source clip of 50 frames a second, each before another background."""

    def write(faces: Sequence[tuple[int, int, int] | None]) -> pathlib.Path:
        path = tmp_path / "source.mp4"
        with VideoWriter(path, width=320, height=240, fps=Fraction(50)) as writer:
            for index, each in enumerate(faces):
                writer.write(make_frame(each, seed=index))
        return path

    return write


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """The frames of results, before they are encoded."""
    frames: list[Frame] = []
    write = VideoWriter.write

    def keep(self: VideoWriter, frame: Frame) -> None:
        if self.path.name.startswith("out"):
            frames.append(frame)
        write(self, frame)

    monkeypatch.setattr(VideoWriter, "write", keep)
    return frames


def frames_of(path: pathlib.Path) -> list[Frame]:
    with VideoReader(path) as reader:
        return list(reader)


def mean_difference(one: Frame, other: Frame) -> float:
    """Above face and mark."""
    return float(np.abs(one[:40, 40:].astype(float) - other[:40, 40:]).mean())


def test_the_rate_is_the_source_clips(engine: Engine, clip: Clip, source: Clip) -> None:
    driving = clip([(160 + 10 * index, 120, 80) for index in range(4)])  # 25 frames a second
    filmed, out = source([STILL] * 12), driving.with_name("out.mp4")
    result = reenact_video(filmed, driving, out, system=engine, smoothing=False, neutral_frame=0)
    assert (result.fps, result.frame_count, result.width) == (50, 8, 320)
    assert greys(out) == pytest.approx([128, 128, 138, 138, 148, 148, 158, 158], abs=6)
    for own, frame in zip(frames_of(filmed), frames_of(out), strict=False):
        assert mean_difference(own, frame) < 8  # each over its own frame


@pytest.mark.parametrize(
    ("extend", "steps"),
    [
        ("stop", [0, 1, 2]),
        ("loop", [0, 1, 2, 0, 1, 2, 0]),
        ("bounce", [0, 1, 2, 1, 0, 1, 2]),
        ("hold", [0, 1, 2, 2, 2]),
    ],
)
def test_a_driver_that_ends_first(extend: str, steps: list[int], engine: Engine, clip: Clip, source: Clip) -> None:
    driving = clip([(160 + 12 * index, 120, 80) for index in range(3)])
    filmed, out = source([STILL] * 14 if extend == "stop" else [STILL] * 2 * len(steps)), driving.with_name("out.mp4")
    options = {"system": engine, "smoothing": False, "neutral_frame": 0, "fps": Fraction(25), "extend": extend}
    reenact_video(filmed, driving, out, **options)
    assert greys(out) == pytest.approx([128 + 12 * step for step in steps], abs=6)


@pytest.mark.parametrize(
    ("extend", "shown"),
    [
        ("stop", [0, 1, 2]),
        ("loop", [0, 1, 2, 0, 1, 2, 0, 1]),
        ("bounce", [0, 1, 2, 1, 0, 1, 2, 1]),
        ("hold", [0, 1, 2, 2, 2, 2, 2, 2]),
    ],
)
def test_a_source_that_ends_first(
    extend: str, shown: list[int], engine: Engine, clip: Clip, source: Clip, written: list[Frame]
) -> None:
    driving, filmed = clip([(160, 120, 80)] * 4), source([STILL] * 3)  # 8 frames at the source's rate
    reenact_video(filmed, driving, driving.with_name("out.mp4"), system=engine, extend=extend)
    own = frames_of(filmed)
    assert [int(np.argmin([mean_difference(frame, each) for each in own])) for frame in written] == shown


def test_frames_without_a_face_stay_as_filmed(engine: Engine, clip: Clip, source: Clip, written: list[Frame]) -> None:
    filmed, driving = source([STILL, None, STILL, STILL]), clip([(160, 120, 80)] * 4)
    result = reenact_video(filmed, driving, driving.with_name("out.mp4"), system=engine)
    own = frames_of(filmed)
    assert np.array_equal(written[1], own[1]) and not np.array_equal(written[0], own[0])
    assert f"{filmed}: no face in 1 frame (1); left as filmed." in result.warnings


def test_a_source_clip_without_a_face_is_refused(engine: Engine, clip: Clip, source: Clip) -> None:
    driving, filmed = clip([(160, 120, 80)] * 4), source([None] * 4)
    with pytest.raises(NoFaceFoundError, match=r"No face in any of the 4 frames of .*source\.mp4"):
        reenact_video(filmed, driving, driving.with_name("out.mp4"), system=engine)
    assert not driving.with_name("out.mp4").exists()


def test_the_last_motion_goes_on_where_the_driver_has_no_face(engine: Engine, clip: Clip, source: Clip) -> None:
    driving = clip([(160, 120, 80), (180, 120, 80), None, None])
    out = driving.with_name("out.mp4")
    options = {"system": engine, "smoothing": False, "neutral_frame": 0, "fps": Fraction(25)}
    result = reenact_video(source([STILL] * 8), driving, out, **options)
    assert greys(out) == pytest.approx([128, 148, 148, 148], abs=6)
    assert result.missing == (2, 3)


def test_crops_have_one_size(engine: Engine, clip: Clip, source: Clip) -> None:
    filmed = source([(160, 120, size) for size in (120, 120, 190, 190)])
    result = reenact_video(
        filmed, clip([STILL] * 4), filmed.with_name("out.mp4"), system=engine, paste_back=False, side_by_side=True
    )
    assert result.width == round(320 * result.height / 240) + 2 * result.height
    assert len(frames_of(result.path)) == 4


def test_whose_sound_it_is() -> None:
    class Heard:
        def __init__(self, name: str, *, has_audio: bool) -> None:
            self.path, self.info = pathlib.Path(name), type("Info", (), {"has_audio": has_audio})

    loud, silent, own = (Heard(name, has_audio=name != "silent") for name in ("loud", "silent", "source"))
    choose = getattr(choose_sound, "__wrapped__", choose_sound)
    assert choose(None, loud, own) == loud.path
    assert choose(None, silent, own) == own.path
    assert choose("driving", silent, own) is None
    assert choose("source", loud, own) == own.path
    assert choose("none", loud, own) is None
    with pytest.raises(ConfigError, match="The source is a picture"):
        choose("source", loud, None)


@pytest.mark.parametrize("system", ["correspondence", "facegan", "dual_generator"])
def test_without_motion_the_frames_are_the_clips(system: str) -> None:
    engine = load_engine(system)
    rest = engine.tracker.track(read_image(ACTOR / "actor-smile.jpg").rgb)
    animator = Animator(None, rest, system=engine.system, mode="relative", paste_back=True)
    with SourceClip(ACTOR / "actor-nod.mp4") as filmed:
        filmed.start(engine)
        for shown, _ in zip(filmed.frames(), range(5), strict=False):
            assert shown.source is not None
            animator.take(shown.source)
            assert np.array_equal(next(animator.draw(rest)), shown.frame)


@pytest.fixture(scope="module")
def real() -> Engine:
    return load_engine("correspondence")


def test_a_talking_driver_opens_the_mouth_of_a_nodding_clip(real: Engine, tmp_path: pathlib.Path) -> None:
    filmed, out = ACTOR / "actor-nod.mp4", tmp_path / "out.mp4"
    shorter = tmp_path / "talk.mp4"
    with (
        VideoReader(ACTOR / "actor-talk.mp4") as reader,
        VideoWriter(shorter, width=256, height=256, fps=Fraction(25)) as writer,
    ):
        for frame, _ in zip(reader, range(24), strict=False):
            writer.write(frame)
    result = reenact_video(filmed, shorter, out, system=real)
    assert result.frame_count == 24
    opened, turned, nodded = [], [], []
    for own, frame in zip(frames_of(filmed)[:24:4], frames_of(out)[:24:4], strict=True):
        faces = [real.tracker.track(each) for each in (own, frame)]
        gaps = [float((face.mesh_px[0, 13] - face.mesh_px[0, 14]).norm()) for face in faces]
        opened.append(gaps[1] - gaps[0])
        turned.append(float((faces[1].rotation - faces[0].rotation).abs().amax()))
        nodded.append(float(faces[1].rotation[0, 1, 2]))
    assert max(opened) > 4
    assert np.ptp(nodded) > 0.18 and np.median(turned) < 0.15


def test_layers_of_a_clip(real: Engine) -> None:
    with SourceClip(ACTOR / "actor-shake.mp4") as filmed:
        filmed.start(real)
        sources = [frame.source for frame, _ in zip(filmed.frames(), range(14), strict=False)]
    portraits = [each.identity.portrait for each in sources if each is not None]
    assert len(portraits) == 14 and len({each.rgb.shape for each in portraits}) == 1
    for each in portraits:
        outside = (each.hole == 0).expand(-1, 3, -1, -1)
        assert torch.equal(each.ground[outside], each.rgb[outside])
        assert float((each.hole >= (each.head[:, 3:] > 0.02)).float().mean()) > 0.98
    first, last = portraits[0].shape, portraits[-1].shape
    assert float((last.pose.rotation - first.pose.rotation).abs().amax()) > 0.2
    off_face = torch.ones(len(first.shape), dtype=torch.bool)
    off_face[first.template.on_face] = False
    assert float((last.shape - first.shape)[off_face].norm(dim=1).median()) < 0.05  # the same head, turned
    # the wall behind the actor is even: nothing of the dark hair is left on it
    assert float(portraits[-1].ground[0, :, 20:60].amin()) > 0.5


def test_a_stopped_run_leaves_no_thread_behind(
    engine: Engine, clip: Clip, source: Clip, tmp_path: pathlib.Path
) -> None:
    """The driver is read ahead: its file must not be closed under the thread that reads it."""
    looks = iter(range(1000))
    before = set(threading.enumerate())
    with pytest.raises(StoppedError):
        reenact_video(
            source([STILL] * 24),
            clip([STILL] * 12),
            tmp_path / "out.mp4",
            system=engine,
            should_stop=lambda: next(looks) > 12,
        )
    assert set(threading.enumerate()) <= before
    assert not list(tmp_path.glob("out*"))
