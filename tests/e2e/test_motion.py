"""Motion templates on the command line, with the embedded weights."""

import pathlib
from typing import Any

import numpy as np
import pytest

from reenact import cli
from reenact.media import VideoReader, read_image
from reenact.pipeline.animate import Animator
from reenact.pipeline.engine import load_engine
from reenact.pipeline.motions.record import record_motion
from reenact.pipeline.motions.template import read_template, write_template
from reenact.pipeline.video import reenact_video
from tests.e2e.conftest import write_clip

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "examples" / "portraits" / "male_30.jpg"

pytestmark = pytest.mark.usefixtures("all_weights")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def frames_of(path: pathlib.Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack(list(reader)).astype(int)


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Four frames of a talking head."""
    with VideoReader(REPOSITORY / "examples" / "driving" / "actor-talk.mp4") as reader:
        frames = [frame for index, frame in enumerate(reader) if index % 6 == 3][:4]
    return write_clip(tmp_path_factory.mktemp("talking") / "talk.mp4", frames)


@pytest.mark.parametrize(("system", "mode"), [("correspondence", "absolute"), ("facegan", "relative")])
def test_a_template_draws_as_its_clip_but_for_teeth(
    system: str, mode: str, talking: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, motion = load_engine(system), tmp_path / "talk.safetensors"
    write_template(record_motion(talking, engine=engine)[0], motion)

    def drawn(driving: pathlib.Path) -> np.ndarray:
        out = tmp_path / "out.mp4"
        options: dict[str, Any] = {"mode": mode, "max_crop_px": 256, "overwrite": True}
        reenact_video(SOURCE, driving, out, system=engine, **options)
        return frames_of(out)

    played, clip = drawn(motion), drawn(talking)
    draw = Animator.draw

    def draw_blindly(self: Animator, driving: Any, driver: Any = None) -> Any:
        return draw(self, driving)

    monkeypatch.setattr(Animator, "draw", draw_blindly)
    assert np.array_equal(played, drawn(talking)), "bit for bit, if the driver's mouth is not looked at"
    assert (np.abs(played - clip).max(-1) > 8).mean() < 0.02, "else only mouths differ"
    assert np.abs(played[0] - read_image(SOURCE).rgb)[100:-100].mean() > 0.2


def test_the_library_drives_by_name(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("motion", "--list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        *("nod", "shake", "smile", "surprise", "talk", "wink"),
    ]
    out = tmp_path / "nod.mp4"
    assert run("video", SOURCE, "nod", "-o", out, "--fps", 5, "--no-paste-back") == 0
    assert capsys.readouterr().out.endswith("5 frames a second, 10 frames (2.0 s)\n")
    frames = frames_of(out)
    assert np.abs(frames[3] - frames[0]).mean() > 2, "the head nods"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("motion",), "reenact motion needs CLIP and --out FILE.safetensors, or --list."),
        (("motion", "--list", "-o", "x.safetensors"), "--list only lists templates"),
        (("motion", SOURCE, "-o", "x.safetensors"), "is a picture (JPEG); a clip is needed here"),
        (("motion", "talk.mp4", "-o", "x.pkl"), "use one of .safetensors"),
        (("video", SOURCE, "nodd", "-o", "x.mp4"), "no motion template of this name; the templates are nod, shake"),
        (("video", SOURCE, "driver.pkl", "-o", "x.mp4"), "driver.pkl is a pickle, which can run code"),
        (("video", SOURCE, "nod", "-o", "x.mp4", "--side-by-side"), "leave --side-by-side out"),
        (("video", SOURCE, "nod", "-o", "x.mp4", "--no-smoothing"), "leave --no-smoothing out"),
        (("video", SOURCE, "broken.safetensors", "-o", "x.mp4"), "broken.safetensors is not a whole motion template"),
    ],
)
def test_refusals(
    arguments: tuple[object, ...],
    text: str,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("broken.safetensors").write_bytes(b"\x10" * 40)
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert text in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken.safetensors"]


def test_a_hidden_mouth_is_known(
    talking: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A grey bar over the mouth of every frame, as a hand would be."""
    with VideoReader(talking) as reader:
        frames = [frame.copy() for frame in reader]
    for frame in frames[2:]:
        frame[150:200, 85:170] = (90, 120, 60)
    covered, motion = write_clip(tmp_path / "covered.mp4", frames), tmp_path / "covered.safetensors"
    assert run("motion", covered, "-o", motion, "--small") == 0
    size = motion.stat().st_size
    assert size < 40_000
    assert capsys.readouterr().out == f"{motion}: 4 frames (0.2 s), {size / 1000:.0f} kB, no pictures\n"
    hidden = read_template(motion).hidden
    assert hidden[:2].sum() == 0 and bool(hidden[2:, 0].all())
