"""What the command line makes of its arguments and of errors; no weights are needed."""

import json
import pathlib
import subprocess
import sys

import pytest

from reenact import cli
from reenact.errors import ReenactError


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Expected one of"),
        (["image", "a.png", "b.png"], "Missing from reenact image: -o"),
        (["image", "a.png", "b.png", "-o", "c.png", "--face", "first"], "Error parsing --face"),
        (["video", "a.png", "b.mp4", "-o", "c.mp4", "--on-missing-face", "guess"], "invalid choice 'guess'"),
        (["track", "a.png", "--json", "-", "--colour"], "--colour"),
    ],
)
def test_misuse_is_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert text in err
    assert err.startswith("reenact: ")


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["video", "--help"]) == 0
    out, err = capsys.readouterr()
    for option in (
        *("--system", "--relative", "--no-paste-back", "--tracker", "--device", "--checkpoint", "--on-missing-face"),
        *("--side-by-side", "--face", "--overwrite", "--min-face-score", "--no-smoothing", "--neutral-frame", "--out"),
    ):
        assert option in out
    assert err == ""


def test_settings_reach_the_command() -> None:
    command = cli.parse(
        "video me.png talk.mp4 -o out.mp4 --relative --no-paste-back --no-smoothing --face 2 "
        "--on-missing-face skip --neutral-frame 7 --tracker fan --device cpu --overwrite".split()
    )
    assert command == cli.Video(
        source=pathlib.Path("me.png"),
        driving=pathlib.Path("talk.mp4"),
        out=pathlib.Path("out.mp4"),
        relative=True,
        paste_back=False,
        smoothing=False,
        face=2,
        on_missing_face="skip",
        neutral_frame=7,
        tracker="fan",
        device="cpu",
        overwrite=True,
    )


class Broken:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ReenactError("What happened;\nwhat to do."), "reenact: What happened; what to do.\n"),
        (KeyboardInterrupt(), "reenact: Stopped; nothing was written.\n"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    error: BaseException, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "parse", lambda _: Broken(error))
    assert cli.main([]) == 2
    assert capsys.readouterr().err == line


def test_a_mistake_of_the_program_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REENACT_TRACEBACK", raising=False)
    monkeypatch.setattr(cli, "parse", lambda _: Broken(ZeroDivisionError("division by zero")))
    assert cli.main([]) == 2
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err
    monkeypatch.setenv("REENACT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main([])


@pytest.mark.parametrize(
    "box",
    [
        "╭─ Title ─╮\n│ First line │\n│ and more. │\n│ ─────── │\n│ For full helptext │\n╰─────────╯\n",
        " Title     \n --------- \n First line\n and more. \n --------- \n For full helptext \n",
    ],
)
def test_framed_message_as_one_line(box: str) -> None:
    assert cli.plain_complaint(box) == "First line and more. See reenact --help."


def test_arguments_are_read_before_anything_heavy_is_imported() -> None:
    code = (
        "import json, sys; from reenact import cli; cli.main(['image']); "
        "print(json.dumps([name for name in ('torch', 'cv2', 'av', 'tqdm', 'huggingface_hub') if name in sys.modules]))"
    )
    repository = pathlib.Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
