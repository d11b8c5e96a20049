"""Motion templates: the same motion as their clip, in a file that nobody has to trust."""

import dataclasses
import json
import pathlib
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from reenact.errors import ConfigError, NoFaceFoundError, OutputError, StoppedError, UnsupportedInputError
from reenact.media import VideoWriter
from reenact.pipeline.engine import Engine
from reenact.pipeline.motions.library import LIBRARY, library_names
from reenact.pipeline.motions.record import record_motion
from reenact.pipeline.motions.template import NUMBERS, MotionTemplate, read_template, write_template
from reenact.pipeline.results import VideoResult
from reenact.pipeline.video import reenact_video
from tests.unit.pipeline.conftest import make_face, make_frame
from tests.unit.pipeline.test_video import STILL, greys

Clip = Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]


def run(engine: Engine, driving: pathlib.Path | MotionTemplate, out: pathlib.Path, **options: Any) -> VideoResult:
    return reenact_video(make_frame(STILL), driving, out, system=engine, overwrite=True, **options)


@pytest.fixture
def with_cut(tmp_path: pathlib.Path) -> pathlib.Path:
    """Two shots, no face in frames 0 and 4, a movement in each shot."""
    driving = tmp_path / "driving.mp4"
    with VideoWriter(driving, width=320, height=240, fps=Fraction(30000, 1001)) as writer:
        for index in range(14):
            x = (100 if index < 7 else 220) + 3 * (index % 7)
            writer.write(make_frame(None if index in (0, 4) else (x, 120, 80), seed=index // 7))
    return driving


@pytest.mark.parametrize("options", [{}, {"mode": "relative"}, {"neutral_frame": 3}, {"on_missing_face": "skip"}])
def test_a_template_draws_the_frames_of_its_clip(
    engine: Engine, with_cut: pathlib.Path, options: dict[str, Any]
) -> None:
    template, notes = record_motion(with_cut, engine=engine, smoothing=False)
    file = with_cut.with_name("motion.safetensors")
    write_template(template, file)
    clip = run(engine, with_cut, with_cut.with_name("clip.mp4"), smoothing=False, **options)
    shown, references = greys(clip.path), engine.system.neutrals.copy()
    engine.system.neutrals.clear()
    played = run(engine, file, with_cut.with_name("played.mp4"), **options)
    assert greys(played.path) == shown
    assert engine.system.neutrals == references
    assert (played.fps, played.missing) == (clip.fps, clip.missing)
    assert clip.fps == Fraction(30000, 1001)
    told = [note.replace(str(with_cut), str(file)) for note in clip.warnings]
    assert list(played.warnings) == [note for note in told if f"{file.name}: 2 faces found" not in note]
    assert any("no face in 2 of 14 frames (0, 4)" in note for note in notes)
    assert any("1 cut (0.2 s)" in note for note in notes)


def test_the_rate_by_wish_keeps_the_speed(engine: Engine, clip: Clip, tmp_path: pathlib.Path) -> None:
    template, _ = record_motion(clip([(160 + i, 120, 80) for i in range(10)]), engine=engine, smoothing=False)
    out = tmp_path / "out.mp4"
    slow = run(engine, template, out, fps=Fraction(5), neutral_frame=0)
    assert (slow.fps, slow.frame_count) == (5, 2)
    assert greys(out) == pytest.approx([128, 133], abs=3)
    fast = run(engine, template, out, fps=Fraction(50))
    assert (fast.fps, fast.frame_count) == (50, 20)


def test_what_a_template_cannot_do_is_said(engine: Engine, clip: Clip, tmp_path: pathlib.Path) -> None:
    template, _ = record_motion(clip([None, (160, 120, 80), (160, 120, 80)]), engine=engine)
    out = tmp_path / "out.mp4"
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"side_by_side": True}, ConfigError, "without pictures; it cannot be shown side by side"),
        ({"driving_face": 2}, ConfigError, "with one face"),
        ({"neutral_frame": 3}, ConfigError, "ends with frame 2"),
        ({"neutral_frame": 0}, NoFaceFoundError, "no face in frame 0"),
        ({"on_missing_face": "stop"}, NoFaceFoundError, r"Frame 0 of driving\.mp4: The template has no face there"),
    ]
    for options, error, text in cases:
        with pytest.raises(error, match=text):
            run(engine, template, out, **options)
    assert not out.exists()


def test_nothing_is_left_of_a_stopped_recording(engine: Engine, clip: Clip) -> None:
    driving = clip([(160, 120, 80)] * 5)
    with pytest.raises(StoppedError):
        record_motion(driving, engine=engine, should_stop=lambda: engine.tracker.tracked > 1)
    driving.unlink()
    with pytest.raises(NoFaceFoundError, match="No face in any of the 3 frames"):
        record_motion(clip([None] * 3), engine=engine)


def test_files_hold_no_pictures_and_the_same_numbers(engine: Engine, with_cut: pathlib.Path) -> None:
    template, _ = record_motion(with_cut, engine=engine)
    file = with_cut.with_name("motion.safetensors")
    write_template(template, file)
    read = read_template(file)
    for field in dataclasses.fields(template.faces):
        assert torch.equal(getattr(read.faces, field.name), getattr(template.faces, field.name)), field.name
    assert torch.equal(read.rest.mesh_px, template.rest.mesh_px)
    assert read.rest_shots.unique().tolist() == [0, 1] and read.shots.tolist() == [0, 7]
    with safetensors.safe_open(file, framework="pt") as opened:
        assert set(opened.keys()) == {"face.frame", "face.hidden", "shots", "rest.shot", "numbers"}
        assert opened.get_slice("numbers").get_shape() == [12 + len(read.rest_shots), NUMBERS]
    with pytest.raises(OutputError, match="created meanwhile"):
        write_template(template, file)
    write_template(template, file, small=True, overwrite=True)
    small = read_template(file)
    assert float((small.faces.mesh_px - template.faces.mesh_px).abs().max()) <= 0.0005 * 80 + 1e-3
    assert float((small.faces.rotation - template.faces.rotation).abs().max()) < 0.002
    assert torch.equal(small.hidden, template.hidden)


def test_the_library_is_small_and_whole() -> None:
    assert library_names() == ["nod", "shake", "smile", "surprise", "talk", "wink"]
    assert sum(path.stat().st_size for path in LIBRARY.iterdir()) < 300_000
    yaw = {}
    for name in library_names():
        template = read_template(LIBRARY / f"{name}.safetensors")
        assert (template.fps, template.frame_count) == (25, len(template.frames))
        yaw[name] = float(template.faces.rotation[:, 0, 2].asin().abs().max().rad2deg())
    assert max(yaw, key=yaw.__getitem__) == "shake" and yaw["shake"] > 10


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """A template of four frames."""
    rows = [make_face(100 + 10 * i, 120, 80) for i in range(4)]
    faces = type(rows[0]).cat(rows)
    template = MotionTemplate(
        name="clip.mp4",
        fps=Fraction(25),
        width=320,
        height=240,
        frame_count=6,
        frames=torch.tensor([0, 1, 4, 5]),
        faces=faces,
        hidden=torch.zeros(4, 3, dtype=torch.uint8),
        shots=torch.tensor([0, 4]),
        rest_shots=torch.tensor([0, 1]),
        rest=faces[1:3],
    )
    write_template(template, tmp_path / "motion.safetensors")
    assert read_template(tmp_path / "motion.safetensors").name == "clip.mp4"
    return tmp_path / "motion.safetensors"


def changed(file: pathlib.Path, tensors: dict[str, torch.Tensor | None], metadata: dict[str, str]) -> pathlib.Path:
    with safetensors.safe_open(file, framework="pt") as opened:
        texts = dict(opened.metadata()) | metadata
    found = load_file(file) | tensors
    save_file({name: tensor for name, tensor in found.items() if tensor is not None}, file, texts)
    return file


NUMBERS_OF_FOUR = torch.zeros(6, NUMBERS)


@pytest.mark.parametrize(
    ("tensors", "metadata", "text"),
    [
        ({}, {"kind": "reenact-edit"}, "holds something else"),
        ({}, {"format_version": "2"}, "format_version 2, this program reads up to 1; update the program"),
        ({}, {"format_version": "one"}, '"format_version" is'),
        ({}, {"fps": "0/1"}, "its rate is '0/1'"),
        ({}, {"fps": "1e999999999"}, "its rate is"),
        ({}, {"fps": "25/0"}, "its rate is"),
        ({}, {"width": "-5"}, '"width" is'),
        ({}, {"height": "9" * 300}, '"height" is'),
        ({}, {"frames": "999999999"}, '"frames" is'),
        ({}, {"frames": "4"}, "frames after its end"),
        ({"numbers": None}, {}, '"numbers" is missing'),
        ({"numbers": torch.zeros(6, 7)}, {}, '"numbers" is missing, unknown or has a wrong shape'),
        ({"numbers": NUMBERS_OF_FOUR}, {}, "without a size"),
        ({"numbers": NUMBERS_OF_FOUR + torch.nan}, {}, "not finite"),
        ({"numbers": NUMBERS_OF_FOUR + 1e30}, {}, "far outside"),
        ({"numbers": NUMBERS_OF_FOUR.int()}, {}, "numbers of the type torch.int32"),
        ({"evil": torch.zeros(1)}, {}, '"evil" is missing, unknown'),
        ({"face.frame": torch.tensor([0, 0, 4, 5], dtype=torch.int32)}, {}, "a frame twice"),
        ({"face.frame": torch.tensor([5, 4, 1, 0], dtype=torch.int32)}, {}, "does not rise"),
        ({"face.frame": torch.tensor([-1, 1, 4, 5], dtype=torch.int32)}, {}, "does not rise"),
        ({"face.frame": torch.zeros(4)}, {}, "numbers of the type torch.float32"),
        ({"face.frame": torch.zeros(0, dtype=torch.int32)}, {}, "wrong shape|does not fit"),
        ({"face.frame": torch.zeros(4, 2, dtype=torch.int32)}, {}, "wrong shape"),
        ({"face.hidden": torch.full((4, 3), 9, dtype=torch.uint8)}, {}, "other values than 0 and 1"),
        ({"shots": torch.tensor([2**40])}, {}, "frames after its end"),
        ({"rest.shot": torch.tensor([0, 7], dtype=torch.int32)}, {}, "a shot that it has not"),
        (
            {"numbers": None, "numbers.packed": torch.zeros(50, dtype=torch.uint8), "numbers.step": torch.ones(1)},
            {},
            "cannot be unpacked",
        ),
    ],
)
def test_hostile_files_give_one_clear_error(
    file: pathlib.Path, tensors: dict[str, torch.Tensor | None], metadata: dict[str, str], text: str
) -> None:
    with pytest.raises(UnsupportedInputError, match=text) as error:
        read_template(changed(file, tensors, metadata))
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


def test_files_cut_short_or_of_another_kind_are_refused(file: pathlib.Path) -> None:
    whole = file.read_bytes()
    header = json.dumps({"numbers": {"dtype": "F32", "shape": [2**40, NUMBERS], "data_offsets": [0, 8]}}).encode()
    absurd = struct.pack("<Q", len(header)) + header + bytes(8)
    for content in (whole[:-100], whole[:30], b"", b"no template", absurd, struct.pack("<Q", 2**60) + whole[8:]):
        file.write_bytes(content)
        with pytest.raises(UnsupportedInputError, match=r"motion\.safetensors is (not a whole|not a motion|empty)"):
            read_template(file)
    with pytest.raises(UnsupportedInputError, match="There is no file"):
        read_template(file.with_name("other.safetensors"))


def test_a_packed_file_that_unpacks_to_too_much_is_refused(file: pathlib.Path) -> None:
    import lzma

    bomb = torch.frombuffer(bytearray(lzma.compress(bytes(50_000_000))), dtype=torch.uint8)
    tensors = {"numbers": None, "numbers.packed": bomb, "numbers.step": torch.ones(1)}
    with pytest.raises(UnsupportedInputError, match="not complete"):
        read_template(changed(file, tensors, {}))
