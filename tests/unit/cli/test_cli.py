"""What the command line makes of its arguments and of errors; no weights are needed."""

import pathlib
import re
import subprocess
import sys
from fractions import Fraction

import pytest
from PIL import Image

import reenact
from reenact import cli
from reenact.cli.edit import Edit
from reenact.cli.video import Video
from reenact.errors import ConfigError, Hint, OutputError, ReenactError
from reenact.media import Trim
from reenact.pipeline.motions.playing import open_driving

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Expected one of"),
        (["image", "a.png", "b.png"], "reenact image needs -o PATH. See reenact image --help."),
        (["image", "a.png", "b.png", "-o", "c.png", "--face", "first"], "Error parsing --face"),
        (["video", "a.png", "b.mp4", "-o", "c.mp4", "--on-missing-face", "guess"], "invalid choice 'guess'"),
        (["image"], "reenact image needs SOURCE and DRIVING and -o PATH."),
        (["track", "a.png"], "reenact track needs --json FILE. See reenact track --help."),
        (["track", "a.png", "--json", "-", "--colour"], "There is no option --colour. See reenact track --help."),
        (
            ["image", "a.png", "b.png", "-o", "c.png", "--sytem", "facegan"],
            "There is no option --sytem; did you mean --system? See reenact image --help.",
        ),
        (["edit", "a.png", "-o", "c.png", "--laod=a.json"], "There is no option --laod; did you mean --load?"),
        (["image", "a.png", "b.png", "c.png", "-o", "d.png"], "Unexpected arguments: c.png. See reenact image"),
        (["imge", "a.png"], "There is no command 'imge'; did you mean 'image'?"),
        (["paint"], "There is no command 'paint'; the commands are image, video, edit"),
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
    assert "[VIDEO OPTIONS] SOURCE DRIVING" in out


def test_help_names_folders_where_they_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("image", "video", "edit", "compare"):
        assert cli.main([command, "--help"]) == 0
        out = capsys.readouterr().out
        assert ("SOURCE--DRIVER" in out) == (command in ("image", "video"))
        assert ("(default, unless --load" in " ".join(re.sub("│", "", out).split())) == (command == "edit")


@pytest.mark.parametrize(
    ("options", "noted"), [("", True), ("--relative", True), ("--au 12=1", False), ("--background none", False)]
)
def test_an_edit_without_settings_is_noted(options: str, noted: bool) -> None:
    command = cli.parse(f"edit a.png -o b.png {options}".split())
    assert isinstance(command, Edit)
    assert [note.split(":")[0] for note in command._nothing_set(command.edit())] == ["Nothing was set"] * noted


def test_version_and_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"reenact {reenact.__version__}\n"
    assert cli.main(["--tyro-print-completion", "bash"]) == 0
    assert "complete -F _tyro_reenact" in capsys.readouterr().out


def test_settings_reach_the_command() -> None:
    command = cli.parse(
        "video me.png talk.mp4 -o out.mp4 --relative --no-paste-back --no-smoothing --face 2 "
        "--on-missing-face skip --neutral-frame 7 --tracker fan --device cpu --overwrite".split()
    )
    assert command == Video(
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
    ("error", "line", "code"),
    [
        (ReenactError("What happened;\nwhat to do."), "reenact: What happened; what to do.\n", 2),
        (OutputError("Allow it.", hint=Hint.OVERWRITE), "reenact: Allow it (--overwrite).\n", 2),
        (KeyboardInterrupt(), "reenact: Stopped; nothing was written.\n", 130),
        (cli.TerminatedError(), "reenact: Stopped; nothing was written.\n", 143),
        (cli.TerminatedError(1), "reenact: Stopped; nothing was written.\n", 129),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    error: BaseException, line: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "parse", lambda _: Broken(error))
    assert cli.main([]) == code
    assert capsys.readouterr().err == line


def test_an_internal_error_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert cli.plain_message(box) == "First line and more. See reenact --help."


def test_what_cannot_work_is_refused_before_torch_is_imported(tmp_path: pathlib.Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    out, taken = tmp_path / "out.png", tmp_path / "taken.png"
    taken.touch()
    refusals = {
        f"image {picture} {picture} -o {taken}": "exists already; choose another name or allow overwriting",
        f"image {picture} missing.png -o {out}": "There is no file missing.png",
        f"image {picture} {picture} -o out.tiff": "use one of .png",
        f"image {picture} {picture} -o {out} --system nobody": "There is no system 'nobody'",
        f"image {picture} {picture} -o {out} --min-face-score 7": "a score from 0 to 1",
        f"image {picture} {picture} -o {out} --face 0": "--face is 0; faces are numbered from 1",
        f"video {picture} nod -o out.mp4 --driving-face -1": "--driving-face is -1; faces are numbered from 1",
        f"image {picture} {picture} -o {out} --neutral {picture}": "--neutral works only with --relative or",
        f"image {picture} {picture} -o {out} --region lips --keep lips": "lips cannot be driven and kept",
        f"image {picture} {picture} -o {out} --tune-steps 30": "'correspondence' cannot be tuned to a source",
        f"video {picture} nod -o out.mp4 --au 12=1": "'correspondence' has no Action Units to change",
        f"video {picture} nod -o out.mp4 --sound driving": "without pictures or sound; leave --sound driving out",
        f"video {picture} {picture} -o out.mp4": "is a picture (PNG); a clip is needed",
        f"video {picture} {picture} -o out.mp4 --au 99=1": "There is no Action Unit '99'",
        f"edit {picture} -o {out} --au 99=1": "There is no Action Unit '99'",
        f"edit {picture} -o {out} --yaw 200": "it takes -90 to 90, the nearest is 90",
        f"edit {picture} -o {out} --preset joy": "No preset is called 'joy'",
        f"edit {picture} -o {out} --copy {picture} --relative": "--copy gives absolute values; leave --relative out",
        f"edit {picture} -o {out} --preset smile --absolute": "--preset gives relative values; leave --absolute out",
        f"edit {picture} -o {out} --au 12=2 --au 012=3": "AU12 is given twice; give each unit once",
        f"edit {picture} -o x.mp4 --au 12=3": "(or add --animate 2s for a clip).",
        f"edit {picture} -o x.mp4 --turntable 0s": "takes more than 0 and up to 60 s",
        f"edit {picture} -o x.mp4 --turntable 61s": "takes more than 0 and up to 60 s",
        f"edit {picture} -o x.mp4 --animate 1s --fps 0": "it takes 1 to 120",
        f"edit {picture} -o {out} --fps 10": "--fps works only for clips; add --animate 2s",
        f"edit {picture} -o {out} --from-yaw 10": "--from-yaw works only with --turntable",
        f"edit {picture} -o x.mp4 --animate 1s --to-yaw 10": "--to-yaw works only with --turntable",
        "track missing.mp4 --json -": "There is no file missing.mp4",
    }
    code = (
        "import sys; from reenact import cli; codes = [cli.main(words.split()) for words in sys.argv[1:]]; "
        "print(codes, [name for name in ('torch', 'gradio', 'huggingface_hub') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *refusals]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for line, text in zip(done.stderr.splitlines(), refusals.values(), strict=True):
        assert text in line
    assert done.stdout == f"{[2] * len(refusals)} []\n"


def test_an_output_that_is_an_input_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through symbolic links, too; --overwrite would replace the only copy."""
    picture, other = tmp_path / "a.png", tmp_path / "b.png"
    for path in (picture, other):
        Image.new("RGB", (8, 8)).save(path)
    for name in ("link.png", "link.mp4", "link.safetensors"):
        (tmp_path / name).symlink_to(picture)
    refusals = {
        f"image {picture} {other} -o {picture}": "a.png: the output is the source, which would be lost",
        f"image {picture} {other} -o {tmp_path}/link.png": "link.png: the output is the source",
        f"image {other} {picture} -o {picture}": "the output is the driver",
        f"image {other} {other} --relative --neutral {picture} -o {picture}": "the output is the neutral picture",
        f"video {other} {picture} -o {tmp_path}/link.mp4": "the output is the driver",
        f"edit {picture} -o {picture}": "the output is the source",
        f"edit {other} --background {picture} -o {picture}": "the output is the background",
        f"motion {picture} -o {tmp_path}/link.safetensors": "the output is the clip",
        f"compare {other} {picture} -o {picture}": "the output is the driver",
    }
    before = picture.read_bytes()
    for words, text in refusals.items():
        assert cli.main([*words.split(), "--overwrite"]) == 2
        assert text in capsys.readouterr().err
    assert picture.read_bytes() == before


def test_a_motion_of_the_library_is_named_as_it_was_typed(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert cli.main(["video", f"{tmp_path}/a.png", "nod", "-o", f"{tmp_path}/a.mp4", "--no-smoothing"]) == 2
    assert capsys.readouterr().err.startswith("reenact: motion nod is a motion template")
    for words, text in {"--neutral-frame 999": "Neutral frame 999 was", "--from 99": "motion nod lasts"}.items():
        assert cli.main(["video", f"{tmp_path}/a.png", "nod", "-o", f"{tmp_path}/a.mp4", *words.split()]) == 2
        assert text in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"^motion nod lasts \d"):
        open_driving("nod", trim=Trim(begin_s=Fraction(100)))


def test_the_options_that_the_docs_give_for_those_of_others_exist() -> None:
    """Of every table in docs/coming-from.md, the columns after the first are about this program."""
    text = (REPOSITORY / "docs" / "coming-from.md").read_text(encoding="utf-8")
    options = {option for name in ("image", "video", "edit") for option in cli._options(name)}
    rows = [re.split(r"(?<!\\)\|", line, maxsplit=2)[2] for line in text.splitlines() if line.startswith("|")]
    named = {each.replace("--no-", "--") for row in rows for each in re.findall(r"--[a-z][a-z-]+", row)}
    assert len(named) > 30
    assert named <= options, named - options
