"""Bad input at the command line: one clear line on stderr, exit code 2, no traceback, nothing left behind."""

import json
import pathlib
import resource
import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reenact import cli
from reenact.cli.output import Bar
from reenact.media import write_image
from tests.e2e.conftest import write_clip

pytestmark = pytest.mark.usefixtures("weights")

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs a command and gives back its one line."""
    monkeypatch.setenv("REENACT_TRACEBACK", "1")
    monkeypatch.setattr(Bar, "show", lambda *_: None)  # a slow machine would show it before the line

    def run(*arguments: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert cli.main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("reenact: ")
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return err

    return run


@pytest.mark.parametrize("role", ["source", "driving"])
def test_no_face(role: str, refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    nobody = tmp_path / "nobody.png"
    write_image(nobody, np.full((300, 400, 3), 128, np.uint8))
    pictures = {"source": material / "source.png", "driving": material / "driving.png"} | {role: nobody}
    line = refused("image", pictures["source"], pictures["driving"], "-o", tmp_path / "out.png")
    assert f"{nobody}: No face found (best score" in line
    assert refused("track", nobody, "--json", tmp_path / "out.json").startswith(f"reenact: {nobody}: No face")


def test_no_face_in_a_clip(refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    clip = write_clip(tmp_path / "nobody.mp4", [np.full((240, 320, 3), 128, np.uint8)] * 4)
    line = refused("video", material / "source.png", clip, "-o", tmp_path / "out.mp4")
    assert f"No face in any of the 4 frames of {clip}" in line
    assert "any of the 4 frames" in refused("track", clip, "--json", tmp_path / "out.json")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("missing.png", None, "There is no file"),
        ("text.png", b"This is a letter, not a portrait.\n" * 20, "holds text, not a picture"),
    ],
)
def test_file_that_is_no_picture(
    name: str, content: bytes | None, text: str, refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert text in refused("image", path, material / "driving.png", "-o", tmp_path / "out.png")
    assert str(path) in refused("image", material / "source.png", path, "-o", tmp_path / "out.png")


def test_picture_and_clip_in_each_others_place(
    refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    video, image = ("video", material / "source.png"), ("image", material / "source.png")
    assert "is a picture (PNG)" in refused(*video, material / "driving.png", "-o", tmp_path / "out.mp4")
    assert "is a clip (MP4)" in refused(*image, material / "driving.mp4", "-o", tmp_path / "out.png")
    disguised = tmp_path / "clip.png"
    shutil.copy(material / "driving.mp4", disguised)
    assert "is a clip (MP4)" in refused(*image, disguised, "-o", tmp_path / "out.png")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("there.mp4", "exists already"),
        ("nowhere/out.mp4", "does not exist"),
        ("out.avi", "'.avi'; use one of"),
    ],
)
def test_place_that_cannot_be_written_to(
    name: str, text: str, refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    (tmp_path / "folder.mp4").mkdir()
    line = refused("video", material / "source.png", material / "driving.mp4", "-o", tmp_path / name)
    assert text in line
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize(("command", "suffix"), [("image", ".png"), ("video", ".mp4"), ("track", ".json")])
def test_full_disk(command: str, suffix: str, refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A limit on the size of files stands for it: the system reports both in the same place."""
    driving = material / ("driving.mp4" if command != "image" else "driving.png")
    out = tmp_path / f"out{suffix}"
    arguments = ("track", driving, "--json", out) if command == "track" else (command, material / "source.png", driving)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, hard))
    try:
        line = refused(*arguments, *(() if command == "track" else ("-o", out)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{out} could not be written: the disk is full" in line


@pytest.fixture
def broken_checkpoint(weights: dict[str, pathlib.Path], tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Copies the embedded system and changes its weights."""

    def copy(change: Callable[[dict[str, torch.Tensor]], None]) -> pathlib.Path:
        folder = tmp_path / "mine"
        shutil.copytree(weights["correspondence"], folder)
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")
        return folder

    return copy


def drop_first(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[sorted(tensors)[0]]


def add_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors["brand.new"] = torch.zeros(3)


def reshape_first(tensors: dict[str, torch.Tensor]) -> None:
    tensors[sorted(tensors)[0]] = torch.zeros(1, 2, 3)


def spoil_first(tensors: dict[str, torch.Tensor]) -> None:
    name = sorted(name for name, value in tensors.items() if value.is_floating_point())[0]
    tensors[name] = torch.full_like(tensors[name], float("nan"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (drop_first, "1 missing ("),
        (add_one, "1 extra (brand.new)"),
        (reshape_first, "is 1x2x3, needs "),
        (spoil_first, "has NaN or infinite weights in "),
    ],
)
def test_checkpoint_with_wrong_weights(
    change: Callable[[dict[str, torch.Tensor]], None],
    text: str,
    broken_checkpoint: Callable[..., pathlib.Path],
    refused: Refused,
    material: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    folder = broken_checkpoint(change)
    pictures = (material / "source.png", material / "driving.png")
    line = refused("image", *pictures, "-o", tmp_path / "out.png", "--checkpoint", folder)
    assert text in line
    assert str(folder) in line


def test_pickle_is_refused_by_name(refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({"a": torch.zeros(1)}, path)
    line = refused(
        *("image", material / "source.png", material / "driving.png", "-o", tmp_path / "out.png"),
        *("--checkpoint", path),
    )
    assert f"{path} is a pickle, which can run code when opened" in line


def test_checkpoint_of_another_kind(
    refused: Refused, material: pathlib.Path, weights: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    arguments = ("image", material / "source.png", material / "driving.png", "-o", tmp_path / "out.png")
    line = refused(*arguments, "--checkpoint", weights["perception/tracker"])
    assert "holds a 'tracker' model, which is no reenactment system" in line
    assert "There is no system 'nobody'" in refused(*arguments, "--system", "nobody")
    config = json.loads((weights["correspondence"] / "config.json").read_text())
    assert config["model"] == "correspondence"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--device", "abacus"), "No device is called 'abacus'"),
        (("--min-face-score", "7"), "a score from 0 to 1"),
        (("--max-crop", "3"), "64 or more"),
        (("--neutral-frame", "99"), "ends with frame 11"),
        (("--neutral-frame", "-1"), "numbered from 0"),
    ],
)
def test_settings_out_of_range(
    options: tuple[str, ...], text: str, refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    line = refused("video", material / "source.png", material / "driving.mp4", "-o", tmp_path / "out.mp4", *options)
    assert text in line


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--strength", "3"], "The strength is 3; give a factor from 0 to 2."),
        (["--crop-scale", "9"], "The scale of the crop is 9; give a factor from 0.6 to 2."),
        (["--crop-shift", "0", "0.9"], "The crop is shifted by 0.9; give a share"),
        (["--from", "2", "--to", "1"], "The part from 2 s to 1 s is empty"),
        (["--from", "soon"], "--from is 'soon'; give seconds"),
        (["--absolute", "--relative"], "--absolute and --relative exclude each other"),
        (["--extend", "loop"], "--extend loop is for source clips; "),
        (["--sound", "source"], "--sound source is for source clips; "),
        (["--smoothing-strength", "-1"], "--smoothing-strength is -1; give a factor from 0 to 10."),
    ],
)
def test_options_of_the_motion(
    options: list[str], text: str, refused: Refused, material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    files = (material / "source.png", material / "driving.mp4", "-o", tmp_path / "out.mp4")
    assert text in refused("video", *files, *options)
