"""``reenact turn`` from the command line: every command of docs/large-pose.md, what it writes, and what it refuses."""

import pathlib
import re
import shlex
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from reenact import HeadTurn, NoFaceFoundError, cli, load_engine, open_turn
from reenact.media import VideoReader, read_image, write_image
from tests.e2e.conftest import swayed, write_clip, write_untrained_dual_generator

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "large-pose.md").read_text(encoding="utf-8")
Run = Callable[[str], None]


@pytest.fixture(scope="module", autouse=True)
def needed(embedded: Callable[[str], pathlib.Path]) -> None:
    for name in ("geometry", *(f"perception/{each}" for each in ("tracker", "detector", "parser", "identity"))):
        embedded(name)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Random weights: what is moved is a face, what is drawn is none."""
    folder = tmp_path_factory.mktemp("dual_generator")
    write_untrained_dual_generator(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> pathlib.Path:
    """portrait.jpg, driver.jpg (tilted), talk.mp4 of two frames, and portraits on their side and on their head."""
    folder = tmp_path_factory.mktemp("turning")
    write_image(folder / "portrait.jpg", astronaut)
    write_image(folder / "driver.jpg", swayed(astronaut, 12, 0))
    write_clip(folder / "talk.mp4", [astronaut[:240, 100:340], swayed(astronaut, 5, 0)[:240, 100:340]])
    write_image(folder / "upside-down.png", np.ascontiguousarray(astronaut[::-1, ::-1]))
    write_image(folder / "lying.png", np.ascontiguousarray(np.rot90(astronaut)))
    write_image(folder / "behind.png", behind(astronaut))
    return folder


def behind(picture: np.ndarray) -> np.ndarray:
    """The head as from behind: hair where the face was."""
    hidden = picture.copy()
    cv2.ellipse(hidden, (224, 112), (62, 80), 0, 0, 360, (120, 95, 60), -1)
    return hidden


@pytest.fixture
def run(folder: pathlib.Path, checkpoint: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line of the page in the folder, with the random weights."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REENACT_TRACEBACK", "1")

    def command(line: str) -> None:
        program, *words = shlex.split(line)
        assert program == "reenact"
        assert cli.main([*words, "--checkpoint", str(checkpoint)]) == 0

    return command


def commands() -> list[str]:
    boxes = re.findall(r"^```sh\n(.*?)^```$", PAGE.split("\n## Face profiling")[0], re.DOTALL | re.MULTILINE)
    return [line for box in boxes for line in box.splitlines() if line]


@pytest.mark.slow
def test_every_command_of_the_page_runs(run: Run, folder: pathlib.Path) -> None:
    assert len(commands()) >= 6
    for line in commands():
        run(re.sub(r"--turntable \d+s", "--turntable 0.25s", line))
    portrait = read_image(folder / "portrait.jpg").rgb
    for name in ("turned", "looking", "driven"):
        result = read_image(folder / f"{name}.png").rgb
        assert result.shape == portrait.shape and not np.array_equal(result, portrait)
    for name, count in (("turntable.mp4", 6), ("turntable.gif", 3), ("talking.mp4", 2)):
        with VideoReader(folder / name) as reader:
            assert len(list(reader)) == count


def test_a_turn_of_nothing_is_the_source(run: Run, folder: pathlib.Path) -> None:
    run("reenact turn portrait.jpg -o same.png")
    assert np.array_equal(read_image(folder / "same.png").rgb, read_image(folder / "portrait.jpg").rgb)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["upside-down", "lying"])
def test_a_photo_that_does_not_stand_upright_is_turned_as_it_lies(run: Run, folder: pathlib.Path, name: str) -> None:
    """The face is found; a yaw moves its nose along its own eyes' line, not along the picture's."""
    run(f"reenact turn {name}.png --yaw 40 -o {name}-turned.png")
    before, after = (read_image(folder / f"{name}{end}.png").rgb for end in ("", "-turned"))
    assert before.shape == after.shape
    assert 0.02 < (np.abs(before.astype(int) - after).max(-1) > 12).mean() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("roll_deg", [-120, 135])
def test_a_head_rolled_beyond_90_degrees_is_found_or_refused_with_its_score(
    folder: pathlib.Path,
    checkpoint: pathlib.Path,
    astronaut: np.ndarray,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    roll_deg: int,
) -> None:
    monkeypatch.chdir(folder)
    write_image(folder / "rolled.png", swayed(astronaut, roll_deg, 0), overwrite=True)
    words = f"turn rolled.png --yaw 30 --overwrite -o rolled-turned.png --checkpoint {checkpoint}"
    code = cli.main(words.split())
    err = capsys.readouterr().err
    assert ("does not stand upright" in err) if code == 0 else ("No face found (best score" in err)


@pytest.mark.slow
def test_a_driver_that_leaves_the_picture_is_waited_for(
    run: Run, folder: pathlib.Path, astronaut: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """The face is cut by the border, gone, and back."""
    seen = astronaut[:240, 100:340]
    frames = [np.roll(seen, shift, axis=1) for shift in (0, 0)] + [np.full_like(seen, 120)] * 2 + [seen]
    write_clip(folder / "leaving.mp4", frames)
    run("reenact video portrait.jpg leaving.mp4 --system dual_generator -o held.mp4")
    assert "no face in 2 frames (2 to 3); the result before was held" in capsys.readouterr().err
    with VideoReader(folder / "held.mp4") as reader:
        assert len(list(reader)) == 5


@pytest.mark.slow
def test_real_profiles_are_turned_to_the_front_or_refused(
    data_root: pathlib.Path, folder: pathlib.Path, checkpoint: pathlib.Path
) -> None:
    """One eye is hidden in the source; its mirror image fills the far side."""
    labels = np.load(data_root / "stills.npz")
    yaw = np.abs(np.arctan2(labels["pose"][:, 0, 2], labels["pose"][:, 2, 2]))
    engine, turned = load_engine(checkpoint=checkpoint, device="cpu"), 0
    for row in np.argsort(-yaw)[:4]:
        picture = data_root / "stills" / f"{labels['name'][row]}.jpg"
        try:
            session = open_turn(picture, engine=engine)
        except NoFaceFoundError as error:
            assert str(picture) in str(error)
            continue
        result = session.render(HeadTurn(yaw_deg=0.0))
        assert any("as the other's mirror image" in warning for warning in session.warnings)
        assert not np.array_equal(result.rgb, result.source)
        turned += 1
    assert turned >= 2


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        ("portrait.jpg", "--yaw 91 -o x.png", "yaw is set to 91.0 degrees; it takes -90 to 90"),
        ("portrait.jpg", "--pitch 60 -o x.png", "it takes -45 to 45"),
        ("portrait.jpg", "--roll 120 -o x.png", "it takes -45 to 45"),
        ("portrait.jpg", "--yaw nan -o x.png", "it takes -90 to 90"),
        ("portrait.jpg", "--turntable soon -o x.mp4", "--turntable soon: give a length in seconds"),
        ("portrait.jpg", "--turntable 2s --yaw 10 -o x.mp4", "leave --yaw out"),
        ("portrait.jpg", "--turntable 2s -o x.png", "x.png"),
        ("portrait.jpg", "--turntable 0s -o x.mp4", "takes more than 0"),
        ("portrait.jpg", "--yaw 10 -o x.mp4", "x.mp4"),
        ("portrait.jpg", "--system facegan --yaw 10 -o x.png", "holds the system 'dual_generator'"),
        ("portrait.jpg", "--face 3 --yaw 10 -o x.png", "Face 3 was asked for"),
        ("nothing.jpg", "--yaw 10 -o x.png", "There is no file nothing.jpg"),
        ("behind.png", "--yaw 10 -o x.png", "No face found (best score"),
    ],
)
def test_what_cannot_be_is_one_line(
    source: str,
    options: str,
    text: str,
    folder: pathlib.Path,
    checkpoint: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert cli.main(["turn", source, *shlex.split(options), "--checkpoint", str(checkpoint)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("reenact: ")
    assert text in err
    assert not list(folder.glob("x.*"))
