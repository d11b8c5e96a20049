"""``reenact edit`` from the command line: every command of docs/editing.md, what it writes, and what it refuses."""

import json
import pathlib
import re
import shlex
from collections.abc import Callable

import numpy as np
import pytest
import torch

from reenact import cli
from reenact.media import VideoReader, read_image, write_image
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.networks import FaceganNetworks
from reenact.types import ACTION_UNITS
from tests.e2e.conftest import write_clip
from train.run.export import write_model

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "editing.md").read_text(encoding="utf-8")
NETWORK = {"transformer_width": 32, "widths": [8, 12], "mixer_widths": [8, 12]}
Run = Callable[[str], None]


@pytest.fixture(scope="module", autouse=True)
def needed(embedded: Callable[[str], pathlib.Path]) -> None:
    for name in ("geometry", "perception/tracker", "perception/detector", "perception/parser"):
        embedded(name)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """FACEGAN with random weights: what it draws is no face, but drawn it is."""
    torch.manual_seed(0)
    networks = FaceganNetworks(FaceganConfig(transformer_width=32, widths=(8, 12), mixer_widths=(8, 12)))
    with torch.no_grad():
        for value in networks.parameters():
            value += 0.03 * torch.randn_like(value)
    folder = tmp_path_factory.mktemp("facegan")
    write_model(networks, folder, {"model": "facegan", "network": NETWORK}, {"steps": 0})
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> pathlib.Path:
    """portrait.jpg, beach.jpg of another shape, talk.mp4 of two frames."""
    folder = tmp_path_factory.mktemp("editing")
    write_image(folder / "portrait.jpg", astronaut)
    beach = np.zeros((90, 400, 3), np.uint8)
    beach[..., 2] = 255
    write_image(folder / "beach.jpg", beach)
    write_clip(folder / "talk.mp4", [astronaut[:240, 100:340]] * 2)
    return folder


@pytest.fixture
def run(folder: pathlib.Path, checkpoint: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line of the page in the folder, with the random weights."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REENACT_TRACEBACK", "1")

    def command(line: str) -> None:
        program, *words = shlex.split(line)
        assert program == "reenact"
        weights = [] if words[0] == "track" else ["--checkpoint", str(checkpoint)]
        assert cli.main([*words, *weights, "--overwrite"]) == 0

    return command


def commands() -> list[str]:
    return [
        line for box in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) for line in box.splitlines()
    ]


@pytest.mark.slow
def test_every_command_of_the_page_runs(run: Run, folder: pathlib.Path) -> None:
    """In their order: one saves what another loads."""
    assert len(commands()) >= 10
    for line in commands():
        run(line.replace("--animate 2s", "--animate 0.2s").replace("--animate 1.5s", "--animate 0.3s"))
    portrait = read_image(folder / "portrait.jpg").rgb
    for name in ("winking", "surprised", "serious", "holiday", "cutout"):
        result = read_image(folder / f"{name}.png")
        assert result.rgb.shape == portrait.shape
        assert (result.alpha is not None) == (name == "cutout")
        assert not np.array_equal(result.rgb, portrait)
    cutout = read_image(folder / "cutout.png").alpha
    assert cutout is not None
    assert cutout[:40, :60].max() < 30 and cutout[300:420, 120:280].min() > 200  # her suit
    holiday = read_image(folder / "holiday.png").rgb[:40, :60].astype(int)
    assert np.abs(holiday - (0, 0, 255)).max() < 12
    for name, count in (("surprised.mp4", 5), ("wink.gif", 4), ("happier.mp4", 2), ("plain.mp4", 2)):
        with VideoReader(folder / name) as reader:
            assert len(list(reader)) == count


def test_the_schema_on_the_page_is_what_is_read_and_written(run: Run, folder: pathlib.Path) -> None:
    shown = re.search(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert shown is not None
    (folder / "page.json").write_text(shown[1])
    run("reenact edit portrait.jpg --load page.json --save again.json -o page.png")
    assert json.loads((folder / "again.json").read_text()) == json.loads(shown[1])


def test_the_page_lists_every_unit() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ?(L, R)? ?\|$", PAGE, re.MULTILINE)
    assert tuple(int(number) for number, _ in rows) == ACTION_UNITS
    assert [int(number) for number, sides in rows if sides] == [2, 12, 14, 15, 45]


def test_an_edit_of_nothing_is_the_source(run: Run, folder: pathlib.Path) -> None:
    run("reenact edit portrait.jpg --au 12=0 -o same.png")
    assert np.array_equal(read_image(folder / "same.png").rgb, read_image(folder / "portrait.jpg").rgb)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("--au 3=1 -o x.png", "no Action Unit '3'; the units are 1, 2"),
        ("--au 12=9 -o x.png", "from -5 to 5"),
        ("--au 12=9 --absolute -o x.png", "from 0 to 5"),
        ("--au 1L=2 -o x.png", "AU1 has no left and right"),
        ("--au 12 -o x.png", "--au 12: give a unit and a value"),
        ("--au 12=much -o x.png", "--au 12=much: give a unit and a value"),
        ("--yaw 91 -o x.png", "it takes -90 to 90"),
        ("--yaw nan -o x.png", "it takes -90 to 90"),
        ("--preset joy -o x.png", "No preset is called 'joy'; they are smile, grin"),
        ("--load nothing.json -o x.png", "nothing.json cannot be read"),
        ("--load torn.json -o x.png", "torn.json: this is not JSON"),
        ("--load binary.json -o x.png", "binary.json: this is not JSON"),
        ("--load newer.json -o x.png", "newer.json: format_version 2"),
        ("--background nothing.png -o x.png", "There is no file nothing.png"),
        ("--background torn.json -o x.png", "torn.json"),
        ("--background none -o x.jpg", "a JPEG holds no transparency"),
        ("--background none --animate 1s -o x.gif", "Clips know no transparency"),
        ("--animate soon -o x.mp4", "--animate soon: give a length in seconds"),
        ("--animate 2s -o x.png", "x.png"),
        ("-o x.mp4", "x.mp4"),
        ("--relative --absolute -o x.png", "exclude each other"),
        ("--preset neutral --relative --au 12=1 -o x.png", "make both relative or both absolute"),
        ("--save x.txt -o x.png", ".json"),
        ("--system correspondence -o x.png", "holds the system 'facegan'"),
    ],
)
def test_what_cannot_be_is_one_line(
    options: str,
    text: str,
    folder: pathlib.Path,
    checkpoint: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "torn.json").write_text('{"kind": "reenact-edit", ')
    (folder / "binary.json").write_bytes(b"\xff\xfe\x00")
    (folder / "newer.json").write_text('{"kind": "reenact-edit", "format_version": 2}')
    assert cli.main(["edit", "portrait.jpg", *shlex.split(options), "--checkpoint", str(checkpoint)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("reenact: ")
    assert text in err
    assert not list(folder.glob("x.*"))


def test_settings_are_not_overwritten_unasked(
    folder: pathlib.Path, checkpoint: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "kept.json").write_text("mine")
    words = "edit portrait.jpg --preset smile --save kept.json -o x.png --checkpoint".split()
    assert cli.main([*words, str(checkpoint)]) == 2
    assert "kept.json exists already" in capsys.readouterr().err
    assert (folder / "kept.json").read_text() == "mine" and not (folder / "x.png").exists()
