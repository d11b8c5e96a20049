"""``reenact edit`` from the command line: every command of docs/editing.md and docs/large-pose.md, and all refusals."""

import json
import pathlib
import re
import shlex
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from reenact import FaceEdit, NoFaceFoundError, cli, load_engine, open_edit
from reenact.facs import ACTION_UNITS
from reenact.media import VideoReader, read_image, write_image
from reenact.pipeline.controls.keyframes import KeyFrames
from tests.e2e.conftest import swayed, write_clip, write_random_facegan, write_untrained_dual_generator

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
EDITING = (DOCS / "editing.md").read_text(encoding="utf-8")
LARGE_POSE = (DOCS / "large-pose.md").read_text(encoding="utf-8").split("\n## Face profiling")[0]
GAZE = {"gaze_yaw", "gaze_pitch"}
Run = Callable[..., str]


def json_of_page(index: int) -> str:
    """The first file that the page shows is one of settings, the second one of key frames."""
    return re.findall(r"^```json\n(.*?)^```$", EDITING, re.DOTALL | re.MULTILINE)[index]


@pytest.fixture(scope="module", autouse=True)
def needed(embedded: Callable[[str], pathlib.Path]) -> None:
    for name in ("geometry", *(f"perception/{each}" for each in ("tracker", "detector", "parser", "identity"))):
        embedded(name)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """Random weights: what is moved is a face, what is drawn is none."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, write in (("facegan", write_random_facegan), ("dual_generator", write_untrained_dual_generator)):
        (folder / name).mkdir()
        write(folder / name)
    return {name: folder / name for name in ("facegan", "dual_generator")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> pathlib.Path:
    """Pictures and a clip of two frames that the commands use."""
    folder = tmp_path_factory.mktemp("editing")
    beach = np.zeros((90, 400, 3), np.uint8)
    beach[..., 2] = 255
    hidden = astronaut.copy()  # the head as from behind: hair where the face was
    cv2.ellipse(hidden, (224, 112), (62, 80), 0, 0, 360, (120, 95, 60), -1)
    pictures = {
        "portrait.jpg": astronaut,
        "driver.jpg": swayed(astronaut, 12, 0),
        "beach.jpg": beach,
        "behind.png": hidden,
        "upside-down.png": np.ascontiguousarray(astronaut[::-1, ::-1]),
        "lying.png": np.ascontiguousarray(np.rot90(astronaut)),
    }
    for name, picture in pictures.items():
        write_image(folder / name, picture)
    (folder / "keys.json").write_text(json_of_page(1))
    write_clip(folder / "talk.mp4", [astronaut[:240, 100:340], swayed(astronaut, 5, 0)[:240, 100:340]])
    return folder


@pytest.fixture(autouse=True)
def here(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in the folder."""
    monkeypatch.chdir(folder)


@pytest.fixture
def run(checkpoints: dict[str, pathlib.Path], capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line with the random weights of a system, and returns its notes."""

    def command(line: str, system: str | None = "facegan", code: int = 0) -> str:
        program, *words = shlex.split(line)
        assert program == "reenact"
        weights = [] if words[0] == "track" or system is None else ["--checkpoint", str(checkpoints[system])]
        exit_code = cli.main([*words, *weights])
        out, err = capsys.readouterr()
        assert exit_code == code, err
        if code:
            assert out == "" and err.count("\n") == 1 and err.startswith("reenact: ")
            assert not list(pathlib.Path().glob("x.*"))
        return err

    return command


def run_page(run: Run, page: str, system: str) -> None:
    """All commands of a page in their order, with shorter clips."""
    for box in re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        for line in box.splitlines():
            run(re.sub(r"(--animate|--turntable) [\d.]+s", r"\1 0.25s", line) + " --overwrite", system)


@pytest.mark.slow
def test_every_command_of_the_editing_page_runs(run: Run, folder: pathlib.Path) -> None:
    run_page(run, EDITING, "facegan")
    portrait = read_image(folder / "portrait.jpg").rgb
    for name in ("winking", "turned", "surprised", "serious", "holiday", "cutout"):
        result = read_image(folder / f"{name}.png")
        assert result.rgb.shape == portrait.shape
        assert (result.alpha is not None) == (name == "cutout")
        assert not np.array_equal(result.rgb, portrait)
    cutout = read_image(folder / "cutout.png").alpha
    assert cutout is not None
    assert cutout[:40, :60].max() < 30 and cutout[300:420, 120:280].min() > 200  # her suit
    holiday = read_image(folder / "holiday.png").rgb[:40, :60].astype(int)
    assert np.abs(holiday - (0, 0, 255)).max() < 12
    check_lengths(folder, {"surprised.mp4": 6, "turntable.mp4": 6, "wink.gif": 3, "happier.mp4": 2, "plain.mp4": 2})
    check_lengths(folder, {"keys.mp4": 8, "talk-happier.mp4": 2})


@pytest.mark.slow
def test_every_command_of_the_large_pose_page_runs(run: Run, folder: pathlib.Path) -> None:
    run_page(run, LARGE_POSE, "dual_generator")
    portrait = read_image(folder / "portrait.jpg").rgb
    for name in ("turned", "looking", "driven"):
        result = read_image(folder / f"{name}.png").rgb
        assert result.shape == portrait.shape and not np.array_equal(result, portrait)
    check_lengths(folder, {"turntable.mp4": 6, "turntable.gif": 3, "talking.mp4": 2})


def check_lengths(folder: pathlib.Path, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        with VideoReader(folder / name) as reader:
            assert len(list(reader)) == count


@pytest.mark.slow
def test_the_embedded_systems_share_the_work(run: Run, embedded: Callable[[str], pathlib.Path]) -> None:
    for name in ("facegan", "dual_generator"):
        embedded(name)
    assert "Drawn by FACEGAN: " in run("reenact edit portrait.jpg --yaw 20 -o near.png", None)
    far = "reenact edit portrait.jpg --yaw 90 --absolute --overwrite -o far.png"
    assert re.search(r"Drawn by Dual Generator: yaw is 9\d degrees from the source's", run(far, None))
    assert "expect smears or a doubled face" in run(f"{far} --system facegan", None)


def test_the_schema_on_the_page_is_what_is_read_and_written(run: Run, folder: pathlib.Path) -> None:
    shown, keys = json_of_page(0), json_of_page(1)
    (folder / "page.json").write_text(shown)
    run("reenact edit portrait.jpg --load page.json --save again.json -o page.png")
    assert json.loads((folder / "again.json").read_text()) == json.loads(shown)
    frames = json.loads(keys)["frames"]
    again = json.loads(KeyFrames.from_json(keys).to_json())
    assert again["frames"] == [{"ease": "smooth"} | frame for frame in frames]


@pytest.mark.slow
def test_a_face_is_copied_from_a_photo(run: Run, folder: pathlib.Path) -> None:
    """The same person, so that a smile put on her can be read from the picture and copied back."""
    run("reenact edit portrait.jpg --au 12=5 --au 25=0 --absolute -o grin.png", None)
    run("reenact edit portrait.jpg --copy portrait.jpg --save same.json -o same.png --no-watermark", None)
    run("reenact edit portrait.jpg --copy grin.png --copy-pose --au 2=1 --save copy.json -o copy.png", None)
    same, copied = (FaceEdit.from_json((folder / f"{name}.json").read_text()) for name in ("same", "copy"))
    assert {name.rstrip("LR") for name in same.action_units} == set(map(str, ACTION_UNITS)) and set(same.values) == GAZE
    assert copied.mode == "absolute" and set(copied.values) == {"yaw", "pitch", "roll"} | GAZE
    assert copied.action_units["2"] == 1.0 and "2L" not in copied.action_units
    own = open_edit(folder / "portrait.jpg").reading
    for name, value in same.action_units.items():
        assert value == pytest.approx(own.of(name), abs=0.05), name
    portrait, unchanged = (read_image(folder / name).rgb for name in ("portrait.jpg", "same.png"))
    assert np.abs(portrait.astype(int) - unchanged).mean() < 0.05, "her own face on herself"


@pytest.mark.slow
def test_a_turn_of_the_eyes_that_does_not_show_is_noted(run: Run) -> None:
    notes = [run(f"reenact edit portrait.jpg --gaze-yaw {turn_deg} -o eyes{turn_deg}.png") for turn_deg in (3, 10)]
    assert ["less than about 6 degrees does not show" in note for note in notes] == [True, False]


def test_a_clip_is_edited_frame_by_frame(run: Run, folder: pathlib.Path, astronaut: np.ndarray) -> None:
    """Two frames with her face, swayed, one without, one again; a tone."""
    wall = np.full((240, 240, 3), 120, np.uint8)
    faces = [swayed(astronaut, turn, 0)[:240, 100:340] for turn in (0, 6, 0)]
    write_clip(folder / "source.mp4", [*faces[:2], wall, faces[2]], tone=True)
    notes = run("reenact edit source.mp4 --yaw 20 -o x.mp4", None)
    assert "source.mp4: no face in 1 frame (2); left as filmed" in notes and "Drawn by FACEGAN" in notes
    (folder / "late.json").write_text(KeyFrames.from_rows([["0.06", ""], ["0.08", "yaw=20"]]).to_json())
    run("reenact edit source.mp4 --keyframes late.json --overwrite -o y.mp4", None)
    moved: dict[str, list[float]] = {}
    with VideoReader(folder / "source.mp4") as reader:
        before = [frame.astype(int) for frame in reader]
    for name in ("x.mp4", "y.mp4"):
        with VideoReader(folder / name) as reader:
            assert (reader.info.fps, reader.info.has_audio) == (25, True)
            moved[name] = [float(np.abs(a - b).mean()) for a, b in zip(before, reader, strict=True)]
    (folder / "x.mp4").unlink()
    assert moved["x.mp4"][2] < 2 and min(moved["x.mp4"][index] for index in (0, 1, 3)) > 3
    assert moved["y.mp4"][3] > max(moved["y.mp4"][:3]) + 1, "only the last frame is turned"
    assert all(moved["y.mp4"][index] < moved["x.mp4"][index] - 1 for index in (0, 1))
    refused = "reenact edit source.mp4 --background beach.jpg -o x.mp4"
    with pytest.raises(AssertionError, match="background of a clip cannot be changed"):
        run(refused, None)


@pytest.mark.slow
def test_key_frames_move_the_face_at_their_times(run: Run, folder: pathlib.Path) -> None:
    keys = KeyFrames.from_rows([["0", "", ""], ["0.2", "yaw=20", "linear"], ["0.4", "", "hold"], ["0.48", "", ""]])
    (folder / "turn.json").write_text(keys.to_json())
    run("reenact edit portrait.jpg --keyframes turn.json -o x.mp4", None)
    portrait = read_image(folder / "portrait.jpg").rgb.astype(int)
    with VideoReader(folder / "x.mp4") as reader:
        moved = [float(np.abs(frame.astype(int) - portrait)[40:220, 130:320].mean()) for frame in reader]
    (folder / "x.mp4").unlink()
    assert len(moved) == 13
    assert moved[0] + 1 < moved[2] < moved[4] - 1 and moved[5] > moved[0] + 4
    assert moved[6] == pytest.approx(moved[9], abs=1) and moved[10:] == pytest.approx([moved[0]] * 3, abs=1)


def test_the_page_lists_every_unit() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ?(L, R)? ?\|$", EDITING, re.MULTILINE)
    assert tuple(int(number) for number, _ in rows) == ACTION_UNITS
    assert [int(number) for number, sides in rows if sides] == [2, 12, 14, 15, 45]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["upside-down", "lying"])
def test_a_photo_that_does_not_stand_upright_is_turned_as_it_lies(run: Run, folder: pathlib.Path, name: str) -> None:
    """The face is found; a yaw moves its nose along its own eyes' line, not along the picture's."""
    assert "does not stand upright" in run(f"reenact edit {name}.png --yaw 50 -o {name}-turned.png", "dual_generator")
    before, after = (read_image(folder / f"{name}{end}.png").rgb for end in ("", "-turned"))
    assert before.shape == after.shape
    assert 0.02 < (np.abs(before.astype(int) - after).max(-1) > 12).mean() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("roll_deg", [-120, 135])
def test_a_head_rolled_beyond_90_degrees_is_found_or_refused_with_its_score(
    run: Run, folder: pathlib.Path, astronaut: np.ndarray, roll_deg: int
) -> None:
    write_image(folder / "rolled.png", swayed(astronaut, roll_deg, 0), overwrite=True)
    line = "reenact edit rolled.png --yaw 30 --overwrite -o rolled-turned.png"
    try:
        assert "does not stand upright" in run(line, "dual_generator")
    except AssertionError as error:
        assert "No face found (best score" in str(error)


@pytest.mark.slow
def test_real_profiles_are_turned_to_the_front_or_refused(
    data_root: pathlib.Path, checkpoints: dict[str, pathlib.Path]
) -> None:
    """One eye is hidden in the source; its mirror image fills the far side."""
    labels = np.load(data_root / "stills.npz")
    yaw = np.abs(np.arctan2(labels["pose"][:, 0, 2], labels["pose"][:, 2, 2]))
    engine, turned = load_engine(checkpoint=checkpoints["dual_generator"], device="cpu"), 0
    for row in np.argsort(-yaw)[:4]:
        picture = data_root / "stills" / f"{labels['name'][row]}.jpg"
        try:
            session = open_edit(picture, engines=lambda _: engine, system="dual_generator")
        except NoFaceFoundError as error:
            assert str(picture) in str(error)
            continue
        result = session.render(FaceEdit(yaw_deg=0.0, mode="absolute"))
        assert any("side is hardly in the picture" in warning for warning in session.warnings)
        assert not np.array_equal(result.rgb, result.source)
        turned += 1
    assert turned >= 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("--au 3=1 -o x.png", "no Action Unit '3'; the units are 1, 2"),
        ("--au 12=9 --absolute -o x.png", "from 0 to 5"),
        ("--au 12 -o x.png", "--au 12: give a unit and a value"),
        ("--au 12=much -o x.png", "--au 12=much: give a unit and a value"),
        ("--pitch 60 -o x.png", "it takes -45 to 45"),
        ("--roll nan -o x.png", "it takes -45 to 45"),
        ("--load nothing.json -o x.png", "nothing.json cannot be read"),
        ("--load torn.json -o x.png", "torn.json: this is not JSON"),
        ("--load binary.json -o x.png", "binary.json: this is not JSON"),
        ("--background nothing.png -o x.png", "There is no file nothing.png"),
        ("--background torn.json -o x.png", "torn.json"),
        ("--background none -o x.jpg", "a JPEG cannot be transparent"),
        ("--background none --animate 1s -o x.gif", "Clips cannot be transparent"),
        ("--animate soon -o x.mp4", "--animate soon: give a length in seconds"),
        ("--animate 2s -o x.png", "x.png"),
        ("--turntable 2s --yaw 10 -o x.mp4", "leave --yaw out"),
        ("--turntable 2s --animate 2s -o x.mp4", "exclude each other"),
        ("--turntable 0s -o x.mp4", "takes more than 0"),
        ("--turntable 1s --to-yaw 91 -o x.mp4", "it takes -90 to 90"),
        ("-o x.mp4", "x.mp4"),
        ("--relative --absolute -o x.png", "exclude each other"),
        ("--preset neutral --relative --au 12=1 -o x.png", "--preset gives absolute values; leave --relative out"),
        ("--save x.txt -o x.png", ".json"),
        ("--system dual_generator -o x.png", "holds the system 'facegan'"),
        ("--system correspondence --gaze-yaw 9 -o x.png", "head angles or gaze; edit with facegan or dual_generator"),
        ("--face 3 --yaw 10 -o x.png", "Face 3 was asked for"),
    ],
)
def test_refusals_are_one_line(run: Run, folder: pathlib.Path, options: str, text: str) -> None:
    (folder / "torn.json").write_text('{"kind": "reenact-edit", ')
    (folder / "binary.json").write_bytes(b"\xff\xfe\x00")
    assert text in run(f"reenact edit portrait.jpg {options}", code=2)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("nothing.jpg", "There is no file nothing.jpg"),
        ("behind.png", "No face found (best score"),
        (".", ". is a folder; edit takes one picture or clip. The commands image and video take folders."),
    ],
)
def test_sources_without_a_face_are_refused(run: Run, source: str, text: str) -> None:
    assert text in run(f"reenact edit {source} --yaw 10 -o x.png", "dual_generator", code=2)


def test_settings_are_not_overwritten_unasked(run: Run, folder: pathlib.Path) -> None:
    (folder / "kept.json").write_text("mine")
    line = "reenact edit portrait.jpg --preset smile --save kept.json -o x.png"
    assert "kept.json exists already" in run(line, code=2)
    assert (folder / "kept.json").read_text() == "mine"
