"""The command line with the embedded weights: what it makes."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from reenact import cli
from reenact.media import VideoReader, read_image, write_image
from tests.e2e.conftest import swayed, write_clip

pytestmark = pytest.mark.usefixtures("weights")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Internal errors fail the test with their traceback."""
    monkeypatch.setenv("REENACT_TRACEBACK", "1")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def roll_deg(path: pathlib.Path, tmp_path: pathlib.Path, frame: int = 0) -> float:
    out = tmp_path / f"{path.name}.json"
    assert run("track", path, "--json", out, "--no-smoothing", "--overwrite") == 0
    return json.loads(out.read_text())["frames"][frame]["face"]["roll_deg"]


def test_image_takes_the_driving_pose_and_keeps_the_rest(
    material: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert run("image", material / "source.png", material / "driving.png", "-o", out, "--no-watermark") == 0
    assert capsys.readouterr().out == f"{out}: 512 x 512 pixels\n"
    source, result = read_image(material / "source.png").rgb, read_image(out).rgb
    # far from the face, bit for bit
    assert np.array_equal(result[300:], source[300:])
    assert np.array_equal(result[:, 380:], source[:, 380:])
    assert np.abs(result[60:180, 170:280].astype(int) - source[60:180, 170:280]).mean() > 4
    source_roll, driving_roll = (roll_deg(material / name, tmp_path) for name in ("source.png", "driving.png"))
    assert abs(driving_roll - source_roll) == pytest.approx(12, abs=3)
    assert roll_deg(out, tmp_path) == pytest.approx(driving_roll, abs=4)


def test_relative_motion_that_is_none_gives_the_source(material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The driver and the driver at rest are the same picture."""
    out = tmp_path / "out.png"
    driving = material / "driving.png"
    assert run("image", material / "source.png", driving, "-o", out, "--relative", "--neutral", driving) == 0
    source, result = read_image(material / "source.png").rgb, read_image(out).rgb
    error = (result[20:230, 120:330].astype(float) - source[20:230, 120:330]) / 255
    assert (error**2).mean() < 1e-3  # a PSNR of 30 dB


def test_compare_measures_the_result_against_the_driver(
    material: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, figures = tmp_path / "out.png", tmp_path / "out.json"
    pair = material / "source.png", material / "driving.png"
    assert run("compare", *pair, "-o", out, "--systems", "correspondence", "--json", figures) == 0
    assert read_image(out).rgb.shape == (286, 768, 3)
    (row,) = json.loads(figures.read_text())["systems"]
    assert row["system"] == "correspondence"
    assert 0 < row["pose_error_deg"] < 4  # the source is 12 degrees off
    assert 0.8 < row["identity"] < 1
    head, line, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["system", "pose", "error"]
    assert line.startswith("correspondence") and f"{row['identity']:.2f}" in line


@pytest.mark.usefixtures("all_weights")
def test_a_person_who_does_not_exist_is_drawn_again_and_reenacted(
    embedded: Callable[[str], pathlib.Path], material: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    embedded("latent_directions")
    first, again, out = (tmp_path / name for name in ("first.png", "again.png", "out.png"))
    for path in (first, again):
        assert run("sample", "--seed", 3, "-o", path) == 0
    assert np.array_equal(read_image(first).rgb, read_image(again).rgb)
    assert run("image", first, material / "driving.png", "-o", out, "--system", "latent_directions") == 0
    assert not np.array_equal(read_image(out).rgb, read_image(first).rgb)


def test_crop_and_side_by_side(material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out.jpg"
    assert run("image", material / "source.png", material / "driving.png", "-o", out, "--no-paste-back") == 0
    assert read_image(out).rgb.shape == (256, 256, 3)
    assert (
        run("image", material / "source.png", material / "driving.png", "-o", out, "--side-by-side", "--overwrite") == 0
    )
    assert read_image(out).rgb.shape == (512, 1536, 3)


def test_of_several_faces_the_largest_or_the_one_asked_for(
    material: pathlib.Path, astronaut: np.ndarray, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = np.concatenate([cv2.resize(astronaut, (410, 410), interpolation=cv2.INTER_AREA)[:400], astronaut[:400]], 1)
    write_image(tmp_path / "two.png", two)
    arguments = ["image", tmp_path / "two.png", material / "driving.png", "-o", tmp_path / "out.png", "--overwrite"]
    arguments += ["--no-watermark"]
    assert run(*arguments) == 0
    note = capsys.readouterr().err
    assert "two.png: 2 faces found; the largest was taken" in note
    assert note.count("\n") == 1
    touched = (read_image(tmp_path / "out.png").rgb != two).any(-1).any(0).nonzero()[0]
    assert touched.min() > 410
    assert run(*arguments, "--face", 2) == 0
    assert capsys.readouterr().err == ""
    touched = (read_image(tmp_path / "out.png").rgb != two).any(-1).any(0).nonzero()[0]
    assert touched.max() < 410
    assert run(*arguments, "--face", 3) == 2
    assert "Face 3 was asked for, but 2 faces were found" in capsys.readouterr().err


def test_video_keeps_rate_length_and_sound(
    material: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    assert run("video", material / "source.png", material / "driving.mp4", "-o", out) == 0
    assert capsys.readouterr().out == f"{out}: 512 x 512 pixels, 25 frames a second, 12 frames (0.5 s)\n"
    with VideoReader(out) as reader:
        assert (reader.info.fps, reader.info.has_audio) == (Fraction(25), True)
        assert sum(1 for _ in reader) == 12
    with av.open(str(out)) as result, av.open(str(material / "driving.mp4")) as driving:
        packets = [[bytes(packet) for packet in file.demux(audio=0) if packet.size] for file in (result, driving)]
    assert packets[0] == packets[1][: len(packets[0])]
    assert abs(roll_deg(out, tmp_path, 5) - roll_deg(material / "driving.mp4", tmp_path, 5)) < 4


def test_frames_without_a_face(
    material: pathlib.Path, astronaut: np.ndarray, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = np.full_like(astronaut, 90)
    frames = [nobody] * 2 + [swayed(astronaut, 8, 0)] * 3 + [nobody] * 3
    driving = write_clip(tmp_path / "gaps.mp4", frames, tone=True)
    arguments = ["video", material / "source.png", driving, "-o", tmp_path / "out.mp4", "--overwrite"]
    assert run(*arguments) == 0
    assert "no face in 5 frames (0 to 1, 5 to 7); the last result was held" in capsys.readouterr().err
    with VideoReader(tmp_path / "out.mp4") as reader:
        shown = list(reader)
    assert len(shown) == 8
    assert np.abs(shown[0].astype(int) - astronaut).mean() < 4
    assert np.abs(shown[7].astype(int) - shown[4]).mean() < 2
    assert run(*arguments, "--on-missing-face", "skip") == 0
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert (sum(1 for _ in reader), reader.info.has_audio) == (3, False)
    (tmp_path / "out.mp4").unlink()
    assert run(*arguments, "--on-missing-face", "stop") == 2
    assert "Frame 0 of" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


def test_a_damaged_middle_is_bridged_and_named(
    material: pathlib.Path, astronaut: np.ndarray, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driving = write_clip(tmp_path / "hurt.mp4", [swayed(astronaut, i, 0) for i in range(20)])
    content = bytearray(driving.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 8] = bytes(len(content) // 8)
    driving.write_bytes(content)
    assert run("video", material / "source.png", driving, "-o", tmp_path / "out.mp4") == 0
    assert "are damaged; the picture before was held" in capsys.readouterr().err
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert sum(1 for _ in reader) == 20


def test_track_writes_what_it_promises(
    material: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("track", material / "source.png", "--json", "-") == 0
    tracks = json.loads(capsys.readouterr().out)
    face = tracks["frames"][0]["face"]
    left, top, right, bottom = face["box_px"]
    assert left < 225 < right
    assert top < 120 < bottom
    assert face["score"] > 0.5
    assert np.array(face["landmarks_px"]).shape == (68, 2)
    assert all(0 <= intensity <= 5 for intensity in face["action_units"])
    assert len(face["action_units"]) == len(tracks["action_units"]) == 17
    smile = face["action_units"][tracks["action_units"].index("AU12")]
    assert smile > 1  # she does
    assert run("track", material / "driving.mp4", "--json", tmp_path / "t.json") == 0
    assert len(json.loads((tmp_path / "t.json").read_text())["frames"]) == 12


def _default_signals() -> None:
    """A test runner in the background ignores Ctrl-C, one under nohup SIGHUP; its children would inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(*arguments: object) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if key != "REENACT_TRACEBACK"}
    return subprocess.Popen(
        [sys.executable, "-m", "reenact", *map(str, arguments)],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_default_signals,
    )


@pytest.mark.processes
def test_as_a_program(material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    arguments = ("image", material / "source.png", material / "driving.png", "-o", tmp_path / "out.png")
    process = start(*arguments)
    assert process.communicate() == (f"{tmp_path / 'out.png'}: 512 x 512 pixels\n", "")
    assert process.returncode == 0
    process = start(*arguments)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert (
        err
        == f"reenact: {tmp_path / 'out.png'} exists already; choose another name or allow overwriting (--overwrite).\n"
    )


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> pathlib.Path:
    """400 frames."""
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", [astronaut[:240, 100:340]] * 400)


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_video_leaves_nothing(
    number: signal.Signals, material: pathlib.Path, long_clip: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    process = start("video", material / "source.png", long_clip, "-o", tmp_path / "out.mp4")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".out.*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert out == ""
    assert err.splitlines()[-1].endswith("reenact: Stopped; nothing was written.")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_folders_give_a_result_for_every_source_with_every_driver(
    material: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that fails does not stop the others; run again, what is there is left as it is."""
    sources, out = tmp_path / "sources", tmp_path / "out"
    sources.mkdir()
    for name in ("anna.png", "bert.png"):
        shutil.copy(material / "source.png", sources / name)
    (sources / "notes.txt").write_text("no picture")
    assert run("image", sources, material / "driving.png", "-o", out) == 2
    printed = capsys.readouterr()
    assert sorted(path.name for path in out.iterdir()) == ["anna--driving.png", "bert--driving.png"]
    lines = printed.err.splitlines()
    assert len(lines) == 2 and "notes.txt holds text" in lines[0] and "1 of 3 results were not made" in lines[1]
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    (sources / "notes.txt").unlink()
    assert run("image", sources, material / "driving.png", "-o", out) == 0
    assert capsys.readouterr().out.count("exists already, left as it is") == 2
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_folders_need_a_folder_for_their_results(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("video", tmp_path, "nod", "-o", tmp_path / "out.mp4") == 2
    assert "out.mp4 is no folder; for a folder of sources or drivers" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    (tmp_path / "sources").mkdir()
    assert run("video", tmp_path / "sources", "nod", "-o", tmp_path / "out") == 2
    assert "sources has no files" in capsys.readouterr().err
